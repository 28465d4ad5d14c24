//! Owns the tests of jobs on a disk that fails one operation: each kind and each operation in turn,
//! once or from then on.

use std::path::{Path, PathBuf};

use super::crash_disk::{Crash, CrashDisk, copy, copy_crashed};
use super::{State, collections, open, read, recovered, scratch, step, strays, template};
use crate::format::names::FileName;
use crate::testing::fault::Fault;
use crate::{CollectionOptions, Error, Metric, Store};

const ALL: [Fault; 7] = [
    Fault::Create,
    Fault::Append,
    Fault::Sync,
    Fault::Rename,
    Fault::SyncDir,
    Fault::Open,
    Fault::Remove,
];
/// A failed operation of a job: its kind, its number, and whether all later ones fail as well.
#[derive(Clone, Copy, Debug)]
struct Failure(Fault, i64, bool);

/// Runs a job on a copy of the template in which one operation fails. Returns false if the job
/// ended before that operation.
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
    let crash = [Crash::Kill, Crash::Cut, Crash::CutAfterRename][skip as usize % 3];
    copy_crashed(&dir, &at("crashed.alt"), crash, disk.durable());
    assert_eq!(&recovered(&at("crashed.alt")), expected, "{failure:?}");
    let poisoned = store.engine.dir.poison().is_set();
    if poisoned {
        assert!(result.is_err(), "{failure:?}");
        disk.take_removed();
        assert!(matches!(job(&store), Err(Error::Poisoned { .. })), "{failure:?}");
    }
    disk.faults.heal();
    if poisoned {
        // Nothing is removed while an outcome is unknown.
        drop(store);
        assert_eq!(disk.take_removed(), Vec::<PathBuf>::new(), "{failure:?}");
    } else {
        job(&store).unwrap_or_else(|e| panic!("{failure:?}: healed, and still {e}"));
        assert_eq!(&read(&store), expected, "{failure:?}");
        assert!(store.verify().unwrap().is_clean(), "{failure:?}");
        // A file whose header could not be read was not removed, because it might belong to another
        // store.
        if !matches!(kind, Fault::Remove | Fault::Open) {
            assert_eq!(strays(&store), Vec::<String>::new(), "{failure:?}");
        }
        store.close().unwrap();
    }
    assert_eq!(&recovered(&dir), expected, "{failure:?}");
    fired
}

/// Lets every operation of a job fail, one at a time. Returns the number of failures.
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

#[test]
fn a_purge_may_fail_at_any_operation_and_be_called_again_i3_i4_i10_i14() {
    let failures = every_failure(|store| {
        let receipt = store.purge()?;
        assert_eq!(receipt.pending, Vec::<PathBuf>::new());
        // Every file whose removal failed before is gone, the previous manifest too.
        let listed = store.engine.dir.disk().list(store.engine.dir.root())?;
        let names = || listed.iter().filter_map(|entry| FileName::parse(&entry.name));
        let named = store.engine.catalog.manifest().files().count();
        assert_eq!(names().filter(|name| name.file().is_some()).count(), named);
        assert_eq!(listed.iter().filter(|e| e.name.starts_with("MANIFEST-")).count(), 1);
        Ok(())
    });
    assert!(failures > 80, "{failures}");
}

#[test]
fn background_jobs_may_fail_at_any_operation_i3_i4_i10() {
    let failures = every_failure(|store| {
        while store.run_pending_tasks()? {}
        Ok(())
    });
    assert!(failures > 20, "{failures}");
}

#[test]
fn making_and_dropping_a_collection_may_fail_at_any_operation_i3_i10() {
    let failures = every_failure(|store| {
        store.collection("more", CollectionOptions::new(3, Metric::Dot))?;
        store.drop_collection("more").map(drop)
    });
    assert!(failures > 10, "{failures}");
}

#[test]
fn a_failed_rename_or_directory_sync_of_a_manifest_poisons_i10() {
    for kind in [Fault::Rename, Fault::SyncDir] {
        let temp = scratch();
        let dir = temp.path().join("a.alt");
        let disk = CrashDisk::over(&dir);
        let store = open(disk.clone(), &dir).unwrap();
        let to = collections(&store).unwrap();
        let (state, write) = step(0, State::default());
        write(&to).unwrap();
        store.compact().unwrap();
        assert!(to[0].delete(5u64).unwrap());
        assert!(to[1].delete(5u64).unwrap());
        let state = state.map(|mut rows| {
            rows.remove(&5);
            rows
        });
        // A reader holds files that no manifest names any more.
        let reader = to.clone().map(|c| c.iter());
        store.compact().unwrap();
        let (state, write) = step(1, state);
        write(&to).unwrap();
        disk.take_removed();
        disk.faults.fail(kind, 0, false);
        let made = store.collection("more", CollectionOptions::new(3, Metric::Dot));
        assert!(matches!(made, Err(Error::Io { .. })), "{kind:?}: {made:?}");
        assert!(matches!(write(&to), Err(Error::Poisoned { .. })), "{kind:?}");
        assert!(matches!(store.compact(), Err(Error::Poisoned { .. })), "{kind:?}");
        assert_eq!(read(&store), state);
        assert!(store.stats().unwrap().held_files > 0);
        drop((reader, to, store));
        assert_eq!(disk.take_removed(), Vec::<PathBuf>::new(), "{kind:?}");
        assert_eq!(recovered(&dir), state);
    }
}

#[test]
fn an_open_may_fail_at_any_operation_and_the_next_one_finds_everything_i3_i4() {
    let temp = scratch();
    let made = temp.path().join("template.alt");
    let expected = template(&made);
    let mut failures = 0;
    for kind in ALL {
        for skip in 0.. {
            let dir = temp.path().join(format!("{kind:?}-{skip}"));
            copy(&made, &dir);
            let disk = CrashDisk::over(&dir);
            disk.faults.fail(kind, skip, false);
            let opened = open(disk.clone(), &dir);
            let fired = disk.faults.fired();
            assert!(fired || opened.is_ok());
            drop(opened);
            disk.faults.heal();
            let again = open(disk, &dir).unwrap_or_else(|e| panic!("{kind:?} {skip}: {e}"));
            assert_eq!(read(&again), expected, "{kind:?} {skip}");
            drop(again);
            assert_eq!(recovered(&dir), expected, "{kind:?} {skip}");
            std::fs::remove_dir_all(&dir).unwrap();
            if !fired {
                break;
            }
            failures += 1;
        }
    }
    assert!(failures > 20, "{failures}");
}
