//! Owns the test of merged graphs through many generations of replaced and deleted memories. A
//! graph is merged instead of rebuilt, still finds the live memories, and has no node of anything
//! else.

use std::sync::{Arc, Mutex};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Event, HnswParams, Memory, Metric,
    SearchMode, StoreOptions,
};

const DIMENSION: usize = 32;
const LIVE: u64 = 4_000;
/// A sixth is replaced in each generation.
const CHANGED: u64 = LIVE / 6;
const K: usize = 10;

/// Returns a point of one of 50 clusters.
fn vector(i: u64) -> Vec<f32> {
    crate::common::clustered(i, DIMENSION, 50, 0.8)
}

fn insert(collection: &Collection, ids: std::ops::Range<u64>) {
    let batch = ids.fold(Batch::new(), |batch, id| batch.insert(Memory::new(id, vector(id))));
    collection.apply(batch).unwrap();
}

/// Returns the share of the ten nearest rows that the graph alone finds.
fn recall(collection: &Collection) -> f64 {
    let (mut found, mut wanted) = (0, 0);
    for query in 0..60 {
        let query = vector(9_000_000 + query);
        let exact = collection.search(&query).k(K).exact().run().unwrap();
        let hits = collection.search(&query).k(K).mode(SearchMode::Graph).ef(60).run().unwrap();
        assert_eq!(hits.len(), K);
        found += exact.iter().filter(|e| hits.iter().any(|h| h.id == e.id)).count();
        wanted += exact.len();
    }
    f64::from(u32::try_from(found).unwrap()) / f64::from(u32::try_from(wanted).unwrap())
}

#[test]
fn a_graph_is_merged_through_generations_and_finds_what_is_live() {
    let dir = tempfile::tempdir().unwrap();
    let built = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&built);
    let store = StoreOptions::new().background(Background::Manual).on_event(move |event| {
        if let Event::Indexed { graph: true, merged, evaluations, .. } = event {
            received.lock().unwrap().push((*merged, *evaluations));
        }
    });
    let store = store.open(dir.path()).unwrap();
    let hnsw = HnswParams::default().min_rows(1_000);
    let options = CollectionOptions::new(DIMENSION, Metric::Cosine).hnsw(hnsw);
    let collection = store.collection("c", options).unwrap();
    insert(&collection, 0..LIVE);
    collection.compact().unwrap();
    let first = recall(&collection);
    for generation in 0..12 {
        let (gone, next) = (generation * CHANGED, LIVE + generation * CHANGED);
        let deletes = (gone..gone + CHANGED).fold(Batch::new(), |batch, id| batch.delete(id));
        collection.apply(deletes).unwrap();
        insert(&collection, next..next + CHANGED);
        collection.compact().unwrap();
        let stats = store.stats().unwrap().collections.remove(0);
        let nodes: Vec<(u64, u64)> =
            stats.indexes.iter().map(|index| (index.nodes, index.live_nodes)).collect();
        assert_eq!(nodes, [(LIVE, LIVE)], "generation {generation}");
    }
    assert!(store.verify().unwrap().is_clean());
    let last = recall(&collection);
    assert!(last >= first - 0.02 && last >= 0.95, "{first} and then {last}");
    let built = built.lock().unwrap();
    let anew = built.iter().filter(|(merged, _)| !merged).count();
    assert!(anew == 1 && built.len() == 13, "{built:?}");
    // Less than half of the cost of a rebuild, also at this small size.
    assert!(built[1..].iter().all(|(_, cost)| 2 * cost < built[0].1), "{built:?}");
}
