//! Owns what time it is for an open store: the now of readers, the now that may destroy, and
//! whether the clock is believed. What the marks mean is `clock::high_water`.
//!
//! Invariant: whatever is destroyed, time does not go back behind the moment that it was destroyed
//! by, also after a crash: the mark is in the log or in a manifest before.

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
    /// From where a manifest left the mark, and since when it doubted the clock.
    pub(super) fn new(clock: Arc<dyn Clock>, mark: Timestamp, doubted: Timestamp) -> Self {
        let mark = HighWater::left(mark, doubted, clock.wall(), clock.monotonic());
        Self { clock, mark: Mutex::new(mark) }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// How long monotonic time has run.
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The now that readers go by.
    pub(crate) fn now(&self) -> Timestamp {
        broken!(RawClock => return self.clock.wall());
        lock(&self.mark).effective(self.clock.wall())
    }

    /// The now that may destroy.
    pub(crate) fn plausible_now(&self) -> Timestamp {
        lock(&self.mark).plausible(self.clock.wall(), self.clock.monotonic())
    }

    /// The now that a job destroys by; from here on time does not go back behind it.
    pub(crate) fn destroy_by(&self) -> Timestamp {
        let mut mark = lock(&self.mark);
        let now = mark.plausible(self.clock.wall(), self.clock.monotonic());
        *mark = mark.destroyed_by(now);
        now
    }

    /// Moves the high-water mark, as every commit does, and tells where it is.
    pub(super) fn advance(&self) -> HighWater {
        let mut mark = lock(&self.mark);
        *mark = mark.advanced(self.clock.wall(), self.clock.monotonic());
        *mark
    }

    /// Moves the mark to what the clock shows, however far that is.
    pub(super) fn trust_clock(&self) {
        let mut mark = lock(&self.mark);
        *mark = mark.trusted(self.clock.wall(), self.clock.monotonic());
    }

    /// Takes over a later mark found in the log, and since when the clock was in doubt with it.
    pub(crate) fn recover(&self, (at, doubted): (Timestamp, Timestamp)) {
        let mut mark = lock(&self.mark);
        // Marks only rise: a later one is of a later moment. Of two moments with the same mark the
        // one with more doubt counts.
        if (at, doubted) > (mark.mark(), mark.doubted()) {
            *mark = HighWater::left(at, doubted, self.clock.wall(), self.clock.monotonic());
        }
    }

    /// Takes over the mark of a newer look at the same store.
    pub(super) fn adopt(&self, newer: &Self) {
        let newer = *lock(&newer.mark);
        self.recover((newer.mark(), newer.doubted()));
    }

    /// What is known against the clock, if it is not believed.
    pub(crate) fn doubt(&self) -> Option<ClockDoubt> {
        let shown = self.clock.wall();
        let doubt = lock(&self.mark).doubt(shown, self.clock.monotonic());
        doubt.map(|(believed, wait)| ClockDoubt { shown, believed, wait })
    }
}
