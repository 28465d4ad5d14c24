//! Owns the tests of bad input, from callers and from the file system. It must lead to a typed
//! error or a defined answer, and never cost a memory that was there.
mod files;

use std::time::Duration;

use crate::common::{START, contents, ids, manual, memory, vector};
use altiplano::{Collection, CollectionOptions, Error, Filter, Memory, Metric, Result, Timestamp};

const DIMENSION: usize = 4;
const METRICS: [Metric; 3] = [Metric::Cosine, Metric::L2, Metric::Dot];

fn options(metric: Metric) -> CollectionOptions {
    CollectionOptions::new(DIMENSION, metric).memtable_rows(64)
}

/// Checks a store with memory 1 in it. The check must leave it unchanged, also after a reopen.
fn unharmed(metric: Metric, check: impl Fn(&Collection)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options(metric)).unwrap();
    notes.insert(memory(1, DIMENSION)).unwrap();
    let before = contents(&notes);
    let seq = store.stats().unwrap().visible_seq;
    check(&notes);
    assert_eq!(contents(&notes), before);
    assert_eq!(store.stats().unwrap().visible_seq, seq);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(contents(&store.get_collection("notes").unwrap()), before);
    assert!(store.verify().unwrap().is_clean());
}

fn is_invalid_vector<T>(result: &Result<T>, of: Option<u64>) -> bool {
    matches!(result, Err(Error::InvalidVector { id, .. }) if *id == of.map(Into::into))
}

#[test]
fn vectors_without_a_distance_are_refused() {
    for metric in METRICS {
        unharmed(metric, |notes| {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in 0..DIMENSION {
                    let mut v = vector(2, DIMENSION);
                    v[at] = bad;
                    let search = notes.search(&v).run();
                    assert!(is_invalid_vector(&search, None), "{metric:?} {bad}");
                    let batch = notes.search_batch(&[v.clone()], |s| s);
                    assert!(is_invalid_vector(&batch, None));
                    let insert = notes.insert(Memory::new(1u64, v));
                    assert!(is_invalid_vector(&insert, Some(1)), "{metric:?} {bad}");
                }
            }
        });
    }
}

#[test]
fn a_zero_vector_is_refused_under_cosine_alone() {
    let zero = [0.0f32, -0.0, 0.0, 0.0];
    unharmed(Metric::Cosine, |notes| {
        assert!(is_invalid_vector(&notes.search(&zero).run(), None));
        let insert = notes.insert(Memory::new(1u64, zero));
        assert!(is_invalid_vector(&insert, Some(1)));
    });
    for metric in [Metric::L2, Metric::Dot] {
        let dir = tempfile::tempdir().unwrap();
        let store = manual().open(dir.path().join("s")).unwrap();
        let notes = store.collection("notes", options(metric)).unwrap();
        for id in 0..100 {
            notes.insert(memory(id, DIMENSION)).unwrap();
        }
        notes.insert(Memory::new(1000u64, zero)).unwrap();
        for _ in 0..2 {
            assert_eq!(notes.get(1000u64).unwrap().unwrap().vector, zero);
            let hits = notes.search(&zero).k(101).run().unwrap();
            assert_eq!(hits.len(), 101);
            let exact = notes.search(&zero).k(101).exact().run().unwrap();
            assert_eq!(hits, exact);
            if metric == Metric::L2 {
                assert_eq!((hits[0].id, hits[0].distance), (1000u64.into(), 0.0));
            }
            store.compact().unwrap();
        }
    }
}

