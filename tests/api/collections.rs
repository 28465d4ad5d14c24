//! Owns the tests of collections: their options and names, fixed options, dropping, in-memory
//! collections, and their state after a reopen.

use std::time::Duration;

use altiplano::{
    Background, CollectionOptions, CollectionSettings, Error, HnswParams, Metric, Quantization,
    Store, StoreOptions,
};

use crate::common::{bytes_of, file_names, files_with, ids, manual, memory, settle, vector};

fn options() -> CollectionOptions {
    CollectionOptions::new(4, Metric::L2).memtable_rows(64)
}

#[test]
fn collections_are_apart_and_stay_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let names = ["zebra", "a/../b", "ünï", " "];
    for (i, name) in (0u64..).zip(names) {
        let collection =
            store.collection(name, CollectionOptions::new(i as usize + 1, Metric::L2)).unwrap();
        for id in 0..=i * 50 {
            collection.insert(memory(id, i as usize + 1)).unwrap();
        }
        assert_eq!(collection.name(), name);
    }
    let mut sorted = names.map(String::from);
    sorted.sort();
    let check = |store: &Store| {
        assert_eq!(store.collection_names(), sorted);
        for (i, name) in (0u64..).zip(names) {
            let collection = store.get_collection(name).unwrap();
            assert_eq!(collection.len().unwrap(), i * 50 + 1);
            assert_eq!(collection.settings().dimension, i as usize + 1);
        }
        assert!(store.get_collection("nothing").is_none());
    };
    check(&store);
    store.compact().unwrap();
    check(&store);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    check(&store);
    // The name of a collection never becomes a path.
    assert_eq!(file_names(dir.path()), ["s"]);
}

#[test]
fn what_is_fixed_at_creation_must_agree() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    store.collection("notes", options().embedding_space("model-a")).unwrap();
    let check = |store: &Store| {
        let open = |options| store.collection("notes", options).map(drop);
        let wrong = open(CollectionOptions::new(5, Metric::L2)).unwrap_err();
        assert!(matches!(wrong, Error::Dimension { expected: 4, got: 5, .. }));
        let wrong = open(CollectionOptions::new(4, Metric::Dot)).unwrap_err();
        assert!(matches!(wrong, Error::InvalidOption { name: "metric", .. }));
        let wrong = open(options().quantization(Quantization::None)).unwrap_err();
        assert!(matches!(wrong, Error::InvalidOption { name: "quantization", .. }));
        let wrong = open(options().in_memory()).unwrap_err();
        assert!(matches!(wrong, Error::InvalidOption { name: "in_memory", .. }));
        let wrong = open(options().embedding_space("model-b")).unwrap_err();
        let Error::EmbeddingSpace { expected, got, .. } = wrong else { panic!("{wrong}") };
        assert_eq!((expected.as_str(), got.as_str()), ("model-a", "model-b"));
        open(options().embedding_space("model-a")).unwrap();
        open(options()).unwrap();
    };
    check(&store);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    check(&store);
}

#[test]
fn the_rest_changes_to_what_is_given_and_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    store.collection("notes", options()).unwrap();
    let changed = options()
        .default_ttl(Duration::from_secs(5))
        .memtable_rows(128)
        .hnsw(HnswParams::default().m(8))
        .embedding_space("named later");
    let notes = store.collection("notes", changed.clone()).unwrap();
    assert_eq!(notes.settings(), CollectionSettings::from(changed.clone()));
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(
        store.get_collection("notes").unwrap().settings(),
        CollectionSettings::from(changed)
    );
}

