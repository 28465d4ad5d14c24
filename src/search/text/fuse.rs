//! Owns how two rankings, by vectors and by words, become one. Pure.

use serde::Serialize;

use crate::error::{Error, Result};

/// How a search by vector and words joins the two rankings:
/// [`Search::fusion`](crate::Search::fusion) sets it.
///
/// Both rank the best candidates of either side, the pool. Made by [`Fusion::weighted`] or
/// [`Fusion::reciprocal_rank`]. The default is `weighted(0.4)`, which found the most on two
/// corpora: see the page [`words`](crate::guide::words) of the guide.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Fusion {
    /// A weighted sum of both scores, each from 0 to 1. Made with [`Fusion::weighted`].
    #[non_exhaustive]
    Weighted {
        /// The weight of the words, 0 to 1. The vector has the rest.
        text: f32,
    },
    /// A sum of reciprocals of ranks. Made with [`Fusion::reciprocal_rank`].
    #[non_exhaustive]
    ReciprocalRank {
        /// The constant that is added to each rank.
        k: f32,
    },
}

impl Default for Fusion {
    fn default() -> Self {
        Self::weighted(0.4)
    }
}

impl Fusion {
    /// Adds `text` times the score by words to `1 - text` times the score by the vector, so a
    /// result has a score of 0 to 1.
    ///
    /// The score by words is BM25 divided by that of the best match. The score by the vector is the
    /// similarity, moved and scaled so that the nearest memory has 1 and the farthest of the pool
    /// has 0. If there are fewer memories than the pool takes, a similarity of 0 has 0. So of a few
    /// memories that are all near, none counts as far.
    pub const fn weighted(text: f32) -> Self {
        Self::Weighted { text }
    }

    /// Adds `1 / (60 + rank)` of both rankings, where the first has rank 1. A memory that one of
    /// them does not rank gets nothing for it. Scores themselves do not count. The formula is of
    /// Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual
    /// rank learning methods", SIGIR 2009.
    pub const fn reciprocal_rank() -> Self {
        Self::ReciprocalRank { k: 60.0 }
    }

    pub(in crate::search) fn check(self) -> Result<()> {
        match self {
            Self::Weighted { text } if !(0.0..=1.0).contains(&text) => {
                let reason = format!("the weight {text} of the words is not between 0 and 1");
                Err(Error::option("fusion", reason))
            }
            _ => Ok(()),
        }
    }
}

/// A candidate of a search by both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::search) struct Both {
    /// By the vector; larger is nearer.
    pub(in crate::search) similarity: f32,
    /// True if it is among the nearest of the pool, and not only found by its words.
    pub(in crate::search) is_near: bool,
    /// By words; 0 if it does not match.
    pub(in crate::search) text: f32,
}

/// Returns the joint score of each candidate, in their order. `floor` is a similarity that counts
/// as far even if all candidates are nearer.
pub(in crate::search) fn fuse(candidates: &[Both], fusion: Fusion, floor: f32) -> Vec<f32> {
    match fusion {
        Fusion::Weighted { text } => weighted(candidates, text, floor),
        Fusion::ReciprocalRank { k } => {
            let near = ranks(candidates, |one| one.is_near.then_some(one.similarity));
            let words = ranks(candidates, |one| (one.text > 0.0).then_some(one.text));
            let part = |rank: Option<usize>| rank.map_or(0.0, |rank| 1.0 / (k + 1.0 + rank as f32));
            near.into_iter().zip(words).map(|(a, b)| part(a) + part(b)).collect()
        }
    }
}

