//! A store that was not open for long hides expired memories. The receipt of a purge and the
//! statistics report those that are not destroyed yet, until somebody confirms the clock.

#![allow(clippy::disallowed_methods, reason = "tests may use files")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{START, contents, files_with, settle, vector, with_clock};
use altiplano::{
    Clock, Collection, CollectionOptions, Error, ManualClock, Memory, Metric, Store, Timestamp,
};

const DAY: Duration = Duration::from_secs(86_400);

fn at(now: Timestamp) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(now))
}

fn secret(id: u64) -> String {
    format!("the secret of {id:05}")
}

fn mortal(id: u64) -> Memory {
    Memory::new(id, vector(id, 4)).text(secret(id)).ttl(3 * DAY)
}

fn notes(store: &Store) -> Collection {
    store.collection("notes", CollectionOptions::new(4, Metric::L2).memtable_rows(64)).unwrap()
}

/// Opens a store ten days after `rows` memories with a lifetime of three days were written.
fn after_ten_days(path: &Path, rows: u64) -> (Store, Arc<ManualClock>) {
    let store = with_clock(&at(START)).open(path).unwrap();
    for id in 0..rows {
        notes(&store).insert(mortal(id)).unwrap();
    }
    notes(&store).insert(Memory::new(9_999u64, [1.0; 4]).text("stays")).unwrap();
    settle(&store);
    store.close().unwrap();
    let clock = at(START + 10 * DAY);
    (with_clock(&clock).open(path).unwrap(), clock)
}

#[test]
fn a_purge_that_leaves_expired_rows_because_of_the_clock_is_not_complete() {
    // In the log alone, and in segments.
    for rows in [5, 300] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (store, _) = after_ten_days(&path, rows);
        assert_eq!(notes(&store).len().unwrap(), 1, "hidden at once");
        let other = store.collection("other", CollectionOptions::new(4, Metric::L2)).unwrap();
        for receipt in [store.purge().unwrap(), notes(&store).purge().unwrap()] {
            assert_eq!((receipt.withheld_rows, receipt.is_complete()), (rows, false));
            let doubt = receipt.clock_doubt.expect("why");
            assert_eq!(doubt.shown, START + 10 * DAY);
            assert!(doubt.believed <= START + 2 * DAY && doubt.wait <= DAY);
        }
        let receipt = other.purge().unwrap();
        assert_eq!((receipt.withheld_rows, receipt.clock_doubt), (0, None));
        assert!(receipt.is_complete(), "nothing of its own is withheld");
        assert!(!files_with(&path, secret(3).as_bytes()).is_empty());
        let stats = store.stats().unwrap();
        let text = stats.clock_doubt.expect("why").to_string();
        assert!(text.contains("trust_clock"), "{text}");
        assert_eq!(stats.collections[0].withheld_rows, rows);
        assert_eq!(stats.collections[0].expired_rows, rows);
    }
}

#[test]
fn a_clock_that_is_vouched_for_lets_a_purge_be_complete() {
    for rows in [5, 300] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (store, _) = after_ten_days(&path, rows);
        store.trust_clock().unwrap();
        assert_eq!(store.stats().unwrap().clock_doubt, None);
        let receipt = store.purge().unwrap();
        assert!(receipt.is_complete() && receipt.clock_doubt.is_none());
        assert_eq!(receipt.rows, rows);
        for id in 0..rows {
            assert_eq!(files_with(&path, secret(id).as_bytes()), Vec::<String>::new());
        }
        assert_eq!(contents(&notes(&store)).len(), 1);
    }
}

#[test]
fn the_word_of_a_caller_about_the_clock_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, _) = after_ten_days(&path, 5);
    store.trust_clock().unwrap();
    // As after a crash: the files at this moment.
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for name in crate::common::file_names(&path) {
        std::fs::copy(path.join(&name), copy.join(&name)).unwrap();
    }
    // The clock is set back by eight days, but the store's time does not run backwards.
    let store = with_clock(&at(START + 2 * DAY)).open(&copy).unwrap();
    assert_eq!(store.now(), START + 10 * DAY);
    assert!(store.purge().unwrap().is_complete());
    assert!(files_with(&copy, b"the secret").is_empty());
}

#[test]
fn vouching_for_a_clock_that_is_not_in_doubt_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = at(START);
    let store = with_clock(&clock).open(&path).unwrap();
    notes(&store).insert(mortal(1)).unwrap();
    clock.set_wall(START - DAY);
    store.trust_clock().unwrap();
    assert_eq!((store.now(), clock.wall()), (START, START - DAY));
    assert!(store.purge().unwrap().is_complete());
    assert_eq!(notes(&store).len().unwrap(), 1);
    store.close().unwrap();
    let reader = with_clock(&at(START + 10 * DAY)).open_read_only(&path).unwrap();
    assert!(matches!(reader.trust_clock(), Err(Error::ReadOnly { .. })));
}
