//! Updates: what changes, what stays, what is written, and what two writers do to one memory.

#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::size::sized;
use crate::common::{START, manual, memory, with_clock};
use altiplano::{
    Batch, Collection, CollectionOptions, Durability, Error, Filter, Lifetime, ManualClock, Memory,
    Metric, Outcome, Patch, Store, StoreOptions, Timestamp,
};

const HOUR: Duration = Duration::from_secs(3_600);

fn notes(store: &Store) -> Collection {
    store.collection("notes", CollectionOptions::new(4, Metric::L2)).unwrap()
}

fn log_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let logs = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("log-"));
    logs.map(|entry| entry.metadata().unwrap().len()).sum()
}

/// Without `update`, 532 of 2,000 increments of two threads were lost.
#[test]
fn two_threads_that_count_in_one_memory_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreOptions::new().open(dir.path().join("s")).unwrap();
    let durability = Durability::buffered(Duration::from_millis(20));
    let options = CollectionOptions::new(4, Metric::L2).durability(durability);
    let notes = store.collection("notes", options).unwrap();
    notes.insert(memory(1, 4).tokens(0)).unwrap();
    let each = sized("increments of a thread", 2_000, 10_000, 10_000);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..each {
                    let add = |memory: &mut Memory| memory.tokens = memory.tokens.map(|n| n + 1);
                    assert_eq!(notes.update(1, add).unwrap(), Outcome::Updated);
                }
            });
        }
    });
    assert_eq!(notes.get(1).unwrap().unwrap().tokens, Some(2 * each));
}

/// An empty patch was logged as a change of an unknown kind, which no open could read.
#[test]
fn a_patch_that_changes_nothing_is_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = notes(&store);
    notes.apply((1..4).map(|id| memory(id, 4)).collect::<Batch>()).unwrap();
    let version = notes.get(1).unwrap().unwrap().version().unwrap();
    let before = log_bytes(&path);
    assert_eq!(notes.patch(1, Patch::new()).unwrap(), Outcome::Updated);
    assert_eq!(notes.patch(1, Patch::new().if_version(version)).unwrap(), Outcome::Updated);
    assert_eq!(notes.patch(1, Patch::new().if_version(version + 1)).unwrap(), Outcome::Conflict);
    assert_eq!(notes.patch(9, Patch::new()).unwrap(), Outcome::Missing);
    assert_eq!(notes.update_where(Filter::ids([1u64, 2]), Patch::new()).unwrap(), 2);
    assert_eq!(notes.apply(Batch::new().patch(2, Patch::new())).unwrap().updated, 1);
    assert_eq!(log_bytes(&path), before);
    assert_eq!(notes.get(1).unwrap().unwrap().version(), Some(version));
    drop((store, notes));
    let store = manual().open(&path).unwrap();
    assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), 3);
}

/// A delete by importance was replayed over a segment that held a later importance: the memory,
/// which had survived, was gone after a reopen.
#[test]
fn what_survived_an_operation_by_filter_survives_a_reopen_after_compaction() {
    type Change = fn(Patch) -> Patch;
    let far = START + 90 * HOUR;
    let cases: [(&str, Filter, Change); 3] = [
        ("importance", Filter::importance_at_least(0.4), |patch| patch.importance(0.9)),
        ("pinned", Filter::Pinned(true), |patch| patch.pinned(true)),
        ("expires", Filter::expires(far..), |patch| patch.lifetime(100 * HOUR)),
    ];
    for (name, filter, change) in cases {
        for verb in ["delete", "patch", "row"] {
            let dir = tempfile::tempdir().unwrap();
            let store = manual().open(dir.path().join("s")).unwrap();
            let notes = notes(&store);
            let spared = memory(1, 4).importance(0.1).ttl(HOUR).kind("spared");
            notes.insert(spared).unwrap();
            let others = (10..300).map(|id| {
                memory(id, 4).importance(0.5).pinned(true).expires_at(far + HOUR).kind("other")
            });
            notes.apply(others.collect::<Batch>()).unwrap();
            notes.compact().unwrap();
            let did = match verb {
                "delete" => notes.delete_where(filter.clone()).unwrap(),
                "patch" => {
                    let patch = Patch::new().lifetime(2 * HOUR).pinned(false).importance(0.2);
                    notes.update_where(filter.clone(), patch).unwrap()
                }
                _ => notes.update_where(filter.clone(), Patch::new().kind("changed")).unwrap(),
            };
            assert_eq!(did, 290, "{name}, {verb}");
            assert_eq!(notes.patch(1, change(Patch::new())).unwrap(), Outcome::Updated);
            notes.compact().unwrap();
            let before: Vec<Memory> = notes.iter().map(Result::unwrap).collect();
            assert!(before.iter().any(|memory| memory.id == 1.into()), "{name}, {verb}");
            drop((store, notes));
            let store = manual().open(dir.path().join("s")).unwrap();
            let after: Vec<Memory> =
                store.get_collection("notes").unwrap().iter().map(Result::unwrap).collect();
            let sorted = |mut all: Vec<Memory>| {
                all.sort_by_key(|memory| memory.id);
                all
            };
            assert_eq!(sorted(after), sorted(before), "{name}, {verb}");
        }
    }
}

