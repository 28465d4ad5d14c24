//! Owns the tests that the bytes of what is gone for good are reclaimed, on disk and in RAM.

use std::sync::Arc;

use altiplano::{Filter, ManualClock, Memory};

use super::{HOUR, MILLI, SECOND, open, options};
use crate::common::{START, bytes_of, files_with, ids, memory, settle, vector, with_clock};

/// Returns a memory with text that can be found in any file that holds it.
fn marked(id: u64) -> Memory {
    let text = format!("{}-{id:05}-{}", "SECRET".repeat(20), "x".repeat(400));
    Memory::new(id, vector(id, 4)).text(text)
}

#[test]
fn what_expired_gives_its_bytes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let (store, notes) = open(&path, &clock);
    notes.apply((0..500).map(|id| marked(id).ttl(HOUR)).collect()).unwrap();
    notes.apply((500..600).map(|id| memory(id, 4)).collect()).unwrap();
    settle(&store);
    store.compact().unwrap();
    let before = bytes_of(&path, "seg-");
    assert!(before > 500 * 500);
    // Not before they expire.
    clock.advance(HOUR - MILLI);
    store.compact().unwrap();
    assert_eq!(notes.len().unwrap(), 600);
    assert_eq!(bytes_of(&path, "seg-"), before);
    clock.advance(MILLI);
    assert!(!notes.plan().unwrap().steps.is_empty());
    let report = store.compact().unwrap();
    assert_eq!(report.rows_reclaimed, 500);
    assert!(report.bytes_after < report.bytes_before);
    assert!(bytes_of(&path, "seg-") < before / 4);
    let stats = &store.stats().unwrap().collections[0];
    assert_eq!((stats.live_rows, stats.expired_rows, stats.dead_rows), (100, 0, 0));
    assert!(notes.plan().unwrap().steps.is_empty());
    assert_eq!(ids(&notes), (500..600).collect::<Vec<u64>>());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn the_background_reclaims_what_expired_without_being_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let (store, notes) = open(&path, &clock);
    notes.apply((0..300).map(|id| marked(id).ttl(HOUR)).collect()).unwrap();
    settle(&store);
    assert!(bytes_of(&path, "seg-") > 300 * 500);
    clock.advance(HOUR);
    settle(&store);
    assert_eq!(bytes_of(&path, "seg-"), 0);
    assert_eq!(store.stats().unwrap().collections[0].segments, []);
    assert!(notes.is_empty().unwrap());
}

/// I14, as far as the log's retention allows: the open after the rows were sealed leaves a
/// session's log behind.
#[test]
fn what_was_deleted_or_expired_is_in_no_file_after_compaction_and_reopens() {
    for by_time in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(&path, &clock);
        let secret = b"SECRETSECRET";
        for id in 0..200 {
            let memory = if by_time { marked(id).ttl(HOUR) } else { marked(id) };
            notes.insert(memory).unwrap();
        }
        notes.insert(memory(1000, 4)).unwrap();
        store.compact().unwrap();
        assert!(!files_with(&path, secret).is_empty());
        if by_time {
            clock.advance(HOUR);
        } else {
            notes.delete_where(Filter::ids(0..200u64)).unwrap();
        }
        store.compact().unwrap();
        let left = files_with(&path, secret);
        assert!(left.iter().all(|n| n.starts_with("log-")), "{left:?}");
        drop(notes);
        store.close().unwrap();
        // A full log is rolled. By then everything in the older file is covered.
        let (store, notes) = open(&path, &clock);
        let filler = |id| Memory::new(id, vector(id, 4)).bytes(vec![0; 1 << 20]);
        for id in 2000..2012 {
            notes.insert(filler(id)).unwrap();
            notes.delete(id).unwrap();
        }
        store.compact().unwrap();
        drop(notes);
        store.close().unwrap();
        let (store, notes) = open(&path, &clock);
        assert_eq!(files_with(&path, secret), [""; 0]);
        assert_eq!(ids(&notes), [1000]);
        assert!(store.verify().unwrap().is_clean());
    }
}

/// I13: a scratch pad with a lifetime must not grow for ever.
#[test]
fn an_in_memory_collection_gives_back_what_expired() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let scratch = store.collection("scratch", options().in_memory().default_ttl(SECOND)).unwrap();
    let mut largest = 0;
    for round in 0..40u64 {
        let ids = round * 500..round * 500 + 500;
        scratch.apply(ids.map(|id| memory(id, 4)).collect()).unwrap();
        assert_eq!(scratch.len().unwrap(), 500);
        let stats = store.stats().unwrap();
        if round == 5 {
            largest = stats.collections[0].heap_bytes;
        } else if round > 5 {
            let heap = stats.collections[0].heap_bytes;
            assert!(heap <= largest * 2, "{heap} after {largest}");
        }
        clock.advance(SECOND);
    }
}
