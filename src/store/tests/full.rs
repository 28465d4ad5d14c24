//! Owns the tests of a store on a full disk: nothing is lost, deletes work and free space, and no
//! restart is needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{recovered, scratch, strays};
use crate::collection::Collection;
use crate::disk::{Disk, RealDisk};
use crate::format::names::FileName;
use crate::store::open::open_for_writing;
use crate::testing::fault::QuotaDisk;
use crate::{
    Background, Batch, CollectionOptions, Error, Filter, Memory, Metric, Result, Store,
    StoreOptions,
};

const RESERVE: u64 = 1 << 20;

fn open(disk: &QuotaDisk, dir: &Path, reserve: u64) -> Result<Store> {
    let options = StoreOptions::new().background(Background::Manual).reserve_bytes(reserve);
    open_for_writing(Arc::new(disk.clone()), dir, options)
}

fn notes(store: &Store) -> Result<Collection> {
    store.collection("notes", CollectionOptions::new(2, Metric::L2).memtable_rows(64))
}

/// A store on a disk that has room until the test fills it.
struct Roomy {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    disk: QuotaDisk,
    store: Store,
    notes: Collection,
}

fn roomy(reserve: u64) -> Roomy {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = QuotaDisk::default();
    disk.limit(u64::MAX);
    let store = open(&disk, &dir, reserve).unwrap();
    let notes = notes(&store).unwrap();
    Roomy { _temp: temp, dir, disk, store, notes }
}

fn memory(id: u64) -> Memory {
    let text = format!("memory {id} {}", "x".repeat(2000));
    Memory::new(id, [id as f32, text.len() as f32])
        .text(text)
        .namespace(format!("user:{}", id / 64 % 4))
}

fn is_full<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::DiskFull { .. })), "{result:?}");
}

