//! Owns the tests of readers beside writers (I6, I12). Each reader sees one moment, every memory
//! once, every batch whole, and as many results as there are. Meanwhile rows are sealed, compacted
//! and indexed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::common::{Rng, memory, vector};
use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, Filter, Hit, HnswParams, Memory,
    Metric, SearchMode, Store, StoreOptions,
};

const DIMENSION: usize = 8;
/// The memory that is replaced all the time.
const X: u64 = 1_000_000;
/// Replaced together, with the same generation.
const GROUP: std::ops::Range<u64> = 2_000_000..2_000_010;
/// Always there, never changed.
const STILL: std::ops::Range<u64> = 3_000_000..3_000_100;
const ROUNDS: u64 = 800;

fn options() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2)
        .memtable_rows(64)
        .durability(Durability::buffered(std::time::Duration::from_secs(3600)))
        .hnsw(HnswParams::default().m(8).ef_construction(32).min_rows(150))
}

fn generation(n: u64) -> Batch {
    let one = |id| {
        Memory::new(id, vector(id ^ n, DIMENSION))
            .text(format!("generation {n}"))
            .namespace("group")
    };
    GROUP.map(one).collect()
}

/// Raises the flag however the thread ends, so that no other thread waits for ever.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs writers on a store with background threads, until `done`.
fn busy(path: &std::path::Path, read: impl Fn(&Store, &Collection, &AtomicBool) + Sync) {
    let store = StoreOptions::new().background(Background::Auto).open(path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    notes.insert(memory(X, DIMENSION)).unwrap();
    notes.apply(generation(0)).unwrap();
    notes.apply(STILL.map(|id| memory(id, DIMENSION).namespace("still")).collect()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _finish = Finish(&done);
            for n in 1..=ROUNDS {
                let x = Memory::new(X, vector(n, DIMENSION)).text(format!("x {n}"));
                notes.insert(x).unwrap();
                notes.apply(generation(n)).unwrap();
            }
        });
        scope.spawn(|| {
            let mut rng = Rng(5);
            while !done.load(Ordering::Acquire) {
                let ids: Vec<u64> = (0..20).map(|_| rng.below(500)).collect();
                notes.apply(ids.iter().map(|id| memory(*id, DIMENSION)).collect()).unwrap();
                for _ in 0..10 {
                    notes.delete(rng.below(500)).unwrap();
                }
            }
        });
        for _ in 0..2 {
            scope.spawn(|| read(&store, &notes, &done));
        }
    });
    let stats = store.stats().unwrap();
    assert_eq!(stats.poisoned, None);
    // Writers wait for the sealing of their rows, so there must be some.
    assert!(!stats.collections[0].segments.is_empty());
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    store.close().unwrap();
}

fn assert_once(ids: impl Iterator<Item = u64>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        assert!(seen.insert(id), "{id} came twice");
    }
    for id in std::iter::once(X).chain(GROUP).chain(STILL) {
        assert!(seen.contains(&id), "{id} is missing");
    }
}

fn assert_one_generation<'a>(texts: impl Iterator<Item = Option<&'a str>>) {
    let generations: BTreeSet<Option<&str>> = texts.collect();
    assert_eq!(generations.len(), 1, "a batch was seen in part");
}

fn id(hit: &Hit) -> u64 {
    hit.id.as_u128() as u64
}

