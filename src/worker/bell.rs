//! Owns the bell of a job, which anyone may ring.

use std::fmt;
use std::sync::Arc;

use crate::sync::{Mutex, lock};

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stopping: bool,
    /// Where it rings, while there is a job.
    desk: Option<Arc<dyn Desk>>,
}

/// Where a bell rings.
pub(super) trait Desk: fmt::Debug + Send + Sync {
    fn notify(&self);
}

/// The bell of a job: anyone may ring it. No lock is held where it rings.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    flags: Mutex<Flags>,
}

impl Notify {
    /// Makes the job run soon.
    pub(crate) fn notify(&self) {
        let mut flags = lock(&self.flags);
        flags.woken = true;
        let desk = flags.desk.clone();
        drop(flags);
        if let Some(desk) = desk {
            desk.notify();
        }
    }

    /// Whether the job was told to stop; long tasks ask now and then.
    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.flags).stopping
    }

    /// Whether it was rung since it was last answered or asked.
    #[cfg(test)]
    pub(crate) fn take_ring(&self) -> bool {
        std::mem::take(&mut lock(&self.flags).woken)
    }

    pub(super) fn attach(&self, desk: Arc<dyn Desk>) {
        lock(&self.flags).desk = Some(desk);
    }

    pub(super) fn is_rung(&self) -> bool {
        lock(&self.flags).woken
    }

    /// The job begins: what rings from now on asks for another turn.
    pub(super) fn answer(&self) {
        lock(&self.flags).woken = false;
    }

    pub(super) fn stop(&self) {
        let mut flags = lock(&self.flags);
        flags.stopping = true;
        let desk = flags.desk.take();
        drop(flags);
        drop(desk);
    }
}
