//! Owns the tests of the verbs on one collection: insert, get, delete, search, scan.

use altiplano::{
    Collection, CollectionOptions, Error, Filter, Memory, MemoryId, Metric, Outcome, Store,
};

use crate::common::{close, contents, manual, memory, settle, vector};

pub(crate) const DIMENSION: usize = 8;

pub(crate) fn options(metric: Metric) -> CollectionOptions {
    CollectionOptions::new(DIMENSION, metric).memtable_rows(64)
}

/// Runs a check on a collection with its rows in RAM, on one with its rows in segments, and on a
/// reopened one.
pub(crate) fn in_every_place(fill: impl Fn(&Collection), check: impl Fn(&Collection)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options(Metric::Cosine).memtable_rows(4096)).unwrap();
    fill(&notes);
    check(&notes);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    check(&store.get_collection("notes").unwrap());
    store.compact().unwrap();
    assert!(store.stats().unwrap().collections[0].memtable_rows == 0);
    check(&store.get_collection("notes").unwrap());
    assert!(store.verify().unwrap().is_clean());
    store.close().unwrap();
    check(&manual().open(&path).unwrap().get_collection("notes").unwrap());
}

#[test]
fn an_insert_of_a_known_id_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options(Metric::L2)).unwrap();
    assert!(notes.is_empty().unwrap());
    assert_eq!(notes.insert(memory(1, 8)).unwrap(), Outcome::Inserted);
    assert_eq!(notes.insert(memory(2, 8)).unwrap(), Outcome::Inserted);
    let newer = Memory::new(1u64, vector(100, 8)).text("newer");
    assert_eq!(notes.insert(newer).unwrap(), Outcome::Replaced);
    assert_eq!(notes.len().unwrap(), 2);
    let got = notes.get(1u64).unwrap().unwrap();
    assert_eq!(got.text.as_deref(), Some("newer"));
    assert_eq!(got.vector, vector(100, 8));
    // Also across the border between RAM and segments.
    store.compact().unwrap();
    let newest = Memory::new(1u64, vector(101, 8)).text("newest");
    assert_eq!(notes.insert(newest).unwrap(), Outcome::Replaced);
    assert_eq!(contents(&notes).len(), 2);
    assert_eq!(notes.get(1u64).unwrap().unwrap().text.as_deref(), Some("newest"));
    assert!(notes.delete(1u64).unwrap());
    assert!(!notes.delete(1u64).unwrap());
    assert!(!notes.contains(1u64).unwrap());
    assert_eq!(notes.insert(memory(1, 8)).unwrap(), Outcome::Inserted);
}

#[test]
fn an_unknown_id_is_no_error() {
    in_every_place(
        |notes| {
            notes.insert(memory(5, 8)).unwrap();
        },
        |notes| {
            for unknown in [0, 4, 6, 1 << 64, u128::MAX].map(MemoryId::from_u128) {
                assert!(notes.get(unknown).unwrap().is_none());
                assert!(!notes.contains(unknown).unwrap());
                assert!(!notes.delete(unknown).unwrap());
            }
            assert!(notes.contains(5u64).unwrap());
        },
    );
}

#[test]
fn ids_at_both_ends_work() {
    in_every_place(
        |notes| {
            for id in [0u128, 1, u128::from(u64::MAX), u128::MAX - 1, u128::MAX] {
                notes
                    .insert(
                        Memory::new(MemoryId::from_u128(id), vector(id as u64 ^ 9, 8))
                            .text(id.to_string()),
                    )
                    .unwrap();
            }
        },
        |notes| {
            for id in [0u128, 1, u128::from(u64::MAX), u128::MAX - 1, u128::MAX] {
                let got = notes.get(MemoryId::from_u128(id)).unwrap().unwrap();
                assert_eq!(got.text.as_deref(), Some(id.to_string().as_str()));
            }
            assert_eq!(notes.len().unwrap(), 5);
        },
    );
}

