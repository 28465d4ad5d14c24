//! A listener may do anything without harm to the store.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

use altiplano::{Background, Collection, Event, Store, StoreOptions};

use super::{BOTH, DIMENSION, LONG, wanted, watched};
use crate::common::memory;

/// Inserts enough rows for a seal, and a compaction after it.
fn work(store: &Store) -> Collection {
    let notes = store.collection("notes", wanted()).unwrap();
    notes.apply((0..64).map(|id| memory(id, DIMENSION)).collect()).unwrap();
    notes.compact().unwrap();
    notes.delete(1u64).unwrap();
    notes.compact().unwrap();
    notes
}

#[test]
fn a_listener_that_panics_is_counted_and_harms_nothing() {
    for background in BOTH {
        watched(move || {
            let dir = tempfile::tempdir().unwrap();
            let told = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&told);
            let store = StoreOptions::new()
                .background(background)
                .on_event(move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                    std::panic::resume_unwind(Box::new("planted"));
                })
                .open(dir.path().join("s"))
                .unwrap();
            let notes = work(&store);
            while store.stats().unwrap().listener_panics < 3 {
                assert!(background == Background::Auto, "a store by hand tells before it returns");
                std::thread::yield_now();
            }
            notes.insert(memory(100, DIMENSION)).unwrap();
            let stats = store.stats().unwrap();
            assert_eq!((stats.poisoned, stats.events_lost), (None, 0));
            assert_eq!(notes.len().unwrap(), 64);
            assert!(store.verify().unwrap().is_clean());
            store.close().unwrap();
            assert!(told.load(Ordering::SeqCst) >= 3, "it is told of what comes after a panic");
        });
    }
}

/// The store that a listener calls.
type Shared = Arc<OnceLock<Store>>;

/// Opens a store whose listener calls it at the first event of a seal.
fn calling(
    background: Background,
    path: &std::path::Path,
    done: Sender<()>,
    call: impl Fn(Store) + Send + Sync + 'static,
) -> Store {
    let shared: Shared = Arc::default();
    let (inner, once) = (Arc::clone(&shared), AtomicBool::new(false));
    let store = StoreOptions::new()
        .background(background)
        .on_event(move |event| {
            let store = inner.get().cloned();
            if let (Event::Sealed { .. }, Some(store)) = (event, store)
                && !once.swap(true, Ordering::SeqCst)
            {
                call(store);
                let _ = done.send(());
            }
        })
        .open(path)
        .unwrap();
    shared.set(store.clone()).unwrap();
    store
}

#[test]
fn a_listener_may_call_whatever_it_wants() {
    for background in BOTH {
        watched(move || {
            let dir = tempfile::tempdir().unwrap();
            let (done, called) = channel();
            let store = calling(background, &dir.path().join("s"), done, |store| {
                let notes = store.get_collection("notes").unwrap();
                notes.insert(memory(500, DIMENSION)).unwrap();
                notes.delete(3u64).unwrap();
                assert_eq!(notes.search(&memory(500, DIMENSION).vector).run().unwrap().len(), 10);
                notes.compact().unwrap();
                store.purge().unwrap();
                store.collection("more", wanted()).unwrap();
                store.drop_collection("more").unwrap();
                store.pause_background();
                store.resume_background();
                store.run_pending_tasks().unwrap();
                assert!(store.verify().unwrap().is_clean());
                assert_eq!(store.stats().unwrap().listener_panics, 0);
            });
            let notes = work(&store);
            called.recv_timeout(LONG).unwrap();
            assert!(notes.contains(500u64).unwrap() && !notes.contains(3u64).unwrap());
            assert_eq!(store.stats().unwrap().listener_panics, 0);
            // The listener holds a handle, so only a close ends the store.
            store.close().unwrap();
        });
    }
}

#[test]
fn a_listener_may_close_its_store() {
    for background in BOTH {
        watched(move || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("s");
            let (done, called) = channel();
            let store = calling(background, &path, done, |store| store.close().unwrap());
            let notes = store.collection("notes", wanted()).unwrap();
            notes.apply((0..64).map(|id| memory(id, DIMENSION)).collect()).unwrap();
            let _ = notes.compact();
            called.recv_timeout(LONG).unwrap();
            assert!(notes.len().is_err());
            assert_eq!(super::open(&path, background).1.len().unwrap(), 64);
        });
    }
}

#[test]
fn a_listener_that_holds_a_handle_is_dropped_by_the_close() {
    for background in BOTH {
        watched(move || {
            let dir = tempfile::tempdir().unwrap();
            let held = Arc::new(());
            let (shared, inner): (Shared, _) = (Arc::default(), Arc::clone(&held));
            let of_store = Arc::clone(&shared);
            let store = StoreOptions::new()
                .background(background)
                .on_event(move |_| {
                    let _held = (&inner, &of_store);
                })
                .open(dir.path().join("s"))
                .unwrap();
            shared.set(store.clone()).unwrap();
            work(&store);
            store.close().unwrap();
            // A thread may still report the last event.
            while Arc::strong_count(&held) > 1 {
                std::thread::yield_now();
            }
            drop(shared);
        });
    }
}

#[test]
fn events_are_told_in_their_order() {
    for background in BOTH {
        watched(move || {
            let dir = tempfile::tempdir().unwrap();
            let (tell, told) = channel();
            let store = StoreOptions::new()
                .background(background)
                .on_event(move |event| {
                    if let Event::RetentionUnset { collection, .. } = event {
                        let _ = tell.send(collection.clone());
                    }
                })
                .open(dir.path().join("s"))
                .unwrap();
            let names: Vec<String> = (0..200).map(|n| format!("c{n}")).collect();
            for name in &names {
                store.collection(name, wanted().in_memory()).unwrap();
            }
            let heard: Vec<String> = (0..200).map(|_| told.recv_timeout(LONG).unwrap()).collect();
            assert_eq!(heard, names);
        });
    }
}

#[test]
fn a_listener_that_blocks_holds_nothing_up_and_what_finds_no_room_is_counted() {
    watched(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let told = Arc::new(Mutex::new(Vec::new()));
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let (may_go_on, heard) = (Mutex::new(may_go_on), Arc::clone(&told));
        let store = StoreOptions::new()
            .on_event(move |event| {
                let _ = begun.send(());
                let _ = may_go_on.lock().unwrap().recv();
                heard.lock().unwrap().push(event.clone());
            })
            .open(&path)
            .unwrap();
        let name = |n: usize| format!("c{n}");
        store.collection(&name(0), wanted().in_memory()).unwrap();
        has_begun.recv_timeout(LONG).unwrap();
        for n in 1..=1_030 {
            store.collection(&name(n), wanted().in_memory()).unwrap();
        }
        assert_eq!(store.stats().unwrap().events_lost, 1_030 - 1_024);
        let notes = store.get_collection(&name(7)).unwrap();
        notes.insert(memory(1, DIMENSION)).unwrap();
        assert_eq!(notes.len().unwrap(), 1);
        store.close().unwrap();
        let again = Store::open(&path).unwrap();
        drop((go_on, again));
        // Events that wait at the close are reported after it.
        while told.lock().unwrap().len() < 1 + 1_024 {
            std::thread::yield_now();
        }
    });
}
