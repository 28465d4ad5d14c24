//! Owns `Rank`: in which order the candidates of a recall come. The files beside it have the
//! formulas, and `mmr` makes the order diverse.
//!
//! Invariants: every score is finite. The order does not depend on that of the input.

mod factors;
mod generative;
pub(super) mod mmr;
mod parts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use factors::{Gated, Multiplicative};
pub use generative::GenerativeAgents;

use crate::Timestamp;
use crate::agent::Recalled;
use crate::agent::decay::hourly;
use crate::agent::signals::{NEUTRAL, Signals, unit};
use parts::{Parts, weight};

/// In which order candidates come: by a score that is made of the relevance, the times, the
/// importance and the uses of a memory.
///
/// [`Recalled::components`] has the parts of each score, so that a caller sees how it came about.
/// Scores of two recalls cannot be compared. In all formulas relevance and importance are 0 to 1,
/// where NaN counts as 0; the future counts as now; and a signal that a memory does not have counts
/// as ½.
///
/// ```
/// use altiplano::agent::{Rank, Recalled};
/// use altiplano::{Memory, Timestamp};
/// use std::time::Duration;
///
/// let now = Timestamp::EPOCH + Duration::from_secs(90 * 86_400);
/// let candidate = |id: u64, days: u64, importance: f32, relevance: f32| {
///     let at = Timestamp::EPOCH + Duration::from_secs(days * 86_400);
///     let memory = Memory::new(id, [1.0]).created_at(at).importance(importance);
///     Recalled::new(memory, "working", 1.0 - relevance, relevance)
/// };
/// // The one is slightly nearer, the other is newer and matters more.
/// let mut pool = vec![candidate(1, 0, 0.5, 0.62), candidate(2, 88, 0.9, 0.60)];
/// Rank::distance().rank(&mut pool, now);
/// assert_eq!(pool[0].memory.id, 1.into());
/// let rank: Rank = Rank::multiplicative().importance(0.4).into();
/// rank.rank(&mut pool, now);
/// assert_eq!(pool[0].memory.id, 2.into());
/// assert_eq!(pool[0].components[0], ("relevance", 0.60));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Rank {
    /// By [`Rank::distance`].
    #[default]
    Distance,
    /// By [`Rank::time_weighted`].
    TimeWeighted {
        /// The part of the recency that an hour takes, 0 to 1.
        decay_per_hour: f32,
    },
    /// By [`Rank::generative_agents`].
    GenerativeAgents(GenerativeAgents),
    /// By [`Rank::multiplicative`].
    Multiplicative(Multiplicative),
    /// By [`Rank::gated`].
    Gated(Gated),
    /// By [`Rank::custom`].
    Custom(Arc<dyn Ranker>),
}

/// A ranking of the caller's own, for [`Rank::custom`].
///
/// ```
/// use altiplano::agent::{Rank, Ranker, Recalled};
/// use altiplano::{Memory, Timestamp};
/// use std::sync::Arc;
///
/// struct LongestFirst;
///
/// impl Ranker for LongestFirst {
///     fn score(&self, pool: &[Recalled], _: Timestamp) -> Vec<f32> {
///         pool.iter().map(|candidate| candidate.text().len() as f32).collect()
///     }
/// }
///
/// let candidate = |id: u64, text: &str| {
///     Recalled::new(Memory::new(id, [1.0]).text(text), "all", 0.1, 0.9)
/// };
/// let mut pool = vec![candidate(1, "tea"), candidate(2, "likes green tea")];
/// Rank::custom(Arc::new(LongestFirst)).rank(&mut pool, Timestamp::EPOCH);
/// assert_eq!(pool[0].memory.id, 2.into());
/// assert_eq!(pool[0].components, [("custom", 15.0)]);
/// ```
pub trait Ranker: Send + Sync {
    /// Returns the scores of the candidates, in their order; the largest comes first. NaN, and a
    /// score that is not returned, count as the least number.
    fn score(&self, pool: &[Recalled], now: Timestamp) -> Vec<f32>;
}

impl fmt::Debug for dyn Ranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ranker")
    }
}

impl Rank {
    /// Returns the default order: by relevance as it is. The component `relevance` is the score.
    pub const fn distance() -> Self {
        Self::Distance
    }

    /// Returns the order by relevance + (1 - `decay_per_hour`)^hours, with the hours since the last
    /// use, or else since the memory was made. A decay of 0.01 halves the second part in 69 hours.
    /// It is 0 to 1: less, and NaN, count as 0, more as 1. The components `relevance` and `recency`
    /// add up to the score.
    ///
    /// The formula is that of the `TimeWeightedVectorStoreRetriever` of LangChain. There the time
    /// of the last use is kept in RAM only and is lost when the program ends.
    pub const fn time_weighted(decay_per_hour: f32) -> Self {
        Self::TimeWeighted { decay_per_hour }
    }

