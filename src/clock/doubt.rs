//! Owns `ClockDoubt`, what a store says of a clock that it does not believe. Plain data.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Timestamp;

/// A clock that is not believed: it is more than a day ahead of the last moment that the store saw
/// and of the time that passed since. Readers go by it all the same, so that what has expired by it
/// is hidden; but only what has expired by `believed` is destroyed. `Store::trust_clock` ends the
/// doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClockDoubt {
    /// What the clock shows.
    pub shown: Timestamp,
    /// The latest moment that is believed.
    pub believed: Timestamp,
    /// The clock is believed if it stays ahead for so much longer without being set back.
    pub wait: Duration,
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, believed, wait } = self;
        write!(f, "the clock shows {shown}, and no more than {believed} is believed for ")?;
        write!(f, "another {} s; Store::trust_clock ends the doubt", wait.as_secs())
    }
}
