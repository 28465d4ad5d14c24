//! Owns `ClockDoubt`: the report about a clock that a store does not believe. Plain data.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Timestamp;

/// A clock that a store does not believe. It is more than a day ahead of the last known moment plus
/// the time that passed since. Readers still use it, so memories that have expired by it are
/// hidden. But only memories that have expired by `believed` are destroyed.
/// [`Store::trust_clock`](crate::Store::trust_clock) ends the doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClockDoubt {
    /// The time that the clock shows.
    pub shown: Timestamp,
    /// The latest moment that is believed.
    pub believed: Timestamp,
    /// The clock is believed if it stays ahead for this much longer without being set back.
    pub wait: Duration,
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, believed, wait } = self;
        write!(f, "the clock shows {shown}, and no more than {believed} is believed for ")?;
        write!(f, "another {} s; Store::trust_clock ends the doubt", wait.as_secs())
    }
}
