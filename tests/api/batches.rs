//! Owns the tests of batches: all or nothing, one write per id, several collections, and a random
//! history compared with a map.

use std::collections::BTreeMap;

use altiplano::{Batch, CollectionOptions, Durability, Error, Filter, Memory, Metric, Store};
use proptest::prelude::*;

use crate::common::{contents, ids, manual, memory, vector};

fn two(store: &Store) -> (altiplano::Collection, altiplano::Collection) {
    let options = CollectionOptions::new(4, Metric::L2);
    (store.collection("a", options.clone()).unwrap(), store.collection("b", options).unwrap())
}

#[test]
fn an_empty_batch_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let (a, _) = two(&store);
    let seq = store.stats().unwrap().visible_seq;
    assert_eq!(a.apply(Batch::new()).unwrap(), Default::default());
    assert_eq!(store.stats().unwrap().visible_seq, seq);
    assert!(Batch::new().is_empty());
}

#[test]
fn the_last_write_to_an_id_counts_and_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let (a, _) = two(&store);
    a.insert(memory(1, 4)).unwrap();
    let batch = Batch::new()
        .insert(memory(1, 4).text("first"))
        .insert(memory(1, 4).text("second"))
        .insert(memory(2, 4))
        .delete(2u64)
        .delete(3u64)
        .insert(memory(3, 4));
    assert_eq!(batch.len(), 6);
    let applied = a.apply(batch).unwrap();
    assert_eq!((applied.inserted, applied.replaced, applied.deleted), (1, 1, 0));
    assert_eq!(ids(&a), [1, 3]);
    assert_eq!(a.get(1u64).unwrap().unwrap().text.as_deref(), Some("second"));
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(ids(&store.get_collection("a").unwrap()), [1, 3]);
}

#[test]
fn writes_around_a_delete_where_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let (a, _) = two(&store);
    a.insert(memory(1, 4)).unwrap();
    let batch = Batch::new()
        .insert(memory(2, 4))
        .insert(memory(3, 4))
        .delete_where(Filter::All)
        .insert(memory(3, 4).text("after"))
        .insert(memory(4, 4));
    a.apply(batch).unwrap();
    assert_eq!(ids(&a), [3, 4]);
    assert_eq!(a.get(3u64).unwrap().unwrap().text.as_deref(), Some("after"));
    drop((a, store));
    let store = manual().open(&path).unwrap();
    assert_eq!(ids(&store.get_collection("a").unwrap()), [3, 4]);
}

#[test]
fn one_bad_write_leaves_no_trace_of_the_batch_in_any_collection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let (a, b) = two(&store);
    a.insert(memory(1, 4)).unwrap();
    b.insert(memory(1, 4)).unwrap();
    let good = || {
        Batch::new()
            .insert(memory(2, 4))
            .delete(1u64)
            .insert_into(&b, memory(2, 4))
            .delete_from(&b, 1u64)
    };
    let other = manual().open(dir.path().join("other")).unwrap();
    let (foreign, _) = two(&other);
    let gone = store.collection("gone", CollectionOptions::new(4, Metric::L2)).unwrap();
    store.drop_collection("gone").unwrap();
    let bad = [
        good().insert(memory(3, 5)),
        good().insert_into(&b, Memory::new(3u64, [f32::NAN; 4])),
        good().insert(memory(3, 4).importance(2.0)),
        good().insert_into(&foreign, memory(3, 4)),
        good().insert_into(&gone, memory(3, 4)),
        good().delete_where((0..40).fold(Filter::All, |f, _| f.not())),
    ];
    for batch in bad {
        let error = a.apply(batch).unwrap_err();
        assert!(!matches!(error, Error::Io { .. }), "{error}");
        assert_eq!((ids(&a), ids(&b)), (vec![1], vec![1]), "after {error}");
        assert!(foreign.is_empty().unwrap());
    }
    let applied = a.apply(good()).unwrap();
    assert_eq!((applied.inserted, applied.deleted), (2, 2));
    assert_eq!((ids(&a), ids(&b)), (vec![2], vec![2]));
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    let (a, b) = two(&store);
    assert_eq!((ids(&a), ids(&b)), (vec![2], vec![2]));
}

