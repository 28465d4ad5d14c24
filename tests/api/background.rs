//! Owns the tests of how the host pauses, ends and expedites background work. How the work is done
//! is tested elsewhere; its time is in the benchmarks.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::common::{START, memory};
use altiplano::{
    Batch, Budget, Collection, CollectionOptions, CollectionStats, Error, Event, ManualClock,
    Metric, Store, StoreOptions,
};

const DIMENSION: usize = 16;
/// Longer than any of these waits takes on any machine. Reaching it means a bug.
const LONG: Duration = Duration::from_secs(60);

fn options(store: &Store) -> Collection {
    let options = CollectionOptions::new(DIMENSION, Metric::L2).memtable_rows(64);
    store.collection("notes", options).unwrap()
}

/// Opens a store with background threads that reports its events.
fn open(dir: &std::path::Path, options: StoreOptions) -> (Store, Receiver<Event>) {
    let (tell, told) = channel();
    let told_of = move |event: &Event| drop(tell.send(event.clone()));
    (options.on_event(told_of).open(dir).unwrap(), told)
}

fn fill(notes: &Collection, ids: std::ops::Range<u64>) {
    let batch: Batch = ids.map(|id| memory(id, DIMENSION)).collect();
    notes.apply(batch).unwrap();
}

/// Returns the next event of a kind. Those before it are dropped.
fn next<T>(told: &Receiver<Event>, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = told.recv_timeout(LONG).expect("nothing happened any more");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

fn stats(store: &Store) -> CollectionStats {
    store.stats().unwrap().collections.remove(0)
}

fn sealed(event: &Event) -> Option<()> {
    matches!(event, Event::Sealed { .. }).then_some(())
}

fn compacted(event: &Event) -> Option<()> {
    matches!(event, Event::Compacted { .. }).then_some(())
}

#[test]
fn a_paused_store_seals_and_compacts_by_hand_only() {
    let dir = tempfile::tempdir().unwrap();
    let (store, told) = open(&dir.path().join("a.alt"), StoreOptions::new());
    let notes = options(&store);
    store.pause_background();
    fill(&notes, 0..64);
    next(&told, sealed);
    for id in 0..40u64 {
        notes.delete(id).unwrap();
    }
    // The row worker runs for another seal and leaves the dead rows where they are.
    for at in [100, 200, 300] {
        fill(&notes, at..at + 64);
        next(&told, sealed);
    }
    assert!(store.is_background_paused());
    assert!(store.stats().unwrap().background_paused);
    assert_eq!(stats(&store).dead_rows, 40);
    assert!(stats(&store).debt_bytes > 0);
    assert!(told.try_iter().find_map(|e| compacted(&e)).is_none());
    // A call by hand is not paused.
    assert_eq!(notes.compact().unwrap().rows_reclaimed, 40);
    for id in 100..150u64 {
        notes.delete(id).unwrap();
    }
    store.resume_background();
    fill(&notes, 400..464);
    next(&told, compacted);
    assert_eq!(stats(&store).live_rows, 24 + 4 * 64 - 50);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_paused_store_closes_and_drops_collections() {
    let dir = tempfile::tempdir().unwrap();
    let (store, told) = open(&dir.path().join("a.alt"), StoreOptions::new());
    let notes = options(&store);
    fill(&notes, 0..640);
    next(&told, sealed);
    for id in 0..300u64 {
        notes.delete(id).unwrap();
    }
    store.pause_background();
    store.cancel_background().unwrap();
    assert!(store.drop_collection("notes").unwrap());
    store.close().unwrap();
}

#[test]
fn what_was_cancelled_is_done_later() {
    let dir = tempfile::tempdir().unwrap();
    let (store, told) = open(&dir.path().join("a.alt"), StoreOptions::new());
    let notes = options(&store);
    fill(&notes, 0..640);
    while stats(&store).memtable_rows > 0 {
        next(&told, sealed);
    }
    for id in 0..600u64 {
        notes.delete(id).unwrap();
        store.cancel_background().unwrap();
    }
    fill(&notes, 1000..1064);
    next(&told, compacted);
    while stats(&store).dead_rows > 40 {
        next(&told, compacted);
    }
    assert_eq!(stats(&store).live_rows, 104);
    store.close().unwrap();
}

#[test]
fn dead_bytes_are_given_back_by_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let hour = Duration::from_secs(3600);
    let store = crate::common::with_clock(&clock).reclaim_within(hour).open(dir.path().join("s"));
    let store = store.unwrap();
    let notes = options(&store);
    fill(&notes, 0..64);
    while store.run_pending_tasks().unwrap() {}
    notes.delete(7u64).unwrap();
    let settled = || {
        while store.run_pending_tasks().unwrap() {}
        stats(&store).dead_rows
    };
    assert_eq!(settled(), 1, "one in 64 is not worth a rewrite");
    clock.advance(hour - Duration::from_millis(1));
    assert_eq!(settled(), 1);
    clock.advance(Duration::from_millis(1));
    assert_eq!(settled(), 0);
}

/// The deadline must not count from the open: a process that ends every day would never reach it.
#[test]
fn the_deadline_counts_on_over_opens() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut now) = (dir.path().join("s"), START);
    let (hour, part) = (Duration::from_secs(3600), Duration::from_secs(1200));
    let open = |now| {
        let clock = Arc::new(ManualClock::new(now));
        crate::common::with_clock(&clock).reclaim_within(hour).open(&path).unwrap()
    };
    let store = open(now);
    let notes = options(&store);
    fill(&notes, 0..64);
    while store.run_pending_tasks().unwrap() {}
    // Nothing sees the delete before the close.
    notes.delete(7u64).unwrap();
    drop(notes);
    store.close().unwrap();
    for dead in [1, 1, 0] {
        now = now + part;
        let store = open(now);
        while store.run_pending_tasks().unwrap() {}
        assert_eq!(stats(&store).dead_rows, dead, "{now}");
        store.close().unwrap();
    }
}

