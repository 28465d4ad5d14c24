//! Owns what time it is for an open store: the now of readers, the now that may destroy, and whether the
//! clock is believed. What the marks mean is `clock::high_water`.
//!
//! Invariant: whatever is destroyed, time does not go back behind the moment that it was destroyed by,
//! also after a crash: the mark is in the log or in a manifest before.

use crate::clock::ClockDoubt;
use crate::clock::{HighWater, Timestamp};
use crate::collection::engine::Engine;
use crate::error::{Error, Result};
use crate::format::frame::FrameKind;
use crate::sabotage::{self, Sabotage};
use crate::sync::lock;

impl Engine {
    /// The now that readers go by.
    pub(crate) fn now(&self) -> Timestamp {
        if sabotage::on(Sabotage::RawClock) {
            return self.clock.wall();
        }
        lock(&self.time).effective(self.clock.wall())
    }

    /// The now that may destroy.
    pub(crate) fn plausible_now(&self) -> Timestamp {
        lock(&self.time).plausible(self.clock.wall(), self.clock.monotonic())
    }

    /// The now that a job destroys by; from here on time does not go back behind it.
    pub(crate) fn destroy_by(&self) -> Timestamp {
        let mut time = lock(&self.time);
        let now = time.plausible(self.clock.wall(), self.clock.monotonic());
        *time = time.destroyed_by(now);
        now
    }

    /// Moves the high-water mark, as every commit does, and tells where it is.
    pub(crate) fn advance_time(&self) -> HighWater {
        let mut time = lock(&self.time);
        *time = time.advanced(self.clock.wall(), self.clock.monotonic());
        *time
    }

    /// Takes over a later mark found in the log, and since when the clock was in doubt with it.
    pub(crate) fn recover_time(&self, (mark, doubted): (Timestamp, Timestamp)) {
        let mut time = lock(&self.time);
        // Marks only rise: a later one is of a later moment. Of two moments with the same mark the
        // one with more doubt counts.
        if (mark, doubted) > (time.mark(), time.doubted()) {
            *time = HighWater::left(mark, doubted, self.clock.wall(), self.clock.monotonic());
        }
    }

    /// What is known against the clock, if it is not believed.
    pub(crate) fn clock_doubt(&self) -> Option<ClockDoubt> {
        let shown = self.clock.wall();
        let doubt = lock(&self.time).doubt(shown, self.clock.monotonic());
        doubt.map(|(believed, wait)| ClockDoubt { shown, believed, wait })
    }

    /// Moves the mark to what the clock shows, however far that is, and makes that durable.
    pub(crate) fn trust_clock(&self) -> Result<()> {
        self.check_writable()?;
        let mut token = self.committer.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        {
            let mut time = lock(&self.time);
            *time = time.trusted(self.clock.wall(), self.clock.monotonic());
        }
        self.append_vital(log, FrameKind::Time, &[])?;
        self.sync_held(log)
    }
}
