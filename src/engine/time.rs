//! Owns the time of an open store: the time for readers, the plausible time by which rows may be
//! destroyed, and whether the clock is believed. `clock::high_water` defines the marks.
//!
//! Invariant: once something was destroyed as expired, time never goes back before that moment,
//! even after a crash. The mark is in the log or in a manifest before the destruction.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::ClockDoubt;
use crate::clock::{Clock, HighWater, Timestamp};
use crate::sabotage::broken;
use crate::sync::{Mutex, lock};

/// The clock of a store and its high-water mark.
pub(crate) struct StoreTime {
    clock: Arc<dyn Clock>,
    mark: Mutex<HighWater>,
}

impl fmt::Debug for StoreTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTime").field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl StoreTime {
    /// Starts from the mark in a manifest and the time since which it doubted the clock.
    pub(super) fn new(clock: Arc<dyn Clock>, mark: Timestamp, doubted: Timestamp) -> Self {
        let mark = HighWater::left(mark, doubted, clock.wall(), clock.monotonic());
        Self { clock, mark: Mutex::new(mark) }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the monotonic time.
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Returns the current time for readers.
    pub(crate) fn now(&self) -> Timestamp {
        broken!(RawClock => return self.clock.wall());
        lock(&self.mark).effective(self.clock.wall())
    }

    /// Returns the plausible time: rows that expired by it may be destroyed.
    pub(crate) fn plausible_now(&self) -> Timestamp {
        lock(&self.mark).plausible(self.clock.wall(), self.clock.monotonic())
    }

    /// Returns the plausible time for a job that destroys expired rows. From now on time does not
    /// go back before it.
    pub(crate) fn destroy_by(&self) -> Timestamp {
        let mut mark = lock(&self.mark);
        let now = mark.plausible(self.clock.wall(), self.clock.monotonic());
        *mark = mark.destroyed_by(now);
        now
    }

    /// Advances the high-water mark, as every commit does, and returns it.
    pub(super) fn advance(&self) -> HighWater {
        let mut mark = lock(&self.mark);
        *mark = mark.advanced(self.clock.wall(), self.clock.monotonic());
        *mark
    }

    /// Moves the mark to the time that the clock shows, however far ahead.
    pub(super) fn trust_clock(&self) {
        let mut mark = lock(&self.mark);
        *mark = mark.trusted(self.clock.wall(), self.clock.monotonic());
    }

    /// Takes over a later mark from the log, with the time since which the clock was in doubt.
    pub(crate) fn recover(&self, (at, doubted): (Timestamp, Timestamp)) {
        let mut mark = lock(&self.mark);
        // Marks only rise, so a greater mark is of a later moment. Of two moments with the same
        // mark, the one with more doubt counts.
        if (at, doubted) > (mark.mark(), mark.doubted()) {
            *mark = HighWater::left(at, doubted, self.clock.wall(), self.clock.monotonic());
        }
    }

    /// Takes over the mark that a newer engine read from the same store.
    pub(super) fn adopt(&self, newer: &Self) {
        let newer = *lock(&newer.mark);
        self.recover((newer.mark(), newer.doubted()));
    }

    /// Returns why the clock is not believed, or `None` if it is.
    pub(crate) fn doubt(&self) -> Option<ClockDoubt> {
        let shown = self.clock.wall();
        let doubt = lock(&self.mark).doubt(shown, self.clock.monotonic());
        doubt.map(|(believed, wait)| ClockDoubt { shown, believed, wait })
    }
}
