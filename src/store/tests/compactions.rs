//! Owns the tests of single jobs: what each returns, and what it leaves in the directory. Jobs that
//! fail are in `jobs` and in the matrix.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::{collections, memory, open, read, recovered, scratch, strays};
use crate::compaction::{Control, Job, run_index_due, run_rows_due};
use crate::disk::RealDisk;
use crate::format::names::FileName;
use crate::store::open::open_for_writing;
use crate::{
    Background, Batch, CollectionOptions, Error, Event, HnswParams, Metric, Store, StoreOptions,
};

fn rows(ids: std::ops::Range<u64>) -> Batch {
    ids.map(|id| memory(id, "a")).collect()
}

fn settle(store: &Store) {
    while store.run_pending_tasks().unwrap() {}
}

#[test]
fn a_report_counts_the_segments_that_were_rewritten_and_those_that_were_dropped() {
    let temp = scratch();
    let store = open(Arc::new(RealDisk), &temp.path().join("a.alt")).unwrap();
    let [notes, _] = collections(&store).unwrap();
    for ids in [0..64, 64..128] {
        notes.apply(rows(ids)).unwrap();
        settle(&store);
    }
    for id in 63..128u64 {
        notes.delete(id).unwrap();
    }
    let report = notes.compact().unwrap();
    assert_eq!((report.rewritten, report.dropped, report.rows_reclaimed), (1, 1, 65));
}

/// A long log is shortened: small collections are copied to its end, others are sealed.
#[test]
fn a_trim_leaves_half_of_the_log_files_that_there_may_be() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let wanted = CollectionOptions::new(2, Metric::L2);
    let [large, small] = ["notes", "facts"].map(|n| store.collection(n, wanted.clone()).unwrap());
    large.apply(rows(0..300)).unwrap();
    for id in 0..20 {
        small.insert(memory(id, "a")).unwrap();
        store.engine.log.roll().unwrap();
    }
    assert!(store.engine.catalog.manifest().log.len() > 16);
    let before = read(&store);
    settle(&store);
    let manifest = store.engine.catalog.manifest();
    assert!(manifest.log.len() <= 9, "{:?}", manifest.log);
    let segments = [&large, &small].map(|c| c.stats().unwrap().segments.len());
    assert_eq!(segments, [1, 0]);
    assert_eq!(strays(&store), Vec::<String>::new());
    store.close().unwrap();
    assert_eq!(recovered(&dir), before);
}

#[test]
fn a_collection_that_has_nothing_in_the_log_keeps_none_of_it() {
    let temp = scratch();
    let store = open(Arc::new(RealDisk), &temp.path().join("a.alt")).unwrap();
    let [notes, _empty] = collections(&store).unwrap();
    for id in 0..3 {
        notes.insert(memory(id, "a")).unwrap();
        store.engine.log.roll().unwrap();
    }
    notes.compact().unwrap();
    assert_eq!(store.engine.catalog.manifest().log.len(), 1);
}

/// Rows that died before the seal are not in the segment. Otherwise they would come back and take
/// RAM.
#[test]
fn what_was_sealed_is_not_replayed_from_a_log_that_still_has_it_i4() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    notes.apply(rows(0..40)).unwrap();
    for id in 0..15u64 {
        notes.delete(id).unwrap();
    }
    notes.compact().unwrap();
    notes.apply(rows(40..50)).unwrap();
    drop((notes, store));
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let stats = store.get_collection("notes").unwrap().stats().unwrap();
    assert_eq!((stats.live_rows, stats.dead_rows, stats.memtable_rows), (35, 0, 10));
}

#[test]
fn a_purge_goes_on_past_a_collection_that_was_dropped_meanwhile_i14() {
    let temp = scratch();
    let shared: Arc<OnceLock<Weak<Store>>> = Arc::default();
    let (inner, dropped) = (Arc::clone(&shared), AtomicBool::new(false));
    let listener = move |event: &Event| {
        let of_notes = matches!(event, Event::Progress { collection, .. } if collection == "notes");
        if of_notes && !dropped.swap(true, Ordering::SeqCst) {
            let store = inner.get().and_then(Weak::upgrade).unwrap();
            assert!(store.drop_collection("facts").unwrap());
        }
    };
    let options = StoreOptions::new().background(Background::Manual).reserve_bytes(0);
    let options = options.tap(listener);
    let dir = temp.path().join("a.alt");
    let store = Arc::new(open_for_writing(Arc::new(RealDisk), &dir, options).unwrap());
    shared.set(Arc::downgrade(&store)).unwrap();
    let [notes, facts] = collections(&store).unwrap();
    for collection in [&notes, &facts] {
        collection.apply(rows(0..300)).unwrap();
    }
    notes.delete(7u64).unwrap();
    assert!(store.purge().unwrap().is_complete());
    assert!(store.get_collection("facts").is_none());
    assert_eq!(notes.len().unwrap(), 299);
    assert_eq!(strays(&store), Vec::<String>::new());
}

