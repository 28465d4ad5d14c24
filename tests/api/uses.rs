//! Uses: they are noted without a write, counted once whatever happens to the row, and are no
//! change of the memory. Also which searches are reads, and passes without vectors.

#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    Batch, Collection, CollectionOptions, Fields, Filter, ManualClock, Memory, Metric, Outcome,
    Patch, Store, Timestamp,
};

use crate::common::{START, bytes_of, manual, memory, settle, vector, with_clock};

const HOUR: Duration = Duration::from_secs(3_600);

fn options() -> CollectionOptions {
    CollectionOptions::new(4, Metric::L2).memtable_rows(64)
}

fn notes(store: &Store) -> Collection {
    store.collection("notes", options()).unwrap()
}

fn uses(notes: &Collection, id: u64) -> (u32, Option<Timestamp>) {
    let memory = notes.get(id).unwrap().unwrap();
    (memory.uses, memory.last_used)
}

fn fill(notes: &Collection, ids: std::ops::Range<u64>) {
    notes.apply(ids.map(|id| memory(id, 4)).collect::<Batch>()).unwrap();
}

/// Copies the files of an open store, as they are after the death of its process.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn uses_are_noted_without_a_write_and_counted_by_the_background() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let path = dir.path().join("s");
    let store = with_clock(&clock).open(&path).unwrap();
    let notes = notes(&store);
    fill(&notes, 0..6);
    let before = bytes_of(&path, "log-");
    notes.note_uses([0u64, 1, 2, 1]);
    clock.advance(Duration::from_millis(400));
    notes.note_uses([1u64, 99]);
    assert_eq!((uses(&notes, 1), bytes_of(&path, "log-")), ((0, None), before));
    settle(&store);
    let last = START + Duration::from_millis(400);
    assert_eq!((uses(&notes, 0), uses(&notes, 1)), ((1, Some(START)), (3, Some(last))));
    assert_eq!((uses(&notes, 2), uses(&notes, 3)), ((1, Some(START)), (0, None)));
    let written = bytes_of(&path, "log-");
    settle(&store);
    assert_eq!(bytes_of(&path, "log-"), written, "nothing is written twice");
    // Many uses of one number are one record.
    clock.advance(HOUR);
    for _ in 0..5 {
        notes.note_uses(0..6u64);
    }
    settle(&store);
    let record = bytes_of(&path, "log-") - written;
    assert!((6 * 16..6 * 16 + 150).contains(&record), "{record} bytes");
    assert_eq!(uses(&notes, 1), (8, Some(START + Duration::from_millis(400) + HOUR)));
}

#[test]
fn a_close_writes_the_uses_and_every_rewrite_keeps_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let open = || {
        let store = manual().open(&path).unwrap();
        let notes = notes(&store);
        (store, notes)
    };
    let (store, all) = open();
    fill(&all, 0..70);
    all.note_uses(0..70u64);
    drop(all);
    store.close().unwrap();
    let (store, all) = open();
    assert!((0..70).all(|id| uses(&all, id) == (1, Some(START))));
    settle(&store);
    all.note_uses([3u64, 4]);
    settle(&store);
    let is = |all: &Collection, three: u32| {
        assert_eq!([3, 4, 5].map(|id| uses(all, id).0), [three, 2, 1]);
    };
    is(&all, 2);
    all.delete_where(Filter::ids(10..40u64)).unwrap();
    all.compact().unwrap();
    is(&all, 2);
    all.note_uses([3u64]);
    drop((all, store));
    let (store, all) = open();
    is(&all, 3);
    all.delete_where(Filter::ids(40..60u64)).unwrap();
    all.compact().unwrap();
    store.purge().unwrap();
    is(&all, 3);
    drop((all, store));
    is(&open().1, 3);
}

