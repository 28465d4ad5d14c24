//! Owns the tests of the store on a failing disk: full, refusing to sync, cut off at any operation.
//! Processes that are killed for real are in `tests/kill.rs`.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests look at the disk past the store"
)]

mod crash_disk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::open::open_for_writing;
use crate::collection::Collection;
use crate::disk::fault::Fault;
use crate::disk::{Disk, RealDisk};
use crate::format::names::FileName;
use crate::worker::lock;
use crate::{
    Background, Batch, CollectionOptions, Durability, Error, Filter, ManualClock, Memory, Metric,
    Store, StoreOptions,
};
use crash_disk::{CrashDisk, copy, copy_durable};

const ALL: [Fault; 7] = [
    Fault::Create,
    Fault::Append,
    Fault::Sync,
    Fault::Rename,
    Fault::SyncDir,
    Fault::Open,
    Fault::Remove,
];
const NAMES: [&str; 2] = ["notes", "facts"];

/// What both collections hold: the text of each id.
type State = [BTreeMap<u64, String>; 2];

/// In RAM where that is possible: these disks only play at losing what was not synced.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn open(disk: Arc<dyn Disk>, dir: &Path) -> crate::Result<Store> {
    let options = StoreOptions::new().background(Background::Manual);
    open_for_writing(disk, dir, options)
}

/// The collections of [`NAMES`], made if they are not there.
fn collections(store: &Store) -> crate::Result<[Collection; 2]> {
    let made = |name| {
        let options = CollectionOptions::new(2, Metric::L2).memtable_rows(64);
        store.collection(name, options)
    };
    Ok([made(NAMES[0])?, made(NAMES[1])?])
}

fn memory(id: u64, text: &str) -> Memory {
    Memory::new(id, [id as f32, text.len() as f32])
        .text(text)
        .namespace(format!("user:{}", id % 5))
}

fn read(store: &Store) -> State {
    NAMES.map(|name| {
        let Some(collection) = store.existing(name) else {
            return BTreeMap::new();
        };
        let mut rows = BTreeMap::new();
        for memory in collection.iter().map(|m| m.unwrap()) {
            let text = memory.text_content().unwrap().to_owned();
            assert_eq!(memory.vector()[1], text.len() as f32);
            let id = memory.id().as_u128() as u64;
            assert_eq!(rows.insert(id, text), None, "{name} {id} is there twice");
        }
        rows
    })
}

/// Opens a directory as after a crash, checks it whole, and gives what it holds.
fn recovered(dir: &Path) -> State {
    let store = open(Arc::new(RealDisk), dir).unwrap();
    let state = read(&store);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(strays(&store), Vec::<String>::new());
    state
}

/// Files of ours in the directory that the manifest does not name (I3).
fn strays(store: &Store) -> Vec<String> {
    let manifest = store.engine.manifest();
    let live: Vec<FileName> = manifest.files().collect();
    let listed = RealDisk.list(store.engine.dir()).unwrap().into_iter();
    listed
        .map(|e| e.name)
        .filter(|name| match FileName::parse(name).unwrap() {
            FileName::Lock => false,
            // The previous one is kept for diagnosis.
            FileName::Manifest(n) => n + 1 < manifest.generation,
            name => !live.contains(&name),
        })
        .collect()
}

/// Step `n` of a workload: inserts into both, replaces, deletes. Gives the state after it.
fn step(n: u64, mut state: State) -> (State, impl Fn(&[Collection; 2]) -> crate::Result<()>) {
    let text = format!("step {n}");
    let ids: Vec<u64> = (0..14).map(|i| (n * 9 + i * 5) % 190).collect();
    let (gone, namespace) = ((n * 31) % 190, format!("user:{}", n % 5));
    let drop_namespace = n % 6 == 5;
    if drop_namespace {
        state[0].retain(|id, _| id % 5 != n % 5);
    }
    for id in &ids {
        state[0].insert(*id, text.clone());
        state[1].insert(id / 2, text.clone());
    }
    state[0].remove(&gone);
    state[1].remove(&gone);
    let write = move |to: &[Collection; 2]| {
        let mut batch = Batch::new();
        if drop_namespace {
            batch = batch.delete_where(Filter::namespace(&*namespace));
        }
        for id in &ids {
            batch = batch.insert(memory(*id, &text));
            batch = batch.insert_into(&to[1], memory(id / 2, &text));
        }
        to[0]
            .apply(batch.delete(gone).delete_from(&to[1], gone))
            .map(drop)
    };
    (state, write)
}

