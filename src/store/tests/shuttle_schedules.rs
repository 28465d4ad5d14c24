//! Owns the scenarios that shuttle runs under many random, repeatable schedules (`--cfg shuttle`).
//! Each has a whole store on a simulated disk, with a clock that stands still. The store's three
//! jobs run on pools of their own, beside writers, readers and other threads that disturb them.
//! `sync` says what a pass proves. No wait times out here, so that a lost wake-up is a deadlock,
//! which shuttle reports. Indexes are built without graphs, because graphs are built on threads of
//! rayon, which no checker schedules.
//!
//! `SHUTTLE_SCHEDULES` sets the number of schedules per scenario, `SHUTTLE_SEED` the first seed. A
//! failure prints its schedule. `SHUTTLE_REPLAY=<schedule>` with the name of the test runs it
//! again.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use crate::collection::Collection;
use crate::disk::Disk;
use crate::format::names::FileName;
use crate::store::open::open_for_writing;
use crate::store::read_only::open_for_reading;
use crate::testing::sim::SimDisk;
use crate::{
    Background, Batch, CollectionOptions, Durability, Error, Filter, ManualClock, Memory, Metric,
    Store, StoreOptions, Timestamp,
};

/// Rows of one batch: they carry the same text, and are replaced together.
const GROUP: std::ops::Range<u64> = 100..103;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a scenario under random schedules. Half of them have few thread switches (Burckhardt et
/// al., "A randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010).
fn explore(name: &str, scenario: fn()) {
    if let Ok(schedule) = std::env::var("SHUTTLE_REPLAY") {
        return shuttle::replay(scenario, &schedule);
    }
    let (runs, seed) = (setting("SHUTTLE_SCHEDULES").unwrap_or(1000), setting("SHUTTLE_SEED"));
    let (runs, seed) = (runs.max(2) as usize, seed.unwrap_or(20_240_101));
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    let random = RandomScheduler::new_from_seed(seed, runs / 2);
    Runner::new(random, config.clone()).run(scenario);
    let few = PctScheduler::new_from_seed(seed, 4, runs - runs / 2);
    Runner::new(few, config).run(scenario);
    let line = format!("shuttle: {name}: {runs} schedules, seed {seed}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn options(background: Background) -> StoreOptions {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    StoreOptions::new().background(background).seed(7).clock(clock)
}

fn open(disk: &SimDisk) -> Store {
    let path = Path::new("/s");
    open_for_writing(Arc::new(disk.clone()), path, options(Background::Auto)).unwrap()
}

fn notes(store: &Store) -> Collection {
    store.collection("notes", CollectionOptions::new(2, Metric::L2).memtable_rows(64)).unwrap()
}

fn memory(id: u64, text: &str) -> Memory {
    Memory::new(id, [id as f32, 1.0]).text(text)
}

fn group(text: &str) -> Batch {
    GROUP.map(|id| memory(id, text)).collect()
}

/// Enough rows to fill a memtable, so that one is sealed.
fn many(from: u64) -> Batch {
    (from..from + 64).map(|id| memory(id, "many")).collect()
}

/// Returns the texts of all visible rows. Each row must be there once, and the group whole (I6).
fn look(notes: &Collection) -> BTreeMap<u64, String> {
    let mut rows = BTreeMap::new();
    for memory in notes.iter().map(|m| m.unwrap()) {
        let (id, text) = (memory.id.as_u128() as u64, memory.text.as_deref().unwrap().to_owned());
        assert!(rows.insert(id, text).is_none(), "{id} came twice");
    }
    check_group(GROUP.filter_map(|id| rows.get(&id).map(String::as_str)));
    rows
}

fn check_group<'a>(texts: impl Iterator<Item = &'a str>) {
    let texts: Vec<&str> = texts.collect();
    let whole = texts.is_empty() || texts.len() == 3 && texts.iter().all(|t| *t == texts[0]);
    assert!(whole, "a batch was seen in part: {texts:?}");
}

/// Same as [`look`], by a search.
fn find(notes: &Collection) {
    let hits = notes.search(&[100.0, 1.0]).k(10_000).run().unwrap();
    let in_group = |h: &&crate::Hit| GROUP.contains(&(h.id.as_u128() as u64));
    check_group(hits.iter().filter(in_group).filter_map(|h| h.text()));
    let mut ids: Vec<_> = hits.iter().map(|h| h.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), hits.len(), "a row came twice");
}

