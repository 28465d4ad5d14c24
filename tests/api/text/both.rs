//! Searches by vector and words together.

use std::collections::BTreeMap;

use altiplano::{CollectionOptions, Fusion, GroupBy, Hit, Metric, TextIndex, TextQuery};
use bench_tools::vectors::Vectors;

use super::plain::{Asked, Plain};
use super::{DIMENSION, memory};
use crate::common::vector;
use crate::metamorphic::world::{World, with_memories};

const ROWS: u64 = 600;
const WORDS: &str = "night train zebra";

fn in_every_state(check: impl FnMut(&World)) {
    let data = (0..ROWS).flat_map(|id| vector(id, DIMENSION)).collect();
    let rows = Vectors { dim: DIMENSION, data };
    let options = CollectionOptions::new(DIMENSION, Metric::Cosine).text_index(TextIndex::new());
    with_memories(options, &rows, |id, _| memory(id % ROWS), check);
}

/// Every memory with its exact similarity, and its score by words if it matches.
fn both(world: &World, query: &[f32]) -> (Vec<Hit>, BTreeMap<u128, f64>) {
    let near = world.notes.search(query).exact().k(5_000).run().unwrap();
    let plain = Plain::new((0..ROWS).map(memory));
    let asked = Asked { words: WORDS.into(), ..Asked::default() };
    (near, plain.search(&asked, |_| true).into_iter().collect())
}

#[test]
fn a_weighted_sum_is_of_both_scores_over_the_pool() {
    let query = vector(9_999, DIMENSION);
    in_every_state(|world| {
        let (near, text) = both(world, &query);
        // A pool of all memories: the plain sum of both.
        let (far, best) = (near.last().unwrap().score, near[0].score);
        let most = text.values().copied().fold(0.0, f64::max);
        let of = |hit: &Hit| {
            let text = text.get(&hit.id.as_u128()).copied().unwrap_or_default() / most;
            0.3 * text + 0.7 * f64::from((hit.score - far) / (best - far))
        };
        let mut wanted: Vec<(f64, &Hit)> = near.iter().map(|hit| (of(hit), hit)).collect();
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
        let search = || world.notes.search(&query).exact().text(WORDS);
        let weighted = || search().fusion(Fusion::weighted(0.3)).pool(5_000);
        let hits = weighted().k(25).run().unwrap();
        assert_eq!(hits.len(), 25);
        for (hit, (score, _)) in hits.iter().zip(&wanted) {
            assert!((f64::from(hit.score) - score).abs() < 1e-5, "{world}: {hit:?}, not {score}");
            let same = near.iter().find(|near| near.id == hit.id).unwrap();
            assert_eq!((hit.distance, &hit.memory), (same.distance, &same.memory), "{world}");
            let text = text.get(&hit.id.as_u128()).copied().unwrap_or_default();
            let error = (f64::from(hit.text_score.unwrap()) - text).abs();
            assert!(error <= 1e-5 * text, "{world}: {hit:?}, not {text}");
        }
        let page = weighted().k(5).offset(10).run().unwrap();
        assert_eq!(page, hits[10..15], "{world}");
        // A search by words with a vector is the same.
        let other = world.notes.search_text(WORDS).or_near(&query).exact();
        let other = other.fusion(Fusion::weighted(0.3)).pool(5_000).k(25).run().unwrap();
        assert_eq!(other, hits, "{world}");
    });
}

#[test]
fn as_many_come_as_match_the_filter_and_each_once() {
    let query = vector(9_998, DIMENSION);
    in_every_state(|world| {
        for fusion in [Fusion::default(), Fusion::reciprocal_rank(), Fusion::weighted(1.0)] {
            for k in [1, 10, 119, 120, 121, 400] {
                let search = world.notes.search(&query).text(WORDS).fusion(fusion);
                let hits = search.namespace("user:2").k(k).run().unwrap();
                assert_eq!(hits.len(), k.min(120), "{world}: {fusion:?}");
                let ids: std::collections::BTreeSet<_> = hits.iter().map(|hit| hit.id).collect();
                assert_eq!(ids.len(), hits.len(), "{world}: {fusion:?}");
                assert!(ids.iter().all(|id| id.as_u128() % 5 == 2), "{world}: {fusion:?}");
                assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{world}: {fusion:?}");
            }
        }
    });
}

#[test]
fn a_query_without_a_word_goes_by_the_vector_alone() {
    let query = vector(9_997, DIMENSION);
    in_every_state(|world| {
        let near = world.notes.search(&query).exact().k(20).run().unwrap();
        let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.id).collect::<Vec<_>>();
        for words in ["", "?!", "nowhere"] {
            for fusion in [Fusion::default(), Fusion::reciprocal_rank()] {
                let search = world.notes.search(&query).exact().text(words).fusion(fusion);
                let hits = search.k(20).run().unwrap();
                assert_eq!(ids(&hits), ids(&near), "{world}: {words:?}");
                assert!(hits.iter().all(|hit| hit.text_score == Some(0.0)), "{world}");
            }
        }
        // Nor do words leave out what has none of them.
        let phrase = TextQuery::default().phrase("zebra zebra zebra zebra zebra");
        let hits = world.notes.search(&query).exact().text(phrase).k(20).run().unwrap();
        assert_eq!(ids(&hits), ids(&near), "{world}");
    });
}

#[test]
fn bounds_groups_and_the_memory_asked_by_are_as_in_other_searches() {
    in_every_state(|world| {
        let query = vector(9_996, DIMENSION);
        let search = || world.notes.search(&query).text(WORDS);
        let hits = search().max_distance(0.4).k(50).run().unwrap();
        let within = world.notes.search(&query).exact().max_distance(0.4).k(500).run().unwrap();
        assert!(!hits.is_empty() && hits.len() <= within.len(), "{world}");
        assert!(hits.iter().all(|hit| hit.distance <= 0.4), "{world}");
        let all = search().k(30).run().unwrap();
        let bound = all[10].score;
        let hits = search().min_score(bound).k(30).run().unwrap();
        assert_eq!(hits, all[..hits.len()], "{world}");
        assert!(hits.len() >= 11 && hits.iter().all(|hit| hit.score >= bound), "{world}");
        let groups = search().group_by(GroupBy::Session, 2).k(40).run_groups().unwrap();
        assert_eq!(groups.len(), 13, "{world}");
        assert!(groups.iter().all(|group| group.hits.len() == 2), "{world}");
        for group in &groups {
            let of = |hit: &Hit| hit.memory.as_ref().unwrap().session.clone().unwrap();
            assert!(group.hits.iter().all(|hit| of(hit) == group.value), "{world}");
            assert_ne!(group.hits[0].id, group.hits[1].id, "{world}");
        }
        let near = world.notes.near(17).text(WORDS).k(599).run().unwrap();
        assert_eq!(near.len(), 599, "{world}");
        assert!(near.iter().all(|hit| hit.id != 17.into()), "{world}");
        assert!(search().fusion(Fusion::weighted(1.5)).run().is_err());
    });
}
