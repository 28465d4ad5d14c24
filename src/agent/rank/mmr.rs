//! Owns maximal marginal relevance: which candidates to take so that they say different things.

use crate::agent::Recalled;

/// Returns the `k` candidates that are taken one after the other, each the best by λ · score - (1 -
/// λ) · similarity, in the order in which they were taken. The similarity is the largest cosine to
/// one that was taken before, and scores are on a scale from 0, the least of the pool, to 1. With a
/// `lambda` of 1 only scores count, with 0 only diversity; outside of that the nearer end counts,
/// and NaN as 1. The first of equals in the pool is taken first. A candidate without a vector, or
/// with one of another length, is similar to nothing. O(k · n) cosines.
///
/// Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
/// producing summaries" (SIGIR 1998).
pub(in crate::agent) fn mmr(pool: Vec<Recalled>, lambda: f32, k: usize) -> Vec<Recalled> {
    let lambda = if lambda.is_nan() { 1.0 } else { f64::from(lambda.clamp(0.0, 1.0)) };
    let scores = normalised(&pool);
    let units: Vec<Option<Vec<f32>>> = pool.iter().map(|c| unit(&c.memory.vector)).collect();
    // The largest cosine of each candidate to those that were taken.
    let mut similar = vec![f64::NEG_INFINITY; pool.len()];
    let mut waiting: Vec<usize> = (0..pool.len()).collect();
    let mut taken = Vec::with_capacity(k.min(pool.len()));
    while taken.len() < k && !waiting.is_empty() {
        let gain = |at: usize| match similar[at] {
            f64::NEG_INFINITY => lambda * scores[at],
            similar => lambda * scores[at] - (1.0 - lambda) * similar,
        };
        let mut best = 0;
        for place in 1..waiting.len() {
            if gain(waiting[place]) > gain(waiting[best]) {
                best = place;
            }
        }
        let at = waiting.remove(best);
        taken.push(at);
        for &other in &waiting {
            similar[other] = similar[other].max(cosine(units[at].as_ref(), units[other].as_ref()));
        }
    }
    let mut pool: Vec<Option<Recalled>> = pool.into_iter().map(Some).collect();
    taken.into_iter().filter_map(|at| pool[at].take()).collect()
}

/// Returns the scores on a scale from 0 to 1; all 0 if they are all the same.
fn normalised(pool: &[Recalled]) -> Vec<f64> {
    let finite = |c: &Recalled| if c.score.is_finite() { f64::from(c.score) } else { 0.0 };
    let scores: Vec<f64> = pool.iter().map(finite).collect();
    let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let range = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    scores.iter().map(|s| if range > 0.0 { (s - least) / range } else { 0.0 }).collect()
}

/// Returns a vector of length 1; `None` for one without a direction.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let has_direction = length.is_finite() && length > 0.0;
    has_direction.then(|| vector.iter().map(|x| (f64::from(*x) / length) as f32).collect())
}

fn cosine(a: Option<&Vec<f32>>, b: Option<&Vec<f32>>) -> f64 {
    match (a, b) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use proptest::prelude::*;

    fn candidate(id: u64, vector: Vec<f32>, score: f32) -> Recalled {
        Recalled::new(Memory::new(id, vector), "t", 0.0, score)
    }

    fn ids(pool: &[Recalled]) -> Vec<u128> {
        pool.iter().map(|c| c.memory.id.as_u128()).collect()
    }

    #[test]
    fn of_twins_one_comes_before_something_else() {
        let pool = vec![
            candidate(1, vec![1.0, 0.0], 0.9),
            candidate(2, vec![1.0, 0.01], 0.89),
            candidate(3, vec![0.0, 1.0], 0.6),
            candidate(4, vec![0.5, 0.5], 0.1),
        ];
        assert_eq!(ids(&mmr(pool.clone(), 1.0, 3)), [1, 2, 3]);
        assert_eq!(ids(&mmr(pool.clone(), 0.5, 3)), [1, 3, 2]);
        assert_eq!(ids(&mmr(pool, 0.5, 0)), [0_u128; 0]);
    }

    #[test]
    fn without_vectors_the_order_is_that_of_the_scores() {
        let pool = vec![
            candidate(1, vec![], 0.9),
            candidate(2, vec![0.0, 0.0], 0.8),
            candidate(3, vec![f32::NAN], 0.7),
        ];
        assert_eq!(ids(&mmr(pool, 0.3, 9)), [1, 2, 3]);
    }

    /// Takes the best one by the definition, with every cosine anew.
    fn naive(mut pool: Vec<Recalled>, lambda: f64, k: usize) -> Vec<u128> {
        let scores = normalised(&pool);
        let score: Vec<(u128, f64)> = ids(&pool).into_iter().zip(scores).collect();
        let mut taken: Vec<Recalled> = Vec::new();
        while taken.len() < k && !pool.is_empty() {
            let gain = |c: &Recalled| {
                let (a, own) = (unit(&c.memory.vector), c.memory.id.as_u128());
                let others = taken.iter().map(|t| unit(&t.memory.vector));
                let all = others.map(|b| cosine(a.as_ref(), b.as_ref()));
                let score = score.iter().find(|(id, _)| *id == own).unwrap().1;
                let worst = all.reduce(f64::max).unwrap_or(0.0);
                lambda * score - (1.0 - lambda) * worst
            };
            let gains: Vec<f64> = pool.iter().map(gain).collect();
            let best = gains.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            taken.push(pool.remove(gains.iter().position(|g| *g == best).unwrap()));
        }
        ids(&taken)
    }

    proptest! {
        #[test]
        fn it_takes_what_the_definition_takes(
            vectors in prop::collection::vec(prop::collection::vec(-4_i8..=4, 3), 0..12),
            scores in prop::collection::vec(0_u8..9, 12),
            lambda in 0_u8..=4, k in 0_usize..14,
        ) {
            let pool: Vec<Recalled> = (1..).zip(vectors).zip(scores)
                .map(|((id, v), score)| {
                    let vector: Vec<f32> = v.into_iter().map(f32::from).collect();
                    candidate(id, vector, f32::from(score) / 8.0)
                })
                .collect();
            let lambda = f32::from(lambda) / 4.0;
            let taken = ids(&mmr(pool.clone(), lambda, k));
            prop_assert_eq!(taken.len(), k.min(pool.len()));
            prop_assert_eq!(taken, naive(pool, f64::from(lambda), k));
        }
    }
}