/// The log still has the uses that were worked into a segment, or lie beside it on disk.
#[test]
fn a_replay_counts_every_use_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let all = notes(&store);
    fill(&all, 0..128);
    settle(&store);
    all.note_uses(0..50u64);
    settle(&store);
    let check = |name: &str, wanted: &dyn Fn(u64) -> u32| {
        let copied = dir.path().join(name);
        copy(&path, &copied);
        for _ in 0..2 {
            let store = manual().open(&copied).unwrap();
            let found = notes(&store);
            for id in (0..128).filter(|id| !(60..90).contains(id)) {
                assert_eq!(uses(&found, id).0, wanted(id), "{name}: {id}");
            }
        }
    };
    check("beside", &|id| u32::from(id < 50));
    all.delete_where(Filter::ids(60..90u64)).unwrap();
    all.compact().unwrap();
    check("worked in", &|id| u32::from(id < 50));
    all.note_uses(40..60u64);
    settle(&store);
    check("both", &|id| u32::from(id < 50) + u32::from((40..60).contains(&id)));
    // What was only noted is lost with the process.
    all.note_uses([0u64]);
    check("noted", &|id| u32::from(id < 50) + u32::from((40..60).contains(&id)));
}

#[test]
fn a_use_is_no_change_and_only_an_insert_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let all = notes(&store);
    for sealed in [false, true] {
        fill(&all, 0..70);
        if sealed {
            all.compact().unwrap();
        }
        let version = all.get(1).unwrap().unwrap().version().unwrap();
        all.note_uses([1u64, 2, 3]);
        settle(&store);
        assert_eq!(all.get(1).unwrap().unwrap().version(), Some(version));
        let patch = |patch: Patch| all.patch(1, patch).unwrap();
        assert_eq!(patch(Patch::new().importance(0.9).if_version(version)), Outcome::Updated);
        assert_eq!(patch(Patch::new().importance(0.8).if_version(version)), Outcome::Conflict);
        assert_eq!(patch(Patch::new().text("another row")), Outcome::Updated);
        all.note_uses([1u64]);
        settle(&store);
        assert_eq!(uses(&all, 1), (2, Some(START)));
        let mut calls = 0;
        let change = |memory: &mut Memory| {
            all.note_uses([1u64]);
            store.run_pending_tasks().unwrap();
            calls += 1;
            memory.tokens = Some(memory.uses);
        };
        assert_eq!(all.update(1, change).unwrap(), Outcome::Updated);
        let read = all.get(1).unwrap().unwrap();
        assert_eq!((calls, read.tokens, read.uses), (1, Some(2), 2));
        // A memory that was read brings its count along, a new one has none.
        all.insert(all.get(2).unwrap().unwrap().text("again")).unwrap();
        all.insert(memory(3, 4)).unwrap();
        assert_eq!((uses(&all, 2).0, uses(&all, 3)), (1, (0, None)));
        let import = memory(4, 4).uses(u32::MAX - 1).last_used(START + HOUR);
        all.insert(import).unwrap();
        for _ in 0..3 {
            all.note_uses([4u64]);
        }
        settle(&store);
        assert_eq!(uses(&all, 4), (u32::MAX, Some(START + HOUR)), "it stops, and keeps the later");
    }
}

#[test]
fn a_scope_counts_no_use_of_another_namespace() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let all = notes(&store);
    let (ada, bob) = (all.scope("ada"), all.scope("bob"));
    ada.insert(memory(1, 4)).unwrap();
    bob.insert(memory(2, 4)).unwrap();
    all.insert(memory(3, 4)).unwrap();
    for sealed in 0..2u32 {
        for scope in [&ada, &bob] {
            scope.note_uses([1u64, 2, 3]);
        }
        all.note_uses([1u64]);
        // By the time of the write, the memory is another user's.
        bob.note_uses([4u64]);
        ada.insert(memory(4, 4)).unwrap();
        settle(&store);
        let counts = [1, 2, 3, 4].map(|id| uses(&all, id).0);
        assert_eq!(counts, [2, 1, 0, 0].map(|n| n * (sealed + 1)));
        all.compact().unwrap();
    }
}

#[test]
fn collections_in_memory_count_and_stores_that_are_only_read_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let ram = store.collection("ram", options().in_memory()).unwrap();
    fill(&ram, 0..3);
    ram.note_uses([1u64]);
    settle(&store);
    ram.note_uses([1u64, 2]);
    settle(&store);
    assert_eq!([0, 1, 2].map(|id| uses(&ram, id).0), [0, 2, 1]);
    fill(&notes(&store), 0..3);
    drop((ram, store));
    let reader = manual().open_read_only(&path).unwrap();
    let read = reader.get_collection("notes").unwrap();
    read.note_uses([1u64]);
    assert_eq!(uses(&read, 1), (0, None));
    drop(reader);
    let store = manual().open(&path).unwrap();
    let closed = notes(&store);
    store.close().unwrap();
    closed.note_uses([1u64]);
    let store = manual().open(&path).unwrap();
    settle(&store);
    assert_eq!(uses(&notes(&store), 1), (0, None));
}

