//! Owns the tests of renaming collections and of exchanging two.

use altiplano::{Collection, CollectionOptions, Error, Memory, Metric, Store};

use crate::common::{ids, manual, memory, settle};

fn options(dimension: usize) -> CollectionOptions {
    CollectionOptions::new(dimension, Metric::L2).memtable_rows(64)
}

fn ids_of(store: &Store, name: &str) -> Vec<u64> {
    ids(&store.get_collection(name).unwrap())
}

/// A store with `notes` of 300 memories on the disk and `facts` of two in the log.
fn filled(path: &std::path::Path) -> (Store, Collection, Collection) {
    let store = manual().open(path).unwrap();
    let notes = store.collection("notes", options(4).embedding_space("old")).unwrap();
    notes.apply((0..300).map(|id| memory(id, 4)).collect()).unwrap();
    settle(&store);
    let facts = store.collection("facts", options(3).embedding_space("new")).unwrap();
    facts.apply((1000..1002).map(|id| memory(id, 3)).collect()).unwrap();
    (store, notes, facts)
}

#[test]
fn a_renamed_collection_keeps_everything_and_its_handles() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes, facts) = filled(&path);
    let snapshot = store.snapshot().unwrap();
    store.rename_collection("notes", "ünï").unwrap();
    store.rename_collection("facts", "notes").unwrap();
    store.rename_collection("notes", "notes").unwrap();
    assert_eq!((notes.name(), facts.name()), ("ünï", "notes"));
    assert_eq!(store.collection_names(), ["notes", "ünï"]);
    assert!(store.get_collection("facts").is_none());
    // A handle follows its collection, a snapshot has the names of its moment.
    notes.insert(memory(300, 4)).unwrap();
    facts.delete(1000).unwrap();
    assert_eq!((ids_of(&store, "ünï").len(), ids_of(&store, "notes")), (301, vec![1001]));
    assert_eq!(snapshot.collection_names(), ["facts", "notes"]);
    assert_eq!(snapshot.collection("notes").unwrap().len().unwrap(), 300);
    let stats = store.stats().unwrap();
    let names: Vec<&str> = stats.collections.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["notes", "ünï"]);
    // The old name is free.
    store.collection("facts", options(2)).unwrap();
    drop((notes, facts, snapshot));
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(store.collection_names(), ["facts", "notes", "ünï"]);
    assert_eq!((ids_of(&store, "ünï").len(), ids_of(&store, "notes")), (301, vec![1001]));
    assert_eq!(store.get_collection("ünï").unwrap().settings().dimension, 4);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn names_that_cannot_be_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes, _facts) = filled(&path);
    let long = "x".repeat(256);
    for wrong in ["", &long] {
        let error = store.rename_collection("notes", wrong).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }
    let error = store.rename_collection("notes", "facts").unwrap_err();
    assert!(matches!(&error, Error::NameTaken { name, .. } if name == "facts"), "{error}");
    let unknown = [
        store.rename_collection("nothing", "else"),
        store.rename_collection("nothing", "nothing"),
        store.swap_collections("notes", "nothing"),
        store.swap_collections("nothing", "notes"),
    ];
    for result in unknown {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::NoCollection { name, .. } if name == "nothing"), "{error}");
    }
    let reader = manual().open_read_only(&path).unwrap();
    assert!(matches!(reader.rename_collection("notes", "a"), Err(Error::ReadOnly { .. })));
    assert!(matches!(reader.swap_collections("notes", "facts"), Err(Error::ReadOnly { .. })));
    assert_eq!((store.collection_names(), notes.name()), (reader.collection_names(), "notes"));
    store.clone().close().unwrap();
    assert!(matches!(store.rename_collection("notes", "a"), Err(Error::Closed)));
    assert!(matches!(store.swap_collections("notes", "facts"), Err(Error::Closed)));
}

#[test]
fn exchanged_collections_take_their_options_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes, facts) = filled(&path);
    let reader = manual().open_read_only(&path).unwrap();
    store.swap_collections("notes", "facts").unwrap();
    store.swap_collections("notes", "notes").unwrap();
    assert_eq!((notes.name(), facts.name()), ("facts", "notes"));
    notes.insert(memory(300, 4)).unwrap();
    reader.refresh().unwrap();
    for store in [&store, &reader] {
        assert_eq!((ids_of(store, "notes"), ids_of(store, "facts").len()), (vec![1000, 1001], 301));
        let settings = store.get_collection("notes").unwrap().settings();
        assert_eq!((settings.dimension, settings.embedding_space.as_deref()), (3, Some("new")));
    }
    assert!(store.collection("notes", options(4)).is_err());
    assert!(store.drop_collection("facts").unwrap());
    assert!(matches!(notes.insert(memory(1, 4)), Err(Error::Closed)));
    facts.insert(memory(1, 3)).unwrap();
    drop((notes, facts));
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(store.collection_names(), ["notes"]);
    assert_eq!(ids_of(&store, "notes"), [1, 1000, 1001]);
}

#[test]
fn collections_in_ram_change_their_names_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes, _) = filled(&path);
    let scratch = store.collection("scratch", options(2).in_memory()).unwrap();
    scratch.insert(Memory::new(7, [0.0, 1.0])).unwrap();
    store.rename_collection("scratch", "ram").unwrap();
    store.swap_collections("notes", "ram").unwrap();
    assert_eq!((notes.name(), scratch.name()), ("ram", "notes"));
    assert_eq!((ids_of(&store, "notes"), ids_of(&store, "ram").len()), (vec![7], 300));
    drop((notes, scratch));
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(store.collection_names(), ["facts", "ram"]);
    assert_eq!(ids_of(&store, "ram").len(), 300);
}
