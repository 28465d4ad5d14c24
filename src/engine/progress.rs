//! Owns how far the store has come: which sequence numbers were given out, how much of the log is
//! durable, how many bytes were appended. It holds only counters, on a lower floor than the code
//! that moves them.

use crate::ids::{FileId, Seq};
use crate::snapshot::stage::Sequence;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// How far the store has come.
#[derive(Debug)]
pub(crate) struct Progress {
    last_seq: AtomicU64,
    synced_seq: AtomicU64,
    /// The open log file, and how many of its bytes are durable. This lock is taken after all other
    /// locks.
    synced_log: Mutex<(FileId, u64)>,
    /// Bytes of all payloads appended to the log since the open.
    appended: AtomicU64,
}

impl Progress {
    pub(super) fn new(last_seq: Seq) -> Self {
        Self {
            last_seq: AtomicU64::new(last_seq.0),
            synced_seq: AtomicU64::new(last_seq.0),
            synced_log: Mutex::new((FileId(0), 0)),
            appended: AtomicU64::new(0),
        }
    }

    /// Returns the newest sequence number that was given out: the newest visible operation.
    pub(crate) fn last_seq(&self) -> Seq {
        Seq(self.last_seq.load(Ordering::Acquire))
    }

    /// Returns the newest sequence number that is durable, with all before it.
    pub(crate) fn synced_seq(&self) -> Seq {
        Seq(self.synced_seq.load(Ordering::Acquire))
    }

    /// Marks all sequence numbers up to `seq` as used.
    pub(crate) fn take_seq(&self, seq: Seq) {
        self.last_seq.fetch_max(seq.0, Ordering::AcqRel);
    }

    pub(super) fn note_synced_seq(&self, seq: Seq) {
        self.synced_seq.store(seq.0, Ordering::Release);
    }

    /// Notes that the first `len` bytes of the open log `file` are durable.
    pub(super) fn note_synced_log(&self, file: FileId, len: u64) {
        *lock(&self.synced_log) = (file, len);
    }

    /// Returns the open log file, and how many of its bytes are durable.
    pub(super) fn synced_log(&self) -> (FileId, u64) {
        *lock(&self.synced_log)
    }

    /// Notes that `bytes` were appended to the log.
    pub(super) fn note_appended(&self, bytes: u64) {
        self.appended.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Returns the bytes appended to the log since the open.
    pub(super) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }
}
/// The holder of the commit token counts on.
impl Sequence for Progress {
    fn next(&self) -> Seq {
        Seq(self.last_seq().0 + 1)
    }

    fn take(&self, seq: Seq) {
        self.take_seq(seq);
    }
}
