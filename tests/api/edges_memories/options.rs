//! Owns the tests of opening a collection again: options that are not given stay, and are not
//! compared.

use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    CollectionOptions, CollectionSettings, Durability, Error, HnswParams, ManualClock, Metric,
    Quantization, Store,
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
    store.collection("notes", bare().quantization(Quantization::None)).unwrap();
    store.collection("notes", bare()).unwrap();
    store.close().unwrap();
    let (store, _) = open(&path);
    store.collection("notes", bare()).unwrap();
    let wrong = store.collection("notes", bare().quantization(Quantization::Int8)).unwrap_err();
    assert!(matches!(wrong, Error::InvalidOption { name: "quantization", .. }), "{wrong}");
    assert!(wrong.to_string().contains("with none, not with int8"), "{wrong}");
}

#[test]
fn each_option_stays_unless_it_is_given_and_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let max_delay = Duration::from_millis(5);
    let buffered = Durability::buffered(max_delay);
    let graph = HnswParams::default().m(8);
    let all = bare()
        .default_ttl(SECOND)
        .durability(buffered)
        .embedding_space("model")
        .quantization(Quantization::None)
        .hnsw(graph)
        .memtable_rows(128);
    let (store, _) = open(&path);
    store.collection("notes", all.clone()).unwrap();
    // Each in a call of its own, which changes nothing else.
    let calls = [
        bare(),
        bare().default_ttl(SECOND),
        bare().durability(buffered),
        bare().embedding_space("model"),
        bare().hnsw(graph),
        bare().memtable_rows(128),
    ];
    for options in calls {
        let notes = store.collection("notes", options).unwrap();
        assert_eq!(notes.settings(), CollectionSettings::from(all.clone()));
    }
    store.close().unwrap();
    let (store, _) = open(&path);
    let got = store.collection("notes", bare()).unwrap().settings();
    assert_eq!(got, CollectionSettings::from(all.clone()));
    assert_eq!(got.default_ttl, Some(SECOND));
    assert_eq!(got.durability, buffered);
    assert_eq!(got.embedding_space.as_deref(), Some("model"));
    assert_eq!(got.quantization, Quantization::None);
    assert_eq!(got.hnsw, graph);
    assert_eq!(got.memtable_rows, 128);
    assert!(!got.in_memory);
    // Options that are given change, and no others.
    let notes = store.collection("notes", bare().no_default_ttl()).unwrap();
    assert_eq!(notes.settings().default_ttl, None);
    let notes = store.collection("notes", bare().durability(Durability::Sync)).unwrap();
    let plain = all.clone().no_default_ttl().durability(Durability::Sync);
    assert_eq!(notes.settings(), CollectionSettings::from(plain.clone()));
    store.close().unwrap();
    let (store, _) = open(&path);
    let notes = store.get_collection("notes").unwrap();
    assert_eq!(notes.settings(), CollectionSettings::from(plain));
    // A collection's options create another one that is alike.
    let copy = store.collection("copy", notes.settings()).unwrap();
    assert_eq!(copy.settings(), notes.settings());
}

#[test]
fn a_collection_in_ram_is_found_again_without_saying_so() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir.path().join("s"));
    store.collection("scratch", bare().in_memory()).unwrap().insert(memory(1, 4)).unwrap();
    let again = store.collection("scratch", bare()).unwrap();
    assert!(again.settings().in_memory && again.contains(1u64).unwrap());
}

#[test]
fn another_metric_is_told_with_both_names() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir.path().join("s"));
    store.collection("notes", bare()).unwrap();
    let wrong = store.collection("notes", CollectionOptions::new(4, Metric::Dot)).unwrap_err();
    let told = "invalid metric: the collection \"notes\" was created with l2, not with dot; ";
    assert!(wrong.to_string().starts_with(told), "{wrong}");
}

#[test]
fn what_is_not_given_has_its_default() {
    let options = CollectionSettings::from(bare());
    assert_eq!(options.default_ttl, None);
    assert_eq!(options.durability, Durability::Sync);
    assert_eq!(options.embedding_space, None);
    assert_eq!(options.quantization, Quantization::Int8);
    assert_eq!(
        CollectionSettings::from(CollectionOptions::new(256, Metric::L2)).quantization,
        Quantization::Bits4
    );
    assert_eq!(options.hnsw, HnswParams::default());
    assert_eq!(options.memtable_rows, 4096);
    assert!(!options.in_memory);
    assert_eq!(bare(), bare().no_default_ttl().quantization(Quantization::Int8));
    assert_ne!(bare(), bare().default_ttl(SECOND));
}