    /// Returns the order by the sum of relevance, recency and importance, each on a scale from 0,
    /// the least of the candidates, to 1, the largest of them, and each with a weight of 1 unless
    /// the caller sets others. Recency is 0.995^hours since the last use, or else since the memory
    /// was made. If all candidates have the same value, that signal is 0 for all. The components
    /// `relevance`, `recency` and `importance` add up to the score.
    ///
    /// The formula is that of Park et al., "Generative Agents: Interactive Simulacra of Human
    /// Behavior" (UIST 2023). The code published with the paper differs: it takes 0.99 to the power
    /// of the rank among memories sorted by last use, the oldest first. So the oldest is the most
    /// recent there.
    pub fn generative_agents() -> GenerativeAgents {
        GenerativeAgents::default()
    }

    /// Returns the order by s · Π(1 + α(x - ½)): the relevance s, raised or lowered by the recency,
    /// the importance and the uses x of a memory, each with its strength α. A signal that is not
    /// there is ½ and changes nothing. With small strengths no signal brings up what is not
    /// relevant. The components `relevance`, `recency`, `importance` and `uses` multiply to the
    /// score.
    ///
    /// The form is that of the memory system Hindsight. Recency is 2^(-age / half-life), and uses
    /// are ½ + ½ · a / (a + 3) with the a of [`use_factor`](crate::agent::decay::use_factor).
    pub fn multiplicative() -> Multiplicative {
        Multiplicative::default()
    }

    /// Returns the order by s · (1 + σ(k(s - τ)) · α · i), where σ(z) = 1 / (1 + e^-z): importance
    /// i raises the score of what is relevant and nearly nothing of the rest. In a plain sum, a
    /// memory of great importance is the answer to every question. The components `relevance` and
    /// `importance` multiply to the score.
    ///
    /// The form, and the defaults k = 12, τ = 0.25 and α = 0.8, are those of the memory database
    /// YantrikDB, whose base score has recency in it as well.
    pub fn gated() -> Gated {
        Gated::default()
    }

    /// Returns an order by scores of the caller's own. The component `custom` is the score.
    pub fn custom(ranker: Arc<dyn Ranker>) -> Self {
        Self::Custom(ranker)
    }

    /// Sets the scores and components of candidates, and sorts them: the largest score first, and
    /// the smaller id where scores are equal. O(n log n) for n candidates.
    pub fn rank(&self, pool: &mut [Recalled], now: Timestamp) {
        let each = |one: &dyn Fn(&Recalled) -> Parts| pool.iter().map(one).collect();
        let parts: Vec<Parts> = match self {
            Self::Distance => {
                each(&|c: &Recalled| Parts::sum(&[("relevance", f64::from(unit(c.relevance)))]))
            }
            Self::TimeWeighted { decay_per_hour } => {
                let keep = 1.0 - f64::from(weight(*decay_per_hour, 1.0));
                each(&|c: &Recalled| time_weighted(c, keep, now))
            }
            Self::GenerativeAgents(settings) => settings.parts(pool, now),
            Self::Multiplicative(settings) => each(&|c: &Recalled| settings.parts(c, now)),
            Self::Gated(settings) => each(&|c: &Recalled| settings.parts(c, now)),
            Self::Custom(ranker) => {
                let scores = ranker.score(pool, now).into_iter().map(f64::from);
                let scores = scores.chain(std::iter::repeat(f64::NAN));
                scores.take(pool.len()).map(|score| Parts::sum(&[("custom", score)])).collect()
            }
        };
        for (candidate, parts) in pool.iter_mut().zip(parts) {
            (candidate.score, candidate.components) = (parts.score, parts.components);
        }
        pool.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.memory.id.cmp(&b.memory.id)));
    }
}

fn time_weighted(candidate: &Recalled, keep: f64, now: Timestamp) -> Parts {
    let since = Signals::of(&candidate.memory, now).since_use;
    let recency = since.map_or(NEUTRAL, |age: Duration| hourly(age, keep));
    let relevance = f64::from(unit(candidate.relevance));
    Parts::sum(&[("relevance", relevance), ("recency", recency)])
}

impl From<GenerativeAgents> for Rank {
    fn from(settings: GenerativeAgents) -> Self {
        Self::GenerativeAgents(settings)
    }
}

impl From<Multiplicative> for Rank {
    fn from(settings: Multiplicative) -> Self {
        Self::Multiplicative(settings)
    }
}

impl From<Gated> for Rank {
    fn from(settings: Gated) -> Self {
        Self::Gated(settings)
    }
}
