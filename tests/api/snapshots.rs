//! Owns the tests of snapshots: their answers never change, they hold files for a bounded time, and
//! a batch across collections is in one as a whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use altiplano::{
    Background, Batch, Collection, CollectionOptions, CollectionSnapshot, Durability, Error,
    Filter, HnswParams, ManualClock, Memory, Metric, NameCount, Patch, Store, StoreOptions, Window,
};

use crate::common::{START, contents, file_names, manual, memory, settle, vector, with_clock};

const DIMENSION: usize = 4;
const HOUR: Duration = Duration::from_secs(3600);

fn options() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2)
        .memtable_rows(64)
        .hnsw(HnswParams::default().m(8).ef_construction(32).min_rows(100))
}

/// Some memories in segments and some in RAM, with all names; every tenth lives for a minute.
fn fill(store: &Store, notes: &Collection) {
    let one = |id: u64| {
        let memory = Memory::new(id, vector(id, DIMENSION))
            .key(format!("key {id}"))
            .text(format!("text {id}"))
            .namespace(format!("user:{}/chat", id % 3))
            .session(format!("s{}", id % 4))
            .tag(format!("t{}", id % 5))
            .kind(format!("k{}", id % 2));
        if id.is_multiple_of(10) { memory.ttl(Duration::from_secs(60)) } else { memory }
    };
    notes.apply((0..300).map(one).collect::<Batch>()).unwrap();
    settle(store);
    notes.apply((300..330).map(one).collect::<Batch>()).unwrap();
}

/// Everything that a snapshot can be asked.
#[derive(Debug, PartialEq)]
struct Answers {
    len: u64,
    all: Vec<Memory>,
    some: Vec<Memory>,
    near: Vec<(u128, f32)>,
    like: Vec<u128>,
    listed: Vec<u128>,
    recent: Vec<u128>,
    names: [Vec<NameCount>; 4],
    count: u64,
    single: Vec<Option<Memory>>,
}