#[test]
fn inserts_wait_for_compaction_where_a_limit_says_so_and_are_refused_in_the_end() {
    const LIMIT: u64 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new().compaction_debt_limit(LIMIT).write_timeout(Duration::ZERO);
    let (store, told) = open(&dir.path().join("a.alt"), options);
    let wanted = CollectionOptions::new(1024, Metric::L2).memtable_rows(512);
    let notes = store.collection("notes", wanted).unwrap();
    let rows = |ids: std::ops::Range<u64>| ids.map(|id| memory(id, 1024)).collect::<Batch>();
    notes.apply(rows(0..512)).unwrap();
    next(&told, sealed);
    store.pause_background();
    for id in 0..256u64 {
        notes.delete(id).unwrap();
    }
    // The worker runs within half a second and sees that a write waits.
    let mut tries = 1_000_000..2_000_000u64;
    let refused = loop {
        match notes.insert(memory(tries.next().unwrap(), 1024)) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let over = matches!(refused, Error::OverBudget { budget: Budget::CompactionDebt, needed, limit: LIMIT, free: 0, .. } if needed > LIMIT);
    assert!(over, "{refused}");
    assert!(notes.delete(300u64).unwrap(), "deletes are always admitted");
    store.resume_background();
    next(&told, compacted);
    while let Err(error) = notes.insert(memory(2_000_000, 1024)) {
        assert!(matches!(error, Error::OverBudget { .. }), "{error}");
        std::thread::yield_now();
    }
    store.close().unwrap();
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for options in [
        StoreOptions::new().reclaim_within(Duration::from_millis(999)),
        StoreOptions::new().compaction_rate_limit((64 << 10) - 1),
        StoreOptions::new().compaction_debt_limit((1 << 20) - 1),
    ] {
        let refused = options.open(dir.path().join("s"));
        assert!(matches!(refused, Err(Error::InvalidOption { .. })), "{refused:?}");
    }
}