#[test]
fn vectors_at_the_ends_of_the_range_are_taken_whole_or_refused() {
    let extremes =
        [f32::MAX, f32::MIN_POSITIVE, f32::MIN_POSITIVE / 8.0, 1e-45, 1e18, 1e19, 1e30, 1e-30];
    for metric in METRICS {
        let dir = tempfile::tempdir().unwrap();
        let store = manual().open(dir.path().join("s")).unwrap();
        let notes = store.collection("notes", options(metric)).unwrap();
        let mut taken = Vec::new();
        for (id, x) in (0u64..).zip(extremes) {
            let v = [x, -x, 0.0, x / 2.0];
            match notes.insert(Memory::new(id, v)) {
                Ok(_) => taken.push((id, v)),
                Err(error) => assert!(matches!(error, Error::InvalidVector { .. }), "{error}"),
            }
        }
        assert!(taken.len() >= 4, "{metric:?}");
        for sealed in [false, true] {
            for (id, v) in &taken {
                let hits = notes.search(v).k(100).run().unwrap();
                assert_eq!(hits.len(), taken.len(), "{metric:?} {v:?}");
                assert!(hits.iter().all(|h| !h.distance.is_nan()), "{hits:?}");
                let got = notes.get(*id).unwrap().unwrap();
                assert!(
                    (got.vector[0] - v[0]).abs() <= v[0] * 1e-6 + 2.0 * f32::from_bits(1),
                    "{metric:?} {sealed} {:?} {v:?}",
                    &got.vector
                );
            }
            store.compact().unwrap();
        }
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn wrong_dimensions_are_refused() {
    unharmed(Metric::Cosine, |notes| {
        for wrong in [0usize, 1, 3, 5, 100] {
            let v = vec![1.0; wrong];
            let is_dimension = |result: Result<()>| {
                matches!(
                    result,
                    Err(Error::Dimension { expected: DIMENSION, got, .. }) if got == wrong
                )
            };
            assert!(is_dimension(notes.search(&v).run().map(drop)));
            assert!(is_dimension(notes.search(&v).k(0).run().map(drop)));
            assert!(is_dimension(notes.search(&v).exact().run().map(drop)));
            assert!(is_dimension(notes.insert(Memory::new(1u64, v.clone())).map(drop)));
        }
    });
}

#[test]
fn lifetimes_that_never_were_are_refused() {
    unharmed(Metric::L2, |notes| {
        let bad = [
            memory(1, DIMENSION).ttl(Duration::ZERO),
            memory(1, DIMENSION).expires_at(START),
            memory(1, DIMENSION).expires_at(Timestamp::MIN),
            memory(1, DIMENSION).expires_at(START - Duration::from_millis(1)),
        ];
        for memory in bad {
            let error = notes.insert(memory).unwrap_err();
            assert!(
                matches!(error, Error::InvalidOption { name: "ttl" | "expires_at", .. }),
                "{error}"
            );
        }
    });
    unharmed(Metric::L2, |notes| {
        for importance in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            let error = notes.insert(memory(1, DIMENSION).importance(importance)).unwrap_err();
            assert!(matches!(error, Error::InvalidOption { name: "importance", .. }), "{error}");
        }
    });
}

#[test]
fn lifetimes_at_the_ends_of_time_work() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options(Metric::L2)).unwrap();
    let kept = [
        memory(1, DIMENSION).ttl(Duration::MAX),
        memory(2, DIMENSION).expires_at(Timestamp::MAX),
        memory(3, DIMENSION).ttl(Duration::from_millis(1)),
        memory(4, DIMENSION).expires_at(START + Duration::from_millis(1)),
    ];
    notes.apply(kept.into_iter().collect()).unwrap();
    assert_eq!(ids(&notes), [1, 2, 3, 4]);
    store.compact().unwrap();
    assert_eq!(ids(&notes), [1, 2, 3, 4]);
}

fn deep(levels: usize) -> Filter {
    (0..levels).fold(Filter::Pinned(false), |f, _| f.not())
}

#[test]
fn filters_too_deep_or_too_large_are_refused() {
    unharmed(Metric::L2, |notes| {
        let query = vector(1, DIMENSION);
        let large = || Filter::ids(0..(1u64 << 20) + 1);
        for bad in [deep(33), deep(500), large(), Filter::And(vec![large()])] {
            let search = notes.search(&query).filter(bad.clone()).run();
            assert!(matches!(search, Err(Error::LimitExceeded { .. })));
            let delete = notes.delete_where(bad.clone());
            assert!(matches!(delete, Err(Error::LimitExceeded { .. })));
            let first = notes.scan(bad).next();
            assert!(matches!(first, Some(Err(Error::LimitExceeded { .. }))));
        }
        let hits = notes.search(&query).filter(deep(30)).run().unwrap();
        assert_eq!(hits.len(), 1);
    });
}

#[test]
fn a_scan_that_is_refused_ends() {
    unharmed(Metric::L2, |notes| {
        let results: Vec<_> = notes.scan(deep(40)).take(3).collect();
        assert_eq!(results.len(), 1);
    });
}
