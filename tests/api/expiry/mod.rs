//! Owns the tests of time. A memory is invisible from the instant that it expires. A wrong clock
//! hides memories and never destroys them. The bytes of what is gone for good are reclaimed (I14).

mod reclaim;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{START, contents, ids, memory, settle, vector, with_clock};
use altiplano::{
    Collection, CollectionOptions, Filter, ManualClock, Metric, Outcome, Store, Timestamp,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const MILLI: Duration = Duration::from_millis(1);

fn options() -> CollectionOptions {
    CollectionOptions::new(4, Metric::L2).memtable_rows(64)
}

fn open(path: &Path, clock: &Arc<ManualClock>) -> (Store, Collection) {
    let store = with_clock(clock).open(path).unwrap();
    let notes = match store.get_collection("notes") {
        Some(notes) => notes,
        None => store.collection("notes", options()).unwrap(),
    };
    (store, notes)
}

/// Returns true if a memory is visible. Every way to read must agree.
fn sees(notes: &Collection, id: u64) -> bool {
    let query = vector(id, 4);
    let there = notes.get(id).unwrap().is_some();
    assert_eq!(notes.contains(id).unwrap(), there);
    let ids = contents(notes);
    assert_eq!(ids.contains_key(&id.into()), there, "iter");
    assert_eq!(notes.len().unwrap(), ids.len() as u64, "len");
    assert_eq!(notes.is_empty().unwrap(), ids.is_empty());
    let scan = notes.scan(Filter::ids([id])).count();
    assert_eq!(scan, usize::from(there), "scan");
    let finds = |search: altiplano::Search<'_>| {
        let hits = search.k(1000).run().unwrap();
        assert_eq!(hits.len(), ids.len(), "I12");
        hits.iter().any(|h| h.id == id.into())
    };
    assert_eq!(finds(notes.search(&query)), there, "search");
    assert_eq!(finds(notes.search(&query).exact()), there, "exact");
    let all = notes.search(&query).filter_fn(|_| true);
    assert_eq!(finds(all), there, "search with a closure");
    there
}

fn compact(store: &Store) {
    store.compact().unwrap();
}

/// Runs a check with rows in RAM, with rows in segments, and after a reopen.
fn in_every_place(check: impl Fn(&Path, &dyn Fn(&Store))) {
    let places: [&dyn Fn(&Store); 2] = [&|_| {}, &compact];
    for place in places {
        let dir = tempfile::tempdir().unwrap();
        check(&dir.path().join("s"), place);
    }
}

#[test]
fn a_memory_is_invisible_at_the_very_instant_of_its_end() {
    in_every_place(|path, place| {
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(path, &clock);
        notes.insert(memory(1, 4).ttl(SECOND)).unwrap();
        notes.insert(memory(2, 4).expires_at(START + SECOND * 2)).unwrap();
        notes.insert(memory(3, 4)).unwrap();
        place(&store);
        assert_eq!(notes.get(1u64).unwrap().unwrap().expiry(), Some(START + SECOND));
        clock.advance(SECOND - MILLI);
        assert!(sees(&notes, 1) && sees(&notes, 2) && sees(&notes, 3));
        clock.advance(MILLI);
        assert!(!sees(&notes, 1) && sees(&notes, 2) && sees(&notes, 3));
        clock.advance(SECOND);
        assert!(!sees(&notes, 1) && !sees(&notes, 2) && sees(&notes, 3));
        let stats = &store.stats().unwrap().collections[0];
        assert_eq!((stats.live_rows, stats.expired_rows, stats.dead_rows), (1, 2, 0));
        // An expired memory is gone for every verb.
        assert!(!notes.delete(1u64).unwrap());
        assert_eq!(notes.insert(memory(2, 4)).unwrap(), Outcome::Inserted);
        assert_eq!(notes.delete_where(Filter::All).unwrap(), 2);
    });
}

#[test]
fn an_iterator_goes_by_the_moment_it_was_made() {
    in_every_place(|path, place| {
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(path, &clock);
        notes.insert(memory(1, 4).ttl(SECOND)).unwrap();
        place(&store);
        let before = notes.iter();
        clock.advance(SECOND);
        assert_eq!(before.count(), 1);
        assert_eq!(notes.iter().count(), 0);
    });
}

