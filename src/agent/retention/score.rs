//! Owns `Score`: what a memory is worth to an agent. Pure.

use std::time::Duration;

use crate::agent::decay;
use crate::agent::signals::Signals;
use crate::{Error, Memory, Result, Timestamp};

/// Default half-life of the recency of a memory.
const HALF_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// Default part of the worth that age cannot take.
const FLOOR: f32 = 0.5;

/// What a memory is worth: `importance × recency × use`. What is worth least per byte leaves first.
///
/// - `importance` is [`Memory::importance`], given or estimated.
/// - `recency` is `floor + (1 - floor) × 2^(-t / half_life)`, where `t` is the time since the last
///   use, or since the memory was made. The half-life is the exponential forgetting of
///   Ebbinghaus, "Über das Gedächtnis", 1885, in the form of a half-life. The floor keeps age from
///   outweighing everything: on conversations, most of the evidence that later questions need is
///   old.
/// - `use` is `1 + a / (a + 3)`, from 1 for a memory that was never used to less than 2, where `a`
///   is the number of uses, halved for every 30 days since the last one.
///
/// ```
/// use std::time::Duration;
/// use altiplano::agent::Score;
/// use altiplano::{Memory, Timestamp};
///
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let memory = |importance| Memory::new(1, []).importance(importance).created_at(now);
/// let score = Score::new().half_life(Duration::from_secs(7 * 86_400));
/// assert!(score.of(&memory(0.9), now) > score.of(&memory(0.2), now));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    half_life: Duration,
    floor: f32,
    uses: bool,
}

impl Default for Score {
    fn default() -> Self {
        Self { half_life: HALF_LIFE, floor: FLOOR, uses: true }
    }
}

impl Score {
    /// Returns the score with a half-life of 30 days and a floor of 0.5.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets after which time a memory has lost half of what age can take. Must not be zero.
    #[must_use]
    pub const fn half_life(mut self, time: Duration) -> Self {
        self.half_life = time;
        self
    }

    /// Sets the part of the worth that age cannot take, 0 to 1. With 0, a memory fades to nothing.
    #[must_use]
    pub const fn floor(mut self, floor: f32) -> Self {
        self.floor = floor;
        self
    }

    /// Sets whether uses count. Default = true.
    #[must_use]
    pub const fn uses(mut self, count: bool) -> Self {
        self.uses = count;
        self
    }

    /// Returns the worth of a memory. Positive and finite for every memory of a store.
    pub fn of(&self, memory: &Memory, now: Timestamp) -> f32 {
        let signals = Signals::of(memory, now);
        // A memory without a time, which no store has, is new.
        let since = signals.since_use.unwrap_or_default();
        let recency = self.floor + (1.0 - self.floor) * decay::half_life(since, self.half_life);
        let factor = if self.uses { decay::use_factor(signals.uses, since) } else { 1.0 };
        signals.importance * recency * factor
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.half_life.is_zero() {
            return Err(Error::option("half_life", "it must not be zero"));
        }
        match (0.0..=1.0).contains(&self.floor) {
            true => Ok(()),
            false => Err(Error::option("floor", format!("{} is not between 0 and 1", self.floor))),
        }
    }
}