/// Runs background work as a caller would, on a disk where it may run out of space.
fn settle(store: &Store) {
    for _ in 0..1000 {
        match store.run_pending_tasks() {
            Ok(true) | Err(Error::DiskFull { .. }) => {}
            Ok(false) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Inserts until there is no room. Returns the number of memories.
fn insert_until_full(store: &Store, notes: &Collection, from: u64) -> u64 {
    for id in from..from + 100_000 {
        match notes.insert(memory(id)) {
            Ok(_) => {}
            Err(Error::DiskFull { .. }) => return id,
            Err(error) => panic!("{error}"),
        }
        if id % 64 == 0 {
            settle(store);
        }
    }
    panic!("the disk is never full");
}

fn reserve_len(dir: &Path) -> u64 {
    let file = RealDisk.open(&dir.join(FileName::Reserve.to_string()));
    file.map_or(0, |file| file.len())
}

#[test]
fn a_full_disk_refuses_inserts_and_takes_deletes_that_make_room_again() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = QuotaDisk::default();
    disk.limit(4 << 20);
    let store = open(&disk, &dir, RESERVE).unwrap();
    let notes = notes(&store).unwrap();
    assert_eq!(reserve_len(&dir), RESERVE);
    let mut there = insert_until_full(&store, &notes, 0);
    for round in 0..4 {
        assert_eq!(reserve_len(&dir), RESERVE, "inserts never use it");
        is_full(notes.insert(memory(there)));
        assert_eq!(store.stats().unwrap().poisoned, None);
        let live = notes.len().unwrap();
        assert!(notes.contains(there - 1).unwrap());
        // No byte is left except in the reserve.
        disk.fill(0);
        assert!(notes.delete(there - 1).unwrap(), "round {round}");
        let gone = notes.delete_where(Filter::namespace(format!("user:{round}"))).unwrap();
        assert!(gone > 0);
        assert_eq!(notes.len().unwrap(), live - 1 - gone);
        // Inserts must not use the space of the reserve.
        if reserve_len(&dir) == 0 {
            is_full(notes.insert(memory(there)));
        }
        settle(&store);
        store.compact().unwrap();
        settle(&store);
        assert_eq!(reserve_len(&dir), RESERVE, "made again, round {round}");
        assert_eq!(strays(&store), Vec::<String>::new());
        notes.insert(memory(there)).unwrap();
        there = insert_until_full(&store, &notes, there + 1);
    }
    disk.fill(0);
    let live = notes.len().unwrap();
    store.close().unwrap();
    // Recovery on a full disk.
    let store = open(&disk, &dir, RESERVE).unwrap();
    let notes = store.get_collection("notes").unwrap();
    assert_eq!(notes.len().unwrap(), live);
    notes.delete_where(Filter::All).unwrap();
    settle(&store);
    store.compact().unwrap();
    settle(&store);
    assert_eq!(reserve_len(&dir), RESERVE);
    notes.insert(memory(0)).unwrap();
    let stats = store.stats().unwrap();
    assert!(stats.reserve_bytes >= RESERVE && stats.disk_bytes < RESERVE, "{stats:?}");
    store.close().unwrap();
    recovered(&dir);
}

#[test]
fn a_crash_on_a_full_disk_is_recovered_from_at_the_cost_of_the_reserve() {
    let Roomy { _temp, dir, disk, store, notes } = roomy(RESERVE);
    notes.apply((0..100).map(memory).collect::<Batch>()).unwrap();
    drop((notes, store));
    for n in 0..3 {
        disk.fill(0);
        let store = open(&disk, &dir, RESERVE).unwrap();
        let notes = store.get_collection("notes").unwrap();
        assert_eq!(notes.len().unwrap(), 100 - n);
        notes.delete(n).unwrap();
        store.close().unwrap();
        disk.limit(u64::MAX);
        let store = open(&disk, &dir, RESERVE).unwrap();
        assert_eq!(reserve_len(&dir), RESERVE);
        store.close().unwrap();
    }
}

/// Tries every number of bytes at which the disk may be full while a store is created, opened and
/// closed.
#[test]
fn an_open_that_failed_on_a_full_disk_succeeds_once_there_is_room() {
    let temp = scratch();
    for reserve in [0, 4096] {
        for limit in (0..4096).step_by(31) {
            let dir = temp.path().join(format!("{reserve}-{limit}.alt"));
            let disk = QuotaDisk::default();
            disk.limit(limit);
            let mut left = Vec::new();
            for _ in 0..3 {
                match open(&disk, &dir, reserve) {
                    Ok(store) => drop(store),
                    Err(error) => is_full::<()>(Err(error)),
                }
                left.push(RealDisk.list(&dir).unwrap().len());
            }
            assert_eq!(left[1], left[2], "each try leaves more behind at {limit} bytes");
            disk.limit(1 << 20);
            let store = open(&disk, &dir, reserve).unwrap();
            notes(&store).unwrap().insert(memory(1)).unwrap();
            assert_eq!(reserve_len(&dir), reserve);
            assert_eq!(strays(&store), Vec::<String>::new());
            store.close().unwrap();
        }
    }
}

#[test]
fn a_reserve_of_another_size_is_made_anew_and_none_is_removed() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = QuotaDisk::default();
    disk.limit(u64::MAX);
    for reserve in [0, 4096, 1000, 300_000, 0, 70_000] {
        let store = open(&disk, &dir, reserve).unwrap();
        assert_eq!(reserve_len(&dir), reserve);
        let used = disk.used() - reserve;
        assert!(used < 4096, "{used}");
        store.close().unwrap();
    }
}

/// A job that runs out of space removes the files that it wrote, and is retried when there is room.
#[test]
fn compaction_on_a_full_disk_leaves_nothing_behind_and_goes_on_when_there_is_room() {
    let Roomy { _temp, disk, store, notes, .. } = roomy(0);
    for id in 0..400u64 {
        notes.insert(memory(id)).unwrap();
    }
    settle(&store);
    for id in 0..400u64 {
        if id % 3 != 0 {
            notes.delete(id).unwrap();
        }
    }
    let before = disk.used();
    for more in (0..200_000).step_by(7_001) {
        disk.fill(more);
        let result = store.compact();
        if result.is_ok() {
            break;
        }
        is_full(result);
        assert_eq!(store.stats().unwrap().poisoned, None);
        assert_eq!(strays(&store), Vec::<String>::new());
        assert_eq!(notes.len().unwrap(), 134);
    }
    disk.limit(u64::MAX);
    store.compact().unwrap();
    assert!(disk.used() < before);
    assert_eq!(notes.len().unwrap(), 134);
    assert!(store.verify().unwrap().is_clean());
}

/// Regression: dead rows stayed as long as a seal did not fit, although they free the room for it.
#[test]
fn a_seal_that_does_not_fit_waits_for_no_more_than_what_the_dead_give_back() {
    for due in [true, false] {
        let Roomy { _temp, dir, disk, store, notes } = roomy(0);
        notes.apply((0..64).map(memory).collect::<Batch>()).unwrap();
        settle(&store);
        let files = || notes.stats().unwrap().segments.iter().map(|s| s.file).collect::<Vec<u64>>();
        let dead = files();
        notes.delete_where(Filter::All).unwrap();
        notes.apply((64..128).map(memory).collect::<Batch>()).unwrap();
        // Enough for a manifest, but not for 64 rows.
        disk.fill(20_000);
        if due {
            assert!(store.run_pending_tasks().unwrap());
            assert_eq!(files(), Vec::<u64>::new(), "the dead are gone, and nothing is sealed yet");
            settle(&store);
        } else {
            store.compact().unwrap();
        }
        assert_eq!((files().len(), dead.len()), (1, 1));
        assert_ne!(files(), dead);
        assert_eq!(notes.len().unwrap(), 64);
        assert_eq!(strays(&store), Vec::<String>::new());
        store.close().unwrap();
        recovered(&dir);
    }
}

/// Sealing a memtable of mostly dead rows frees more of the log than its segment takes.
#[test]
fn a_seal_may_cost_the_reserve_only_if_it_gives_bytes_back() {
    for gone in [10, 60] {
        let Roomy { _temp, dir, disk, store, notes } = roomy(RESERVE);
        notes.apply((0..64).map(memory).collect::<Batch>()).unwrap();
        for id in 0..gone {
            notes.delete(id).unwrap();
        }
        disk.fill(0);
        let sealed = store.run_pending_tasks();
        if gone == 60 {
            assert!(sealed.unwrap());
            assert_eq!(notes.stats().unwrap().segments.len(), 1);
        } else {
            is_full(sealed);
            assert_eq!(reserve_len(&dir), RESERVE);
        }
        assert_eq!(notes.len().unwrap(), 64 - gone);
    }
}

#[test]
fn what_is_only_in_ram_does_not_wait_for_the_reserve() {
    let temp = scratch();
    let disk = QuotaDisk::default();
    disk.limit(u64::MAX);
    let store = open(&disk, &temp.path().join("a.alt"), RESERVE).unwrap();
    let notes = notes(&store).unwrap();
    let wanted = CollectionOptions::new(2, Metric::L2).in_memory();
    let in_memory = store.collection("in_memory", wanted).unwrap();
    assert!(store.engine.reserve.spend());
    disk.fill(0);
    is_full(notes.insert(memory(1)));
    in_memory.insert(memory(1)).unwrap();
    assert_eq!((notes.len().unwrap(), in_memory.len().unwrap()), (0, 1));
}