#[test]
fn the_collections_lifetime_is_for_those_that_are_given_none() {
    in_every_place(|path, place| {
        let clock = Arc::new(ManualClock::new(START));
        let store = with_clock(&clock).open(path).unwrap();
        let notes = store.collection("notes", options().default_ttl(HOUR)).unwrap();
        notes.insert(memory(1, 4)).unwrap();
        notes.insert(memory(2, 4).never_expires()).unwrap();
        notes.insert(memory(3, 4).ttl(HOUR * 2)).unwrap();
        notes.insert(memory(4, 4).ttl(SECOND)).unwrap();
        place(&store);
        assert_eq!(notes.get(2u64).unwrap().unwrap().expiry(), None);
        clock.advance(SECOND);
        assert!(!sees(&notes, 4));
        // Another default applies to later inserts only.
        let notes = store.collection("notes", options().default_ttl(SECOND)).unwrap();
        notes.insert(memory(5, 4)).unwrap();
        clock.advance(SECOND);
        assert!(!sees(&notes, 5) && sees(&notes, 1));
        clock.advance(HOUR);
        assert_eq!(ids(&notes), [2, 3]);
        clock.advance(HOUR);
        assert_eq!(ids(&notes), [2]);
    });
}

#[test]
fn a_replacement_brings_its_own_lifetime() {
    in_every_place(|path, place| {
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(path, &clock);
        notes.insert(memory(1, 4).ttl(SECOND)).unwrap();
        notes.insert(memory(2, 4)).unwrap();
        place(&store);
        assert_eq!(notes.insert(memory(1, 4)).unwrap(), Outcome::Replaced);
        let shorter = memory(2, 4).ttl(SECOND);
        assert_eq!(notes.insert(shorter).unwrap(), Outcome::Replaced);
        place(&store);
        clock.advance(HOUR);
        assert!(sees(&notes, 1) && !sees(&notes, 2));
        // An expired and replaced memory does not come back, and neither does the one before it.
        assert_eq!(notes.insert(memory(2, 4).ttl(SECOND)).unwrap(), Outcome::Inserted);
        clock.advance(SECOND);
        place(&store);
        assert!(!sees(&notes, 2));
    });
}

#[test]
fn a_clock_set_back_brings_nothing_back() {
    in_every_place(|path, place| {
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(path, &clock);
        notes.insert(memory(1, 4).ttl(SECOND)).unwrap();
        clock.advance(HOUR);
        // A commit confirms the moment.
        notes.insert(memory(2, 4)).unwrap();
        place(&store);
        assert!(!sees(&notes, 1));
        clock.set_wall(START);
        assert!(!sees(&notes, 1) && sees(&notes, 2));
        // A lifetime counts from the moment that readers use.
        notes.insert(memory(3, 4).ttl(SECOND)).unwrap();
        assert_eq!(notes.get(3u64).unwrap().unwrap().expiry(), Some(START + HOUR + SECOND));
        assert!(sees(&notes, 3));
        let past = memory(4, 4).expires_at(START + SECOND);
        assert!(notes.insert(past).is_err());
        drop(notes);
        store.close().unwrap();
        for _ in 0..2 {
            let (store, notes) = open(path, &clock);
            assert!(!sees(&notes, 1) && sees(&notes, 2) && sees(&notes, 3));
            store.close().unwrap();
        }
    });
}