/// Checks that the directory has exactly the files of the store that the manifest names (I3), and
/// those that a job of the background is writing. The job may go on meanwhile.
fn check_files(store: &Store, disk: &SimDisk) {
    let manifest = store.engine.catalog.manifest();
    let listed = disk.list(Path::new("/s")).unwrap();
    let unfinished = store.engine.dir.unfinished();
    let after = store.engine.catalog.manifest();
    let [before, after]: [Vec<FileName>; 2] = [&manifest, &after].map(|m| m.files().collect());
    let found: Vec<FileName> = listed.iter().filter_map(|e| FileName::parse(&e.name)).collect();
    for name in &found {
        let known = match name {
            FileName::Lock | FileName::Reserve => true,
            FileName::Manifest(n) | FileName::ManifestOld(n) => n + 1 >= manifest.generation,
            name => before.contains(name) || after.contains(name) || unfinished.contains(name),
        };
        assert!(known, "{name} was left behind");
    }
    let mut live = before.iter().filter(|name| after.contains(name));
    assert!(live.all(|name| found.contains(name)), "a live file is gone");
    assert_eq!(store.stats().unwrap().held_files, 0);
}

/// Ends a scenario: workers stop, no stray file is left, and everything acknowledged is there
/// again.
fn finish(store: Store, notes: Collection, disk: &SimDisk) {
    let before = look(&notes);
    drop(notes);
    let engine = Arc::clone(&store.engine);
    store.close().unwrap();
    assert!(!engine.dir.poison().is_set());
    drop(engine);
    let again =
        open_for_writing(Arc::new(disk.clone()), Path::new("/s"), options(Background::Manual));
    let again = again.unwrap();
    check_files(&again, disk);
    assert_eq!(look(&again.get_collection("notes").unwrap()), before);
    assert!(again.verify().unwrap().is_clean());
}

fn writer(notes: &Collection) -> thread::JoinHandle<()> {
    let notes = notes.clone();
    thread::spawn(move || {
        for n in 0..2u64 {
            let text = format!("writer {n}");
            notes.apply(group(&text)).unwrap();
            // Another writer may have continued, but acknowledged writes are visible.
            assert!(notes.contains(GROUP.start).unwrap());
            notes.insert(memory(n, &text)).unwrap();
            assert_eq!(notes.get(n).unwrap().unwrap().text.as_deref(), Some(&*text));
        }
        assert!(notes.delete(1u64).unwrap());
        assert!(!notes.contains(1u64).unwrap());
    })
}

fn reader(notes: &Collection) -> thread::JoinHandle<()> {
    let notes = notes.clone();
    thread::spawn(move || {
        for _ in 0..3 {
            look(&notes);
            find(&notes);
        }
    })
}

