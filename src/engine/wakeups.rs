//! Owns the notifications of a store's background jobs, and whether the jobs are idle.

use std::sync::Arc;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::worker::Notify;

/// One [`Notify`] per background job.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    /// Notified when a write gets a deadline for its sync.
    pub(crate) log: Arc<Notify>,
    /// Notified when there may be rows to seal or compact.
    pub(crate) rows: Arc<Notify>,
    /// Notified when there may be indexes to build.
    pub(crate) indexes: Arc<Notify>,
    /// True while the jobs are idle and check less and less often. The next commit wakes them.
    dozing: AtomicBool,
}

impl Wakeups {
    /// Marks the jobs as idle, so that the next commit wakes them.
    pub(crate) fn doze(&self) {
        self.dozing.store(true, Ordering::SeqCst);
    }

    /// Wakes idle jobs, because something has changed.
    pub(crate) fn stir(&self) {
        if self.dozing.load(Ordering::SeqCst) && self.dozing.swap(false, Ordering::SeqCst) {
            self.rows.notify();
            self.indexes.notify();
        }
    }
}
