//! Owns the tests of ballast without a chosen size: it grows before the store needs it, and finds
//! room for an open and for deletes at every size.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{recovered, scratch};
use crate::collection::Collection;
use crate::disk::{Disk, RealDisk};
use crate::format::names::FileName;
use crate::store::open::open_for_writing;
use crate::testing::fault::QuotaDisk;
use crate::{Background, CollectionOptions, Error, Memory, Metric, Store, StoreOptions};

const MOST: u64 = 4 << 20;

struct Growing {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    disk: QuotaDisk,
}

impl Growing {
    fn new() -> Self {
        let temp = scratch();
        let (dir, disk) = (temp.path().join("a.alt"), QuotaDisk::default());
        disk.limit(u64::MAX);
        Self { _temp: temp, dir, disk }
    }

    fn open(&self) -> (Store, Collection) {
        let options = StoreOptions::new().background(Background::Manual);
        let store = open_for_writing(Arc::new(self.disk.clone()), &self.dir, options).unwrap();
        let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2)).unwrap();
        (store, notes)
    }

    fn reserve(&self) -> u64 {
        len(&self.dir.join(FileName::Reserve.to_string()))
    }

    /// Returns the bytes of the newest log file, which an open copies.
    fn log(&self) -> u64 {
        let listed = RealDisk.list(&self.dir).unwrap().into_iter();
        let newest = listed.map(|e| e.name).filter(|name| name.starts_with("log-")).max();
        len(&self.dir.join(newest.unwrap()))
    }
}

fn len(path: &Path) -> u64 {
    RealDisk.open(path).map_or(0, |file| file.len())
}

/// About 9 KB.
fn memory(id: u64) -> Memory {
    Memory::new(id, [id as f32, 1.0]).text(format!("memory {id} {}", "x".repeat(9_000)))
}

#[test]
fn the_reserve_holds_the_open_log_from_before_the_insert_on_and_never_shrinks() {
    let growing = Growing::new();
    let (store, notes) = growing.open();
    let mut sizes = vec![growing.reserve()];
    for id in 0..600 {
        notes.insert(memory(id)).unwrap();
        let (reserve, log) = (growing.reserve(), growing.log());
        assert!(reserve >= log.min(MOST), "{reserve} bytes for a log of {log}");
        if sizes.last() != Some(&reserve) {
            sizes.push(reserve);
        }
    }
    assert_eq!(sizes, [64 << 10, 256 << 10, 1 << 20, MOST]);
    // The log starts in a new file, so the next open copies little.
    store.compact().unwrap();
    assert_eq!(growing.reserve(), MOST);
    store.close().unwrap();
    let (store, notes) = growing.open();
    assert_eq!((growing.reserve(), notes.len().unwrap()), (MOST, 600));
    store.close().unwrap();
    std::fs::remove_file(growing.dir.join("RESERVE")).unwrap();
    let (store, _notes) = growing.open();
    assert_eq!(growing.reserve(), MOST, "as large as the largest file");
    store.close().unwrap();
}

#[test]
fn the_reserve_follows_the_largest_file_where_the_log_is_short() {
    let growing = Growing::new();
    let (store, notes) = growing.open();
    notes.apply((0..60).map(memory).collect()).unwrap();
    store.compact().unwrap();
    store.purge().unwrap();
    store.run_pending_tasks().unwrap();
    let largest = store.stats().unwrap().collections[0].segments[0].bytes;
    assert!(growing.log() < 16 << 10 && largest > 256 << 10);
    assert!(growing.reserve() >= largest);
}

#[test]
fn at_every_size_of_the_log_a_full_disk_lets_the_store_be_opened_and_emptied() {
    for rows in [0, 3, 20, 90, 300] {
        let growing = Growing::new();
        let (store, notes) = growing.open();
        for id in 0..rows {
            notes.insert(memory(id)).unwrap();
        }
        // After a crash the ballast is there for the next open. A close may need it itself.
        growing.disk.fill(0);
        store.close().unwrap();
        let (store, notes) = growing.open();
        assert_eq!(notes.len().unwrap(), rows);
        for id in 0..rows {
            assert!(notes.delete(id).unwrap(), "{id} of {rows}");
        }
        store.compact().unwrap();
        store.close().unwrap();
        assert_eq!(recovered(&growing.dir)[0].len(), 0);
    }
}

#[test]
fn an_insert_for_which_the_reserve_cannot_grow_is_refused_and_the_smaller_one_stays() {
    let growing = Growing::new();
    let (store, notes) = growing.open();
    let mut there = 0;
    while growing.log() < 40 << 10 {
        notes.insert(memory(there)).unwrap();
        there += 1;
    }
    assert_eq!(growing.reserve(), 64 << 10);
    // There is room for the insert, but not for the larger ballast.
    growing.disk.fill(100 << 10);
    assert!(matches!(notes.insert(memory(there)), Err(Error::DiskFull { .. })));
    assert_eq!((growing.reserve(), notes.len().unwrap()), (64 << 10, there));
    assert!(notes.delete(0u64).unwrap());
    growing.disk.limit(u64::MAX);
    notes.insert(memory(there)).unwrap();
    assert_eq!(growing.reserve(), 256 << 10);
    store.close().unwrap();
}
