//! Owns the writing of fixtures. Each version that changes the files runs it once; `mod.rs` says
//! how.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{Batch, Collection, CollectionOptions, Filter, HnswParams, ManualClock, Store};

use super::data::{
    COLLECTIONS, END, ENDED, IDS, LOGGED, SEALED, is_deleted_early, is_deleted_late,
    is_deleted_where, is_in, is_replaced, wanted,
};
use crate::common::{START, file_names, settle, with_clock};

/// Writes `closed` and `crashed` into a directory.
pub(crate) fn write(target: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(&path).unwrap();
    let open = |(at, (name, dimension, metric)): (usize, (&str, usize, _))| {
        // The second one has a graph.
        let min_rows = if at == 1 { 32 } else { 30_000 };
        let hnsw = HnswParams::default().m(8).ef_construction(40).min_rows(min_rows);
        let options = CollectionOptions::new(dimension, metric).memtable_rows(64).hnsw(hnsw);
        store.collection(name, options.embedding_space(format!("model of {name}"))).unwrap()
    };
    let all: Vec<Collection> = COLLECTIONS.into_iter().enumerate().map(open).collect();
    for (at, collection) in all.iter().enumerate() {
        insert(collection, at, 0..SEALED, 0);
    }
    store.compact().unwrap();
    // Begins a new log file, so that it does not hold the sealed rows a second time.
    assert!(store.purge().unwrap().is_complete());
    for (at, collection) in all.iter().enumerate() {
        change(collection, at);
    }
    // Seals a memtable of each, with a file of deletes beside the first segment.
    settle(&store);
    for (at, collection) in all.iter().enumerate() {
        finish_deleting(collection, at);
    }
    clock.advance(END.since(START));
    for (at, collection) in all.iter().enumerate() {
        insert(collection, at, LOGGED..IDS, 0);
    }
    check_files(&path, &store);
    copy(&path, &target.join("crashed"));
    store.close().unwrap();
    copy(&path, &target.join("closed"));
}

fn insert(collection: &Collection, at: usize, ids: impl IntoIterator<Item = u64>, version: u64) {
    let ids: Vec<u64> = ids.into_iter().filter(|id| is_in(at, *id)).collect();
    for some in ids.chunks(20) {
        let memories = some.iter().map(|id| wanted(at, *id, version).memory());
        collection.apply(memories.collect::<Batch>()).unwrap();
    }
}

fn change(collection: &Collection, at: usize) {
    for id in (0..SEALED).filter(|id| is_deleted_early(*id)) {
        assert_eq!(collection.delete(id).unwrap(), is_in(at, id));
    }
    let replaced = (0..SEALED).filter(|id| is_replaced(*id) && !is_deleted_early(*id));
    insert(collection, at, replaced, 1);
    // Enough rows to fill a memtable of 64 rows, and only a few in the next one.
    insert(collection, at, SEALED..LOGGED, 0);
}

/// Makes deletes that only the log holds.
fn finish_deleting(collection: &Collection, at: usize) {
    let here = |id: &u64| is_in(at, *id) && !is_deleted_early(*id);
    let of_session = (0..LOGGED).filter(here).map(|id| wanted(at, id, 0)).filter(is_deleted_where);
    let ended = collection.delete_where(Filter::session(ENDED)).unwrap();
    assert_eq!(ended, of_session.count() as u64);
    for id in (0..LOGGED).filter(|id| is_deleted_late(*id)) {
        collection.delete(id).unwrap();
    }
}

/// Checks that the fixture has every kind of file, dead rows, and rows in the log alone.
fn check_files(path: &Path, store: &Store) {
    let names = file_names(path);
    for kind in ["MANIFEST-", "log-", "seg-", "del-", "idx-", "loc-"] {
        assert!(names.iter().any(|name| name.starts_with(kind)), "no {kind} in {names:?}");
    }
    let stats = store.stats().unwrap();
    for collection in &stats.collections {
        assert!(collection.memtable_rows > 0 && collection.dead_rows > 0, "{collection:?}");
        let graph = collection.indexes.iter().any(|index| index.graph);
        assert_eq!(graph, collection.name == "dot", "{collection:?}");
    }
    assert_eq!(store.now(), START + Duration::from_secs(2 * 3600));
}

/// Copies the files of a store, except those that it can do without.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in file_names(from) {
        if name != "LOCK" && name != "RESERVE" {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}