/// A tag that the public field held twice made every later seal fail, as if the disk were damaged.
#[test]
fn a_repeated_tag_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = notes(&store);
    let mut repeated = memory(1, 4);
    repeated.tags = ["z", "a", "z", "a", "b"].map(str::to_owned).into();
    notes.insert(repeated).unwrap();
    notes.insert(memory(2, 4).tag("a")).unwrap();
    notes.update(2, |memory| memory.tags.push("a".into())).unwrap();
    assert_eq!(notes.get(1).unwrap().unwrap().tags, ["z", "a", "b"]);
    assert_eq!(notes.get(2).unwrap().unwrap().tags, ["a"]);
    notes.apply((10..400).map(|id| memory(id, 4)).collect::<Batch>()).unwrap();
    notes.compact().unwrap();
    assert!(store.purge().unwrap().is_complete());
    let tags = notes.tags().unwrap();
    let counts: Vec<(&str, u64)> = tags.iter().map(|tag| (&*tag.name, tag.memories)).collect();
    assert_eq!(counts, [("a", 2), ("b", 1), ("z", 1)]);
    assert_eq!(notes.get(1).unwrap().unwrap().tags, ["z", "a", "b"]);
}

/// Get, change and insert brought a memory back that was deleted in between.
#[test]
fn an_update_brings_no_deleted_memory_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = notes(&store);
    notes.insert(memory(1, 4)).unwrap();
    let mut calls = 0;
    let outcome = notes.update(1, |memory| {
        calls += 1;
        assert!(notes.delete(1).unwrap());
        memory.importance = 0.9;
    });
    assert_eq!((outcome.unwrap(), calls), (Outcome::Missing, 1));
    assert_eq!(notes.patch(1, Patch::new().importance(0.9)).unwrap(), Outcome::Missing);
    assert_eq!(notes.patch(1, Patch::new().text("back")).unwrap(), Outcome::Missing);
    assert!(!notes.touch(1, HOUR).unwrap());
    assert!(notes.is_empty().unwrap());
}

#[test]
fn a_touch_writes_less_than_a_hundred_bytes_and_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = notes(&store);
    notes.apply((0..500).map(|id| memory(id, 4).session("a")).collect::<Batch>()).unwrap();
    notes.compact().unwrap();
    let segments = store.stats().unwrap().collections[0].segments.clone();
    for (id, lifetime) in [(7u64, Lifetime::Ttl(HOUR)), (8, Lifetime::Forever)] {
        let before = log_bytes(&dir.path().join("s"));
        assert!(notes.touch(id, lifetime).unwrap());
        let written = log_bytes(&dir.path().join("s")) - before;
        assert!((1..=100).contains(&written), "{written} bytes");
    }
    let before = log_bytes(&dir.path().join("s"));
    assert_eq!(notes.touch_where(Filter::session("a"), HOUR).unwrap(), 500);
    let written = log_bytes(&dir.path().join("s")) - before;
    assert!((1..=120).contains(&written), "{written} bytes");
    let stats = &store.stats().unwrap().collections[0];
    assert_eq!((stats.changed_rows, stats.dead_rows), (500, 0));
    assert_eq!(stats.segments, segments);
    notes.compact().unwrap();
    assert_eq!(notes.get(7).unwrap().unwrap().expiry(), Some(START + HOUR));
}

