//! Owns the ranking of "Generative Agents": a weighted sum of normalised signals.

use super::parts::{Parts, weight};
use crate::Timestamp;
use crate::agent::Recalled;
use crate::agent::decay::hourly;
use crate::agent::signals::{NEUTRAL, Signals, unit};

/// What an hour leaves of the recency, as in the paper.
const KEEP_PER_HOUR: f64 = 0.995;

/// Largest weight. It keeps sums of weights finite.
const MAX_WEIGHT: f32 = 1e6;

/// The weights of [`Rank::generative_agents`](crate::agent::Rank::generative_agents). Each is 1
/// unless it is set. Less than 0, and NaN, count as 0; at most 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerativeAgents {
    recency: f32,
    importance: f32,
    relevance: f32,
}

impl Default for GenerativeAgents {
    fn default() -> Self {
        Self { recency: 1.0, importance: 1.0, relevance: 1.0 }
    }
}

impl GenerativeAgents {
    /// Sets the weight of the time since the last use.
    #[must_use]
    pub const fn recency(self, value: f32) -> Self {
        Self { recency: weight(value, MAX_WEIGHT), ..self }
    }

    /// Sets the weight of the importance.
    #[must_use]
    pub const fn importance(self, value: f32) -> Self {
        Self { importance: weight(value, MAX_WEIGHT), ..self }
    }

    /// Sets the weight of the relevance.
    #[must_use]
    pub const fn relevance(self, value: f32) -> Self {
        Self { relevance: weight(value, MAX_WEIGHT), ..self }
    }

    /// Returns the scores of a pool, in its order.
    pub(super) fn parts(self, pool: &[Recalled], now: Timestamp) -> Vec<Parts> {
        let signals: Vec<Signals> = pool.iter().map(|r| Signals::of(&r.memory, now)).collect();
        let recent = |s: &Signals| s.since_use.map_or(NEUTRAL, |age| hourly(age, KEEP_PER_HOUR));
        let relevance = normalised(pool.iter().map(|r| f64::from(unit(r.relevance))));
        let recency = normalised(signals.iter().map(recent));
        let importance = normalised(signals.iter().map(|s| f64::from(s.importance)));
        let columns = relevance.iter().zip(&recency).zip(&importance);
        let parts = columns.map(|((relevance, recency), importance)| {
            Parts::sum(&[
                ("relevance", f64::from(self.relevance) * relevance),
                ("recency", f64::from(self.recency) * recency),
                ("importance", f64::from(self.importance) * importance),
            ])
        });
        parts.collect()
    }
}

/// Returns the numbers on a scale from 0, the least, to 1, the largest. Numbers that are all the
/// same tell candidates apart by nothing: they become 0.
fn normalised(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let numbers: Vec<f64> = numbers.collect();
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let range = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    let scaled = |number| if range > 0.0 { (number - least) / range } else { 0.0 };
    numbers.iter().map(|number| scaled(*number)).collect()
}
