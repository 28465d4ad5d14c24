//! A delete that finds nothing writes nothing. It still makes earlier writes durable, as any other
//! delete does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{Batch, CollectionOptions, Durability, Filter, ManualClock, Metric};

use super::{DIM, copy_of, open};
use crate::common::{START, bytes_of, file_names, ids, manual, memory, settle, with_clock};

/// Returns true if any file of the store contains these bytes.
fn is_in_a_file(dir: &Path, needle: &[u8]) -> bool {
    file_names(dir).iter().any(|name| {
        let bytes = std::fs::read(dir.join(name)).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn a_delete_that_matches_nothing_leaves_no_name_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes) = open(&path);
    let other = store.collection("other", CollectionOptions::new(DIM, Metric::L2)).unwrap();
    notes.apply((0..20).map(|id| memory(id, DIM).namespace("bob")).collect()).unwrap();
    store.compact().unwrap();
    notes.insert(memory(20, DIM).namespace("bob")).unwrap();
    let (log, seq) = (bytes_of(&path, "log-"), store.stats().unwrap().visible_seq);
    let name = || "alice@example.org";
    let filters = [
        Filter::namespace(name()),
        Filter::session(name()),
        Filter::key(name()),
        Filter::tags_any([name(), "other"]),
        Filter::namespace("bob").and(Filter::kind(name())),
        Filter::namespace("bob").and(Filter::ids([99u64])),
    ];
    for filter in filters {
        assert_eq!(notes.delete_where(filter.clone()).unwrap(), 0);
        let batch = Batch::new().delete(99u64).delete_where(filter).delete(98u64);
        assert_eq!(notes.apply(batch.delete_from(&other, 3u64)).unwrap().deleted, 0);
    }
    let nobody = u64::from_le_bytes(*b"nobody's");
    assert!(!notes.delete(nobody).unwrap());
    assert_eq!(bytes_of(&path, "log-"), log);
    assert_eq!(store.stats().unwrap().visible_seq, seq, "no number is used up");
    assert!(!is_in_a_file(&path, name().as_bytes()) && !is_in_a_file(&path, b"nobody's"));
    // Beside writes with an effect, deletes without one leave no name in the log either.
    let batch = Batch::new().insert(memory(21, DIM)).delete_where(Filter::session(name()));
    let applied = notes.apply(batch.delete(99u64).delete(3u64)).unwrap();
    assert_eq!((applied.inserted, applied.deleted), (1, 1));
    assert!(!is_in_a_file(&path, name().as_bytes()));
    let wanted: Vec<u64> = (0..22).filter(|id| *id != 3).collect();
    assert_eq!(ids(&notes), wanted);
    copy_of(&path, &dir.path().join("copy"));
    let (store, notes) = open(&dir.path().join("copy"));
    assert_eq!(ids(&notes), wanted);
    settle(&store);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn what_comes_after_a_delete_that_matches_nothing_survives() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes) = open(&path);
    for id in 0..30 {
        assert!(!notes.delete(id).unwrap());
        notes.insert(memory(id, DIM)).unwrap();
        assert_eq!(notes.delete_where(Filter::kind("nobody")).unwrap(), 0);
        if id == 10 {
            store.compact().unwrap();
            assert_eq!(notes.delete_where(Filter::kind("nobody")).unwrap(), 0);
        }
    }
    copy_of(&path, &dir.path().join("copy"));
    let (_store, notes) = open(&dir.path().join("copy"));
    assert_eq!(ids(&notes), (0..30).collect::<Vec<u64>>());
}

#[test]
fn a_delete_that_matches_nothing_makes_earlier_writes_durable() {
    let dir = tempfile::tempdir().unwrap();
    let buffered = Durability::buffered(Duration::from_secs(3600));
    let now = Durability::buffered(Duration::ZERO);
    let store = manual().open(dir.path().join("s")).unwrap();
    let options = CollectionOptions::new(DIM, Metric::L2).durability(buffered);
    let notes = store.collection("notes", options).unwrap();
    let unsynced = || {
        let stats = store.stats().unwrap();
        stats.visible_seq - stats.synced_seq
    };
    let nothing = [
        Batch::new().delete(99u64),
        Batch::new().delete_where(Filter::session("nobody")),
        Batch::new().delete(98u64).delete_where(Filter::session("nobody")),
    ];
    for (n, batch) in nothing.into_iter().enumerate() {
        notes.insert(memory(n as u64, DIM)).unwrap();
        notes.delete(99u64).unwrap();
        assert_eq!(unsynced(), 1, "an hour has time");
        let durability = if n == 1 { now } else { Durability::Sync };
        assert_eq!(notes.apply_with(batch, durability).unwrap().deleted, 0);
        assert_eq!(unsynced(), 0);
    }
}

#[test]
fn deleting_what_has_expired_is_logged_and_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(&path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(DIM, Metric::L2)).unwrap();
    let mortal = |id| memory(id, DIM).namespace("a").ttl(Duration::from_secs(60));
    notes.apply((0..9).map(mortal).collect()).unwrap();
    clock.advance(Duration::from_secs(61));
    let log = || bytes_of(&path, "log-");
    let before = log();
    assert!(!notes.delete(0u64).unwrap());
    let once = log();
    assert!(once > before, "its row died");
    assert!(!notes.delete(0u64).unwrap());
    assert_eq!(log(), once, "now there is none");
    assert_eq!(notes.delete_where(Filter::namespace("a")).unwrap(), 0);
    let twice = log();
    assert!(twice > once);
    assert_eq!(notes.delete_where(Filter::namespace("a")).unwrap(), 0);
    assert_eq!(log(), twice);
}
