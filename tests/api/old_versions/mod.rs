//! Stores that earlier versions wrote open in this one, with every memory unchanged.
//!
//! `tests/fixtures/v<n>/` has the files that format version `n` wrote: a store that was closed, and
//! a copy of one that was open, as a crash leaves it. A version that changes the files adds its own
//! fixture, in a new directory:
//! `FIXTURES=tests/fixtures/v4 cargo test --test api old_versions -- --ignored`.

#![allow(clippy::disallowed_methods, reason = "tests may use files")]

mod data;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{close, contents, settle, vector, with_clock};
use crate::lists::world::{joined, orders, sorted};
use altiplano::{
    Collection, FieldValue, Filter, ManualClock, Memory, MemoryId, Store, VerifyLevel,
};
use data::{COLLECTIONS, END, Meta, Source, Wanted, distance, visible};

/// Returns the directories of all fixtures.
fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let list = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut all: Vec<PathBuf> = list(&root).iter().flat_map(|version| list(version)).collect();
    all.sort();
    assert!(all.len() >= 2, "there is a closed one and a crashed one");
    all
}

fn copied(fixture: &Path) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    fs::create_dir(&path).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
    }
    (dir, path)
}

/// Opens a store with the clock at the fixture's end.
fn open(path: &Path) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(END));
    (with_clock(&clock).open(path).unwrap(), clock)
}

fn check_memory(got: &Memory, want: &Wanted) {
    let id = want.id;
    assert_eq!(got.id, MemoryId::from(id));
    assert!(close(&got.vector, &want.vector), "the vector of {id}");
    assert_eq!((&got.text, &got.bytes), (&want.text, &want.bytes));
    assert_eq!(got.key.as_deref(), want.key.as_deref());
    assert_eq!(got.namespace.as_deref(), want.namespace.as_deref());
    assert_eq!(got.session.as_deref(), want.session.as_deref());
    assert_eq!(got.kind.as_deref(), want.kind.as_deref());
    assert_eq!(got.tags, want.tags);
    assert_eq!(got.importance, want.importance.unwrap_or(0.5));
    assert_eq!(got.pinned, want.pinned);
    assert_eq!(got.created_at, Some(want.created.unwrap_or(want.inserted)), "{id}");
    assert_eq!(got.event_time, want.event);
    assert_eq!((got.valid_from, got.valid_to), want.valid);
    assert_eq!(got.superseded_by, want.superseded_by.map(MemoryId::from));
    assert_eq!(got.tokens, want.tokens);
    let sources: Vec<MemoryId> = want.sources.iter().map(|id| MemoryId::from(*id)).collect();
    assert_eq!(got.derived_from, sources);
    assert_eq!(got.expiry(), want.expires(), "{id}");
    match &want.meta {
        Meta::None => assert_eq!(got.metadata_schema(), None),
        Meta::Typed(source) => {
            assert_eq!(got.metadata_schema(), Some(4));
            assert_eq!(got.metadata_as::<Source>().unwrap().as_ref(), Some(source));
        }
        Meta::Json(json) => assert_eq!(got.metadata_as_json(), Some(&json[..])),
    }
}

type Check = fn(&Wanted) -> bool;

/// Returns filters with their meanings, written a second time in plain Rust.
fn filters() -> Vec<(Filter, Check)> {
    let at = altiplano::Timestamp::from_millis;
    let start = crate::common::START.as_millis();
    let day = 24 * 3_600_000;
    let mut all: Vec<(Filter, Check)> = vec![
        (Filter::All, |_| true),
        (Filter::namespace("user:3"), |w| w.namespace.as_deref() == Some("user:3")),
        (Filter::session("s-4"), |w| w.session.as_deref() == Some("s-4")),
        (Filter::session("s-2"), |w| w.session.as_deref() == Some("s-2")),
        (Filter::kind("fact"), |w| w.kind.as_deref() == Some("fact")),
        (Filter::tag("fifth"), |w| w.id % 5 == 0),
        (Filter::tags_any(["t0", "t1"]), |w| w.id % 3 < 2),
        (Filter::tags_all(["t0", "fifth"]), |w| w.id % 15 == 0),
        (Filter::key("dot/40"), |w| w.key.as_deref() == Some("dot/40")),
        (Filter::created(at(start - day - 60)..at(start - day)), |w| {
            w.id % 3 == 0 && (1..=60).contains(&w.id)
        }),
        (Filter::event_time(at(start - 2 * day - 50_000)..), |w| w.id % 7 == 0 && w.id <= 50),
        (Filter::importance(0.5..=0.5), |w| w.importance.unwrap_or(0.5) == 0.5),
        (Filter::Pinned(true), |w| w.pinned),
        (Filter::Ids(vec![1u64.into(), 9u64.into(), 60u64.into(), 144u64.into()]), |w| {
            [1, 9, 60, 144].contains(&w.id)
        }),
        (Filter::namespace("user:2").and(Filter::kind("turn").not()), |w| {
            w.namespace.as_deref() == Some("user:2") && w.kind.as_deref() != Some("turn")
        }),
    ];
    all.extend(filters_on_fields());
    all
}

