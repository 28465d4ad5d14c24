//! Owns the tests of lifetimes: which memories a default ends and which not, and the clock's unit.

use std::sync::Arc;
use std::time::Duration;

use altiplano::{Collection, CollectionOptions, Error, ManualClock, Metric, Store};

use crate::common::{START, contents, memory, with_clock};

const SECOND: Duration = Duration::from_secs(1);

fn options() -> CollectionOptions {
    CollectionOptions::new(4, Metric::L2).memtable_rows(64)
}

fn open(path: &std::path::Path, clock: &Arc<ManualClock>) -> (Store, Collection) {
    let store = with_clock(clock).open(path).unwrap();
    let notes = store.collection("notes", options().default_ttl(10 * SECOND)).unwrap();
    (store, notes)
}

fn visible(notes: &Collection) -> Vec<u128> {
    contents(notes).keys().map(|id| id.as_u128()).collect()
}

#[test]
fn a_pinned_memory_outlives_the_default_lifetime_and_not_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let (store, notes) = open(&path, &clock);
    notes.insert(memory(1, 4).pinned(true)).unwrap();
    notes.insert(memory(2, 4)).unwrap();
    notes.insert(memory(3, 4).pinned(true).ttl(30 * SECOND)).unwrap();
    notes.insert(memory(4, 4).pinned(true).expires_at(START + 20 * SECOND)).unwrap();
    assert_eq!(notes.get(1u64).unwrap().unwrap().expiry(), None);
    clock.advance(10 * SECOND);
    assert_eq!(visible(&notes), [1, 3, 4]);
    clock.advance(10 * SECOND);
    assert_eq!(visible(&notes), [1, 3]);
    store.compact().unwrap();
    store.close().unwrap();
    clock.advance(10 * SECOND);
    let (_store, notes) = open(&path, &clock);
    assert_eq!(visible(&notes), [1]);
}

#[test]
fn pinning_a_memory_that_was_read_lifts_the_default_that_it_was_stored_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let (store, notes) = open(&path, &clock);
    for id in 1..=3 {
        notes.insert(memory(id, 4)).unwrap();
    }
    notes.insert(memory(4, 4).ttl(10 * SECOND)).unwrap();
    store.compact().unwrap();
    store.close().unwrap();
    let (_store, notes) = open(&path, &clock);
    // Written back unchanged, it keeps its end.
    clock.advance(5 * SECOND);
    notes.insert(notes.get(1u64).unwrap().unwrap()).unwrap();
    notes.insert(notes.get(2u64).unwrap().unwrap().pinned(true)).unwrap();
    // The default applies to a memory that is written back and pinned later.
    notes.insert(notes.get(3u64).unwrap().unwrap()).unwrap();
    notes.insert(notes.get(3u64).unwrap().unwrap().pinned(true)).unwrap();
    notes.insert(notes.get(4u64).unwrap().unwrap().pinned(true)).unwrap();
    clock.advance(5 * SECOND);
    assert_eq!(visible(&notes), [2, 3]);
}

#[test]
fn a_lifetime_rounds_up_to_a_whole_millisecond() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let least = options().default_ttl(Duration::from_nanos(1));
    let notes = store.collection("notes", least).unwrap();
    let ms = Duration::from_millis(1);
    notes.insert(memory(1, 4).ttl(Duration::from_micros(500))).unwrap();
    notes.insert(memory(2, 4)).unwrap();
    notes.insert(memory(3, 4).ttl(ms)).unwrap();
    notes.insert(memory(4, 4).ttl(ms + Duration::from_nanos(1))).unwrap();
    assert_eq!(visible(&notes), [1, 2, 3, 4]);
    assert_eq!(notes.get(1u64).unwrap().unwrap().expiry(), Some(START + ms));
    clock.advance(ms);
    assert_eq!(visible(&notes), [4]);
    clock.advance(ms);
    assert!(notes.is_empty().unwrap());
}

#[test]
fn a_lifetime_of_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let none = store.collection("none", options().default_ttl(Duration::ZERO)).unwrap_err();
    assert!(matches!(none, Error::InvalidOption { name: "default_ttl", .. }), "{none}");
    let notes = store.collection("notes", options()).unwrap();
    let none = notes.insert(memory(1, 4).ttl(Duration::ZERO)).unwrap_err();
    assert!(matches!(none, Error::InvalidOption { name: "ttl", .. }), "{none}");
    let none = notes.insert(memory(1, 4).pinned(true).ttl(Duration::ZERO)).unwrap_err();
    assert!(matches!(none, Error::InvalidOption { name: "ttl", .. }), "{none}");
    assert!(notes.is_empty().unwrap());
}
