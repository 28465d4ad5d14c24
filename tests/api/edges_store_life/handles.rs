//! Which handles keep a store open, and the effect of a close on them.

use std::sync::{Arc, Barrier};

use altiplano::{
    Background, Batch, Collection, Durability, Error, Filter, Memory, Store, StoreOptions,
};

use super::{BOTH, DIMENSION, open, wanted, watched};
use crate::common::{ids, memory};

fn closed<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
}

#[test]
fn a_collection_keeps_its_store_open_and_the_last_handle_closes_it() {
    for background in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let only_the_collection = || -> Collection { open(&path, background).1 };
        let notes = only_the_collection();
        notes.insert(memory(1, DIMENSION)).unwrap();
        let other = notes.clone();
        drop(notes);
        other.insert(memory(2, DIMENSION)).unwrap();
        other.compact().unwrap();
        let locked = Store::open(&path).unwrap_err();
        assert!(matches!(locked, Error::Locked { .. }), "it is open");
        let text = locked.to_string();
        assert!(text.contains("in this process") && text.contains("clone"), "{text}");
        // A batch for several collections keeps it open as well.
        let batch = Batch::new().insert_into(&other, memory(3, DIMENSION));
        drop(other);
        assert!(matches!(Store::open(&path), Err(Error::Locked { .. })), "it is open");
        drop(batch);
        assert_eq!(ids(&open(&path, background).1), [1, 2]);
    }
}

#[test]
fn a_close_ends_the_store_for_every_handle_of_it() {
    for background in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (store, notes) = open(&path, background);
        for id in 0..100 {
            notes.insert(memory(id, DIMENSION)).unwrap();
        }
        let mut begun = notes.iter();
        let first = begun.next().unwrap().unwrap();
        let prepared = memory(0, DIMENSION);
        let search = notes.search(&prepared.vector);
        let other = store.clone();
        store.close().unwrap();

        closed(search.run());
        closed(notes.search(&prepared.vector).run());
        closed(notes.search_batch(&[&prepared.vector], |search| search.k(3)));
        closed(notes.get(1u64));
        closed(notes.contains(1u64));
        closed(notes.len());
        closed(notes.is_empty());
        closed(notes.insert(memory(200, DIMENSION)));
        closed(notes.delete(1u64));
        closed(notes.delete_where(Filter::All));
        closed(notes.apply_with(Batch::new().delete(1u64), Durability::Sync));
        closed(notes.sync());
        closed(notes.compact());
        closed(notes.purge());
        closed(notes.plan());
        for mut iter in [notes.iter(), notes.scan(Filter::namespace("nobody"))] {
            closed(iter.next().unwrap());
            assert!(iter.next().is_none());
        }
        closed(other.collection("notes", wanted()));
        closed(other.collection("more", wanted()));
        closed(other.drop_collection("notes"));
        closed(other.sync());
        closed(other.stats());
        closed(other.compact());
        closed(other.purge());
        closed(other.plan(&notes));
        closed(other.run_pending_tasks());
        closed(other.refresh());
        closed(other.verify());
        closed(other.cancel_background());
        closed(other.get_collection("notes").unwrap().len());
        // An iterator that began before reads its own moment to the end.
        assert_eq!(1 + begun.map(Result::unwrap).filter(|m| m.id != first.id).count(), 100);
        other.close().unwrap();

        let (_store, again) = open(&path, background);
        assert_eq!(again.len().unwrap(), 100);
        closed(notes.len());
    }
}

#[test]
fn a_store_that_is_only_read_is_closed_for_every_handle_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (_writer, notes) = open(&path, Background::Manual);
    notes.insert(memory(1, DIMENSION)).unwrap();
    let reader = StoreOptions::new().open_read_only(&path).unwrap();
    let there = reader.get_collection("notes").unwrap();
    assert_eq!(there.len().unwrap(), 1);
    reader.clone().close().unwrap();
    closed(there.len());
    closed(reader.refresh());
    assert_eq!(notes.len().unwrap(), 1);
}

#[test]
fn a_store_is_closed_by_many_threads_at_once_and_free_when_any_of_them_comes_back() {
    watched(|| {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..10 {
            let path = dir.path().join(round.to_string());
            let (store, notes) = open(&path, Background::Auto);
            notes.apply((0..200).map(|id| memory(id, DIMENSION)).collect()).unwrap();
            let start = Arc::new(Barrier::new(4));
            let closers: Vec<_> = (0..4)
                .map(|_| {
                    let (store, start, path) = (store.clone(), Arc::clone(&start), path.clone());
                    std::thread::spawn(move || {
                        start.wait();
                        store.close().unwrap();
                        let mode = StoreOptions::new().open_read_only(path).unwrap();
                        assert_eq!(mode.get_collection("notes").unwrap().len().unwrap(), 200);
                    })
                })
                .collect();
            drop(store);
            closers.into_iter().for_each(|closer| closer.join().unwrap());
            assert_eq!(open(&path, Background::Auto).1.len().unwrap(), 200);
        }
    });
}

#[test]
fn a_clone_of_a_store_is_a_handle_of_the_same_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"), Background::Auto);
    let other = store.clone();
    other.collection("facts", wanted()).unwrap();
    assert_eq!(store.collection_names(), ["facts", "notes"]);
    assert!(store.drop_collection("facts").unwrap());
    assert_eq!(other.collection_names(), ["notes"]);
    let there = std::thread::spawn(move || other.get_collection("notes").unwrap());
    there.join().unwrap().insert(Memory::new(1u64, [0.5; DIMENSION])).unwrap();
    assert_eq!(notes.len().unwrap(), 1);
}
