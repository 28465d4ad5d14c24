//! Owns the state of one lane of the pool: its jobs and their turns, its timers, and the number of
//! threads it needs. Pure: it starts no thread, takes no lock and runs no job.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::sync::thread::ThreadId;

/// Kinds of background work. Each kind has threads of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Syncs of the log: short, with a deadline.
    Log,
    /// Sealing and compaction.
    Rows,
    /// Index builds: the longest jobs.
    Index,
    /// Listeners of the host program.
    Events,
}

/// Number of lanes.
pub(super) const LANES: usize = 4;

impl Lane {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Log => "altiplano-log",
            Self::Rows => "altiplano-rows",
            Self::Index => "altiplano-index",
            Self::Events => "altiplano-events",
        }
    }

    /// Most threads that work at once. A listener may be slow, but costs no thread while none runs.
    const fn limit(self) -> usize {
        match self {
            Self::Log | Self::Rows | Self::Index => 2,
            Self::Events => 4,
        }
    }
}

pub(super) enum Phase {
    /// Until this time on the pool's clock, or until it is notified.
    Waiting(Duration),
    Ready,
    Running(ThreadId),
    /// It panicked.
    Over,
}

pub(super) struct Entry<J> {
    pub(super) job: Arc<J>,
    pub(super) phase: Phase,
    /// The job is removed when its turn ends.
    pub(super) dismissed: bool,
}

/// A thread's next piece of work.
pub(super) enum Turn {
    Job(u64),
    Post(u64, Box<dyn FnOnce() + Send>),
}

pub(super) struct LaneState<J> {
    pub(super) entries: BTreeMap<u64, Entry<J>>,
    /// In the order of their turns.
    pub(super) ready: VecDeque<Turn>,
    pub(super) timers: BTreeSet<(Duration, u64)>,
    /// Number of posts in `ready`.
    pub(super) posts: usize,
    pub(super) threads: usize,
    /// Threads that wait inside a job for something that may take long.
    pub(super) aside: usize,
}

impl<J> Default for LaneState<J> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            posts: 0,
            threads: 0,
            aside: 0,
        }
    }
}

impl<J> LaneState<J> {
    /// Returns the number of threads that have work, without those that wait aside.
    fn wanted(&self, lane: Lane) -> usize {
        lane.limit().min(self.entries.len().saturating_sub(self.aside) + self.posts)
    }

    pub(super) fn is_short(&self, lane: Lane) -> bool {
        self.threads - self.aside < self.wanted(lane)
    }

    pub(super) fn is_overstaffed(&self, lane: Lane) -> bool {
        self.threads - self.aside > self.wanted(lane)
    }

    pub(super) fn make_ready(&mut self, id: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        let Phase::Waiting(due) = entry.phase else {
            return false;
        };
        entry.phase = Phase::Ready;
        self.timers.remove(&(due, id));
        self.ready.push_back(Turn::Job(id));
        true
    }

    pub(super) fn ready_what_is_due(&mut self, now: Duration) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.make_ready(id);
        }
    }

    pub(super) fn next(&mut self) -> Option<Turn> {
        let turn = self.ready.pop_front()?;
        if matches!(turn, Turn::Post(..)) {
            self.posts -= 1;
        }
        Some(turn)
    }
}