/// A closed store with segments, deletes, indexes and rows in the log, and what it holds.
fn template(dir: &Path) -> State {
    let store = open(Arc::new(RealDisk), dir).unwrap();
    let to = collections(&store).unwrap();
    let mut state = State::default();
    for n in 0..30 {
        let (next, write) = step(n, state);
        write(&to).unwrap();
        state = next;
        if n < 26 {
            while store.run_pending().unwrap() {}
        }
    }
    assert_eq!(read(&store), state);
    store.close().unwrap();
    state
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::DiskFull { .. })
}

#[test]
fn a_full_disk_costs_that_batch_alone_and_writes_go_on_in_a_new_log_file_i4() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = CrashDisk::over(&dir);
    let store = open(disk.clone(), &dir).unwrap();
    let to = collections(&store).unwrap();
    let (state, write) = step(0, State::default());
    write(&to).unwrap();
    let before = store.stats().unwrap();

    disk.faults.fail(Fault::Append, 0, true);
    let (_, lost) = step(1, state.clone());
    assert!(is_full(&lost(&to).unwrap_err()));
    // Nor can a new log file be started, or anything be deleted, on a disk that stays full.
    assert!(is_full(&lost(&to).unwrap_err()));
    assert!(is_full(&to[0].delete(0u64).unwrap_err()));
    assert_eq!(read(&store), state);
    assert_eq!(store.stats().unwrap().poisoned, None);
    copy(&dir, &temp.path().join("full.alt"));
    assert_eq!(recovered(&temp.path().join("full.alt")), state);

    disk.faults.heal();
    let (state, write) = step(2, state);
    write(&to).unwrap();
    assert_eq!(read(&store), state);
    assert_eq!(store.stats().unwrap().log_files, before.log_files + 1);
    assert_eq!(strays(&store), Vec::<String>::new());
    copy(&dir, &temp.path().join("healed.alt"));
    assert_eq!(recovered(&temp.path().join("healed.alt")), state);
    store.close().unwrap();
    assert_eq!(recovered(&dir), state);
}

#[test]
fn a_failed_log_sync_poisons_reads_go_on_and_nothing_acknowledged_is_lost_i10() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = CrashDisk::over(&dir);
    let store = open(disk.clone(), &dir).unwrap();
    let to = collections(&store).unwrap();
    let (state, write) = step(0, State::default());
    write(&to).unwrap();
    let synced = store.stats().unwrap().synced_seq;

    // Once only: the next sync would succeed and say nothing of what the failed one lost.
    disk.faults.fail(Fault::Sync, 0, false);
    let (unknown, write) = step(1, state.clone());
    assert!(matches!(write(&to), Err(Error::CommitUnknown { .. })));
    disk.take_removed();
    assert!(matches!(write(&to), Err(Error::Poisoned { .. })));
    assert!(matches!(to[0].delete(0u64), Err(Error::Poisoned { .. })));
    assert!(matches!(store.sync(), Err(Error::Poisoned { .. })));
    assert!(matches!(store.compact(), Err(Error::Poisoned { .. })));
    assert_eq!(read(&store), state);
    assert_eq!(to[0].search(&[1.0, 6.0]).k(3).run().unwrap().len(), 3);
    assert!(store.stats().unwrap().poisoned.is_some());
    assert_eq!(store.stats().unwrap().synced_seq, synced);
    assert!(store.close().is_err());
    assert_eq!(disk.take_removed(), Vec::<PathBuf>::new());

    let lost = temp.path().join("lost.alt");
    copy_durable(&dir, &lost, &lock(&disk.durable()));
    assert_eq!(recovered(&lost), state);
    let found = recovered(&dir);
    assert!(found == state || found == unknown, "{found:?}");
}

/// Bytes that leave no room in a log file for as many again.
fn half_a_log_file() -> String {
    "x".repeat(crate::log::LOG_FILE_BYTES as usize * 3 / 4)
}

#[test]
fn no_sync_is_tried_again_after_one_failed_i10() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = CrashDisk::over(&dir);
    let clock = Arc::new(ManualClock::new(crate::Timestamp::from(
        std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30),
    )));
    let options = StoreOptions::new().background(Background::Manual);
    let store = open_for_writing(disk.clone(), &dir, options.clock(clock.clone())).unwrap();
    let [notes, _] = collections(&store).unwrap();
    let max_delay = Duration::from_secs(1);
    let buffered = Durability::Buffered { max_delay };
    let large = || Batch::new().insert(memory(1, &half_a_log_file()));
    notes.apply_with(large(), buffered).unwrap();
    let synced = store.stats().unwrap().synced_seq;

    // The log is full: it is synced before it goes on in another file. By then the first write is
    // due to be synced as well, which must not be taken as done by a second try.
    clock.advance(Duration::from_secs(2));
    disk.faults.fail(Fault::Sync, 0, false);
    let refused = notes.apply_with(large(), buffered);
    assert!(matches!(refused, Err(Error::CommitUnknown { .. })));
    assert_eq!(store.stats().unwrap().synced_seq, synced);
}

