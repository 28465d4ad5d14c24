//! Owns the models that loom runs under every interleaving with a few preemptions (`--cfg loom`):
//! the real commit queue, snapshots, file guards, workers and compaction, on a simulated disk and
//! with a clock that stands still. `sync` says what a pass proves. No wait times out here, so that
//! a lost wake-up is a deadlock, which loom reports.
//!
//! `LOOM_MAX_PREEMPTIONS` sets the number of preemptions. By default each model has its own bound.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as StdAtomicU64, Ordering as StdOrdering};
use std::time::Duration;

use crate::collection::Collection;
use crate::compaction::{Control, Job, run_index_due, run_rows_due};
use crate::dir::guard::{FileGuard, HeldFiles};
use crate::disk::Disk;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::ids::FileId;
use crate::poison::Poison;
use crate::store::open::open_for_writing;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, Published, lock, spawn};
use crate::testing::sim::{OpKind, SimDisk};
use crate::worker::{Lane, Notify, Seat, Worker};
use crate::{
    Background, Batch, CollectionOptions, Durability, Error, ManualClock, Memory, Metric, Outcome,
    Store, StoreOptions, Timestamp,
};

/// Runs a body under every interleaving with at most `preemptions` preemptions, and prints their
/// number.
fn explore(name: &str, preemptions: usize, body: fn()) {
    let runs = Arc::new(StdAtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let mut model = loom::model::Builder::new();
    model.max_branches = 100_000;
    model.preemption_bound.get_or_insert(preemptions);
    let bound = model.preemption_bound.unwrap_or_default();
    model.check(move || {
        counted.fetch_add(1, StdOrdering::Relaxed);
        // The body runs on a thread of its own, for its larger stack.
        spawn("body", body).unwrap().join().unwrap();
    });
    let runs = runs.load(StdOrdering::Relaxed);
    let line = format!("loom: {name}: {runs} interleavings, at most {bound} preemptions\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn go(body: impl FnOnce() + Send + 'static) -> loom::thread::JoinHandle<()> {
    spawn("model", body).unwrap()
}

/// How often each file was removed.
type Removals = Arc<std::sync::Mutex<BTreeMap<PathBuf, u32>>>;

fn removals(disk: &SimDisk) -> Removals {
    let removed = Removals::default();
    let seen = Arc::clone(&removed);
    disk.observe(move |op, _| {
        if op.kind == OpKind::Remove && op.ok {
            *seen.lock().unwrap().entry(op.path.clone()).or_default() += 1;
        }
    });
    removed
}

const STORE: StoreId = StoreId([3; 16]);

fn file(disk: &SimDisk, name: &str) -> PathBuf {
    let path = PathBuf::from("/s").join(name);
    let header =
        FileHeader { kind: FileKind::Segment, store: STORE, file: FileId(1), salt: [7; 16] };
    disk.create(&path).unwrap().append(&header.encode()).unwrap();
    path
}

fn exists(disk: &SimDisk, path: &std::path::Path) -> bool {
    disk.open(path).is_ok()
}

fn held(disk: &SimDisk, poison: &Arc<Poison>) -> Arc<HeldFiles> {
    let (disk, process) = (Arc::new(disk.clone()), disk.process_id());
    Arc::new(HeldFiles::new(disk, STORE, process, Arc::clone(poison)))
}

fn guard(disk: &SimDisk, name: &str, held: &Arc<HeldFiles>) -> FileGuard {
    FileGuard::new(Arc::clone(held), file(disk, name), 1)
}

fn empty_disk() -> SimDisk {
    let disk = SimDisk::empty();
    disk.create_dir(&PathBuf::from("/s")).unwrap();
    disk
}

#[test]
fn loom_a_file_goes_once_and_only_after_the_last_snapshot_that_names_it() {
    explore("publish against load", 3, || {
        let disk = empty_disk();
        let removed = removals(&disk);
        let pinned = held(&disk, &Arc::default());
        let (a, b) = (guard(&disk, "a", &pinned), guard(&disk, "b", &pinned));
        let names = ["a", "b"].map(|n| PathBuf::from("/s").join(n));
        let [first, second] = names.clone();
        // Each snapshot names files with their guards, as a list of segments does.
        let cell = Arc::new(Published::new(vec![(first, Arc::new(a)), (second, Arc::new(b))]));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (cell, disk) = (Arc::clone(&cell), disk.clone());
                go(move || {
                    let snapshot = cell.load();
                    for (path, _) in snapshot.iter() {
                        assert!(exists(&disk, path), "a pinned file is gone");
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            let mut next = Vec::clone(&cell.load());
            let (_, gone) = next.pop().unwrap();
            gone.mark_obsolete();
            drop(gone);
            cell.store(next);
        }
        readers.into_iter().for_each(|r| r.join().unwrap());
        let counts = removed.lock().unwrap().clone();
        assert_eq!(counts, names.into_iter().map(|n| (n, 1)).collect());
        assert_eq!(pinned.totals(), (0, 0));
    });
}

#[test]
fn loom_whoever_sees_poison_removes_nothing() {
    explore("poison against removal", 3, || {
        let disk = empty_disk();
        let poison = Arc::<Poison>::default();
        let pinned = held(&disk, &poison);
        let guards: Vec<FileGuard> =
            ["a", "b"].map(|name| guard(&disk, name, &pinned)).into_iter().collect();
        let setter = {
            let poison = Arc::clone(&poison);
            go(move || poison.set("planted"))
        };
        let droppers: Vec<_> = guards
            .into_iter()
            .zip(["a", "b"])
            .map(|(guard, name)| {
                let (poison, disk) = (Arc::clone(&poison), disk.clone());
                go(move || {
                    guard.mark_obsolete();
                    let seen = poison.is_set();
                    // A thread that sees the flag also sees the reason.
                    let told = poison.check().err().map(|e| e.to_string());
                    assert!(!seen || told.unwrap().contains("planted"));
                    drop(guard);
                    assert!(!seen || exists(&disk, &PathBuf::from("/s").join(name)));
                })
            })
            .collect();
        setter.join().unwrap();
        droppers.into_iter().for_each(|d| d.join().unwrap());
        assert_eq!(pinned.totals(), (0, 0));
    });
}

#[test]
fn loom_every_ring_is_followed_by_a_run_and_a_stop_ends() {
    explore("notification and worker", 3, || {
        let wakeup = Arc::<Notify>::default();
        let wanted = Arc::new(AtomicU64::new(0));
        let done = Arc::new((Mutex::new(0), Condvar::new()));
        let task = {
            let (wanted, done) = (Arc::clone(&wanted), Arc::clone(&done));
            move |_: &Seat<'_>| {
                let seen = wanted.load(Ordering::Acquire);
                *lock(&done.0) = seen;
                done.1.notify_all();
                // Under loom this waits until it is woken.
                Duration::from_secs(1)
            }
        };
        let worker = Worker::start(Lane::Rows, &wakeup, &Arc::default(), task).unwrap();
        let other = {
            let (wakeup, wanted) = (Arc::clone(&wakeup), Arc::clone(&wanted));
            go(move || {
                wanted.fetch_add(1, Ordering::AcqRel);
                wakeup.notify();
            })
        };
        wanted.fetch_add(1, Ordering::AcqRel);
        wakeup.notify();
        let mut seen = lock(&done.0);
        while *seen < 2 {
            seen = done.1.wait(seen).unwrap();
        }
        drop(seen);
        drop(worker);
        other.join().unwrap();
        assert!(wakeup.is_stopping());
    });
}

/// Rows of a full memtable: the minimum.
const ROWS: u64 = 64;

/// A store on a simulated disk, without background jobs and with one collection.
fn store(disk: &SimDisk) -> (Store, Collection) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let options = StoreOptions::new().background(Background::Manual).seed(7).clock(clock);
    let path = PathBuf::from("/s");
    let store = open_for_writing(Arc::new(disk.clone()), &path, options).unwrap();
    let wanted = CollectionOptions::new(2, Metric::L2).memtable_rows(ROWS as u32);
    let notes = store.collection("notes", wanted).unwrap();
    (store, notes)
}

fn memory(id: u64) -> Memory {
    Memory::new(id, [id as f32, 1.0])
}

fn ids(notes: &Collection) -> Vec<u64> {
    let mut ids: Vec<u64> = notes.iter().map(|m| m.unwrap().id.as_u128() as u64).collect();
    ids.sort_unstable();
    ids
}

/// Returns the sequence number of a visible row.
fn seq(notes: &Collection, id: u64) -> u64 {
    let snapshot = notes.core.snapshot();
    let place = snapshot.find(id.into()).unwrap().expect("an acknowledged row is visible");
    let (rows, _, row) = snapshot.rows_at(place).unwrap();
    rows.seq(row).unwrap().0
}

#[test]
fn loom_a_group_commit_answers_every_batch_once_after_its_sync() {
    explore("group commit", 2, || {
        let (store, notes) = store(&SimDisk::empty());
        let writers: Vec<_> = (1..=2)
            .map(|id| {
                let notes = notes.clone();
                go(move || {
                    assert_eq!(notes.insert(memory(id)).unwrap(), Outcome::Inserted);
                    let synced = notes.engine.progress.synced_seq().0;
                    assert!(seq(&notes, id) <= synced, "acknowledged before the sync");
                })
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        assert_eq!(ids(&notes), [1, 2]);
        assert_eq!(store.engine.committer.waiting(), 0);
        drop(store);
    });
}

#[test]
fn loom_after_a_failed_sync_nobody_is_told_that_a_batch_is_safe() {
    explore("group commit with a failing sync", 2, || {
        use crate::testing::sim::{Failure, Fault, SyncModel};
        let disk = SimDisk::empty();
        let (store, notes) = store(&disk);
        disk.fail(Fault {
            skip: 0,
            only: Some(OpKind::Sync),
            failure: Failure::Io,
            forever: false,
            model: SyncModel::Kept,
        });
        let writers: Vec<_> = (1..=2)
            .map(|id| {
                let notes = notes.clone();
                go(move || {
                    let refused = notes.insert(memory(id));
                    let told = matches!(
                        refused,
                        Err(Error::CommitUnknown { .. } | Error::Poisoned { .. })
                    );
                    assert!(told, "{refused:?}");
                })
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        assert_eq!(ids(&notes), [0u64; 0]);
        drop(store);
    });
}

#[test]
fn loom_a_delete_during_a_compaction_is_carried_over_and_readers_see_each_row_once() {
    explore("compaction against a delete and a reader", 2, || {
        let disk = SimDisk::empty();
        let (store, notes) = store(&disk);
        notes.apply((1..=4).map(memory).collect::<Batch>()).unwrap();
        notes.compact().unwrap();
        notes.delete(4u64).unwrap();
        let removed = removals(&disk);
        let deleter = {
            let notes = notes.clone();
            go(move || {
                assert!(notes.delete(2u64).unwrap());
                assert_eq!(ids(&notes), [1, 3]);
            })
        };
        let reader = {
            let (notes, disk) = (notes.clone(), disk.clone());
            go(move || {
                let snapshot = notes.core.snapshot();
                let seen = ids(&notes);
                assert!(seen == [1, 2, 3] || seen == [1, 3], "{seen:?}");
                for part in &snapshot.segments {
                    let name = crate::format::names::FileName::Segment(part.sealed.file);
                    assert!(exists(&disk, &notes.engine.dir.path(name)), "a pinned file is gone");
                }
            })
        };
        store.compact().unwrap();
        deleter.join().unwrap();
        reader.join().unwrap();
        assert_eq!(ids(&notes), [1, 3]);
        assert!(removed.lock().unwrap().values().all(|n| *n == 1));
        let manifest = store.engine.catalog.manifest();
        let named = manifest.files().map(|name| name.to_string());
        let left = disk.list(store.engine.dir.root()).unwrap().into_iter().map(|e| e.name);
        let owned = ["seg-", "del-", "idx-", "loc-"];
        let left = left.filter(|name| owned.iter().any(|kind| name.starts_with(kind)));
        let (mut named, mut left) = (named.collect::<Vec<_>>(), left.collect::<Vec<_>>());
        named.retain(|name| owned.iter().any(|kind| name.starts_with(kind)));
        named.sort();
        left.sort();
        assert_eq!(left, named, "a file was left behind or is missing");
        assert_eq!(store.stats().unwrap().held_files, 0);
        drop(store);
    });
}

/// Two segments, each with an index. The rewrite takes both, the build only the first index. So a
/// row that the build leaves out is in a segment that the other index covers. See `races`.
#[test]
fn loom_an_index_that_is_built_beside_a_rewrite_leaves_no_row_out() {
    explore("index build against a rewrite", 2, || {
        let (store, notes) = store(&SimDisk::empty());
        for first in [0, ROWS] {
            notes.apply((first..first + ROWS).map(memory).collect::<Batch>()).unwrap();
            while store.run_pending_tasks().unwrap() {}
        }
        assert_eq!(notes.core.snapshot().indexes.len(), 2);
        notes.apply((0..ROWS - 1).fold(Batch::new(), Batch::delete)).unwrap();
        let builder = {
            let notes = notes.clone();
            go(move || {
                let control = Control::unpaced(&notes.engine, &|| false);
                assert!(run_index_due(&Job::new(&notes.core, &control)).unwrap());
            })
        };
        let control = Control::unpaced(&store.engine, &|| false);
        assert!(run_rows_due(&Job::new(&notes.core, &control)).unwrap());
        builder.join().unwrap();
        assert_eq!(notes.core.snapshot().segments.len(), 1);
        let verified = store.verify().unwrap();
        assert!(verified.is_clean(), "{:?}", verified.problems);
        drop(store);
    });
}

/// The worker is notified of a sync that is due before its next check.
#[test]
fn loom_the_log_is_synced_by_the_earliest_time_that_was_promised() {
    explore("buffered writes and the log's worker", 2, || {
        let (store, notes) = store(&SimDisk::empty());
        let patience = Arc::new((Mutex::new(Duration::MAX), Condvar::new()));
        let task = {
            let (engine, patience) = (Arc::clone(&store.engine), Arc::clone(&patience));
            move |_: &Seat<'_>| {
                let next = engine.log.tend().unwrap();
                *lock(&patience.0) = next;
                patience.1.notify_all();
                next
            }
        };
        let wakeup = Arc::clone(&store.engine.background.wakeups().log);
        let worker = Worker::start(Lane::Log, &wakeup, &Arc::default(), task).unwrap();
        let write = |id: u64, seconds: u64| {
            let notes = notes.clone();
            move || {
                let max_delay = Duration::from_secs(seconds);
                let batch = Batch::new().insert(memory(id));
                notes.apply_with(batch, Durability::Buffered { max_delay }).unwrap();
            }
        };
        let other = go(write(1, 3600));
        write(2, 5)();
        let mut next = lock(&patience.0);
        while *next > Duration::from_secs(5) {
            next = patience.1.wait(next).unwrap();
        }
        drop(next);
        other.join().unwrap();
        drop(worker);
        drop(store);
    });
}