#[test]
fn cosine_vectors_come_back_to_about_one_ulp() {
    let scales = [1.0f32, 1e-12, 3e7, 1e-30, 1e15];
    let vectors: Vec<Vec<f32>> = (0..200u64)
        .map(|i| {
            let scale = scales[i as usize % scales.len()];
            vector(i, DIMENSION).iter().map(|x| x * scale).collect()
        })
        .collect();
    in_every_place(
        |notes| {
            for (id, v) in (0u64..).zip(&vectors) {
                notes.insert(Memory::new(id, v.clone())).unwrap();
            }
        },
        |notes| {
            for (id, v) in (0u64..).zip(&vectors) {
                let got = notes.get(id).unwrap().unwrap();
                assert!(close(&got.vector, v), "{:?} {v:?}", &got.vector);
            }
        },
    );
}

#[test]
fn other_metrics_give_vectors_back_to_the_bit() {
    for metric in [Metric::L2, Metric::Dot] {
        let dir = tempfile::tempdir().unwrap();
        let store = manual().open(dir.path().join("s")).unwrap();
        let notes = store.collection("notes", options(metric)).unwrap();
        notes.apply((0..100).map(|id| memory(id, 8)).collect()).unwrap();
        store.compact().unwrap();
        for id in 0..100 {
            assert_eq!(notes.get(id).unwrap().unwrap().vector, vector(id, 8));
        }
    }
}

#[test]
fn distances_are_those_of_the_metric_and_ties_go_by_id() {
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        let dir = tempfile::tempdir().unwrap();
        let store = manual().open(dir.path().join("s")).unwrap();
        let notes = store.collection("notes", options(metric)).unwrap();
        for id in 0..150 {
            // Every vector twice.
            notes.insert(Memory::new(id, vector(id / 2, DIMENSION))).unwrap();
        }
        settle(&store);
        let query = vector(999, DIMENSION);
        let mut expected: Vec<(f32, u64)> =
            (0..150).map(|id| (metric.distance(&query, &vector(id / 2, DIMENSION)), id)).collect();
        expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let hits = notes.search(&query).k(20).exact().run().unwrap();
        assert_eq!(hits.len(), 20);
        for (hit, (distance, _)) in hits.iter().zip(&expected) {
            assert!((hit.distance - distance).abs() < 1e-5, "{metric:?}");
        }
        assert!(hits.is_sorted_by(|a, b| (a.distance, a.id) < (b.distance, b.id)));
    }
}

#[test]
fn k_may_be_zero_and_larger_than_the_collection() {
    in_every_place(
        |notes| {
            notes.apply((0..30).map(|id| memory(id, 8)).collect()).unwrap();
        },
        |notes| {
            let query = vector(3, 8);
            assert!(notes.search(&query).k(0).run().unwrap().is_empty());
            for k in [29, 30, 31, 1000, 1 << 20] {
                let hits = notes.search(&query).k(k).run().unwrap();
                assert_eq!(hits.len(), k.min(30));
                let exact = notes.search(&query).k(k).exact().run().unwrap();
                assert_eq!(exact.len(), k.min(30));
            }
            let too_many = notes.search(&query).k((1 << 20) + 1).run();
            assert!(matches!(too_many, Err(Error::LimitExceeded { what: "k", .. })));
            for recall in [-0.1, 1.1, f32::NAN] {
                let search = notes.search(&query).target_recall(recall).run();
                assert!(matches!(search, Err(Error::InvalidOption { .. })));
            }
        },
    );
}

#[test]
fn an_empty_collection_answers() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options(Metric::Cosine)).unwrap();
    assert!(notes.search(&vector(1, 8)).run().unwrap().is_empty());
    assert_eq!(notes.iter().count(), 0);
    assert_eq!(notes.delete_where(Filter::All).unwrap(), 0);
    notes.compact().unwrap();
    assert!(notes.search(&vector(1, 8)).exact().run().unwrap().is_empty());
}

#[test]
fn an_iterator_shows_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options(Metric::Cosine)).unwrap();
    notes.apply((0..100).map(|id| memory(id, 8)).collect()).unwrap();
    let before = notes.iter();
    notes.delete_where(Filter::ids(0..50u64)).unwrap();
    notes.insert(memory(1000, 8)).unwrap();
    store.compact().unwrap();
    assert_eq!(before.map(Result::unwrap).count(), 100);
    assert_eq!(notes.iter().count(), 51);
}