/// Returns filters on metadata and stored attributes. Version 1 has no columns for them.
fn filters_on_fields() -> Vec<(Filter, Check)> {
    let field = Filter::field;
    let at = altiplano::Timestamp::from_millis;
    vec![
        (field("id").between(10, 60), |w| w.id % 4 == 1 && (10..=60).contains(&w.id)),
        (field("id").ne(41), |w| w.id % 4 == 1 && w.id != 41),
        (field("deep").contains(FieldValue::Null), |w| w.id % 4 == 1),
        (field("deep[0]").lt(1.5).not(), |w| w.id % 4 != 1),
        (
            field("version").eq(1),
            |w| matches!(&w.meta, Meta::Json(json) if json.contains("\"version\": 1")),
        ),
        (field("page").exists(), |_| false),
        (Filter::valid_at(at(50)), |w| {
            let moment = altiplano::Timestamp::from_millis(50);
            w.valid.0.is_none_or(|from| from <= moment) && w.valid.1.is_none_or(|to| moment < to)
        }),
        (Filter::superseded(true), |w| w.superseded_by.is_some()),
        (Filter::derived_from(20u64), |w| w.sources.contains(&20)),
        (Filter::has_session(), |w| w.session.is_some()),
        (Filter::expires(..), |w| w.expires().is_some()),
        (Filter::tokens(30..=90), |w| w.tokens.is_some_and(|n| (30..=90).contains(&n))),
        (Filter::namespace_under("user:1"), |w| w.namespace.as_deref() == Some("user:1")),
    ]
}

fn check_filters(collection: &Collection, want: &BTreeMap<u64, Wanted>) {
    for (filter, meant) in filters() {
        let got: BTreeSet<MemoryId> =
            collection.scan(filter.clone()).map(|memory| memory.unwrap().id).collect();
        let want = want.values().filter(|w| meant(w)).map(|w| MemoryId::from(w.id));
        assert_eq!(got, want.collect(), "{filter:?}");
    }
}

fn check_search(collection: &Collection, at: usize, want: &BTreeMap<u64, Wanted>) {
    let (_, dimension, metric) = COLLECTIONS[at];
    for n in 0..6 {
        let query = vector(77_000 + n, dimension);
        for (filter, meant) in filters() {
            let matching = want.values().filter(|w| meant(w));
            let mut nearest: Vec<(f64, MemoryId)> =
                matching.map(|w| (distance(metric, &query, &w.vector), w.id.into())).collect();
            nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
            nearest.truncate(10);
            let search = || collection.search(&query).k(10).filter(filter.clone());
            let exact = search().exact().run().unwrap();
            let ids: Vec<MemoryId> = exact.iter().map(|hit| hit.id).collect();
            assert_eq!(ids, nearest.iter().map(|(_, id)| *id).collect::<Vec<_>>(), "{filter:?}");
            for (hit, (distance, _)) in exact.iter().zip(&nearest) {
                assert!((f64::from(hit.distance) - distance).abs() < 1e-4, "{hit:?}");
            }
            let usual = search().run().unwrap();
            assert_eq!(usual.len(), nearest.len(), "{filter:?} (I12)");
            let found = usual.iter().filter(|hit| ids.contains(&hit.id)).count();
            assert!(found * 10 >= nearest.len() * 7, "{found} of {} {filter:?}", nearest.len());
        }
    }
}

fn check_lists(collection: &Collection, want: &BTreeMap<u64, Wanted>) {
    for (order, direction) in orders() {
        for filter in [Filter::All, Filter::tag("t0")] {
            let all = sorted(collection, filter.clone(), order, direction);
            let got = joined(|| {
                let list = collection.list().filter(filter.clone());
                list.order(order, direction).limit(20)
            });
            assert_eq!(got, all, "{order:?} {direction:?}");
        }
    }
    let mut tags: BTreeMap<&str, u64> = BTreeMap::new();
    want.values().flat_map(|w| &w.tags).for_each(|tag| *tags.entry(tag).or_default() += 1);
    let counts = collection.tags().unwrap();
    assert!(counts.iter().map(|tag| (&*tag.name, tag.memories)).eq(tags));
}

