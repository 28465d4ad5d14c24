//! Owns the tests of writes on a disk that is full or fails to sync.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::crash_disk::{Crash, CrashDisk, copy, copy_crashed};
use super::{State, collections, memory, open, read, recovered, scratch, step, strays};
use crate::disk::RealDisk;
use crate::format::names::FileName;
use crate::store::open::open_for_writing;
use crate::testing::fault::Fault;
use crate::{Background, Batch, Durability, Error, ManualClock, StoreOptions};

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
    assert!(is_full(&to[0].delete(5u64).unwrap_err()));
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

    // It fails once only: the next sync would succeed and prove nothing about the bytes that the
    // failed one lost.
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
    copy_crashed(&dir, &lost, Crash::Cut, disk.durable());
    assert_eq!(recovered(&lost), state);
    let found = recovered(&dir);
    assert!(found == state || found == unknown, "{found:?}");
}

/// Returns a text so large that a log file has no room for another one.
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

    // The log file is full, so it is synced before the log continues in another file. By then the
    // first write is also due to be synced. A second attempt must not count as that sync.
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
    // The second write does not fit into the log file, which is synced before the log leaves it.
    let token = store.engine.log.hold();
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
            assert!(matches!(result, Err(Error::CommitUnknown { .. })), "{result:?}");
        }
    });
    let lost = temp.path().join("lost.alt");
    copy_crashed(&dir, &lost, Crash::Cut, disk.durable());
    assert_eq!(recovered(&lost), State::default());
}

#[test]
fn a_log_that_was_cut_behind_the_back_of_its_writer_passed_for_whole_i5() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let to = collections(&store).unwrap();
    to[0].insert(memory(1, "there")).unwrap();
    assert!(store.verify().unwrap().is_clean());
    let log = store.engine.catalog.manifest().log.last().unwrap().file;
    let path = store.engine.dir.path(FileName::Log(log));
    let len = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 8).unwrap();
    let report = store.verify_with(crate::VerifyLevel::Quick).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}