#[test]
fn a_changed_end_counts_for_readers_purges_and_after_every_open() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let mut store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let all = (0..100u64).map(|id| memory(id, 4).ttl(2 * HOUR)).collect::<Batch>();
    notes(&store).apply(all).unwrap();
    notes(&store).compact().unwrap();
    assert_eq!(notes(&store).touch_where(Filter::ids(0..30u64), HOUR).unwrap(), 30);
    assert_eq!(notes(&store).touch_where(Filter::ids(60..100u64), 9 * HOUR).unwrap(), 40);
    for (hours, left) in [(1, 70), (1, 40), (6, 40), (1, 0)] {
        clock.advance(hours * HOUR);
        assert_eq!(notes(&store).len().unwrap(), left);
        store.close().unwrap();
        store = with_clock(&clock).open(dir.path().join("s")).unwrap();
        assert_eq!(notes(&store).len().unwrap(), left);
        store.purge().unwrap();
        let stats = &store.stats().unwrap().collections[0];
        assert_eq!((stats.live_rows, stats.expired_rows), (left, 0));
    }
}

#[test]
fn an_update_keeps_place_and_vector_and_gives_a_new_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = notes(&store);
    let made = memory(1, 4).created_at(Timestamp::from_millis(77)).ttl(HOUR).tag("a").tag("b");
    notes.insert(made.metadata_json(r#"{"x":1}"#)).unwrap();
    notes.insert(memory(2, 4)).unwrap();
    let mut before = notes.get(1).unwrap().unwrap();
    for compacts in [false, true] {
        let patch = Patch::new().text("new").session("s").remove_tag("a").tag("c").pinned(true);
        assert_eq!(notes.patch(1, patch).unwrap(), Outcome::Updated);
        let light = Patch::new().importance(0.25);
        assert_eq!(notes.patch(1, light).unwrap(), Outcome::Updated);
        if compacts {
            notes.compact().unwrap();
        }
        let after = notes.get(1).unwrap().unwrap();
        assert!(after.version() > before.version());
        assert_eq!((after.seq(), after.created_at), (before.seq(), before.created_at));
        assert_eq!((&after.vector, after.expiry()), (&before.vector, before.expiry()));
        assert_eq!(after.text.as_deref(), Some("new"));
        assert_eq!(
            (after.tags.join(","), after.importance, after.pinned),
            ("b,c".into(), 0.25, true)
        );
        assert_eq!(after.metadata_as_json(), Some(r#"{"x":1}"#));
        before = after;
    }
    let fields = Patch::new().field("x", "two").field("y", 7).remove_field("none");
    assert_eq!(notes.patch(1, fields).unwrap(), Outcome::Updated);
    assert_eq!(notes.get(1).unwrap().unwrap().metadata_as_json(), Some(r#"{"x":"two","y":7}"#));
    assert_eq!(notes.count(Filter::field("x").eq("two")).unwrap(), 1);
    assert_eq!(notes.patch(1, Patch::new().remove_field("x")).unwrap(), Outcome::Updated);
    assert_eq!(notes.count(Filter::field("x").exists()).unwrap(), 0);
    let undo = Patch::new().remove_text().remove_session().pinned(false);
    assert_eq!(notes.patch(1, undo).unwrap(), Outcome::Updated);
    let after = notes.get(1).unwrap().unwrap();
    assert_eq!((&after.text, &after.session, after.pinned), (&None, &None, false));
    assert!(after.seq() < notes.get(2).unwrap().unwrap().seq());
}

#[test]
fn compare_and_set_lets_one_of_two_writers_through() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = notes(&store);
    notes.insert(memory(1, 4)).unwrap();
    let version = notes.get(1).unwrap().unwrap().version().unwrap();
    for patch in [Patch::new().importance(0.1), Patch::new().text("x"), Patch::new().lifetime(HOUR)]
    {
        let version = notes.get(1).unwrap().unwrap().version().unwrap();
        let patch = patch.if_version(version);
        assert_eq!(notes.patch(1, patch.clone()).unwrap(), Outcome::Updated);
        assert_eq!(notes.patch(1, patch).unwrap(), Outcome::Conflict);
    }
    let stale = Patch::new().kind("k").if_version(version);
    let applied = notes.apply(Batch::new().patch(1, stale.clone()).patch(9, stale)).unwrap();
    assert_eq!((applied.conflicts, applied.missing, applied.updated), (1, 1, 0));
}

#[test]
fn updates_and_new_memories_of_a_batch_see_what_came_before_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let (notes, facts) =
        (notes(&store), store.collection("facts", CollectionOptions::new(4, Metric::L2)).unwrap());
    facts.insert(memory(5, 4)).unwrap();
    let batch = Batch::new()
        .insert(memory(1, 4))
        .insert_new(memory(1, 4).text("second"))
        .patch(1, Patch::new().tag("seen"))
        .patch(1, Patch::new().importance(0.75))
        .patch(2, Patch::new().tag("none"))
        .insert_new(memory(3, 4))
        .delete_where_from(&facts, Filter::All)
        .patch_in(&facts, 5, Patch::new().tag("gone"));
    let applied = notes.apply(batch).unwrap();
    assert_eq!((applied.inserted, applied.existing, applied.updated), (2, 1, 2));
    assert_eq!((applied.missing, applied.deleted), (2, 1));
    let one = notes.get(1).unwrap().unwrap();
    assert_eq!((one.text.as_deref(), one.importance), (Some("memory 1"), 0.75));
    assert_eq!(one.tags, ["seen"]);
    assert!(facts.is_empty().unwrap());
}

#[test]
fn a_fact_that_replaces_another_is_written_only_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = notes(&store);
    assert_eq!(notes.supersede(1, memory(2, 4)).unwrap(), Outcome::Missing);
    assert!(notes.is_empty().unwrap());
    notes.insert(memory(1, 4)).unwrap();
    assert_eq!(notes.supersede(1, memory(2, 4)).unwrap(), Outcome::Inserted);
    assert_eq!(notes.get(1).unwrap().unwrap().superseded_by, Some(2.into()));
    assert!(matches!(notes.supersede(2, memory(2, 4)), Err(Error::InvalidOption { .. })));
}

#[test]
fn a_memory_that_becomes_pinned_loses_the_end_that_the_default_gave_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let options = CollectionOptions::new(4, Metric::L2).default_ttl(HOUR);
    let notes = store.collection("notes", options).unwrap();
    notes.apply([memory(1, 4), memory(2, 4).ttl(HOUR)].into_iter().collect::<Batch>()).unwrap();
    notes.insert(memory(3, 4)).unwrap();
    assert_eq!(notes.update_where(Filter::ids([1u64, 2]), Patch::new().pinned(true)).unwrap(), 2);
    let end = |id: u64| notes.get(id).unwrap().unwrap().expiry();
    assert_eq!((end(1), end(2), end(3)), (None, Some(START + HOUR), Some(START + HOUR)));
    notes.touch(1, 2 * HOUR).unwrap();
    notes.patch(3, Patch::new().lifetime(Lifetime::Forever)).unwrap();
    notes.patch(2, Patch::new().pinned(false).lifetime(Lifetime::Default)).unwrap();
    assert_eq!((end(1), end(2), end(3)), (Some(START + 2 * HOUR), Some(START + HOUR), None));
}

#[test]
fn a_bad_update_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = notes(&store);
    notes.insert(memory(1, 4)).unwrap();
    let before = notes.get(1).unwrap().unwrap();
    let long = "x".repeat(Memory::MAX_NAME_BYTES + 1);
    let past = Lifetime::Until(START);
    let bad = [
        Patch::new().importance(1.5),
        Patch::new().importance(f32::NAN),
        Patch::new().session(&*long),
        Patch::new().tag(&*long),
        Patch::new().metadata_json("{no"),
        Patch::new().field("x", f64::NAN),
        Patch::new().lifetime(past),
        Patch::new().lifetime(Duration::ZERO),
        Patch::new().lifetime(past).text("t"),
    ];
    for patch in bad {
        assert!(notes.patch(1, patch.clone()).is_err(), "{patch:?}");
        assert!(notes.patch(2, patch.clone()).is_err(), "{patch:?} of no memory");
        assert!(notes.update_where(Filter::All, patch).is_err());
    }
    let versions = Patch::new().importance(0.1).if_version(1);
    assert!(matches!(notes.update_where(Filter::All, versions), Err(Error::InvalidOption { .. })));
    let other = notes.update(1, |memory| memory.id = 2.into());
    assert!(matches!(other, Err(Error::InvalidOption { .. })));
    assert!(notes.update(1, |memory| memory.importance = 7.0).is_err());
    let after = notes.get(1).unwrap().unwrap();
    assert_eq!((&after, after.version()), (&before, before.version()));
}

