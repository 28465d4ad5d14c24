//! Forgetting a namespace: in all collections at once, out of every file, and nothing else.

#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::sync::Arc;
use std::time::Duration;

use crate::common::{START, contents, files_with, manual, memory, with_clock};
use altiplano::{Collection, CollectionOptions, Error, ManualClock, Memory, Metric, Store};

fn collections(store: &Store) -> [Collection; 3] {
    let options = || CollectionOptions::new(4, Metric::L2);
    [("notes", options()), ("facts", options().memtable_rows(64)), ("now", options().in_memory())]
        .map(|(name, options)| store.collection(name, options).unwrap())
}

/// Returns memories of a namespace, of which each file that holds one can be recognized.
fn of(namespace: &str, ids: std::ops::Range<u64>) -> impl Iterator<Item = Memory> {
    ids.map(move |id| {
        let text = format!("{namespace} secret text {id}");
        memory(id, 4).namespace(namespace).text(text).session(format!("{namespace} session"))
    })
}

#[test]
fn a_forgotten_namespace_leaves_every_collection_and_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let [notes, facts, now] = collections(&store);
    notes.apply(of("user:42", 0..5).chain(of("user:7", 5..9)).collect()).unwrap();
    facts.apply(of("user:42", 0..300).chain(of("user:42/work", 300..310)).collect()).unwrap();
    facts.compact().unwrap();
    facts.apply(of("user:42", 400..410).collect()).unwrap();
    facts.insert(memory(500, 4)).unwrap();
    now.apply(of("user:42", 0..2).chain(of("user:7", 2..3)).collect()).unwrap();
    let left = |collection: &Collection| {
        let mut all = contents(collection);
        all.retain(|_, memory| memory.namespace.as_deref() != Some("user:42"));
        all
    };
    let before = [&notes, &facts, &now].map(left);
    assert!(!files_with(&path, b"user:42 secret text").is_empty());

    let receipt = store.forget("user:42").unwrap();
    assert!(receipt.is_complete(), "{receipt}");
    let counts: Vec<(&str, u64)> =
        receipt.deleted.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    for expected in [("notes", 5), ("facts", 310), ("now", 2)] {
        assert!(counts.contains(&expected), "{counts:?}");
    }
    assert_eq!((counts.len(), receipt.memories()), (3, 317));
    assert_eq!((&*receipt.namespace, receipt.purge.withheld_rows), ("user:42", 0));
    assert!(receipt.purge.rows >= 315);
    for needle in [&b"user:42 secret text"[..], b"user:42 session"] {
        assert_eq!(files_with(&path, needle), Vec::<String>::new());
    }
    for (collection, before) in [&notes, &facts, &now].into_iter().zip(before) {
        assert!(collection.scope("user:42").is_empty().unwrap());
        assert_eq!(contents(collection), before);
    }
    assert!(!files_with(&path, b"user:42/work secret text 300").is_empty());
    let again = store.forget("user:42").unwrap();
    assert_eq!((again.deleted.len(), again.memories(), again.is_complete()), (0, 0, true));
    let json = serde_json::to_string(&receipt).unwrap();
    assert!(json.contains("\"user:42\""), "{json}");
}

#[test]
fn a_receipt_names_the_files_that_a_reader_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let [_, facts, _] = collections(&store);
    facts.apply(of("user:42", 0..300).collect()).unwrap();
    facts.compact().unwrap();
    let mut reader = facts.iter();
    assert!(reader.next().is_some());
    let receipt = store.forget("user:42").unwrap();
    assert!(!receipt.is_complete() && !receipt.purge.pending.is_empty(), "{receipt}");
    assert!(receipt.to_string().contains("pending"), "{receipt}");
    assert_eq!(reader.count(), 299);
    assert!(store.forget("user:42").unwrap().is_complete());
    assert_eq!(files_with(&path, b"user:42 secret text"), Vec::<String>::new());
}

/// A clock in doubt hides memories and destroys none. Whoever asks for a namespace to be forgotten
/// means its hidden memories as well.
#[test]
fn hidden_memories_of_the_namespace_are_forgotten_and_others_are_withheld() {
    let clock = Arc::new(ManualClock::new(START));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = with_clock(&clock).open(&path).unwrap();
    let [notes, ..] = collections(&store);
    let day = Duration::from_secs(86_400);
    let mortal = |memory: Memory| memory.ttl(3 * day);
    notes.apply(of("user:42", 0..3).chain(of("user:7", 3..5)).map(mortal).collect()).unwrap();
    clock.set_wall(START + 10 * day);
    assert!(notes.is_empty().unwrap());
    let receipt = store.forget("user:42").unwrap();
    assert!(receipt.is_complete(), "{receipt}");
    assert_eq!((receipt.memories(), receipt.purge.withheld_rows), (0, 2));
    assert!(receipt.purge.clock_doubt.is_some() && !receipt.purge.is_complete());
    assert_eq!(files_with(&path, b"user:42 secret text"), Vec::<String>::new());
    assert!(!files_with(&path, b"user:7 secret text").is_empty());
}

#[test]
fn a_store_that_takes_no_writes_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    collections(&store)[0].apply(of("user:42", 0..3).collect()).unwrap();
    store.clone().close().unwrap();
    assert!(matches!(store.forget("user:42"), Err(Error::Closed)));
    let reader = manual().open_read_only(dir.path().join("s")).unwrap();
    assert!(matches!(reader.forget("user:42"), Err(Error::ReadOnly { .. })));
    assert_eq!(reader.get_collection("notes").unwrap().len().unwrap(), 3);
}