fn answers(of: &CollectionSnapshot) -> Answers {
    let sorted = |filter| {
        let mut all: Vec<Memory> = of.scan(filter).map(Result::unwrap).collect();
        all.sort_by_key(|memory| memory.id);
        all
    };
    let query = vector(7, DIMENSION);
    let hits = |search: altiplano::Search<'_>| search.k(400).exact().run().unwrap();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = of.list().limit(50).after(after).run().unwrap();
        listed.extend(page.memories.iter().map(|memory| memory.id.as_u128()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let recent = of.recent("s1", Window::turns(9)).unwrap();
    let get = |id: u64| of.get(id).unwrap();
    let key = |id: u64| of.get_by_key(&format!("key {id}")).unwrap();
    let single: Vec<Option<Memory>> = (0..400).map(get).chain((0..400).map(key)).collect();
    for id in 0..400u64 {
        assert_eq!(of.contains(id).unwrap(), single[id as usize].is_some(), "{id}");
    }
    Answers {
        len: of.len().unwrap(),
        all: sorted(Filter::All),
        some: sorted(Filter::tag("t1")),
        near: hits(of.search(&query)).iter().map(|h| (h.id.as_u128(), h.distance)).collect(),
        like: hits(of.near(1)).iter().map(|hit| hit.id.as_u128()).collect(),
        listed,
        recent: recent.iter().map(|memory| memory.id.as_u128()).collect(),
        names: [
            of.namespaces("user:1", 1).unwrap(),
            of.sessions(None).unwrap(),
            of.tags().unwrap(),
            of.kinds().unwrap(),
        ],
        count: of.count(Filter::session("s2")).unwrap(),
        single,
    }
}

#[test]
fn the_answers_of_a_snapshot_never_change() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    fill(&store, &notes);
    let (one, all) = (notes.snapshot().unwrap(), store.snapshot().unwrap());
    let of_all = all.collection("notes").unwrap();
    assert!(all.collection("facts").is_none());
    let before = answers(&one);
    assert_eq!((before.len, before.all.len(), before.listed.len()), (330, 330, 330));
    assert_eq!(answers(&of_all), before);
    let changes: [&dyn Fn(); 6] = [
        &|| assert_eq!(notes.delete_where(Filter::tag("t1")).unwrap(), 66),
        &|| {
            assert!(
                notes.update_where(Filter::kind("k1"), Patch::new().importance(0.9)).unwrap() > 99
            )
        },
        &|| assert!(notes.insert(memory(7, DIMENSION)).is_ok()),
        &|| assert!(store.compact().is_ok()),
        &|| clock.advance(Duration::from_secs(600)),
        &|| drop(store.purge().unwrap()),
    ];
    for change in changes {
        change();
        assert_eq!(answers(&one), before);
        assert_eq!(answers(&of_all.clone()), before);
    }
    assert!(notes.len().unwrap() < 300);
    assert!(store.drop_collection("notes").unwrap());
    assert_eq!(answers(&one), before);
    assert_eq!((one.time(), one.age()), (START, Duration::from_secs(600)));
    assert_eq!((all.time(), all.collection_names()), (START, vec!["notes".to_owned()]));
}

#[test]
fn a_snapshot_that_is_too_old_is_refused_and_holds_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let path = dir.path().join("s");
    let limit = 2 * HOUR;
    let store = with_clock(&clock).snapshot_max_age(limit).open(&path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    fill(&store, &notes);
    let snapshot = notes.snapshot().unwrap();
    notes.delete_where(Filter::All).unwrap();
    store.compact().unwrap();
    let receipt = store.purge().unwrap();
    assert!(!receipt.pending.is_empty(), "{receipt}");
    let stats = store.stats().unwrap();
    assert_eq!((stats.snapshots, stats.oldest_snapshot_age), (1, Some(Duration::ZERO)));
    assert_eq!(stats.held_files, receipt.pending.len());
    assert!(stats.held_bytes > 0);
    clock.advance(limit);
    let mut begun = snapshot.iter();
    begun.next().unwrap().unwrap();
    let second = notes.snapshot().unwrap();
    assert_eq!(store.stats().unwrap().oldest_snapshot_age, Some(limit));
    clock.advance(Duration::from_millis(1));
    let age = limit + Duration::from_millis(1);
    let refused = |error: Error| {
        let Error::SnapshotExpired { age: a, limit: l, .. } = error else { panic!("{error}") };
        assert_eq!((a, l), (age, limit));
    };
    refused(snapshot.get(1).unwrap_err());
    refused(snapshot.len().unwrap_err());
    refused(snapshot.search(&vector(1, DIMENSION)).run().unwrap_err());
    refused(snapshot.near(1).run().unwrap_err());
    refused(snapshot.list().run().unwrap_err());
    refused(snapshot.tags().unwrap_err());
    let mut scan = snapshot.iter();
    refused(scan.next().unwrap().unwrap_err());
    assert!(scan.next().is_none());
    assert_eq!(begun.by_ref().map(Result::unwrap).count(), 329, "a read that has begun finishes");
    drop(begun);
    let stats = store.stats().unwrap();
    assert_eq!((stats.snapshots, stats.held_files), (1, 0), "{stats}");
    assert_eq!(second.len().unwrap(), 0);
    assert!(store.purge().unwrap().is_complete());
}

#[test]
fn whatever_works_on_the_store_lets_go_of_old_snapshots() {
    type Work = fn(&Store);
    let works: [Work; 4] = [
        |store| settle(store),
        |store| assert!(store.compact().is_ok()),
        |store| assert!(store.purge().unwrap().is_complete()),
        |store| drop(store.stats().unwrap()),
    ];
    for work in works {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
        let path = dir.path().join("s");
        let store = with_clock(&clock).open(&path).unwrap();
        let notes = store.collection("notes", options()).unwrap();
        fill(&store, &notes);
        let snapshot = notes.snapshot().unwrap();
        notes.delete_where(Filter::All).unwrap();
        store.compact().unwrap();
        let segments = || file_names(&path).iter().filter(|name| name.starts_with("seg")).count();
        assert!(segments() > 0);
        clock.advance(HOUR + Duration::from_millis(1));
        work(&store);
        assert_eq!(segments(), 0);
        assert!(matches!(snapshot.len(), Err(Error::SnapshotExpired { .. })));
    }
}

/// Without any call, the background lets go. The test waits for as long as that takes.
#[test]
#[expect(clippy::disallowed_methods, reason = "nothing tells when the background is done")]
fn the_background_lets_go_of_old_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = StoreOptions::new().snapshot_max_age(Duration::from_secs(1)).open(&path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    notes.apply((0..300).map(|id| memory(id, DIMENSION)).collect::<Batch>()).unwrap();
    store.compact().unwrap();
    let snapshot = notes.snapshot().unwrap();
    notes.delete_where(Filter::All).unwrap();
    store.compact().unwrap();
    let segments = || file_names(&path).iter().filter(|name| name.starts_with("seg")).count();
    while segments() > 0 {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(matches!(snapshot.len(), Err(Error::SnapshotExpired { .. })));
}

#[test]
fn the_largest_age_has_a_range() {
    let dir = tempfile::tempdir().unwrap();
    for wrong in [Duration::ZERO, Duration::from_millis(999), 24 * 31 * HOUR, Duration::MAX] {
        let error = manual().snapshot_max_age(wrong).open(dir.path().join("s")).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { name: "snapshot_max_age", .. }), "{error}");
    }
    assert!(file_names(dir.path()).is_empty());
    manual().snapshot_max_age(24 * 30 * HOUR).open(dir.path().join("s")).unwrap();
}

