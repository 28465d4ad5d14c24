//! Owns the stress run: sixteen readers, writers, a compactor and collections that are created and
//! dropped. It runs for some seconds, checks every answer, and then closes the store under all of
//! them. `ALTIPLANO_TESTS` sets the time. It is a binary of its own, so that nothing else runs
//! beside it.

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, Error, Filter, HnswParams,
    Memory, Metric, SearchMode, Store, StoreOptions,
};
use common::size::sized;
use common::{Rng, memory, vector};

const DIMENSION: usize = 8;
const READERS: u64 = 16;
/// Replaced together, all the time.
const GROUP: std::ops::Range<u64> = 2_000_000..2_000_010;
/// Always there, never changed.
const STILL: std::ops::Range<u64> = 3_000_000..3_000_100;

fn options() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2)
        .memtable_rows(128)
        .durability(Durability::buffered(Duration::from_millis(50)))
        .hnsw(HnswParams::default().m(8).ef_construction(32).min_rows(300))
}

fn generation(n: u64) -> Batch {
    let one =
        |id| Memory::new(id, vector(id ^ n, DIMENSION)).text(format!("{n}")).namespace("group");
    GROUP.map(one).collect()
}

/// Raises the flags however the thread ends, so that no other thread waits for ever.
struct Finish<'a>(&'a [&'a AtomicBool]);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|flag| flag.store(true, Ordering::Release));
    }
}

/// Returns the value; `None` if the store was closed under its user.
fn or_closed<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Closed) => None,
        Err(error) => panic!("{error}"),
    }
}

fn check<'a>(ids: impl Iterator<Item = (u64, Option<&'a str>)>) -> u64 {
    let (mut seen, mut generations) = (BTreeSet::new(), BTreeSet::new());
    for (id, text) in ids {
        assert!(seen.insert(id), "{id} came twice");
        if GROUP.contains(&id) {
            generations.insert(text.map(str::to_owned));
        }
    }
    assert!(GROUP.chain(STILL).all(|id| seen.contains(&id)), "a live memory is missing");
    assert_eq!(generations.len(), 1, "a batch was seen in part");
    generations.into_iter().flatten().next().and_then(|n| n.parse().ok()).unwrap()
}

fn read(notes: &Collection, reader: u64, done: &AtomicBool, looks: &AtomicU64) {
    let (mut last, mut rng) = (0, Rng(reader));
    while !done.load(Ordering::Acquire) {
        let query = vector(rng.next(), DIMENSION);
        let path = [SearchMode::Auto, SearchMode::Scan, SearchMode::Graph][rng.below(3) as usize];
        // A close ends every handle.
        let Some(hits) = or_closed(notes.search(&query).k(100_000).mode(path).run()) else {
            return;
        };
        let now = check(hits.iter().map(|h| (h.id.as_u128() as u64, h.text())));
        assert!(now >= last, "generation {now} after {last}");
        let Some(all) = or_closed(notes.iter().collect::<Result<Vec<Memory>, Error>>()) else {
            return;
        };
        last = check(all.iter().map(|m| (m.id.as_u128() as u64, m.text.as_deref())));
        assert!(last >= now, "generation {last} after {now}");
        let still = STILL.start + rng.below(100);
        let Some(kept) = or_closed(notes.get(still)) else {
            return;
        };
        let kept = kept.unwrap();
        assert_eq!(kept.vector, vector(still, DIMENSION));
        looks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Replaces the group. Returns the last generation that was acknowledged.
fn write(notes: &Collection, done: &AtomicBool) -> u64 {
    let (mut acknowledged, mut rng) = (0, Rng(1));
    while !done.load(Ordering::Acquire) {
        if or_closed(notes.apply(generation(acknowledged + 1))).is_none() {
            return acknowledged;
        }
        acknowledged += 1;
        let some = (0..20).map(|_| memory(rng.below(2000), DIMENSION)).collect::<Batch>();
        or_closed(notes.apply(some));
        or_closed(notes.delete_where(Filter::ids((0..100).map(|_| rng.below(2000)))));
        if acknowledged.is_multiple_of(16) {
            or_closed(notes.sync());
        }
    }
    acknowledged
}

/// Creates collections, uses them from another thread, and drops them.
fn come_and_go(store: &Store, done: &AtomicBool) {
    let mut n = 0u64;
    while !done.load(Ordering::Acquire) {
        n += 1;
        let name = format!("scratch {}", n % 3);
        let scratch = store.collection(&name, options()).unwrap();
        thread::scope(|scope| {
            let user = scope.spawn(|| {
                for id in 0..200 {
                    if or_closed(scratch.insert(memory(id, DIMENSION))).is_some() {
                        assert!(scratch.contains(id).unwrap());
                    }
                }
                or_closed(scratch.compact());
            });
            assert!(store.drop_collection(&name).unwrap());
            // Joined by hand: ThreadSanitizer does not see the wait of a scope.
            user.join().unwrap();
        });
        assert!(matches!(scratch.insert(memory(1, DIMENSION)), Err(Error::Closed)));
        assert!(scratch.len().unwrap() <= 200);
    }
}

#[test]
fn sixteen_readers_writers_a_compactor_drops_and_a_close_agree() {
    let seconds = sized("seconds", 3, 10, 600);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = StoreOptions::new().background(Background::Auto).open(&path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    notes.apply(generation(0)).unwrap();
    notes.apply(STILL.map(|id| memory(id, DIMENSION)).collect()).unwrap();
    let (done, quiet, looks) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    let flags = [&done, &quiet];
    let (never, timer) = mpsc::channel::<()>();
    let acknowledged = thread::scope(|scope| {
        let _finish = Finish(&flags);
        let reader = |reader| {
            let (notes, done, looks) = (&notes, &done, &looks);
            scope.spawn(move || read(notes, reader, done, looks))
        };
        let mut others: Vec<_> = (0..READERS).map(reader).collect();
        let writer = scope.spawn(|| write(&notes, &done));
        others.push(scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                or_closed(notes.compact());
            }
        }));
        thread::scope(|using_store| {
            let coming = using_store.spawn(|| come_and_go(&store, &quiet));
            let waited = timer.recv_timeout(Duration::from_secs(seconds));
            assert!(matches!(waited, Err(mpsc::RecvTimeoutError::Timeout)));
            quiet.store(true, Ordering::Release);
            coming.join().unwrap();
        });
        // Readers, a writer and a compaction are still running.
        store.close().unwrap();
        let acknowledged = writer.join().unwrap();
        done.store(true, Ordering::Release);
        others.into_iter().for_each(|thread| thread.join().unwrap());
        acknowledged
    });
    drop((never, notes));
    assert!(looks.load(Ordering::Relaxed) >= READERS);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.collection_names(), ["notes"]);
    let notes = store.get_collection("notes").unwrap();
    let all: Vec<Memory> = notes.iter().map(Result::unwrap).collect();
    let found = check(all.iter().map(|m| (m.id.as_u128() as u64, m.text.as_deref())));
    assert_eq!(found, acknowledged);
    let verified = store.verify().unwrap();
    assert!(verified.is_clean(), "{:?}", verified.problems);
}
