//! Owns the tests of what all parts of an open store share: counts in reports, the clock, the
//! ballast, the owner of the directory, and unfinished files of jobs.

use std::time::Duration;

use super::*;
use crate::sync::lock;
use crate::testing::fault::{Fault, FaultDisk};
use crate::{Error, Event, ManualClock, Timestamp};

#[test]
fn reports_and_receipts_count_the_rows_that_went() {
    let temp = scratch();
    let store = open(Arc::new(RealDisk), &temp.path().join("a.alt")).unwrap();
    let [notes, facts] = collections(&store).unwrap();
    for id in 0..20 {
        notes.insert(memory(id, "a")).unwrap();
        facts.insert(memory(id, "a")).unwrap();
    }
    for id in 0..3u64 {
        notes.delete(id).unwrap();
    }
    for id in 0..2u64 {
        facts.delete(id).unwrap();
    }
    let receipt = store.purge().unwrap();
    assert_eq!((receipt.rows, receipt.pending), (5, vec![]));
    notes.insert(memory(90, "a")).unwrap();
    notes.compact().unwrap();
    for id in 4..8u64 {
        notes.delete(id).unwrap();
    }
    assert_eq!(notes.compact().unwrap().rows_reclaimed, 4);
    assert!(store.engine.dir.unfinished().is_empty(), "these would never be swept");
}

#[test]
fn time_hides_what_has_expired_and_says_when_the_log_is_due() {
    let temp = scratch();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let (wall, dir) = (Arc::clone(&clock), temp.path().join("a.alt"));
    let options = StoreOptions::new().background(Background::Manual).clock(wall);
    let store = open_for_writing(Arc::new(RealDisk), &dir, options).unwrap();
    let [notes, _] = collections(&store).unwrap();
    notes.insert(memory(1, "a").ttl(Duration::from_secs(10))).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(stats.synced_seq, stats.visible_seq);
    assert_eq!(store.engine.log.tend().unwrap(), Duration::from_secs(600));
    assert_eq!(store.engine.time.plausible_now(), Timestamp::from_millis(1_700_000_000_000));
    assert!(notes.get(1u64).unwrap().is_some());
    clock.advance(Duration::from_secs(11));
    assert!(notes.get(1u64).unwrap().is_none());
}

#[test]
fn a_directory_that_is_another_stores_is_not_ours_and_one_that_cannot_be_read_is_no_proof() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let disk = FaultDisk::default();
    let store = open(Arc::new(disk.clone()), &dir).unwrap();
    disk.fail(Fault::Open, 0, true);
    assert!(matches!(store.engine.catalog.check_owner(), Err(Error::Io { .. })));
    disk.heal();
    store.engine.catalog.check_owner().unwrap();
    std::fs::rename(&dir, temp.path().join("b.alt")).unwrap();
    // A store of the same age: its manifest has the same name.
    let other = open(Arc::new(RealDisk), &dir).unwrap();
    assert_eq!(
        other.engine.catalog.manifest().generation,
        store.engine.catalog.manifest().generation
    );
    assert!(matches!(store.engine.catalog.check_owner(), Err(Error::Poisoned { .. })));
}

#[test]
fn a_store_that_was_closed_commits_no_manifest_and_spends_no_ballast() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let reserve = dir.join(FileName::Reserve.to_string());
    let options = || StoreOptions::new().background(Background::Manual);
    let with =
        |bytes| open_for_writing(Arc::new(RealDisk), &dir, options().reserve_bytes(bytes)).unwrap();
    let store = with(5000);
    let engine = Arc::clone(&store.engine);
    store.close().unwrap();
    assert!(matches!(engine.catalog.commit(|_| {}), Err(Error::Closed)));
    assert!(!engine.reserve.spend() && reserve.exists());
    let store = with(0);
    std::fs::write(&reserve, b"not ours").unwrap();
    assert!(!store.engine.reserve.spend() && reserve.exists());
    assert!(store.engine.reserve.note_full() && store.engine.reserve.is_full());
    store.engine.reserve.note_room();
    assert!(!store.engine.reserve.is_full());
}

/// Segments of at least 4 MiB are cut into equal parts, whatever is there already.
#[test]
fn no_segment_passes_the_cap_and_none_is_a_scrap() {
    let temp = scratch();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let options = StoreOptions::new().background(Background::Manual).reserve_bytes(0).tap(
        move |event: &Event| {
            if let Event::Progress { done, total, .. } = event {
                lock(&heard).push((*done, *total));
            }
        },
    );
    let store = open_for_writing(Arc::new(RealDisk), &temp.path().join("a.alt"), options).unwrap();
    let wanted = CollectionOptions::new(1024, Metric::L2).memtable_rows(1 << 16);
    let notes = store.collection("notes", wanted).unwrap();
    for round in 0..2u64 {
        for part in 0..15 {
            let mut batch = Batch::new();
            for id in 0..100 {
                let id = (round * 15 + part) * 100 + id;
                batch = batch.insert(Memory::new(id, vec![id as f32; 1024]));
            }
            notes.apply(batch).unwrap();
        }
        lock(&seen).clear();
        notes.compact().unwrap();
        let progress = std::mem::take(&mut *lock(&seen));
        assert!(!progress.is_empty() && progress.iter().all(|(done, total)| done <= total));
        // The progress of each segment starts at its first row among all rows.
        assert!(progress.iter().any(|(done, _)| *done > 0), "{progress:?}");
    }
    let sizes: Vec<u64> =
        store.stats().unwrap().collections[0].segments.iter().map(|s| s.bytes).collect();
    assert!(sizes.len() >= 4, "{sizes:?}");
    assert!(sizes.iter().all(|bytes| (1 << 20..5 << 20).contains(bytes)), "{sizes:?}");
    for id in [0u64, 799, 1499, 1500, 2999] {
        assert_eq!(notes.get(id).unwrap().unwrap().vector[7], id as f32);
    }
}
