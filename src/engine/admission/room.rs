//! Owns the waiting of writers for the row worker: how they are woken and how long they wait. Knows
//! nothing of why they wait.

use std::sync::Arc;
use std::time::Duration;

use crate::dir::StoreDir;
use crate::engine::pace::Pace;
use crate::engine::wakeups::Wakeups;
use crate::error::{Error, Result};
use crate::sync::{Condvar, Mutex, lock, wait_for};

/// How long a writer waits before it checks again.
const WAIT: Duration = Duration::from_millis(20);

/// Where writers wait.
#[derive(Debug)]
pub(super) struct Room {
    dir: Arc<StoreDir>,
    wakeups: Arc<Wakeups>,
    pace: Arc<Pace>,
    /// The longest time that a writer waits.
    patience: Duration,
    /// True if a worker frees space while a writer waits.
    has_workers: bool,
    waiting: Mutex<()>,
    made: Condvar,
}

impl Room {
    pub(super) fn new(
        dir: Arc<StoreDir>,
        wakeups: Arc<Wakeups>,
        pace: Arc<Pace>,
        patience: Duration,
        has_workers: bool,
    ) -> Self {
        let (waiting, made) = (Mutex::default(), Condvar::new());
        Self { dir, wakeups, pace, patience, has_workers, waiting, made }
    }

    pub(super) const fn has_workers(&self) -> bool {
        self.has_workers
    }

    /// Wakes the row worker.
    pub(super) fn notify(&self) {
        self.wakeups.rows.notify();
    }

    /// Wakes the row worker and waits while `holds` returns true, at most for the write timeout.
    /// Returns true once `holds` returns false. Without workers it checks once.
    pub(super) fn wait_while(&self, holds: impl Fn() -> bool) -> Result<bool> {
        if !self.has_workers {
            return Ok(!holds());
        }
        let (mut waited, mut hurry) = (Duration::ZERO, None);
        // Held while `holds` runs, so that a seal that ends in between is not missed.
        let mut room = lock(&self.waiting);
        while holds() {
            if waited >= self.patience {
                return Ok(false);
            }
            // The store is being closed, so no worker frees space any more.
            if self.wakeups.rows.is_stopping() {
                return Err(Error::Closed);
            }
            self.notify();
            hurry.get_or_insert_with(|| self.pace.expedite());
            let (guard, is_late) = wait_for(&self.made, room, WAIT);
            room = guard;
            // Seals of other collections wake every writer. Only timed-out waits count.
            waited += if is_late { WAIT } else { Duration::ZERO };
            self.dir.check_writable()?;
        }
        Ok(true)
    }

    /// Wakes the waiting writers, so that they check again.
    pub(super) fn made(&self) {
        drop(lock(&self.waiting));
        self.made.notify_all();
    }
}
