//! Owns the tests of opening a collection again: what is not given stays, and is not compared.

use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    Codes, CollectionOptions, Durability, Error, HnswParams, ManualClock, Metric, Store,
};

use crate::common::{START, memory, with_clock};

const SECOND: Duration = Duration::from_secs(1);

fn bare() -> CollectionOptions {
    CollectionOptions::new(4, Metric::L2)
}

fn open(path: &std::path::Path) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START));
    (with_clock(&clock).open(path).unwrap(), clock)
}

#[test]
fn opening_a_collection_again_leaves_the_lifetime_that_is_not_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, _) = open(&path);
    store.collection("notes", bare().default_ttl(SECOND)).unwrap();
    store.collection("notes", bare()).unwrap();
    store.close().unwrap();
    let (store, clock) = open(&path);
    let notes = store.collection("notes", bare()).unwrap();
    notes.insert(memory(1, 4)).unwrap();
    clock.advance(SECOND);
    assert!(!notes.contains(1u64).unwrap(), "the default lifetime was taken away");
}

#[test]
fn codes_that_are_not_given_are_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, _) = open(&path);
    store.collection("notes", bare().codes(Codes::F32)).unwrap();
    store.collection("notes", bare()).unwrap();
    store.close().unwrap();
    let (store, _) = open(&path);
    store.collection("notes", bare()).unwrap();
    let wrong = store.collection("notes", bare().codes(Codes::Int8)).unwrap_err();
    assert!(matches!(wrong, Error::InvalidOption { name: "codes", .. }), "{wrong}");
    assert!(wrong.to_string().contains("F32") && wrong.to_string().contains("Int8"), "{wrong}");
}