/// Nobody asks: the background writes them by itself.
#[test]
fn the_background_writes_uses() {
    let dir = tempfile::tempdir().unwrap();
    let store = altiplano::StoreOptions::new().open(dir.path().join("s")).unwrap();
    let all = notes(&store);
    fill(&all, 0..3);
    all.note_uses([1u64, 2]);
    while uses(&all, 1).0 == 0 {
        std::thread::yield_now();
    }
    assert_eq!((uses(&all, 2).0, uses(&all, 0).0), (1, 0));
}

#[test]
fn a_use_prolongs_a_life_and_a_peek_does_not() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let options = options().default_ttl(4 * HOUR).refresh_on_read(4 * HOUR);
    let all = store.collection("notes", options).unwrap();
    let (ada, bob) = (all.scope("ada"), all.scope("bob"));
    ada.apply((0..4).map(|id| memory(id, 4)).collect()).unwrap();
    clock.advance(2 * HOUR);
    let query = vector(1, 4);
    assert_eq!(all.search(&query).peek().run().unwrap().len(), 4);
    assert_eq!(all.search(&query).peek().fields(Fields::None).k(1).run().unwrap().len(), 1);
    all.note_uses([0u64]);
    ada.note_uses([1u64]);
    bob.note_uses([2u64]);
    settle(&store);
    let ends: Vec<_> =
        (0..4u64).map(|id| all.search(&vector(id, 4)).peek().k(1).run().unwrap()).collect();
    let ends = ends.iter().map(|hits| hits[0].memory.as_ref().unwrap().expiry().unwrap());
    let (old, new) = (START + 4 * HOUR, START + 6 * HOUR);
    assert_eq!(ends.collect::<Vec<_>>(), [new, new, old, old]);
    all.search(&vector(3, 4)).k(1).run().unwrap();
    settle(&store);
    clock.advance(3 * HOUR);
    let mut left: Vec<_> = all.iter().map(|memory| memory.unwrap().id).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 3].map(Into::into));
}

#[test]
fn an_iterator_reads_the_fields_that_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let all = notes(&store);
    for sealed in [false, true] {
        let full = |id| memory(id, 4).bytes([7; 9]).tag("t").field("f", id).kind("k").tokens(3);
        all.apply((0..70).map(full).collect::<Batch>()).unwrap();
        if sealed {
            all.compact().unwrap();
        }
        all.note_uses(0..3u64);
        settle(&store);
        let whole: Vec<Memory> = all.iter().map(Result::unwrap).collect();
        let read = |fields| all.iter().fields(fields).map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!((whole.len(), read(Fields::All)), (70, whole.clone()));
        let without = |text: bool| {
            let mut bare = whole.clone();
            for memory in &mut bare {
                memory.vector = Vec::new();
                if !text {
                    (memory.text, memory.bytes) = (None, None);
                }
            }
            bare
        };
        let (payload, attributes): (Vec<Memory>, Vec<Memory>) = (without(true), without(false));
        assert_eq!((read(Fields::Payload), read(Fields::Attributes)), (payload, attributes));
        let (ids, seqs): (Vec<_>, Vec<_>) = whole.iter().map(|m| (m.id, m.seq())).unzip();
        assert_eq!(read(Fields::None).iter().map(|m| m.id).collect::<Vec<_>>(), ids);
        let sizes = |of: Vec<Memory>| of.iter().map(Memory::stored_bytes).collect::<Vec<_>>();
        let known = sizes(whole.clone());
        for fields in [Fields::None, Fields::Attributes, Fields::Payload] {
            assert_eq!(read(fields).iter().map(Memory::seq).collect::<Vec<_>>(), seqs);
            assert_eq!(sizes(read(fields)), known, "{fields:?}");
        }
        // A vector of 16 bytes, a text of at least 8 and 9 bytes; and what was added to some.
        assert!(known.iter().all(|size| (16 + 8 + 9..250).contains(&size.unwrap())), "{known:?}");
        assert_eq!(memory(1, 4).stored_bytes(), None);
    }
}
