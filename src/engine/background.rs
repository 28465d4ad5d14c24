//! Owns what the background jobs of a store share: how they are notified, their pace, the budget of
//! resident bytes, and the deadline for reclaiming dead bytes. The jobs themselves are above, in
//! `compaction` and `store`.
//!
//! Who wakes whom: a commit and a new log file notify the jobs. A job that frees space or seals a
//! memtable wakes the writers in `admission`. A thread that waits for a job's lock makes [`Pace`]
//! expedite the job. A close waits in the gate of the directory until the jobs have ended.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::pace::Pace;
use crate::engine::resident::ResidentBudget;
use crate::engine::wakeups::Wakeups;

/// The parts that background jobs share.
pub(crate) struct Background {
    wakeups: Arc<Wakeups>,
    pace: Arc<Pace>,
    resident: ResidentBudget,
    reclaim_within: Duration,
    has_workers: bool,
}

impl Background {
    pub(super) const fn new(
        wakeups: Arc<Wakeups>,
        pace: Arc<Pace>,
        resident: ResidentBudget,
        reclaim_within: Duration,
        has_workers: bool,
    ) -> Self {
        Self { wakeups, pace, resident, reclaim_within, has_workers }
    }

    pub(crate) fn wakeups(&self) -> &Wakeups {
        &self.wakeups
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) const fn resident(&self) -> &ResidentBudget {
        &self.resident
    }

    /// Returns how long dead bytes may stay on the disk.
    pub(crate) const fn reclaim_within(&self) -> Duration {
        self.reclaim_within
    }

    /// Returns true if the store has worker threads that do the work that is due.
    pub(crate) const fn has_workers(&self) -> bool {
        self.has_workers
    }
}
