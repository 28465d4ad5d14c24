//! Owns the rankings that multiply the relevance by factors: `Multiplicative` and `Gated`.

use std::time::Duration;

use super::parts::{Parts, weight};
use crate::Timestamp;
use crate::agent::Recalled;
use crate::agent::decay::{halved, use_share};
use crate::agent::signals::{NEUTRAL, Signals, unit};

/// Largest strength of a factor: the largest with which no factor is negative.
const MAX_STRENGTH: f32 = 2.0;

/// The settings of [`Rank::multiplicative`](crate::agent::Rank::multiplicative). A strength of
/// 0.2 lets a factor be 0.9 to 1.1. Strengths are 0 to 2: less, and NaN, count as 0, more as 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multiplicative {
    half_life: Duration,
    recency: f32,
    importance: f32,
    uses: f32,
}

impl Default for Multiplicative {
    fn default() -> Self {
        let half_life = Duration::from_secs(30 * 86_400);
        Self { half_life, recency: 0.2, importance: 0.2, uses: 0.1 }
    }
}

impl Multiplicative {
    /// Sets the half-life of the recency, and its strength. Default = 30 days, 0.2. The recency is
    /// 1 now, ½ after the half-life, and goes to 0.
    #[must_use]
    pub const fn recency(self, half_life: Duration, strength: f32) -> Self {
        Self { half_life, recency: weight(strength, MAX_STRENGTH), ..self }
    }

    /// Sets the strength of the importance. Default = 0.2.
    #[must_use]
    pub const fn importance(self, strength: f32) -> Self {
        Self { importance: weight(strength, MAX_STRENGTH), ..self }
    }

    /// Sets the strength of past uses. Default = 0.1. A memory that was never used is neutral, and
    /// uses only raise a score.
    #[must_use]
    pub const fn uses(self, strength: f32) -> Self {
        Self { uses: weight(strength, MAX_STRENGTH), ..self }
    }

    /// Returns the score of a candidate.
    pub(super) fn parts(self, candidate: &Recalled, now: Timestamp) -> Parts {
        let signals = Signals::of(&candidate.memory, now);
        let recency = signals.age.map_or(NEUTRAL, |age| halved(age, self.half_life));
        let share = use_share(signals.uses, signals.since_use.unwrap_or_default());
        let uses = NEUTRAL + share * (1.0 - NEUTRAL);
        let factor = |strength: f32, signal: f64| 1.0 + f64::from(strength) * (signal - NEUTRAL);
        Parts::product(&[
            ("relevance", f64::from(unit(candidate.relevance))),
            ("recency", factor(self.recency, recency)),
            ("importance", factor(self.importance, f64::from(signals.importance))),
            ("uses", factor(self.uses, uses)),
        ])
    }
}

/// The settings of [`Rank::gated`](crate::agent::Rank::gated).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gated {
    steepness: f32,
    threshold: f32,
    strength: f32,
}

impl Default for Gated {
    fn default() -> Self {
        Self { steepness: 12.0, threshold: 0.25, strength: 0.8 }
    }
}

impl Gated {
    /// Sets how steep the gate is, 0 to 1,000. Default = 12: it goes from a tenth open to nine
    /// tenths within 0.37 of relevance. Less than 0, and NaN, count as 0, a gate that is always
    /// half open.
    #[must_use]
    pub const fn steepness(self, steepness: f32) -> Self {
        Self { steepness: weight(steepness, 1_000.0), ..self }
    }

    /// Sets the relevance at which the gate is half open, 0 to 1. Default = 0.25.
    #[must_use]
    pub const fn threshold(self, threshold: f32) -> Self {
        Self { threshold: unit(threshold), ..self }
    }

    /// Sets by how much the largest importance raises a score behind an open gate, 0 to 10.
    /// Default = 0.8, a factor of up to 1.8.
    #[must_use]
    pub const fn strength(self, strength: f32) -> Self {
        Self { strength: weight(strength, 10.0), ..self }
    }

    /// Returns the score of a candidate.
    pub(super) fn parts(self, candidate: &Recalled, now: Timestamp) -> Parts {
        let relevance = f64::from(unit(candidate.relevance));
        let importance = f64::from(Signals::of(&candidate.memory, now).importance);
        let slope = f64::from(self.steepness) * (relevance - f64::from(self.threshold));
        let gate = 1.0 / (1.0 + (-slope).exp());
        let factor = 1.0 + gate * f64::from(self.strength) * importance;
        Parts::product(&[("relevance", relevance), ("importance", factor)])
    }
}