/// Keeps reading while another thread closes the store.
fn until_closed(notes: &Collection) -> thread::JoinHandle<()> {
    let notes = notes.clone();
    thread::spawn(move || {
        for _ in 0..3 {
            match notes.search(&[100.0, 1.0]).k(10_000).run() {
                Ok(hits) => {
                    let in_group = |h: &&crate::Hit| GROUP.contains(&(h.id.as_u128() as u64));
                    check_group(hits.iter().filter(in_group).filter_map(|h| h.text()));
                }
                Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
            }
        }
    })
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn shuttle_readers_and_writers_while_memtables_are_sealed() {
    explore("seal", || {
        let disk = SimDisk::empty();
        let store = open(&disk);
        let notes = notes(&store);
        let filler = {
            let notes = notes.clone();
            // More memtables than may be frozen: the writer waits until some are sealed.
            thread::spawn(move || {
                (0..11).for_each(|n| drop(notes.apply(many(1000 + n * 64)).unwrap()))
            })
        };
        join([filler, writer(&notes), reader(&notes)]);
        finish(store, notes, &disk);
    });
}

#[test]
fn shuttle_readers_and_writers_while_segments_are_compacted() {
    explore("compaction", || {
        let disk = SimDisk::empty();
        let store = open(&disk);
        let notes = notes(&store);
        notes.apply(many(1000)).unwrap();
        let compactor = {
            let notes = notes.clone();
            thread::spawn(move || {
                for n in 0..2u64 {
                    assert_eq!(
                        notes.delete_where(Filter::ids(1000 + n * 9..1005 + n * 9)).unwrap(),
                        5
                    );
                    notes.compact().unwrap();
                }
            })
        };
        join([compactor, writer(&notes), reader(&notes)]);
        assert_eq!(look(&notes).keys().filter(|id| **id >= 1000).count(), 54);
        finish(store, notes, &disk);
    });
}

#[test]
fn shuttle_readers_and_writers_while_indexes_are_built() {
    explore("index build", || {
        let disk = SimDisk::empty();
        let store = open(&disk);
        let notes = notes(&store);
        notes.apply(many(1000)).unwrap();
        let builders: Vec<_> = (0..2u64)
            .map(|n| {
                let notes = notes.clone();
                thread::spawn(move || {
                    notes.delete_where(Filter::ids(1000 + n * 32..1030 + n * 32)).unwrap();
                    notes.compact().unwrap();
                })
            })
            .collect();
        join(builders.into_iter().chain([writer(&notes), reader(&notes)]));
        finish(store, notes, &disk);
    });
}

#[test]
fn shuttle_a_collection_is_dropped_and_made_again_under_readers_and_writers() {
    explore("drop", || {
        let disk = SimDisk::empty();
        let store = Arc::new(open(&disk));
        let old = notes(&store);
        old.apply(many(1000)).unwrap();
        old.apply(group("old")).unwrap();
        let writers: Vec<_> = (0..2u64)
            .map(|n| {
                let old = old.clone();
                thread::spawn(move || {
                    for _ in 0..2 {
                        match old.insert(memory(n, "old")) {
                            Ok(_) => assert!(old.contains(n).unwrap()),
                            Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
                        }
                        match old.compact() {
                            Ok(_) | Err(Error::Closed) => {}
                            Err(error) => panic_with(&error),
                        }
                    }
                })
            })
            .collect();
        let dropper = {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                assert!(store.drop_collection("notes").unwrap());
                assert!(notes(&store).is_empty().unwrap());
            })
        };
        let compactor = {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                // A collection that is dropped meanwhile is no error of the store.
                store.compact().unwrap();
                store.run_pending_tasks().unwrap();
            })
        };
        join(writers.into_iter().chain([reader(&old), dropper, compactor]));
        assert!(matches!(old.insert(memory(5, "late")), Err(Error::Closed)));
        assert_eq!(old.len().unwrap() / 67, 1);
        drop(old);
        let new = notes(&store);
        assert!(new.is_empty().unwrap());
        new.apply(group("new")).unwrap();
        finish(Arc::into_inner(store).unwrap(), new, &disk);
    });
}

fn panic_with(error: &Error) {
    std::panic::resume_unwind(Box::new(format!("unexpected: {error}")));
}

#[test]
fn shuttle_a_store_is_closed_under_readers_and_writers() {
    explore("close", || close_under_threads(false));
}

/// Regression: a compaction continued past the close and committed a manifest with the number that
/// the next owner used.
#[test]
fn shuttle_a_store_is_closed_under_a_compaction() {
    explore("close with a compaction", || close_under_threads(true));
}

