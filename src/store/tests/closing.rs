//! Owns the tests of handles of a closed store: once the lock is released, nothing writes, and
//! every remaining handle returns an error.

use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::{State, collections, read, recovered, scratch, step, strays};
use crate::disk::{Disk, RealDisk};
use crate::store::open::open_for_writing;
use crate::sync::lock;
use crate::{Background, CollectionOptions, Error, Event, HnswParams, Metric, Store, StoreOptions};

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        RealDisk.list(dir).unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

fn options() -> StoreOptions {
    StoreOptions::new().background(Background::Manual).reserve_bytes(0)
}

/// Regression: after a close, `compact` on a handle found an index to build and committed a
/// manifest while another owner could have the lock.
#[test]
fn a_handle_whose_store_was_closed_commits_nothing_i6() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = options().open(&dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    let (state, write) = step(0, State::default());
    write(&collections(&store).unwrap()).unwrap();
    store.compact().unwrap();
    // Now a graph pays, which is work for the index job only.
    let graph = HnswParams { min_rows: 4, ..HnswParams::default() };
    let wanted = CollectionOptions::new(2, Metric::L2).memtable_rows(64).hnsw(graph);
    store.collection("notes", wanted).unwrap();
    assert!(!store.plan(&notes).unwrap().steps.is_empty());
    store.close().unwrap();
    let before = files(&dir);
    let next = options().open(&dir).unwrap();
    let owned = files(&dir);
    assert_ne!(before, owned);
    assert!(matches!(notes.compact(), Err(Error::Closed)));
    assert!(matches!(notes.sync(), Err(Error::Closed)));
    assert!(matches!(notes.delete(0u64), Err(Error::Closed)));
    assert_eq!(files(&dir), owned);
    assert_eq!(next.get_collection("notes").unwrap().len().unwrap(), state[0].len() as u64);
    assert_eq!(strays(&next), Vec::<String>::new());
}

/// Regression: a compaction on another thread kept writing after `close` had released the lock.
#[test]
fn a_close_waits_for_a_compaction_on_another_thread_and_ends_it_early_i6() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let (begun, has_begun) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let listener = move |event: &Event| {
        if matches!(event, Event::Progress { .. }) && begun.send(()).is_ok() {
            let _ = lock(&may_go_on).recv();
        }
    };
    let store = open_for_writing(Arc::new(RealDisk), &dir, options().tap(listener)).unwrap();
    let to = collections(&store).unwrap();
    let (state, write) = step(0, State::default());
    write(&to).unwrap();
    let engine = Arc::clone(&store.engine);
    let notes = to[0].clone();
    let job = std::thread::spawn(move || notes.compact());
    has_begun.recv().unwrap();
    let closer = std::thread::spawn(move || store.close());
    while !engine.dir.gate().is_closing() {
        std::thread::yield_now();
    }
    assert!(matches!(to[1].compact(), Err(Error::Closed)), "no job begins any more");
    assert!(matches!(options().open(&dir), Err(Error::Locked { .. })));
    drop((go_on, has_begun));
    assert!(matches!(job.join().unwrap(), Err(Error::Closed)));
    closer.join().unwrap().unwrap();
    let next = options().open(&dir).unwrap();
    assert_eq!(strays(&next), Vec::<String>::new());
    assert_eq!(read(&next), state);
    drop(next);
    assert_eq!(recovered(&dir), state);
}

/// The job runs on the thread that closes, so waiting for it would never end. No listener can get
/// there, but a clock or a closure of the host's can.
#[test]
fn a_store_may_be_closed_in_the_middle_of_a_job_by_its_own_thread_i6() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let shared: Arc<Mutex<Option<Store>>> = Arc::default();
    let inner = Arc::clone(&shared);
    let listener = move |event: &Event| {
        let store = match event {
            Event::Progress { .. } => lock(&inner).take(),
            _ => None,
        };
        if let Some(store) = store {
            store.close().unwrap();
        }
    };
    let store = open_for_writing(Arc::new(RealDisk), &dir, options().tap(listener)).unwrap();
    let to = collections(&store).unwrap();
    let (state, write) = step(0, State::default());
    write(&to).unwrap();
    *lock(&shared) = Some(store);
    assert!(matches!(to[0].compact(), Err(Error::Closed)));
    assert!(lock(&shared).is_none());
    assert_eq!(recovered(&dir), state);
}