/// Closes a store, damages the newest index of its first collection and opens it again.
fn with_a_damaged_index(store: Store, dir: &Path) -> (Store, PathBuf) {
    let file = store.engine.catalog.manifest().collections[0].indexes.last().unwrap().index;
    let path = store.engine.dir.path(FileName::Index(file));
    store.close().unwrap();
    std::fs::write(&path, b"nothing").unwrap();
    (open(Arc::new(RealDisk), dir).unwrap(), path)
}

/// The codes of dead rows may be in an index that cannot be read any more, although their segment
/// was rewritten long ago.
#[test]
fn a_purge_takes_an_index_that_cannot_be_opened_away_i14() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    notes.apply(rows(0..300)).unwrap();
    notes.compact().unwrap();
    for id in 0..60u64 {
        notes.delete(id).unwrap();
    }
    settle(&store);
    let stats = notes.stats().unwrap();
    assert_eq!((stats.dead_rows, stats.indexes[0].nodes), (0, 300), "dead nodes and no dead row");
    drop(notes);
    let (store, index) = with_a_damaged_index(store, &dir);
    assert!(store.purge().unwrap().is_complete());
    assert!(!index.exists());
    assert_eq!(strays(&store), Vec::<String>::new());
    assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), 240);
}

#[test]
fn rows_without_an_index_get_one_when_they_are_rewritten_whatever_others_have_i11() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    for ids in [0..64, 64..128] {
        notes.apply(rows(ids)).unwrap();
        settle(&store);
    }
    assert_eq!(notes.stats().unwrap().indexes.len(), 2);
    drop(notes);
    let (store, _) = with_a_damaged_index(store, &dir);
    let notes = store.get_collection("notes").unwrap();
    let uncovered = || notes.core.snapshot().segments.iter().filter(|s| !s.covered).count();
    assert_eq!(uncovered(), 1);
    for id in 64..84u64 {
        notes.delete(id).unwrap();
    }
    assert!(store.run_pending_tasks().unwrap());
    assert_eq!(uncovered(), 0);
    assert_eq!(notes.search(&[100.0, 1.0]).k(108).run().unwrap().len(), 108);
    assert_eq!(notes.stats().unwrap().dead_rows, 0);
}

#[test]
fn a_directory_that_was_moved_away_stops_the_writer_i6() {
    let temp = scratch();
    let [dir, elsewhere] = ["a.alt", "b.alt"].map(|name| temp.path().join(name));
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    notes.insert(memory(1, "a")).unwrap();
    let before = read(&store);
    std::fs::rename(&dir, &elsewhere).unwrap();
    assert!(matches!(store.compact(), Err(Error::Poisoned { .. })));
    assert!(matches!(notes.insert(memory(2, "a")), Err(Error::Poisoned { .. })));
    drop((notes, store));
    assert!(!dir.exists());
    assert_eq!(recovered(&elsewhere), before);
}

/// Rows of one segment may be in several indexes. If one of these is lost, the others no longer
/// cover the segment.
#[test]
fn an_index_that_is_lost_takes_those_along_that_share_a_segment_with_it_i11_i12() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = open(Arc::new(RealDisk), &dir).unwrap();
    let [notes, _] = collections(&store).unwrap();
    for n in 0..4u64 {
        notes.apply(rows(n * 64..(n + 1) * 64)).unwrap();
        settle(&store);
    }
    let stats = notes.stats().unwrap();
    assert_eq!((stats.segments.len(), stats.indexes.len()), (1, 4));
    drop(notes);
    let (store, _) = with_a_damaged_index(store, &dir);
    let notes = store.get_collection("notes").unwrap();
    assert_eq!(notes.search(&[100.0, 1.0]).k(256).run().unwrap().len(), 256);
}

#[test]
fn rows_that_move_while_an_index_of_them_is_built_are_in_it_i11() {
    let temp = scratch();
    let store = open(Arc::new(RealDisk), &temp.path().join("a.alt")).unwrap();
    let [notes, _] = collections(&store).unwrap();
    notes.apply(rows(0..300)).unwrap();
    store.compact().unwrap();
    let graph = HnswParams { min_rows: 4, ..HnswParams::default() };
    let wanted = CollectionOptions::new(2, Metric::L2).memtable_rows(64).hnsw(graph);
    let notes = store.collection("notes", wanted).unwrap();
    let before = notes.stats().unwrap().segments;
    // The second call comes when the build knows its rows.
    let asked = AtomicUsize::new(0);
    let cancelled = || {
        if asked.fetch_add(1, Ordering::SeqCst) == 1 {
            for id in 0..100u64 {
                notes.delete(id).unwrap();
            }
            let control = Control::unpaced(&store.engine, &|| false);
            assert!(run_rows_due(&Job::new(&notes.core, &control)).unwrap());
        }
        false
    };
    let control = Control::unpaced(&store.engine, &cancelled);
    assert!(run_index_due(&Job::new(&notes.core, &control)).unwrap());
    let stats = notes.stats().unwrap();
    assert_ne!(stats.segments[0].file, before[0].file);
    assert_eq!((stats.live_rows, stats.dead_rows, stats.indexes.len()), (200, 0, 1));
    assert!(stats.indexes[0].graph && stats.indexes[0].live_nodes == 200, "{stats:?}");
    assert_eq!(notes.search(&[200.0, 1.0]).k(200).run().unwrap().len(), 200);
}