fn close_under_threads(compacting: bool) {
    let disk = SimDisk::empty();
    let store = open(&disk);
    let notes = notes(&store);
    notes.apply(many(1000)).unwrap();
    let writers: Vec<_> = (0..2u64)
        .map(|n| {
            let notes = notes.clone();
            thread::spawn(move || {
                let mut acknowledged = Vec::new();
                for id in [n * 10, n * 10 + 1] {
                    match notes.insert(memory(id, "a")) {
                        Ok(_) => acknowledged.push(id),
                        Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    let compactor = compacting.then(|| {
        let notes = notes.clone();
        thread::spawn(move || {
            match notes.delete_where(Filter::ids(1000u64..1020)).and_then(|_| notes.compact()) {
                Ok(_) | Err(Error::Closed) => {}
                Err(error) => panic_with(&error),
            }
        })
    });
    let readers = [until_closed(&notes)];
    store.close().unwrap();
    // The next owner starts at once, even if jobs of the last one are still running.
    let again =
        open_for_writing(Arc::new(disk.clone()), Path::new("/s"), options(Background::Manual));
    let again = again.unwrap();
    let here = again.get_collection("notes").unwrap();
    here.compact().unwrap();
    let before = look(&here);
    join(readers.into_iter().chain(compactor));
    for writer in writers {
        for id in writer.join().unwrap() {
            assert!(here.contains(id).unwrap(), "{id} was acknowledged");
        }
    }
    assert!(matches!(notes.len(), Err(Error::Closed)));
    drop(notes);
    assert_eq!(look(&here), before);
    assert!(again.verify().unwrap().is_clean());
    check_files(&again, &disk);
}

#[test]
fn shuttle_iterators_show_their_moment_while_files_are_replaced() {
    explore("iterators", || {
        let disk = SimDisk::empty();
        let store = open(&disk);
        let notes = notes(&store);
        notes.apply(many(1000)).unwrap();
        notes.apply(group("first")).unwrap();
        notes.compact().unwrap();
        let iterators: Vec<_> = (0..2)
            .map(|_| {
                let notes = notes.clone();
                thread::spawn(move || {
                    let mut iter = notes.iter();
                    let first = iter.next().unwrap().unwrap();
                    thread::yield_now();
                    let all: Vec<Memory> =
                        std::iter::once(first).chain(iter.map(|m| m.unwrap())).collect();
                    let text = |m: &Memory| m.text.as_deref().unwrap().to_owned();
                    let in_group = |m: &&Memory| GROUP.contains(&(m.id.as_u128() as u64));
                    let texts: Vec<String> = all.iter().filter(in_group).map(text).collect();
                    assert_eq!(texts.len(), 3);
                    check_group(texts.iter().map(String::as_str));
                    let rest = all.len() - 3;
                    assert!(rest == 64 || rest == 32, "a delete was seen in part: {rest}");
                })
            })
            .collect();
        let changer = {
            let notes = notes.clone();
            thread::spawn(move || {
                notes.delete_where(Filter::ids(1000u64..1032)).unwrap();
                notes.compact().unwrap();
                notes.apply(group("second")).unwrap();
                notes.compact().unwrap();
            })
        };
        join(iterators.into_iter().chain([changer]));
        check_files(&store, &disk);
        finish(store, notes, &disk);
    });
}

#[test]
fn shuttle_buffered_and_synced_writes_meet() {
    explore("durability", || {
        let disk = SimDisk::empty();
        let store = open(&disk);
        let notes = notes(&store);
        let writers: Vec<_> = [Some(3600), Some(0), None]
            .into_iter()
            .zip(0u64..)
            .map(|(delay, n)| {
                let notes = notes.clone();
                thread::spawn(move || {
                    let durability = match delay {
                        Some(s) => Durability::Buffered { max_delay: Duration::from_secs(s) },
                        None => Durability::Sync,
                    };
                    for id in [n * 10, n * 10 + 1] {
                        notes.apply_with(Batch::new().insert(memory(id, "a")), durability).unwrap();
                        let snapshot = notes.core.snapshot();
                        let place = snapshot.find(id.into()).unwrap().unwrap();
                        let (rows, _, row) = snapshot.rows_at(place).unwrap();
                        let synced = notes.engine.progress.synced_seq();
                        let due = delay.is_none_or(|s| s == 0);
                        assert!(!due || rows.seq(row).unwrap() <= synced, "{id} is not synced");
                    }
                })
            })
            .collect();
        join(writers);
        store.sync().unwrap();
        assert_eq!(store.engine.progress.synced_seq(), store.engine.progress.last_seq());
        finish(store, notes, &disk);
    });
}

/// Regression: of two concurrent calls of `refresh`, the one that had read an older state could end
/// last.
#[test]
fn shuttle_a_reader_that_is_refreshed_from_two_threads_never_goes_back() {
    explore("refresh", || {
        let disk = SimDisk::empty();
        let store = open(&disk);
        let notes = notes(&store);
        let (shared, path) = (Arc::new(disk.clone()), Path::new("/s"));
        let reader = open_for_reading(shared, path, &options(Background::Manual)).unwrap();
        let reader = Arc::new(reader);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let reader = Arc::clone(&reader);
                thread::spawn(move || {
                    let there = reader.get_collection("notes").unwrap();
                    let mut last = 0;
                    for _ in 0..3 {
                        reader.refresh().unwrap();
                        let now = there.len().unwrap();
                        assert!(now >= last, "{now} rows after {last}");
                        last = now;
                    }
                })
            })
            .collect();
        for id in 0..4u64 {
            notes.insert(memory(id, "a")).unwrap();
        }
        join(readers);
        reader.refresh().unwrap();
        assert_eq!(reader.get_collection("notes").unwrap().len().unwrap(), 4);
        finish(store, notes, &disk);
    });
}