#[test]
fn options_out_of_range_are_refused_and_nothing_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let hnsw = |m, ef_construction| {
        HnswParams::default().m(m).ef_construction(ef_construction).min_rows(0)
    };
    let bad = [
        CollectionOptions::new(0, Metric::L2),
        CollectionOptions::new(65_536, Metric::L2),
        options().memtable_rows(63),
        options().memtable_rows(65_537),
        options().hnsw(hnsw(3, 100)),
        options().hnsw(hnsw(129, 200)),
        options().hnsw(hnsw(16, 15)),
        options().hnsw(hnsw(16, 4097)),
        options().default_ttl(Duration::ZERO),
        options().embedding_space(""),
        options().embedding_space("x".repeat(1025)),
    ];
    for options in bad {
        let error = store.collection("notes", options).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }
    for name in ["", &"x".repeat(256)] {
        let error = store.collection(name, options()).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }
    assert!(store.collection_names().is_empty());
    store.collection(&"x".repeat(255), options()).unwrap();
    let error = StoreOptions::new().heap_budget(1).open(dir.path().join("t")).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { .. }));
}

#[test]
fn the_largest_dimension_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let dimension = CollectionOptions::MAX_DIMENSION;
    let notes =
        store.collection("notes", CollectionOptions::new(dimension, Metric::Cosine)).unwrap();
    for id in 0..3 {
        notes.insert(memory(id, dimension)).unwrap();
    }
    notes.compact().unwrap();
    let query = vector(1, dimension);
    assert_eq!(notes.search(&query).k(1).run().unwrap()[0].id, 1u64.into());
}

#[test]
fn a_dropped_collection_is_gone_with_its_files_and_its_name_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let other = store.collection("other", options()).unwrap();
    for id in 0..200 {
        notes.insert(memory(id, 4)).unwrap();
    }
    other.insert(memory(1, 4)).unwrap();
    settle(&store);
    assert!(bytes_of(&path, "seg-") > 0);
    assert!(store.drop_collection("notes").unwrap());
    assert!(!store.drop_collection("notes").unwrap());
    assert!(store.get_collection("notes").is_none());
    assert_eq!(store.collection_names(), ["other"]);
    // Handles can still read, but not write.
    assert_eq!(notes.len().unwrap(), 200);
    assert!(matches!(notes.insert(memory(1, 4)), Err(Error::Closed)));
    assert!(matches!(notes.delete(1u64), Err(Error::Closed)));
    assert_eq!(store.stats().unwrap().collections.len(), 1);
    drop(notes);
    assert_eq!(bytes_of(&path, "seg-"), 0);
    assert_eq!(bytes_of(&path, "idx-") + bytes_of(&path, "loc-"), 0);
    let again = store.collection("notes", CollectionOptions::new(2, Metric::Dot)).unwrap();
    assert!(again.is_empty().unwrap());
    again.insert(memory(7, 2)).unwrap();
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(ids(&store.get_collection("notes").unwrap()), [7]);
    assert_eq!(ids(&store.get_collection("other").unwrap()), [1]);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn an_in_memory_collection_is_never_on_disk_and_gone_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = StoreOptions::new().background(Background::Manual).open(&path).unwrap();
    let kept = store.collection("kept", options()).unwrap();
    let scratch = store.collection("scratch-name", options().in_memory()).unwrap();
    for id in 0..500 {
        let secret = memory(id, 4).text("never-written-anywhere");
        let batch = altiplano::Batch::new().insert(secret).insert_into(&kept, memory(id, 4));
        scratch.apply(batch).unwrap();
    }
    for id in 0..400u64 {
        scratch.delete(id).unwrap();
    }
    settle(&store);
    store.compact().unwrap();
    assert_eq!(ids(&scratch), (400..500).collect::<Vec<u64>>());
    let query = vector(450, 4);
    assert_eq!(scratch.search(&query).k(1).run().unwrap()[0].id, 450u64.into());
    assert!(files_with(&path, b"never-written-anywhere").is_empty());
    assert!(files_with(&path, b"scratch-name").is_empty());
    assert!(store.verify().unwrap().is_clean());
    store.close().unwrap();
    assert!(files_with(&path, b"never-written-anywhere").is_empty());
    let store = manual().open(&path).unwrap();
    assert_eq!(store.collection_names(), ["kept"]);
    assert_eq!(store.get_collection("kept").unwrap().len().unwrap(), 500);
}
