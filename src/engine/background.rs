//! Owns what the background jobs of a store share: their bells, their pace, the budget of resident
//! bytes, and the deadline for dead bytes. What the jobs do is above, in `compaction` and `store`.
//!
//! Who wakes whom: a commit and a new log file ring the bells; a job that frees space or seals a
//! memtable wakes the writers in `admission`; whoever waits for a job's lock makes [`Pace`] hurry;
//! a close waits in the gate of the directory until the jobs have ended.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::bells::Wakeups;
use crate::engine::pace::Pace;
use crate::engine::resident::ResidentBudget;

/// What background jobs share.
pub(crate) struct Background {
    bells: Arc<Wakeups>,
    pace: Arc<Pace>,
    resident: ResidentBudget,
    reclaim_within: Duration,
    has_workers: bool,
}

impl Background {
    pub(super) const fn new(
        bells: Arc<Wakeups>,
        pace: Arc<Pace>,
        resident: ResidentBudget,
        reclaim_within: Duration,
        has_workers: bool,
    ) -> Self {
        Self { bells, pace, resident, reclaim_within, has_workers }
    }

    pub(crate) fn bells(&self) -> &Wakeups {
        &self.bells
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) const fn resident(&self) -> &ResidentBudget {
        &self.resident
    }

    /// How long dead bytes may stay on the disk.
    pub(crate) const fn reclaim_within(&self) -> Duration {
        self.reclaim_within
    }

    /// Whether workers of the store's own do what is due.
    pub(crate) const fn has_workers(&self) -> bool {
        self.has_workers
    }
}
