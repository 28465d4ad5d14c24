//! Owns what the rows are: the session, namespace, importance and tokens of each, and which rows a
//! session has. All of it is arithmetic on the number of the row.

use std::collections::BTreeMap;

use altiplano::{Memory, Timestamp};

/// Rows of a session.
const SESSION_ROWS: u64 = 500;
/// Sessions of a namespace.
const SESSIONS: u64 = 10;
/// When the first row was made: 2023-11-14.
const START: i64 = 1_700_000_000_000;

pub(crate) struct Rows {
    pub(crate) count: u64,
    sessions: u64,
}

impl Rows {
    pub(crate) const fn new(count: u64) -> Self {
        let sessions = count.div_ceil(SESSION_ROWS);
        Self { count, sessions: if sessions == 0 { 1 } else { sessions } }
    }

    pub(crate) fn memory(&self, row: u64, dimension: usize) -> Memory {
        let vector: Vec<f32> =
            (0..dimension as u64).map(|i| (row * (i + 3) % 1_009) as f32 / 1_009.0).collect();
        Memory::new(row, vector)
            .text(format!("turn {row} says something of about this length"))
            .session(self.session(row))
            .namespace(self.namespace(row))
            .kind("turn")
            .importance(f32::from(self.importance(row)) / 100.0)
            .tokens(self.tokens(row))
            .created_at(Timestamp::from_millis(START + row.cast_signed()))
    }

    fn session_name(session: u64) -> String {
        format!("s{session:05}")
    }

    fn namespace_name(session: u64) -> String {
        format!("user:{:05}/chat", session / SESSIONS)
    }

    /// Returns the session of a row, or of any number.
    pub(crate) fn session(&self, row: u64) -> String {
        Self::session_name(row % self.sessions)
    }

    pub(crate) fn namespace(&self, row: u64) -> String {
        Self::namespace_name(row % self.sessions)
    }

    /// Returns the importance in hundredths.
    pub(crate) const fn importance(&self, row: u64) -> u8 {
        (row / self.sessions * 37 % 101) as u8
    }

    pub(crate) const fn tokens(&self, row: u64) -> u32 {
        (20 + row % 60) as u32
    }

    /// Returns the rows of the session of a row, oldest first.
    pub(crate) fn of_session(&self, row: u64) -> Vec<u64> {
        (row % self.sessions..self.count).step_by(self.sessions as usize).collect()
    }

    fn size(&self, session: u64) -> u64 {
        self.of_session(session).len() as u64
    }

    pub(crate) fn sessions(&self) -> Vec<(String, u64)> {
        (0..self.sessions)
            .map(|session| (Self::session_name(session), self.size(session)))
            .collect()
    }

    /// Returns the sessions in the namespace of a row.
    pub(crate) fn sessions_beside(&self, row: u64) -> Vec<(String, u64)> {
        let first = row % self.sessions / SESSIONS * SESSIONS;
        let all = first..self.sessions.min(first + SESSIONS);
        all.map(|session| (Self::session_name(session), self.size(session))).collect()
    }

    pub(crate) fn namespaces(&self) -> Vec<(String, u64)> {
        let mut all = BTreeMap::new();
        for session in 0..self.sessions {
            *all.entry(Self::namespace_name(session)).or_default() += self.size(session);
        }
        all.into_iter().collect()
    }
}