#[test]
fn every_memory_is_found_exactly_once_while_it_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let looks = AtomicU64::new(0);
    busy(&dir.path().join("s"), |_, notes, done| {
        let mut last = 0;
        while !done.load(Ordering::Acquire) {
            let query = vector(last, DIMENSION);
            let search = |path| notes.search(&query).k(10_000).mode(path).run().unwrap();
            for path in [SearchMode::Auto, SearchMode::Scan, SearchMode::Graph] {
                assert_once(search(path).iter().map(id));
            }
            let exact = notes.search(&query).k(10_000).exact().run().unwrap();
            assert_once(exact.iter().map(id));
            let all: Vec<u64> = notes.iter().map(|m| m.unwrap().id.as_u128() as u64).collect();
            assert_once(all.into_iter());
            assert!(notes.contains(X).unwrap());
            // A read returns one write whole, and never an older one than before.
            let x = notes.get(X).unwrap().unwrap();
            let text = x.text.as_deref().unwrap();
            let n = text.strip_prefix("x ").map_or(0, |n| n.parse().unwrap());
            assert!(n >= last, "{n} after {last}");
            let expected = if n == 0 { X } else { n };
            assert_eq!(x.vector, vector(expected, DIMENSION));
            last = n;
            looks.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(looks.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_batch_is_seen_whole() {
    let dir = tempfile::tempdir().unwrap();
    let looks = AtomicU64::new(0);
    busy(&dir.path().join("s"), |_, notes, done| {
        while !done.load(Ordering::Acquire) {
            let query = vector(7, DIMENSION);
            let hits = notes.search(&query).k(100).namespace("group").run().unwrap();
            assert_eq!(hits.len(), 10);
            assert_one_generation(hits.iter().map(Hit::text));
            let in_group = |m: &Memory| GROUP.contains(&(m.id.as_u128() as u64));
            let hits = notes.search(&query).k(100).filter_fn(in_group).run().unwrap();
            assert_eq!(hits.len(), 10);
            assert_one_generation(hits.iter().map(Hit::text));
            let group: Vec<Memory> =
                notes.scan(Filter::namespace("group")).map(Result::unwrap).collect();
            assert_eq!(group.len(), 10);
            assert_one_generation(group.iter().map(|m| m.text.as_deref()));
            let queries = [vector(1, DIMENSION), vector(2, DIMENSION)];
            let answers = notes.search_batch(&queries, |s| s.k(100).namespace("group")).unwrap();
            // All queries of a batch see the same moment.
            assert_one_generation(answers.iter().flatten().map(Hit::text));
            looks.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(looks.load(Ordering::Relaxed) > 0);
}

#[test]
fn an_iterator_shows_its_moment_while_files_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    busy(&dir.path().join("s"), |store, notes, done| {
        while !done.load(Ordering::Acquire) {
            let mut iter = notes.iter();
            let first = iter.next().unwrap().unwrap();
            // Everything that the iterator reads may be replaced on disk meanwhile.
            store.compact().unwrap();
            let rest: Vec<Memory> = iter.map(Result::unwrap).collect();
            let all = || std::iter::once(&first).chain(&rest);
            assert_once(all().map(|m| m.id.as_u128() as u64));
            let group = all().filter(|m| m.namespace.as_deref() == Some("group"));
            assert_one_generation(group.map(|m| m.text.as_deref()));
            for m in all().filter(|m| m.namespace.as_deref() == Some("still")) {
                let id = m.id.as_u128() as u64;
                assert_eq!(m.vector, vector(id, DIMENSION));
            }
        }
    });
}

#[test]
fn a_reader_of_another_process_sees_whole_batches_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let refreshed = AtomicU64::new(0);
    busy(&path, |_, _, done| {
        let open = || StoreOptions::new().open_read_only(&path);
        let reader = std::iter::repeat_with(open).find_map(Result::ok).unwrap();
        let notes = reader.get_collection("notes").unwrap();
        while !done.load(Ordering::Acquire) {
            // A fast writer may outrun every attempt. The earlier state stays readable.
            if reader.refresh().is_ok() {
                refreshed.fetch_add(1, Ordering::Relaxed);
            }
            let hits = notes.search(&vector(1, DIMENSION)).k(10_000).run().unwrap();
            assert_once(hits.iter().map(id));
            let group = hits.iter().filter(|h| GROUP.contains(&id(h)));
            assert_one_generation(group.map(Hit::text));
        }
    });
    assert!(refreshed.load(Ordering::Relaxed) > 0);
}

/// Returns filters from nearly none to all, with the share of ids that they match.
fn filters() -> Vec<Filter> {
    let mut all: Vec<Filter> = [1u64, 2, 5, 10, 50, 100, 1000]
        .map(|share| Filter::ids((0..3000).filter(move |i| i % share == 0)))
        .to_vec();
    all.push(Filter::ids([17u64]));
    all.push(Filter::namespace("rare"));
    all.push(Filter::namespace("rare").not());
    all.push(Filter::All);
    all
}

/// I12: with a graph, a scan or both, k results come back whenever k match.
#[test]
fn k_come_back_whatever_the_filter_and_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::common::manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let row = |id: u64| {
        // Half of the rows lie in few places, like texts that are repeated.
        let at = if id.is_multiple_of(2) { id % 16 } else { id };
        let name = if id % 97 == 3 { "rare" } else { "usual" };
        Memory::new(id, vector(at, DIMENSION)).namespace(name)
    };
    notes.apply((0..2000).map(row).collect()).unwrap();
    crate::common::settle(&store);
    notes.apply((2000..3000).map(row).collect()).unwrap();
    crate::common::settle(&store);
    notes.delete_where(Filter::ids((0..3000u64).filter(|i| i % 7 == 1))).unwrap();
    notes.apply((3000..3030).map(row).collect()).unwrap();
    assert!(store.stats().unwrap().collections[0].indexes.iter().any(|i| i.graph));
    let mut found = 0;
    let mut nearest = 0;
    for filter in filters() {
        for k in [1, 10, 100, 3100] {
            let query = vector(k as u64 + 500, DIMENSION);
            let exact = notes.search(&query).k(k).filter(filter.clone()).exact();
            let exact = exact.run().unwrap();
            for path in [SearchMode::Auto, SearchMode::Scan, SearchMode::Graph] {
                let search = || notes.search(&query).k(k).mode(path).filter(filter.clone());
                let with_closure = notes
                    .search(&query)
                    .k(k)
                    .mode(path)
                    .filter_fn(|m| matches!(&filter, Filter::Ids(ids) if ids.contains(&m.id)));
                let mut answers = vec![search().run().unwrap(), search().ef(1).run().unwrap()];
                if matches!(filter, Filter::Ids(_)) {
                    answers.push(with_closure.run().unwrap());
                }
                for hits in answers {
                    assert_eq!(hits.len(), exact.len(), "k = {k} {path:?}");
                    let ids: BTreeSet<u64> = hits.iter().map(id).collect();
                    assert_eq!(ids.len(), hits.len(), "twice: k = {k} {path:?}");
                    // The distance of the n-th hit is never less than that of the true n-th.
                    for (hit, best) in hits.iter().zip(&exact) {
                        assert!(hit.distance >= best.distance - 1e-5);
                    }
                    found += hits.len();
                    nearest += hits
                        .iter()
                        .zip(&exact)
                        .filter(|(hit, best)| hit.distance <= best.distance + 1e-5)
                        .count();
                }
            }
        }
    }
    let recall = nearest as f64 / found as f64;
    assert!(recall > 0.9, "recall {recall}");
}