#[test]
fn a_batch_is_not_acknowledged_if_the_sync_failed_for_a_later_one_of_its_group_i10() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = CrashDisk::over(&dir);
    let store = open(disk.clone(), &dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    // The second of the two does not fit into the log file, which is synced before it is left.
    let token = store.engine.committer.hold();
    std::thread::scope(|scope| {
        let mut writers = Vec::new();
        for id in 1..=2u64 {
            let notes = notes.clone();
            writers.push(scope.spawn(move || notes.insert(memory(id, &half_a_log_file()))));
            while store.engine.committer.waiting() < id as usize {
                std::thread::yield_now();
            }
        }
        disk.faults.fail(Fault::Sync, 0, false);
        drop(token);
        for writer in writers {
            let result = writer.join().unwrap();
            assert!(
                matches!(result, Err(Error::CommitUnknown { .. })),
                "{result:?}"
            );
        }
    });
    let lost = temp.path().join("lost.alt");
    copy_durable(&dir, &lost, &lock(&disk.durable()));
    assert_eq!(recovered(&lost), State::default());
}

/// A failed operation of a job: its kind, its number, whether all later ones fail as well.
#[derive(Clone, Copy, Debug)]
struct Failure(Fault, i64, bool);

/// Runs a job on a copy of the template in which one operation fails. False if the job ended
/// before that operation.
fn one_failure(
    template: &Path,
    expected: &State,
    failure: Failure,
    job: impl Fn(&Store) -> crate::Result<()>,
) -> bool {
    let Failure(kind, skip, forever) = failure;
    let temp = scratch();
    let at = |name: &str| temp.path().join(name);
    let dir = at("a.alt");
    copy(template, &dir);
    let disk = CrashDisk::over(&dir);
    let store = open(disk.clone(), &dir).unwrap();
    disk.take_removed();
    disk.faults.fail(kind, skip, forever);
    let result = job(&store);
    let fired = disk.faults.fired();
    assert!(fired || result.is_ok(), "{failure:?}: {result:?}");
    assert_eq!(&read(&store), expected, "{failure:?}");
    copy(&dir, &at("killed.alt"));
    copy_durable(&dir, &at("cut.alt"), &lock(&disk.durable()));
    assert_eq!(&recovered(&at("killed.alt")), expected, "{failure:?}");
    assert_eq!(&recovered(&at("cut.alt")), expected, "{failure:?}");
    let poisoned = store.engine.poison.is_set();
    if poisoned {
        assert!(result.is_err(), "{failure:?}");
        disk.take_removed();
        assert!(
            matches!(job(&store), Err(Error::Poisoned { .. })),
            "{failure:?}"
        );
    }
    disk.faults.heal();
    if poisoned {
        // Nothing is unlinked while an outcome is unknown.
        drop(store);
        assert_eq!(disk.take_removed(), Vec::<PathBuf>::new(), "{failure:?}");
    } else {
        job(&store).unwrap_or_else(|e| panic!("{failure:?}: healed, and still {e}"));
        assert_eq!(&read(&store), expected, "{failure:?}");
        assert!(store.verify().unwrap().is_clean(), "{failure:?}");
        if kind != Fault::Remove {
            assert_eq!(strays(&store), Vec::<String>::new(), "{failure:?}");
        }
        store.close().unwrap();
    }
    assert_eq!(&recovered(&dir), expected, "{failure:?}");
    fired
}

/// Lets every operation of a job fail, one at a time; gives the number of failures.
fn every_failure(job: impl Fn(&Store) -> crate::Result<()>) -> u64 {
    let temp = scratch();
    let made = temp.path().join("template.alt");
    let expected = template(&made);
    let mut failures = 0;
    for kind in ALL {
        for forever in [false, true] {
            for skip in 0.. {
                if !one_failure(&made, &expected, Failure(kind, skip, forever), &job) {
                    break;
                }
                failures += 1;
            }
        }
    }
    failures
}

#[test]
fn a_seal_and_compaction_may_fail_at_any_operation_i3_i4_i10() {
    let failures = every_failure(|store| store.compact().map(drop));
    assert!(failures > 60, "{failures}");
}