/// Reads never write. What they prolong is written by the background, once for many reads.
#[test]
fn memories_that_are_read_live_longer_if_the_collection_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let options = || CollectionOptions::new(4, Metric::L2).default_ttl(8 * HOUR);
    let notes = store.collection("notes", options().refresh_on_read(8 * HOUR)).unwrap();
    let all = (1..=6u64).map(|id| memory(id, 4).namespace(format!("n{}", id % 2)));
    notes.apply(all.collect::<Batch>()).unwrap();
    notes.insert(memory(7, 4).never_expires()).unwrap();
    notes.compact().unwrap();
    let end =
        |id: u64| notes.iter().map(Result::unwrap).find(|m| m.id == id.into()).unwrap().expiry();
    let written = || while store.run_pending_tasks().unwrap() {};
    clock.advance(HOUR / 2);
    notes.get(1).unwrap().unwrap();
    written();
    assert_eq!(end(1), Some(START + 8 * HOUR), "too little to be written");
    clock.advance(HOUR);
    let before = log_bytes(&dir.path().join("s"));
    notes.get(1).unwrap().unwrap();
    notes.search(&[0.0; 4]).filter(Filter::id(2)).fields(altiplano::Fields::None).run().unwrap();
    notes.list().filter(Filter::ids([3u64, 7])).run().unwrap();
    assert!(notes.scope("n1").get(4).unwrap().is_none(), "a memory of another namespace");
    notes.contains(5).unwrap();
    notes.touch(6, 100 * HOUR).unwrap();
    notes.get(6).unwrap().unwrap();
    let touched = log_bytes(&dir.path().join("s"));
    assert!(touched - before <= 100, "only the touch is written");
    written();
    let later = Some(START + 3 * HOUR / 2 + 8 * HOUR);
    assert_eq!([1, 2, 3].map(end), [later; 3]);
    assert_eq!([4, 5].map(end), [Some(START + 8 * HOUR); 2]);
    assert_eq!((end(6), end(7)), (Some(START + 3 * HOUR / 2 + 100 * HOUR), None));
    drop(notes);
    store.close().unwrap();
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    assert_eq!(notes.settings().refresh_on_read, Some(8 * HOUR));
    assert_eq!(notes.get(1).unwrap().unwrap().expiry(), later);
    let notes = store.collection("notes", options().no_refresh_on_read()).unwrap();
    clock.advance(7 * HOUR);
    notes.get(1).unwrap().unwrap();
    while store.run_pending_tasks().unwrap() {}
    assert_eq!(notes.get(1).unwrap().unwrap().expiry(), later);
    let zero = CollectionOptions::new(4, Metric::L2).refresh_on_read(Duration::ZERO);
    assert!(matches!(store.collection("notes", zero), Err(Error::InvalidOption { .. })));
}
