//! Owns `Poison`, the latch that stops all writes after a failure whose outcome is unknown (I10).

use crate::error::{Error, Result};
use crate::sabotage::broken;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// Set once, never cleared. Once it is set, writes are refused and no file is removed.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    is_set: AtomicBool,
    reason: Mutex<Option<String>>,
}

impl Poison {
    /// Stops writes. The first reason is kept.
    pub(crate) fn set(&self, reason: impl Into<String>) {
        lock(&self.reason).get_or_insert(reason.into());
        self.is_set.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// Returns an error if writes were stopped.
    pub(crate) fn check(&self) -> Result<()> {
        broken!(IgnorePoison => return Ok(()));
        match self.is_set() {
            true => Err(Error::Poisoned { reason: lock(&self.reason).clone().unwrap_or_default() }),
            false => Ok(()),
        }
    }
}
