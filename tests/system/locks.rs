//! Owns the proof about a process made by fork, which shares the lock and the open files of its
//! parent. It writes nothing to the parent's store and removes nothing of it. Also proves that a
//! store stays in its place when its process changes directory.
#![allow(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "tests look at files, and a child must not go on with the tests of its parent"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{alone, file_names, ids, memory};
use altiplano::{Background, Collection, CollectionOptions, Error, Metric, Store, StoreOptions};
use fork::{Fork, fork, waitpid};

const DIMENSION: usize = 4;
/// Exit code of a child in which every check passed.
const GOOD: i32 = 42;

/// Runs a check in a child made by fork, and `meanwhile` in this process.
fn in_a_child(check: impl FnOnce(), meanwhile: impl FnOnce()) {
    match fork().unwrap() {
        Fork::Child => {
            let held = catch_unwind(AssertUnwindSafe(check)).is_ok();
            std::process::exit(if held { GOOD } else { 1 });
        }
        Fork::Parent(child) => {
            meanwhile();
            let status = waitpid(child).unwrap();
            assert_eq!((status & 0x7f, status >> 8), (0, GOOD), "the child failed: {status:#x}");
        }
    }
}

fn open(dir: &std::path::Path, background: Background) -> (Store, Collection) {
    let options = StoreOptions::new().background(background).reserve_bytes(1 << 16);
    let store = options.open(dir).unwrap();
    let options = CollectionOptions::new(DIMENSION, Metric::L2).memtable_rows(64);
    let notes = store.collection("notes", options).unwrap();
    (store, notes)
}

fn is_forked<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Forked { opened_by, process, .. }) => {
            assert_ne!(opened_by, process);
            assert_eq!(process, std::process::id());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_child_made_by_fork_reads_and_writes_nothing() {
    if !alone("locks::a_child_made_by_fork_reads_and_writes_nothing") {
        return;
    }
    for background in [Background::Auto, Background::Manual] {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("s");
        let (store, notes) = open(&dir, background);
        for id in 0..50 {
            notes.insert(memory(id, DIMENSION)).unwrap();
        }
        store.compact().unwrap();
        notes.delete(7u64).unwrap();
        let before = (file_names(&dir), crate::common::bytes_of(&dir, ""));
        let mut store = Some(store);
        in_a_child(
            || {
                let store = store.take().unwrap();
                assert_eq!(ids(&notes).len(), 49);
                is_forked(notes.insert(memory(100, DIMENSION)));
                is_forked(notes.delete(1u64));
                is_forked(notes.sync());
                is_forked(notes.compact());
                is_forked(store.compact());
                is_forked(store.sync());
                is_forked(store.run_pending_tasks());
                is_forked(store.drop_collection("notes"));
                is_forked(store.collection("more", CollectionOptions::new(3, Metric::Dot)));
                // The store's threads are not in this process, so this must not wait for them.
                is_forked(store.close());
                assert_eq!(ids(&notes).len(), 49);
                drop(notes.clone());
            },
            || {},
        );
        assert_eq!((file_names(&dir), crate::common::bytes_of(&dir, "")), before);
        let store = store.unwrap();
        notes.insert(memory(200, DIMENSION)).unwrap();
        assert!(matches!(Store::open(&dir), Err(Error::Locked { .. })), "the child let it go");
        store.close().unwrap();
        let (store, notes) = open(&dir, Background::Manual);
        assert_eq!(ids(&notes).len(), 50);
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn a_child_that_lives_on_does_not_keep_the_store_locked() {
    if !alone("locks::a_child_that_lives_on_does_not_keep_the_store_locked") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (dir, done) = (temp.path().join("s"), temp.path().join("done"));
    let (store, notes) = open(&dir, Background::Manual);
    notes.insert(memory(1, DIMENSION)).unwrap();
    in_a_child(
        || {
            while !done.exists() {
                std::thread::yield_now();
            }
            is_forked(notes.delete(1u64));
        },
        || {
            store.close().unwrap();
            let opened = StoreOptions::new().reserve_bytes(0).open(&dir);
            std::fs::write(&done, b"").unwrap();
            assert_eq!(ids(&opened.unwrap().get_collection("notes").unwrap()), [1]);
        },
    );
}

#[test]
fn a_child_removes_no_file_that_its_parent_still_reads() {
    if !alone("locks::a_child_removes_no_file_that_its_parent_still_reads") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    let (store, notes) = open(&dir, Background::Manual);
    for id in 0..50 {
        notes.insert(memory(id, DIMENSION)).unwrap();
    }
    store.compact().unwrap();
    let mut reader = Some(notes.iter());
    notes.delete(1u64).unwrap();
    store.compact().unwrap();
    let pinned = store.stats().unwrap().held_files;
    assert!(pinned > 0);
    let before = file_names(&dir);
    in_a_child(|| drop(reader.take()), || {});
    assert_eq!(file_names(&dir), before);
    assert_eq!(reader.take().unwrap().count(), 50);
    assert!(file_names(&dir).len() < before.len());
}

/// A store that was opened by a relative path must not follow the process to another directory.
#[test]
fn a_store_stays_where_it_is_when_the_process_changes_its_directory() {
    if !alone("locks::a_store_stays_where_it_is_when_the_process_changes_its_directory") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    in_a_child(
        || {
            // In a child, since the directory belongs to the whole process.
            std::env::set_current_dir(temp.path()).unwrap();
            let (store, notes) = open("s".as_ref(), Background::Manual);
            notes.insert(memory(1, DIMENSION)).unwrap();
            let reader = StoreOptions::new().open_read_only("s").unwrap();
            std::env::set_current_dir(elsewhere.path()).unwrap();
            store.compact().unwrap();
            reader.refresh().unwrap();
            notes.insert(memory(2, DIMENSION)).unwrap();
            assert_eq!(store.stats().unwrap().collections[0].segments.len(), 1);
            store.close().unwrap();
        },
        || {},
    );
    assert_eq!(file_names(elsewhere.path()), [""; 0]);
    let (_store, notes) = open(&temp.path().join("s"), Background::Manual);
    assert_eq!(ids(&notes), [1, 2]);
}
