//! The rankings of the agent layer: what each formula must never do, over random pools.

use std::sync::Arc;
use std::time::Duration;

use altiplano::agent::{Gated, GenerativeAgents, Multiplicative, Rank, Ranker, Recalled};
use altiplano::{Memory, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn candidate(id: u64, hours: u32, importance: f32, relevance: f32) -> Recalled {
    let memory = Memory::new(id, [1.0]).created_at(NOW - HOUR * hours).importance(importance);
    Recalled::new(memory, "working", 1.0 - relevance, relevance)
}

fn ranks() -> Vec<Rank> {
    vec![
        Rank::distance(),
        Rank::time_weighted(0.01),
        Rank::time_weighted(f32::NAN),
        Rank::generative_agents().into(),
        Rank::generative_agents().recency(3.0).importance(f32::INFINITY).relevance(-1.0).into(),
        Rank::multiplicative().into(),
        Rank::multiplicative().recency(Duration::ZERO, 9.0).importance(f32::NAN).into(),
        Rank::gated().into(),
        Rank::gated().steepness(f32::INFINITY).threshold(f32::NAN).strength(-1.0).into(),
    ]
}

fn ranked(rank: &Rank, pool: &[Recalled]) -> Vec<Recalled> {
    let mut pool = pool.to_vec();
    rank.rank(&mut pool, NOW);
    pool
}

fn ids(pool: &[Recalled]) -> Vec<u64> {
    pool.iter().map(|c| u64::try_from(c.memory.id).unwrap()).collect()
}

fn score(pool: &[Recalled], id: u64) -> f32 {
    pool.iter().find(|c| c.memory.id == id.into()).unwrap().score
}

fn pools() -> impl Strategy<Value = Vec<Recalled>> {
    let odd = prop_oneof![4 => 0.0_f32..=1.0, 1 => any::<f32>()];
    let one = (0_u32..100_000, odd.clone(), odd, any::<bool>());
    prop::collection::vec(one, 0..12).prop_map(|all| {
        let each = (1..).zip(all).map(|(id, (hours, importance, relevance, dated))| {
            let mut candidate = candidate(id, hours, importance, relevance);
            candidate.memory.created_at = candidate.memory.created_at.filter(|_| dated);
            candidate
        });
        each.collect()
    })
}

proptest! {
    #[test]
    fn scores_are_finite_sorted_and_the_same_for_every_order(pool in pools()) {
        let mut turned = pool.clone();
        turned.reverse();
        for rank in ranks() {
            let all = ranked(&rank, &pool);
            prop_assert!(all.iter().all(|c| c.score.is_finite()), "{rank:?}");
            prop_assert!(all.iter().all(|c| c.components.iter().all(|(_, part)| part.is_finite())));
            for pair in all.windows(2) {
                let by_id = pair[0].memory.id < pair[1].memory.id;
                prop_assert!(pair[0].score > pair[1].score || pair[0].score == pair[1].score && by_id);
            }
            let other = ranked(&rank, &turned);
            prop_assert_eq!(ids(&all), ids(&other));
            prop_assert!(all.iter().zip(&other).all(|(a, b)| a.score == b.score));
        }
    }

    #[test]
    fn the_parts_of_a_score_make_the_score(pool in pools()) {
        for rank in ranks() {
            for candidate in ranked(&rank, &pool) {
                let parts = candidate.components.iter().map(|(_, part)| f64::from(*part));
                let made: f64 = match rank {
                    Rank::Multiplicative(_) | Rank::Gated(_) => parts.product(),
                    _ => parts.sum(),
                };
                let near = (made as f32 - candidate.score).abs() <= candidate.score.abs() * 1e-5 + 1e-6;
                prop_assert!(near, "{rank:?}: {made} and {}", candidate.score);
            }
        }
    }

    #[test]
    fn the_better_of_two_never_scores_lower(
        pool in pools(), hours in 0_u32..100_000, more in 0_u32..100_000,
        low in 0.0_f32..=1.0, high in 0.0_f32..=1.0, same in 0.0_f32..=1.0,
    ) {
        let (low, high) = (low.min(high), low.max(high));
        for rank in ranks() {
            let mut all = pool.clone();
            all.push(candidate(100, hours, same, low));
            all.push(candidate(101, hours + more, same, low));
            all.push(candidate(102, hours, low, same));
            all.push(candidate(103, hours, high, same));
            all.push(candidate(104, hours, same, low));
            all.push(candidate(105, hours, same, high));
            let all = ranked(&rank, &all);
            prop_assert!(score(&all, 100) >= score(&all, 101), "older is better by {rank:?}");
            prop_assert!(score(&all, 103) >= score(&all, 102), "less important is better by {rank:?}");
            prop_assert!(score(&all, 105) >= score(&all, 104), "less relevant is better by {rank:?}");
        }
    }

    #[test]
    fn the_future_counts_as_now(relevance in 0.0_f32..=1.0, hours in 0_u32..1_000) {
        for rank in ranks() {
            let mut early = candidate(2, 0, 0.5, relevance);
            early.memory.created_at = Some(NOW + HOUR * hours);
            let all = ranked(&rank, &[candidate(1, 0, 0.5, relevance), early]);
            prop_assert_eq!(score(&all, 1), score(&all, 2));
        }
    }

    #[test]
    fn a_missing_signal_changes_no_score_that_is_a_product(relevance in 0.0_f32..=1.0) {
        // Without a time, uses and an importance of its own.
        let bare = Recalled::new(Memory::new(1, [1.0]), "working", 0.0, relevance);
        let all = ranked(&Rank::multiplicative().into(), &[bare]);
        prop_assert_eq!(all[0].score, relevance);
    }

    #[test]
    fn custom_scores_are_taken_as_they_are(scores in prop::collection::vec(any::<f32>(), 0..6)) {
        #[derive(Debug)]
        struct Given(Vec<f32>);
        impl Ranker for Given {
            fn score(&self, _: &[Recalled], _: Timestamp) -> Vec<f32> {
                self.0.clone()
            }
        }
        let pool: Vec<Recalled> = (1..=4).map(|id| candidate(id, 0, 0.5, 0.5)).collect();
        let all = ranked(&Rank::custom(Arc::new(Given(scores.clone()))), &pool);
        for id in 1..=4 {
            let given = scores.get(id as usize - 1).copied().unwrap_or(f32::NAN);
            let expected = if given.is_nan() { f32::MIN } else { given.clamp(f32::MIN, f32::MAX) };
            prop_assert_eq!(score(&all, id), expected);
        }
    }
}

#[test]
fn time_weighted_adds_a_part_that_is_halved_in_69_hours() {
    let all = ranked(&Rank::time_weighted(0.01), &[candidate(1, 69, 0.5, 0.25)]);
    assert_eq!(all[0].components[0], ("relevance", 0.25));
    let (name, recency) = all[0].components[1];
    assert!(name == "recency" && (recency - 0.5).abs() < 0.001, "{recency}");
}

#[test]
fn generative_agents_scales_each_signal_over_the_pool() {
    let rank: Rank = Rank::generative_agents().importance(2.0).into();
    let pool = [candidate(1, 0, 0.2, 0.5), candidate(2, 0, 0.6, 0.5), candidate(3, 0, 0.4, 0.5)];
    let all = ranked(&rank, &pool);
    assert_eq!(ids(&all), [2, 3, 1]);
    // All are as relevant and as recent, so these two say nothing.
    assert_eq!(all[0].components, [("relevance", 0.0), ("recency", 0.0), ("importance", 2.0)]);
    assert!((all[1].score - 1.0).abs() < 1e-6 && all[2].score == 0.0);
}

#[test]
fn generative_agents_has_the_newest_as_the_most_recent() {
    let pool = [candidate(1, 90, 0.5, 0.5), candidate(2, 1, 0.5, 0.5), candidate(3, 50, 0.5, 0.5)];
    let all = ranked(&Rank::generative_agents().into(), &pool);
    assert_eq!(ids(&all), [2, 3, 1]);
    assert_eq!((all[0].score, all[2].score), (1.0, 0.0));
}

#[test]
fn small_strengths_never_bring_up_what_is_not_relevant() {
    let rank: Rank = Multiplicative::default().into();
    let pool = [candidate(1, 0, 1.0, 0.3), candidate(2, 100_000, 0.0, 0.5)];
    assert_eq!(ids(&ranked(&rank, &pool)), [2, 1]);
    // A sum of signals does.
    let rank: Rank = GenerativeAgents::default().into();
    assert_eq!(ids(&ranked(&rank, &pool)), [1, 2]);
}

#[test]
fn the_gate_is_open_for_what_is_relevant_only() {
    let rank: Rank = Gated::default().into();
    let factor = |relevance| ranked(&rank, &[candidate(1, 0, 1.0, relevance)])[0].components[1].1;
    assert!(factor(0.9) > 1.79, "{}", factor(0.9));
    assert!((factor(0.25) - 1.4).abs() < 1e-6);
    assert!(factor(0.0) < 1.04, "{}", factor(0.0));
}
