//! Owns `Notify`, by which anyone wakes a job.

use std::fmt;
use std::sync::Arc;

use crate::sync::{Mutex, lock};

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stopping: bool,
    /// Receives the notification while there is a job.
    receiver: Option<Arc<dyn Receiver>>,
}

/// Receives the notifications of a job.
pub(super) trait Receiver: fmt::Debug + Send + Sync {
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
        let receiver = flags.receiver.clone();
        drop(flags);
        if let Some(receiver) = receiver {
            receiver.notify();
        }
    }

    /// Returns true if the job was told to stop. Long tasks ask now and then.
    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.flags).stopping
    }

    /// Returns true if it was notified since the last turn or the last call, and resets that.
    #[cfg(test)]
    pub(crate) fn take_notification(&self) -> bool {
        std::mem::take(&mut lock(&self.flags).woken)
    }

    pub(super) fn attach(&self, receiver: Arc<dyn Receiver>) {
        lock(&self.flags).receiver = Some(receiver);
    }

    pub(super) fn is_notified(&self) -> bool {
        lock(&self.flags).woken
    }

    /// The job begins its turn: a notification from now on asks for another turn.
    pub(super) fn begin_turn(&self) {
        lock(&self.flags).woken = false;
    }

    pub(super) fn stop(&self) {
        let mut flags = lock(&self.flags);
        flags.stopping = true;
        let receiver = flags.receiver.take();
        drop(flags);
        drop(receiver);
    }
}
