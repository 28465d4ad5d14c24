//! Owns `Signals`: what a ranking or a retention rule reads from a memory. Only this file knows
//! from which fields the signals come.
//!
//! Invariants: the importance is a number from 0 to 1. A moment in the future counts as now.

use std::time::Duration;

use crate::{Memory, Timestamp};

/// The value of a signal that a memory does not have: neither good nor bad.
pub(super) const NEUTRAL: f64 = 0.5;

/// The signals of one memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Signals {
    /// 0 to 1.
    pub(super) importance: f32,
    /// How many times it was used.
    pub(super) uses: u32,
    /// Time since it happened, or else since it was made. `None` if neither is known, which no
    /// memory of a store is.
    pub(super) age: Option<Duration>,
    /// Time since the last use, or else since it was made.
    pub(super) since_use: Option<Duration>,
}

impl Signals {
    /// Reads the signals of a memory.
    pub(super) fn of(memory: &Memory, now: Timestamp) -> Self {
        let since = |at: Option<Timestamp>| at.map(|at| now.since(at));
        Self {
            importance: unit(memory.importance),
            uses: memory.uses,
            age: since(memory.event_time.or(memory.created_at)),
            since_use: since(memory.last_used.max(memory.created_at).or(memory.event_time)),
        }
    }
}

/// Returns a number as one from 0 to 1; 0 for NaN.
pub(super) const fn unit(number: f32) -> f32 {
    if number.is_nan() { 0.0 } else { number.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn the_time_of_a_memory_is_that_of_its_event() {
        let memory = Memory::new(1, [1.0]).created_at(NOW - Duration::from_secs(5));
        let signals = Signals::of(&memory, NOW);
        assert_eq!(signals.age, Some(Duration::from_secs(5)));
        let memory = memory.event_time(NOW - Duration::from_secs(60));
        let signals = Signals::of(&memory, NOW);
        assert_eq!(signals.age, Some(Duration::from_secs(60)));
        assert_eq!(signals.since_use, Some(Duration::from_secs(5)));
    }

    #[test]
    fn the_future_is_now_and_an_unknown_time_is_none() {
        let memory = Memory::new(1, [1.0]);
        assert_eq!(Signals::of(&memory, NOW).age, None);
        let memory = memory.created_at(NOW + Duration::from_secs(5));
        assert_eq!(Signals::of(&memory, NOW).age, Some(Duration::ZERO));
    }

    #[test]
    fn importance_is_a_number_from_0_to_1() {
        for (given, read) in [(f32::NAN, 0.0), (f32::INFINITY, 1.0), (-2.0, 0.0), (0.3, 0.3)] {
            let memory = Memory::new(1, [1.0]).importance(given);
            assert_eq!(Signals::of(&memory, NOW).importance, read);
        }
    }
}
