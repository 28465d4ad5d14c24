//! Owns the test of filtered searches over a graph at every selectivity, also where the matching
//! rows lie near the query or far from it. It checks recall and k results (I12). No search may cost
//! much more than measuring the codes of the matching rows.

use std::sync::Arc;

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Filter, HnswParams, ManualClock, Memory,
    Metric, StoreOptions, Timestamp,
};

const ROWS: u64 = 6_000;
const DIMENSION: usize = 24;
const K: usize = 10;

/// Returns a point of one of 40 clusters.
fn vector(i: u64) -> Vec<f32> {
    crate::common::clustered(i, DIMENSION, 40, 0.7)
}

/// Returns a row's tags: a random part, and whether it lies near the first cluster's center.
fn tags(i: u64) -> Vec<String> {
    let drawn = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 1000;
    let mut tags: Vec<String> = [1, 10, 50, 200, 500, 900, 990]
        .into_iter()
        .filter(|permille| drawn < *permille)
        .map(|permille| format!("random-{permille}"))
        .collect();
    let near = i % 40 < 4;
    tags.push(if near { "near".to_owned() } else { "far".to_owned() });
    tags
}

fn memory(i: u64) -> Memory {
    tags(i).into_iter().fold(Memory::new(i, vector(i)), Memory::tag)
}

fn filled(dir: &std::path::Path) -> Collection {
    // While the clock stands still, the cost of time is assumed, not measured.
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let options = StoreOptions::new().background(Background::Manual).clock(clock);
    let store = options.open(dir).unwrap();
    let hnsw = HnswParams::default().min_rows(1_000);
    let options = CollectionOptions::new(DIMENSION, Metric::Cosine).hnsw(hnsw);
    let collection = store.collection("c", options).unwrap();
    for start in (0..ROWS).step_by(1_000) {
        let batch = (start..start + 1_000).fold(Batch::new(), |b, i| b.insert(memory(i)));
        collection.apply(batch).unwrap();
    }
    collection.compact().unwrap();
    collection
}

#[test]
fn recall_and_cost_hold_at_every_selectivity_i12() {
    let dir = tempfile::tempdir().unwrap();
    let collection = filled(dir.path());
    let names = ["random-1", "random-10", "random-50", "random-200", "random-500"];
    let more = ["random-900", "random-990", "near", "far"];
    for tag in names.into_iter().chain(more) {
        let (mut found, mut wanted) = (0, 0);
        // Queries of the first cluster. With "near", all rows near the query match; with "far",
        // none of them does.
        for query in (0..40).map(|i| vector(ROWS + i * 40)) {
            let search = || collection.search(&query).filter(Filter::tag(tag)).k(K);
            let exact = search().exact().run().unwrap();
            let (hits, told) = search().explain().unwrap();
            assert_eq!(hits.len(), exact.len(), "{tag}");
            assert!(exact.len() == K || told.eligible_rows < K as u64, "{tag}");
            let id = |h: &altiplano::Hit| h.id;
            let ids: Vec<_> = hits.iter().map(id).collect();
            found += exact.iter().filter(|h| ids.contains(&h.id)).count();
            wanted += exact.len();
            // A search through the graph ends when it has cost as much as its alternative.
            let measured = told.evaluations + told.scanned + told.reranked;
            let most = 2 * told.eligible_rows.min(ROWS) + 100;
            assert!(measured <= most, "{tag}: {measured} of {}", told.eligible_rows);
        }
        assert!(found * 100 >= wanted * 95, "{tag}: {found} of {wanted}");
    }
}