#[test]
fn reads_of_a_snapshot_prolong_no_lives() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let options = options().default_ttl(HOUR).refresh_on_read(HOUR);
    let notes = store.collection("notes", options).unwrap();
    notes.apply((0..4).map(|id| memory(id, DIMENSION)).collect::<Batch>()).unwrap();
    clock.advance(HOUR / 2);
    let snapshot = notes.snapshot().unwrap();
    let query = vector(1, DIMENSION);
    assert!(snapshot.get(0).unwrap().is_some());
    assert_eq!(snapshot.search(&query).run().unwrap().len(), 4);
    assert_eq!(snapshot.list().run().unwrap().memories.len(), 4);
    notes.get(3).unwrap();
    settle(&store);
    clock.advance(HOUR / 2);
    assert_eq!(contents(&notes).len(), 1, "only what was read in the present");
    assert_eq!(snapshot.len().unwrap(), 4);
}

#[test]
fn a_closed_store_has_no_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    fill(&store, &notes);
    let (one, all) = (notes.snapshot().unwrap(), store.snapshot().unwrap());
    notes.delete_where(Filter::All).unwrap();
    store.compact().unwrap();
    let of_all = all.collection("notes").unwrap();
    store.clone().close().unwrap();
    for snapshot in [&one, &of_all] {
        assert!(matches!(snapshot.get(1), Err(Error::Closed)));
        assert!(matches!(snapshot.list().run(), Err(Error::Closed)));
        assert!(matches!(snapshot.iter().next(), Some(Err(Error::Closed))));
    }
    assert!(matches!(notes.snapshot(), Err(Error::Closed)));
    assert!(matches!(store.snapshot(), Err(Error::Closed)));
    let left = file_names(&path).into_iter().filter(|name| name.starts_with("seg")).count();
    assert_eq!(left, 0, "their files went with the store");
}

#[test]
fn a_snapshot_keeps_its_store_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let snapshot = {
        let notes = store.collection("notes", options()).unwrap();
        notes.insert(memory(1, DIMENSION)).unwrap();
        notes.snapshot().unwrap()
    };
    drop(store);
    assert_eq!(snapshot.len().unwrap(), 1);
    assert!(matches!(manual().open(&path), Err(Error::Locked { .. })));
    drop(snapshot);
    manual().open(&path).unwrap();
}

#[test]
fn readers_beside_a_writer_and_collections_in_ram_have_snapshots_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let scratch = store.collection("scratch", options().in_memory()).unwrap();
    notes.insert(memory(1, DIMENSION)).unwrap();
    scratch.insert(memory(1, DIMENSION)).unwrap();
    let reader = manual().open_read_only(&path).unwrap();
    let (old, mixed) = (reader.snapshot().unwrap(), store.snapshot().unwrap());
    notes.insert(memory(2, DIMENSION)).unwrap();
    scratch.delete(1).unwrap();
    reader.refresh().unwrap();
    let new = reader.snapshot().unwrap();
    let len = |of: &altiplano::StoreSnapshot, name| of.collection(name).unwrap().len().unwrap();
    assert_eq!((len(&old, "notes"), len(&new, "notes")), (1, 2));
    assert_eq!((len(&mixed, "notes"), len(&mixed, "scratch")), (1, 1));
    assert_eq!(old.collection_names(), ["notes"]);
}

/// Two collections are written by one batch each time, while snapshots of both are taken.
#[test]
fn a_batch_is_in_a_snapshot_of_the_store_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let options = options().durability(Durability::buffered(HOUR));
    let store = StoreOptions::new().background(Background::Auto).open(dir.path().join("s"));
    let store = store.unwrap();
    let notes = store.collection("notes", options.clone()).unwrap();
    let facts = store.collection("facts", options).unwrap();
    let done = AtomicBool::new(false);
    let newest = |of: &altiplano::StoreSnapshot, name| -> BTreeSet<String> {
        let of = of.collection(name).unwrap();
        of.iter().map(|memory| memory.unwrap().text.unwrap()).collect()
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..400u64 {
                let one = |id: u64| Memory::new(id, vector(id ^ n, DIMENSION)).text(n.to_string());
                let batch = (0..8).map(one).collect::<Batch>();
                let both = (0..8).fold(batch, |batch, id| batch.insert_into(&facts, one(id)));
                notes.apply(both).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        let mut seen = BTreeSet::new();
        while !done.load(Ordering::Acquire) {
            let snapshot = store.snapshot().unwrap();
            let (a, b) = (newest(&snapshot, "notes"), newest(&snapshot, "facts"));
            assert_eq!(a, b);
            assert!(a.len() <= 1, "{a:?}");
            seen.extend(a);
        }
        assert!(!seen.is_empty());
    });
}
