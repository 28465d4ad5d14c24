//! The budget of resident bytes: pages of mapped files are let go when more are resident than may be, and
//! nothing is lost by it.
#![cfg(target_os = "linux")]

#[path = "common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Duration;

use altiplano::{Batch, CollectionOptions, Fields, ManualClock, Memory, Metric, Store};
use common::{START, vector};

const DIMENSION: usize = 256;
const ROWS: u64 = 8_000;

fn settle(store: &Store) {
    while store.run_pending().unwrap() {}
}

#[test]
fn pages_are_let_go_when_more_are_resident_than_may_be() {
    const BUDGET: u64 = 3 << 20;
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let options = common::with_clock(&clock).resident_budget(BUDGET);
    let store = options.open(dir.path().join("s")).unwrap();
    settle(&store);
    let notes = store.collection("notes", CollectionOptions::new(DIMENSION, Metric::L2)).unwrap();
    for first in (0..ROWS).step_by(1000) {
        let batch = (first..first + 1000).map(|id| Memory::new(id, vector(id, DIMENSION)));
        notes.apply(batch.collect::<Batch>()).unwrap();
    }
    notes.compact().unwrap();
    let query = vector(77, DIMENSION);
    let ask = |exact: bool| {
        let search = notes.search(&query).k(50).fields(Fields::None);
        let search = if exact { search.exact() } else { search };
        search.run().unwrap().iter().map(|hit| hit.id).collect::<Vec<_>>()
    };
    // Every row is read: 8 MB and more are resident.
    let nearest = ask(true);
    assert!(store.stats().unwrap().resident_bytes > 2 * BUDGET);
    settle(&store);
    assert!(store.stats().unwrap().resident_bytes > 2 * BUDGET, "looked at once a second");
    clock.advance(Duration::from_secs(1));
    settle(&store);
    let resident = store.stats().unwrap().resident_bytes;
    assert!(resident <= BUDGET, "{resident}");
    assert_eq!(ask(false), nearest);
    assert_eq!(ask(true), nearest);
    assert!(store.verify().unwrap().is_clean());
}
