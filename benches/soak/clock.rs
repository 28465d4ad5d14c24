//! The store's clock: it runs with real time, and is set back and forth as an operator would.
//!
//! Owns what the bench may know of the store's now without asking it. Readers go by the clock, or
//! by the latest moment that a commit has vouched for, if that is later. A reader may have seen the
//! clock before it was set back, so the now of a query is known to lie between two bounds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use altiplano::{Clock, Timestamp};

/// What the clock shows at first.
const START: u64 = 1_700_000_000_000;

#[derive(Debug)]
pub(crate) struct SteppedClock {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Milliseconds by which the clock is off.
    offset: i64,
    /// The latest that it showed before it was set back.
    shown: u64,
    /// At least this much has been vouched for by a commit.
    vouched: u64,
}

impl SteppedClock {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), state: Mutex::default() }
    }

    /// Sets the clock by so many milliseconds.
    pub(crate) fn step(&self, by: i64) {
        let mut state = self.state();
        state.shown = state.shown.max(self.at(state.offset));
        state.offset += by;
    }

    /// The store's now is no earlier than this, in milliseconds.
    pub(crate) fn earliest(&self) -> u64 {
        let state = self.state();
        self.at(state.offset).max(state.vouched)
    }

    /// The store's now is no later than this.
    pub(crate) fn latest(&self) -> u64 {
        let state = self.state();
        self.at(state.offset).max(state.shown)
    }

    /// A commit that began at this moment or later has been acknowledged.
    pub(crate) fn vouch(&self, moment: u64) {
        let mut state = self.state();
        state.vouched = state.vouched.max(moment);
    }

    fn at(&self, offset: i64) -> u64 {
        let elapsed = self.begun.elapsed().as_millis() as u64;
        (START + elapsed).saturating_add_signed(offset)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SteppedClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.at(self.state().offset).cast_signed())
    }

    fn monotonic(&self) -> Duration {
        self.begun.elapsed()
    }
}