fn weighted(candidates: &[Both], weight: f32, floor: f32) -> Vec<f32> {
    let near = candidates.iter().filter(|one| one.is_near).map(|one| one.similarity);
    let (low, high) =
        near.fold((floor, f32::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    let best = candidates.iter().map(|one| one.text).fold(0.0, f32::max);
    let similarity = |one: &Both| match high - low {
        span if span > 0.0 => ((one.similarity - low) / span).clamp(0.0, 1.0),
        // All are as near as each other.
        _ => f32::from(u8::from(one.similarity >= high)),
    };
    let text = |one: &Both| if best > 0.0 { one.text / best } else { 0.0 };
    let joint = |one: &Both| weight * text(one) + (1.0 - weight) * similarity(one);
    candidates.iter().map(joint).collect()
}

/// Returns the rank of each candidate by a score, the largest first; equal scores have equal ranks.
fn ranks(candidates: &[Both], score: impl Fn(&Both) -> Option<f32>) -> Vec<Option<usize>> {
    let mut order: Vec<(f32, usize)> = candidates
        .iter()
        .enumerate()
        .filter_map(|(at, one)| score(one).map(|score| (score, at)))
        .collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut ranks = vec![None; candidates.len()];
    let (mut rank, mut last) = (0, None);
    for (at, (score, candidate)) in order.into_iter().enumerate() {
        if last != Some(score) {
            (rank, last) = (at, Some(score));
        }
        ranks[candidate] = Some(rank);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: f32 = f32::INFINITY;

    fn both(similarity: f32, is_near: bool, text: f32) -> Both {
        Both { similarity, is_near, text }
    }

    #[test]
    fn a_weighted_sum_is_of_scores_from_0_to_1() {
        let all = [both(0.75, true, 0.0), both(0.5, true, 4.0), both(0.25, true, 8.0)];
        assert_eq!(fuse(&all, Fusion::weighted(0.5), FULL), [0.5, 0.5, 0.5]);
        assert_eq!(fuse(&all, Fusion::weighted(0.0), FULL), [1.0, 0.5, 0.0]);
        assert_eq!(fuse(&all, Fusion::weighted(1.0), FULL), [0.0, 0.5, 1.0]);
        // One that is farther than the pool has nothing by its vector.
        let far = [both(0.75, true, 0.0), both(0.25, true, 0.0), both(-1.0, false, 2.0)];
        assert_eq!(fuse(&far, Fusion::weighted(0.25), FULL), [0.75, 0.0, 0.25]);
        // Of few that are all near, none is far.
        let near = [both(1.0, true, 0.0), both(0.75, true, 2.0)];
        assert_eq!(fuse(&near, Fusion::weighted(0.5), 0.0), [0.5, 0.875]);
    }

    #[test]
    fn without_a_match_by_words_the_order_is_that_of_the_vector() {
        let all = [both(0.2, true, 0.0), both(0.9, true, 0.0), both(0.5, true, 0.0)];
        for fusion in [Fusion::default(), Fusion::reciprocal_rank()] {
            let joint = fuse(&all, fusion, FULL);
            assert!(joint[1] > joint[2] && joint[2] > joint[0], "{fusion:?}: {joint:?}");
        }
        assert_eq!(fuse(&[both(0.3, true, 0.0)], Fusion::weighted(0.5), FULL), [0.5]);
    }

    #[test]
    fn reciprocal_ranks_are_added() {
        let all = [both(0.9, true, 1.0), both(0.8, true, 0.0), both(0.1, false, 3.0)];
        let of = |rank: f32| 1.0 / (60.0 + rank);
        assert_eq!(
            fuse(&all, Fusion::reciprocal_rank(), FULL),
            [of(1.0) + of(2.0), of(2.0), of(1.0)]
        );
        // Equal scores have equal ranks.
        let equal = [both(0.9, true, 0.0), both(0.9, true, 0.0)];
        assert_eq!(fuse(&equal, Fusion::reciprocal_rank(), FULL), [of(1.0), of(1.0)]);
    }

    #[test]
    fn a_weight_outside_of_0_to_1_is_refused() {
        for text in [-0.1, 1.1, f32::NAN] {
            let error = Fusion::weighted(text).check().unwrap_err().to_string();
            assert!(error.contains("between 0 and 1"), "{error}");
        }
    }
}
