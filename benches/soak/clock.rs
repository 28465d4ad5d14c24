//! Owns the store's clock, which runs with real time and is set back and forth as an operator
//! would. It also bounds the store's now without asking the store. Readers use the clock, or the
//! latest moment that a commit has confirmed, if that is later. A reader may have seen the clock
//! before it was set back. So the now of a query lies between two bounds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use altiplano::{Clock, Timestamp};

/// The clock's reading at the start.
const START: u64 = 1_700_000_000_000;

#[derive(Debug)]
pub(crate) struct SteppedClock {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Offset of the clock in milliseconds.
    offset: i64,
    /// The latest reading before it was set back.
    shown: u64,
    /// A commit has confirmed at least this moment.
    vouched: u64,
}

impl SteppedClock {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), state: Mutex::default() }
    }

    /// Moves the clock by `by` milliseconds.
    pub(crate) fn step(&self, by: i64) {
        let mut state = self.state();
        state.shown = state.shown.max(self.at(state.offset));
        state.offset += by;
    }

    /// Returns a lower bound of the store's now, in milliseconds.
    pub(crate) fn earliest(&self) -> u64 {
        let state = self.state();
        self.at(state.offset).max(state.vouched)
    }

    /// Returns an upper bound of the store's now.
    pub(crate) fn latest(&self) -> u64 {
        let state = self.state();
        self.at(state.offset).max(state.shown)
    }

    /// Records that a commit was acknowledged that began at `moment` or later.
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