#[test]
fn batches_are_made_from_memories_and_applied_with_any_durability() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let (a, _) = two(&store);
    let mut batch: Batch = (0..10).map(|id| memory(id, 4)).collect();
    batch.extend((5..20).map(|id| memory(id, 4)));
    let later = Durability::buffered(std::time::Duration::from_secs(3600));
    assert_eq!(a.apply_with(batch, later).unwrap().inserted, 20);
    let stats = store.stats().unwrap();
    assert!(stats.synced_seq < stats.visible_seq);
    a.sync().unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(stats.synced_seq, stats.visible_seq);
    a.apply_with(Batch::new().delete(0u64), later).unwrap();
    // A later write that waits for its sync makes the earlier ones durable as well.
    a.apply_with(Batch::new().delete(1u64), Durability::Sync).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(stats.synced_seq, stats.visible_seq);
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Insert(u64, u32),
    Delete(u64),
    Batch(Vec<(u64, Option<u32>)>),
    DeleteNamespace(u64),
    RunPending,
    Compact,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..60u64;
    let write = (id.clone(), any::<Option<u32>>());
    let step = prop_oneof![
        8 => (id.clone(), any::<u32>()).prop_map(|(id, v)| Step::Insert(id, v)),
        4 => id.prop_map(Step::Delete),
        6 => prop::collection::vec(write, 0..40).prop_map(Step::Batch),
        1 => (0..4u64).prop_map(Step::DeleteNamespace),
        2 => Just(Step::RunPending),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

fn versioned(id: u64, version: u32) -> Memory {
    Memory::new(id, vector(u64::from(version), 4))
        .text(format!("{id} {version}"))
        .namespace(format!("n{}", version % 4))
}

/// Compares every way to read a collection with the map.
fn compare(notes: &altiplano::Collection, model: &BTreeMap<u64, u32>) {
    assert_eq!(notes.len().unwrap(), model.len() as u64);
    let all = contents(notes);
    assert_eq!(all.len(), model.len());
    for (id, version) in model {
        let got = notes.get(*id).unwrap().unwrap();
        assert_eq!(got.text.as_deref(), versioned(*id, *version).text.as_deref());
        assert_eq!(got.vector, vector(u64::from(*version), 4));
        assert_eq!(all.get(&got.id), Some(&got));
    }
    let query = vector(3, 4);
    let hits = notes.search(&query).k(100).run().unwrap();
    assert_eq!(hits, notes.search(&query).k(100).exact().run().unwrap());
    assert_eq!(hits.len(), model.len());
    for hit in hits {
        let version = model[&(hit.id.as_u128() as u64)];
        let distance = Metric::L2.distance(&query, &vector(u64::from(version), 4));
        assert!((hit.distance - distance).abs() < 1e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// I4, I6, I8: for any history, a collection equals the map that its writes make.
    #[test]
    fn any_history_is_the_map_that_its_writes_make(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let options = CollectionOptions::new(4, Metric::L2).memtable_rows(64);
        let mut store = manual().open(&path).unwrap();
        let mut notes = store.collection("notes", options).unwrap();
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Insert(id, version) => {
                    notes.insert(versioned(id, version)).unwrap();
                    model.insert(id, version);
                }
                Step::Delete(id) => {
                    let was = model.remove(&id).is_some();
                    prop_assert_eq!(notes.delete(id).unwrap(), was);
                }
                Step::Batch(writes) => {
                    let mut batch = Batch::new();
                    for (id, version) in writes {
                        batch = match version {
                            Some(version) => {
                                model.insert(id, version);
                                batch.insert(versioned(id, version))
                            }
                            None => {
                                model.remove(&id);
                                batch.delete(id)
                            }
                        };
                    }
                    notes.apply(batch).unwrap();
                }
                Step::DeleteNamespace(n) => {
                    let before = model.len();
                    model.retain(|_, version| u64::from(*version % 4) != n);
                    let count = notes.delete_where(Filter::namespace(format!("n{n}"))).unwrap();
                    prop_assert_eq!(count, (before - model.len()) as u64);
                }
                Step::RunPending => drop(store.run_pending_tasks().unwrap()),
                Step::Compact => drop(store.compact().unwrap()),
                Step::Reopen => {
                    drop(notes);
                    store.close().unwrap();
                    store = manual().open(&path).unwrap();
                    notes = store.get_collection("notes").unwrap();
                }
            }
        }
        compare(&notes, &model);
        prop_assert!(store.verify().unwrap().is_clean());
        store.close().unwrap();
        let store = manual().open(&path).unwrap();
        compare(&store.get_collection("notes").unwrap(), &model);
    }
}