fn check(store: &Store) {
    for (at, (name, dimension, metric)) in COLLECTIONS.into_iter().enumerate() {
        let collection = store.get_collection(name).unwrap();
        let settings = collection.settings();
        assert_eq!((settings.dimension, settings.metric), (dimension, metric));
        let want = visible(at, store.now());
        let got = contents(&collection);
        let ids: Vec<MemoryId> = want.keys().map(|id| MemoryId::from(*id)).collect();
        assert_eq!(got.keys().copied().collect::<Vec<_>>(), ids, "{name}");
        got.values().zip(want.values()).for_each(|(got, want)| check_memory(got, want));
        for id in 0..data::IDS {
            assert_eq!(collection.contains(id).unwrap(), want.contains_key(&id), "{name} {id}");
        }
        check_filters(&collection, &want);
        check_search(&collection, at, &want);
        check_lists(&collection, &want);
    }
    let report = store.verify_with(VerifyLevel::Full).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

#[test]
fn a_store_of_an_earlier_version_opens_with_every_memory_as_it_was() {
    for fixture in fixtures() {
        let (_dir, path) = copied(&fixture);
        let (store, _) = open(&path);
        check(&store);
        store.close().unwrap();
        let (store, _) = open(&path);
        check(&store);
    }
}

#[test]
fn a_store_of_an_earlier_version_is_compacted_purged_and_written_on() {
    for fixture in fixtures() {
        let (_dir, path) = copied(&fixture);
        let (store, _) = open(&path);
        settle(&store);
        check(&store);
        store.compact().unwrap();
        check(&store);
        assert!(store.purge().unwrap().is_complete());
        check(&store);
        let notes = store.get_collection("dot").unwrap();
        notes.insert(Memory::new(5_000u64, vector(5_000, 8)).text("new")).unwrap();
        assert!(notes.delete(5_000u64).unwrap());
        store.close().unwrap();
        let (store, _) = open(&path);
        check(&store);
    }
}

#[test]
fn fields_of_an_earlier_version_are_read_from_the_rows_until_these_are_rewritten() {
    for fixture in fixtures() {
        let (_dir, path) = copied(&fixture);
        let (store, _) = open(&path);
        let l2 = store.get_collection("l2").unwrap();
        let parsed = || {
            let query = vector(77_000, 8);
            let search = l2.search(&query).filter(Filter::field("id").eq(41));
            let (hits, told) = search.explain().unwrap();
            (hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), told.fields_from_rows)
        };
        let in_memory = l2.stats().unwrap().memtable_rows;
        let (hits, before) = parsed();
        assert!(before > 0 && hits == [MemoryId::from(41u64)], "{before}");
        store.compact().unwrap();
        // A compaction of segments without dead rows rewrites nothing.
        assert_eq!(store.purge().unwrap().pending.len(), 0);
        let stats = l2.stats().unwrap();
        assert!(stats.memtable_rows <= in_memory);
        let (again, after) = parsed();
        assert!(again == hits && after <= before, "{after} after {before}");
        assert!(stats.field_bytes > 0 && after < before, "{stats:?}");
    }
}

#[test]
fn lifetimes_of_an_earlier_version_end_when_they_were_to_end() {
    for fixture in fixtures() {
        let (_dir, path) = copied(&fixture);
        let (store, clock) = open(&path);
        let before = visible(0, store.now()).len();
        clock.advance(Duration::from_secs(31 * 24 * 3600));
        assert!(visible(0, store.now()).len() < before);
        check(&store);
    }
}

#[test]
fn a_store_of_an_earlier_version_is_read_beside_its_writer() {
    for fixture in fixtures() {
        let (_dir, path) = copied(&fixture);
        let clock = Arc::new(ManualClock::new(END));
        let reader = with_clock(&clock).open_read_only(&path).unwrap();
        check(&reader);
    }
}

/// Writes the fixture of this version to `FIXTURES`, a directory that does not exist yet.
#[test]
#[ignore = "writes a fixture for later versions"]
fn write_the_fixture_of_this_version() {
    let target = std::env::var("FIXTURES").expect("FIXTURES names the directory to be made");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
    fs::create_dir(&target).expect("a new directory");
    write::write(&target);
}
