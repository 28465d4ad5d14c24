//! Owns the bells of a store's background jobs, and whether those doze.

use std::sync::Arc;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::worker::Notify;

/// One bell for each background job.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    /// Rung when a write must be synced by some time.
    pub(crate) log: Arc<Notify>,
    /// Rung when there may be rows to seal or compact.
    pub(crate) rows: Arc<Notify>,
    /// Rung when there may be indexes to build.
    pub(crate) indexes: Arc<Notify>,
    /// The jobs look less and less often: the next commit wakes them.
    dozing: AtomicBool,
}

impl Wakeups {
    /// Lets the next commit wake the jobs.
    pub(crate) fn doze(&self) {
        self.dozing.store(true, Ordering::SeqCst);
    }

    /// Wakes jobs that doze: something has changed.
    pub(crate) fn stir(&self) {
        if self.dozing.load(Ordering::SeqCst) && self.dozing.swap(false, Ordering::SeqCst) {
            self.rows.notify();
            self.indexes.notify();
        }
    }
}
