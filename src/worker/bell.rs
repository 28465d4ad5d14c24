//! Owns `Notify`, by which anyone wakes a job.

use std::fmt;
use std::sync::Arc;

use crate::sync::{Mutex, lock};

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stopping: bool,
    /// Receives the notification while there is a job.
    desk: Option<Arc<dyn Desk>>,
}

/// Receives the notifications of a job.
pub(super) trait Desk: fmt::Debug + Send + Sync {
    fn notify(&self);
}

/// Wakes a job; anyone may notify it. No lock is held while the receiver is called.
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

    /// Returns true if the job was told to stop. Long tasks ask now and then.
    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.flags).stopping
    }

    /// Returns true if it was notified since the last answer or the last call, and forgets it.
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

    /// The job begins its turn: a notification from now on asks for another turn.
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
