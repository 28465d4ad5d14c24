//! Owns the tests of the recall monitor, which measures a graph with recent queries: when it runs,
//! that it is reported, and that beams follow it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{START, vector};
use altiplano::{
    Batch, Collection, CollectionOptions, Event, Fields, Filter, HnswParams, ManualClock, Memory,
    Metric, RecallStats, SearchMode, Store,
};

const DIMENSION: usize = 24;
const MINUTE: Duration = Duration::from_secs(60);

fn settle(store: &Store) {
    while store.run_pending_tasks().unwrap() {}
}

fn ask(notes: &Collection, queries: std::ops::Range<u64>, path: SearchMode) {
    for seed in queries {
        let query = vector(1_000_000 + seed, DIMENSION);
        let found = notes.search(&query).mode(path).fields(Fields::None).run().unwrap();
        assert_eq!(found.len(), 10);
    }
}

#[test]
fn a_graph_is_looked_at_with_what_was_asked_after_a_build_and_every_ten_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let received: Arc<Mutex<Vec<RecallStats>>> = Arc::default();
    let looks = Arc::clone(&received);
    let options = crate::common::with_clock(&clock).on_event(move |event| {
        if let Event::RecallMeasured { collection, found, .. } = event {
            assert_eq!(collection, "notes");
            looks.lock().unwrap().push(found.clone());
        }
    });
    let store = options.open(dir.path().join("s")).unwrap();
    let hnsw = HnswParams::default().min_rows(500).m(4).ef_construction(16);
    let wanted = CollectionOptions::new(DIMENSION, Metric::L2).hnsw(hnsw).memtable_rows(512);
    let notes = store.collection("notes", wanted).unwrap();
    let rows = |ids: std::ops::Range<u64>| {
        ids.map(|id| Memory::new(id, vector(id, DIMENSION))).collect::<Batch>()
    };
    notes.apply(rows(0..2048)).unwrap();
    settle(&store);
    let stats = || store.stats().unwrap().collections.remove(0);
    assert!(stats().indexes.iter().any(|index| index.graph));
    ask(&notes, 0..100, SearchMode::Scan);
    settle(&store);
    assert_eq!(stats().recall, None, "no search took the graph");

    ask(&notes, 0..64, SearchMode::Graph);
    settle(&store);
    let first = stats().recall.unwrap();
    assert_eq!(received.lock().unwrap()[..], *std::slice::from_ref(&first));
    let graph = stats().indexes.into_iter().find(|index| index.graph).unwrap();
    assert_eq!((first.index, first.at), (graph.file, START));
    assert!(first.queries >= 16 && first.recall > 0.3 && first.recall <= 1.0, "{first:?}");
    assert!(first.ef >= 10 && !first.degraded);

    // No measurement for ten minutes, and none without new queries.
    ask(&notes, 64..200, SearchMode::Graph);
    clock.advance(10 * MINUTE - Duration::from_millis(1));
    settle(&store);
    assert_eq!(received.lock().unwrap().len(), 1);
    clock.advance(Duration::from_millis(1));
    settle(&store);
    assert_eq!(received.lock().unwrap().len(), 2);
    clock.advance(20 * MINUTE);
    settle(&store);
    assert_eq!(received.lock().unwrap().len(), 2);

    // A merged graph is measured at once.
    notes.apply(rows(10_000..10_512)).unwrap();
    settle(&store);
    let second = stats().recall.unwrap();
    assert_eq!(received.lock().unwrap().len(), 3);
    assert!(second.index > first.index && second.at > first.at);
}

/// A search must count although a filter or an expired row has narrowed it. Otherwise a graph whose
/// memories have lifetimes, or are searched by namespace, is never measured.
#[test]
fn searches_of_namespaces_and_beside_expired_memories_count() {
    for has_namespaces in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let store = crate::common::with_clock(&clock).open(dir.path().join("s")).unwrap();
        let hnsw = HnswParams::default().min_rows(500).m(4).ef_construction(16);
        let wanted = CollectionOptions::new(DIMENSION, Metric::L2).hnsw(hnsw).memtable_rows(512);
        let notes = store.collection("notes", wanted).unwrap();
        let memory = |id: u64| {
            let memory = Memory::new(id, vector(id, DIMENSION));
            match (has_namespaces, id % 10) {
                (true, _) => memory.namespace(if id < 1500 { "a" } else { "b" }),
                (false, 0) => memory.ttl(MINUTE),
                (false, _) => memory,
            }
        };
        notes.apply((0..2048).map(memory).collect::<Batch>()).unwrap();
        settle(&store);
        clock.advance(2 * MINUTE);
        for seed in 0..64 {
            let query = vector(1_000_000 + seed, DIMENSION);
            let search = notes.search(&query).mode(SearchMode::Graph).fields(Fields::None);
            let search =
                if has_namespaces { search.filter(Filter::namespace("a")) } else { search };
            assert_eq!(search.run().unwrap().len(), 10);
        }
        settle(&store);
        let canary = store.stats().unwrap().collections.remove(0).recall;
        assert!(canary.is_some(), "namespaces: {has_namespaces}");
    }
}

/// Random vectors are harder to find than the mixtures of two rows that a new graph is measured
/// with. A beam that is enough for the mixtures finds too few of them.
#[test]
fn beams_go_by_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::common::manual().open(dir.path().join("s")).unwrap();
    let hnsw = HnswParams::default().min_rows(500).m(4).ef_construction(16);
    let wanted = CollectionOptions::new(DIMENSION, Metric::L2).hnsw(hnsw);
    let notes = store.collection("notes", wanted).unwrap();
    notes
        .apply((0..4096u64).map(|id| Memory::new(id, vector(id, DIMENSION))).collect::<Batch>())
        .unwrap();
    settle(&store);
    let recall = || {
        let mut found = 0;
        for seed in 0..100 {
            let query = vector(2_000_000 + seed, DIMENSION);
            let search = || notes.search(&query).fields(Fields::None);
            let true_ids: Vec<_> =
                search().exact().run().unwrap().iter().map(|hit| hit.id).collect();
            let hits = search().mode(SearchMode::Graph).run().unwrap();
            found += hits.iter().filter(|hit| true_ids.contains(&hit.id)).count();
        }
        found as f64 / 1000.0
    };
    let before = recall();
    ask(&notes, 0..2000, SearchMode::Graph);
    settle(&store);
    let looked = store.stats().unwrap().collections.remove(0).recall.unwrap();
    let after = recall();
    assert!(after >= 0.94, "{before} before, {after} after: {looked:?}");
    // The recall that was measured at the beam in use is that of these queries, within chance.
    assert!((f64::from(looked.recall) - before).abs() < 0.05, "{before} before: {looked:?}");
}