#[test]
fn the_mark_survives_a_crash_and_a_close_without_writes() {
    for crash in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(&path, &clock);
        notes.insert(memory(1, 4).ttl(HOUR)).unwrap();
        notes.insert(memory(2, 4)).unwrap();
        clock.advance(HOUR);
        if crash {
            notes.delete(2u64).unwrap();
            std::mem::forget(notes);
            // Without a close: only acknowledged writes are there. The lock must be released,
            // though.
            let copy = tempfile::tempdir().unwrap();
            copy_files(&path, copy.path());
            clock.set_wall(START);
            let (_, notes) = open(copy.path(), &clock);
            assert!(!sees(&notes, 1));
            std::mem::forget(store);
        } else {
            drop(notes);
            store.close().unwrap();
            clock.set_wall(START);
            let (_, notes) = open(&path, &clock);
            assert!(!sees(&notes, 1) && sees(&notes, 2));
            let reader = with_clock(&clock).open_read_only(&path).unwrap();
            assert!(!sees(&reader.get_collection("notes").unwrap(), 1));
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test may copy files")]
fn copy_files(from: &Path, to: &Path) {
    for name in crate::common::file_names(from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn a_clock_far_ahead_hides_and_does_not_destroy() {
    in_every_place(|path, place| {
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(path, &clock);
        for id in 0..100 {
            notes.insert(memory(id, 4).ttl(DAY * 30)).unwrap();
        }
        notes.insert(memory(100, 4)).unwrap();
        place(&store);
        let ahead = START + DAY * 4000;
        clock.set_wall(ahead);
        assert_eq!(ids(&notes), [100]);
        for _ in 0..3 {
            notes.delete(100u64).unwrap();
            notes.insert(memory(100, 4)).unwrap();
            settle(&store);
            store.compact().unwrap();
        }
        assert_eq!(ids(&notes), [100]);
        // The writes meanwhile moved the high-water mark by a bounded step per commit. Back on the
        // right day, all memories are there again.
        clock.set_wall(START + SECOND);
        assert_eq!(notes.len().unwrap(), 101);
        assert!(sees(&notes, 0) && sees(&notes, 99));
        drop(notes);
        store.close().unwrap();
        let (store, notes) = open(path, &clock);
        assert_eq!(notes.len().unwrap(), 101);
        assert!(store.verify().unwrap().is_clean());
    });
}

#[test]
fn a_clock_far_ahead_at_the_very_first_open_does_no_lasting_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let (store, notes) = open(&path, &clock);
    notes.insert(memory(1, 4).ttl(DAY * 30)).unwrap();
    drop(notes);
    store.close().unwrap();
    clock.set_wall(START + DAY * 4000);
    let (store, notes) = open(&path, &clock);
    assert!(!sees(&notes, 1));
    store.compact().unwrap();
    drop(notes);
    store.close().unwrap();
    clock.set_wall(START + DAY);
    let (_, notes) = open(&path, &clock);
    assert!(sees(&notes, 1));
}

/// The mark must not follow a wrong clock at each commit, or a busy store would destroy everything.
#[test]
fn no_number_of_commits_or_opens_makes_a_wrong_clock_destroy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let clock = Arc::new(ManualClock::new(START));
    let (mut store, mut notes) = open(&path, &clock);
    for id in 0..100 {
        notes.insert(memory(id, 4).ttl(DAY * 30)).unwrap();
    }
    store.compact().unwrap();
    clock.set_wall(START + DAY * 4000);
    for round in 0..40u64 {
        for id in 200..210 {
            notes.insert(memory(id, 4)).unwrap();
        }
        store.compact().unwrap();
        assert_eq!(notes.len().unwrap(), 10, "hidden at once");
        if round % 2 == 0 {
            drop(notes);
            store.close().unwrap();
            (store, notes) = open(&path, &clock);
        }
    }
    clock.set_wall(START + DAY * 2);
    assert_eq!(notes.len().unwrap(), 110);
}

#[test]
fn after_a_long_time_without_an_open_the_clock_is_believed_a_day_later() {
    for reopen in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let clock = Arc::new(ManualClock::new(START));
        let (store, notes) = open(&path, &clock);
        notes.insert(memory(1, 4)).unwrap();
        for id in 2..100 {
            notes.insert(memory(id, 4).ttl(DAY * 30)).unwrap();
        }
        store.compact().unwrap();
        drop(notes);
        store.close().unwrap();
        clock.set_wall(START + DAY * 40);
        let (mut store, mut notes) = open(&path, &clock);
        assert_eq!(ids(&notes), [1]);
        assert_eq!(store.compact().unwrap().rows_reclaimed, 0);
        if reopen {
            drop(notes);
            store.close().unwrap();
            clock.set_wall(START + DAY * 41);
            (store, notes) = open(&path, &clock);
        } else {
            clock.advance(DAY);
        }
        assert_eq!(store.compact().unwrap().rows_reclaimed, 98);
        assert_eq!(ids(&notes), [1]);
    }
}

#[test]
fn the_ends_of_time_are_moments_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::MIN));
    let (store, notes) = open(&dir.path().join("s"), &clock);
    notes.insert(memory(1, 4).ttl(SECOND)).unwrap();
    assert!(sees(&notes, 1));
    clock.advance(SECOND);
    assert!(!sees(&notes, 1));
    notes.insert(memory(2, 4)).unwrap();
    clock.set_wall(Timestamp::MAX - Duration::from_millis(1));
    assert!(sees(&notes, 2), "what never expires is there at any time");
    store.compact().unwrap();
    clock.set_wall(Timestamp::MAX);
    assert!(sees(&notes, 2), "what never expires is there at any time");
}
