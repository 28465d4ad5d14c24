//! The disk budget: it is never exceeded, no delete is ever lost to it, and a store that replaces
//! its content keeps running.

use std::path::Path;

use super::bytes_on_disk;
use crate::common::vector;
use altiplano::{
    Background, Batch, Budget, Collection, CollectionOptions, Error, Memory, Metric, Store,
    StoreOptions,
};

const DIMENSION: usize = 256;
const BUDGET: u64 = 32 << 20;

fn open(dir: &Path, background: Background) -> (Store, Collection) {
    let options = StoreOptions::new().background(background).disk_budget(BUDGET);
    let store = options.reserve_bytes(1 << 20).open(dir).unwrap();
    let wanted = CollectionOptions::new(DIMENSION, Metric::L2).memtable_rows(512);
    let notes = store.collection("notes", wanted).unwrap();
    (store, notes)
}

fn rows(ids: std::ops::Range<u64>) -> Batch {
    ids.map(|id| Memory::new(id, vector(id, DIMENSION))).collect()
}

/// Inserts until the store refuses. Returns the first id that is not stored.
fn fill(store: &Store, notes: &Collection, from: u64) -> u64 {
    for first in (from..).step_by(64) {
        match notes.apply(rows(first..first + 64)) {
            Ok(_) => assert!(bytes_on_disk(store) <= BUDGET, "{} bytes", bytes_on_disk(store)),
            Err(Error::OverBudget {
                budget: Budget::Disk, needed, limit: BUDGET, free, ..
            }) => {
                assert!(needed > BUDGET && free >= needed - BUDGET && first < 100_000);
                return first;
            }
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("ids do not end")
}

#[test]
fn inserts_are_refused_before_the_budget_is_passed_and_fit_again_once_something_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("a.alt"), Background::Manual);
    let settle = || while store.run_pending_tasks().unwrap() {};
    let mut end = fill(&store, &notes, 0);
    // Unsealed rows are in the log as well, so sealing them makes room for more.
    loop {
        settle();
        let next = fill(&store, &notes, end);
        if next == end {
            break;
        }
        end = next;
    }
    assert!(end * 1024 > BUDGET / 3, "only {end} rows fit");
    assert_eq!(notes.len().unwrap(), end);
    for id in 0..end / 2 {
        assert!(notes.delete(id).unwrap(), "deletes are always admitted");
    }
    settle();
    assert!(bytes_on_disk(&store) <= BUDGET);
    let more = fill(&store, &notes, end) - end;
    assert!(more > end / 4, "{more} rows more");
    assert_eq!(notes.len().unwrap(), end - end / 2 + more);
    store.close().unwrap();
    let (store, notes) = open(&dir.path().join("a.alt"), Background::Manual);
    assert_eq!(notes.len().unwrap(), end - end / 2 + more);
    assert!(bytes_on_disk(&store) <= BUDGET);
    let refused = notes.apply(rows(1_000_000..1_004_000));
    assert!(matches!(refused, Err(Error::OverBudget { .. })), "measured at open: {refused:?}");
}

#[test]
fn a_store_that_turns_its_content_over_is_never_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("a.alt"), Background::Auto);
    // 6 MiB live, 60 MiB written: ten times the content, twice the budget.
    for round in 0..10u64 {
        for first in (0..6_000).step_by(100) {
            let batch = (first..first + 100)
                .map(|id| Memory::new(id as u64, vector(id as u64 ^ (round << 32), DIMENSION)));
            notes.apply(batch.collect::<Batch>()).unwrap();
            let bytes = bytes_on_disk(&store);
            assert!(bytes <= BUDGET, "{bytes} bytes in round {round}");
        }
    }
    assert_eq!(notes.len().unwrap(), 6_000);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_budget_that_holds_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = StoreOptions::new().disk_budget(BUDGET - 1).open(dir.path().join("s"));
    assert!(matches!(refused, Err(Error::InvalidOption { .. })), "{refused:?}");
}
