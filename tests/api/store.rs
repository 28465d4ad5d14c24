//! Owns the tests of a store as a whole: locking, closing, reading beside a writer, plans, events,
//! budgets, statistics.

use std::sync::{Arc, Mutex};

use altiplano::{
    Background, Collection, CollectionOptions, Error, Event, HnswParams, Metric, Plan,
    Quantization, SearchMode, Step, Store, StoreOptions,
};

use crate::common::{contents, file_names, ids, manual, memory, settle, vector};

fn fill(notes: &Collection, ids: std::ops::Range<u64>) {
    for id in ids.clone().step_by(10) {
        let some = id..ids.end.min(id + 10);
        notes.apply(some.map(|id| memory(id, 8)).collect()).unwrap();
    }
}

fn options() -> CollectionOptions {
    CollectionOptions::new(8, Metric::L2).memtable_rows(64)
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(Error::Locked { .. })));
    store.close().unwrap();
    let store = Store::open(&path).unwrap();
    drop(store);
    Store::open(&path).unwrap().close().unwrap();
}

#[test]
fn a_store_is_created_only_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    assert!(manual().create(false).open(&path).is_err());
    assert!(!path.exists());
    assert!(StoreOptions::new().open_read_only(&path).is_err());
    assert!(!path.exists());
    manual().open(&path).unwrap().close().unwrap();
    manual().create(false).open(&path).unwrap();
}

#[test]
fn a_store_in_a_missing_parent_is_an_error_that_names_the_parent() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(dir.path().join("a/b/c")).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "path", .. }), "{error}");
    assert!(error.to_string().contains(&*dir.path().join("a/b").to_string_lossy()), "{error}");
}

#[test]
fn a_reader_beside_a_writer_sees_what_was_and_moves_on_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let writer = manual().open(&path).unwrap();
    let notes = writer.collection("notes", options()).unwrap();
    fill(&notes, 0..100);
    settle(&writer);
    let reader = manual().open_read_only(&path).unwrap();
    let view = reader.get_collection("notes").unwrap();
    assert_eq!(contents(&view), contents(&notes));
    notes.delete_where(altiplano::Filter::ids(0..90u64)).unwrap();
    let more = writer.collection("more", options()).unwrap();
    more.insert(memory(1, 8)).unwrap();
    writer.compact().unwrap();
    // The writer removed files that the reader still shows.
    assert_eq!(view.len().unwrap(), 100);
    assert_eq!(contents(&view).len(), 100);
    assert!(reader.get_collection("more").is_none());
    reader.refresh().unwrap();
    assert_eq!(contents(&view), contents(&notes));
    assert_eq!(reader.collection_names(), ["more", "notes"]);
    assert_eq!(ids(&reader.get_collection("more").unwrap()), [1]);
    writer.drop_collection("more").unwrap();
    reader.refresh().unwrap();
    assert_eq!(reader.collection_names(), ["notes"]);
    // Every call that would write is refused.
    let refused = [
        view.insert(memory(1, 8)).map(drop),
        view.delete(1u64).map(drop),
        view.apply(altiplano::Batch::new()).map(drop),
        reader.drop_collection("notes").map(drop),
        reader.collection("new", options()).map(drop),
        reader.compact().map(drop),
        reader.sync(),
    ];
    for result in refused {
        assert!(matches!(result, Err(Error::ReadOnly { .. })), "{result:?}");
    }
    let before = file_names(&path);
    reader.close().unwrap();
    assert_eq!(file_names(&path), before);
    writer.close().unwrap();
}

#[test]
fn a_refreshed_reader_verifies_what_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let writer = manual().open(&path).unwrap();
    let notes = writer.collection("notes", options()).unwrap();
    fill(&notes, 0..100);
    settle(&writer);
    let reader = manual().open_read_only(&path).unwrap();
    assert!(reader.verify().unwrap().is_clean());
    let seq = writer.stats().unwrap().visible_seq;
    assert_eq!(reader.stats().unwrap().visible_seq, seq);
    notes.delete(1u64).unwrap();
    writer.compact().unwrap();
    notes.insert(memory(1000, 8)).unwrap();
    reader.refresh().unwrap();
    let report = reader.verify().unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(reader.stats().unwrap().visible_seq, writer.stats().unwrap().visible_seq);
}

fn count(plan: &Plan, what: impl Fn(&Step) -> bool) -> usize {
    plan.steps.iter().filter(|s| what(s)).count()
}

/// A store with segments, dead rows and rows in RAM.
fn worn(path: &std::path::Path, options: CollectionOptions, dead: u64, in_ram: u64) -> Store {
    let store = manual().open(path).unwrap();
    let notes = store.collection("notes", options).unwrap();
    fill(&notes, 0..200);
    settle(&store);
    notes.delete_where(altiplano::Filter::ids(0..dead)).unwrap();
    for id in 1000..1000 + in_ram {
        notes.insert(memory(id, 8)).unwrap();
    }
    store
}

fn plan_is_carried_out(options: CollectionOptions, dead: u64, in_ram: u64) {
    let dir = tempfile::tempdir().unwrap();
    let store = worn(&dir.path().join("s"), options, dead, in_ram);
    let notes = store.get_collection("notes").unwrap();
    let before = store.stats().unwrap();
    let plan = store.plan(&notes).unwrap();
    let changed = store.stats().unwrap();
    assert_eq!(changed.collections, before.collections, "a plan changes nothing");
    let report = notes.compact().unwrap();
    let planned = (
        count(&plan, |s| matches!(s, Step::Seal { .. })),
        count(&plan, |s| matches!(s, Step::Drop { .. })),
        count(&plan, |s| matches!(s, Step::Index { .. })),
    );
    let done = (report.sealed, report.dropped, report.indexes_built);
    assert_eq!(planned, done, "{dead} {in_ram} {plan:?} {report:?}");
    let rewrites = count(&plan, |s| matches!(s, Step::Rewrite { .. }));
    assert_eq!(rewrites > 0, report.rewritten > 0, "{dead} {in_ram} {plan:?} {report:?}");
    assert!(notes.plan().unwrap().steps.is_empty());
    assert_eq!(notes.len().unwrap(), 200 - dead + in_ram);
    let stats = &store.stats().unwrap().collections[0];
    assert_eq!((stats.dead_rows, stats.memtable_rows), (0, 0));
    assert_eq!(stats.last_compaction.as_ref(), Some(&report));
}

#[test]
fn a_compaction_does_what_was_planned() {
    let graph = HnswParams::default().min_rows(100);
    for (dead, in_ram) in [(20, 0), (20, 30), (0, 0), (0, 30), (200, 0), (200, 30)] {
        plan_is_carried_out(options(), dead, in_ram);
        plan_is_carried_out(options().quantization(Quantization::None), dead, in_ram);
        plan_is_carried_out(options().hnsw(graph), dead, in_ram);
    }
}

#[test]
fn what_happens_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let told: Arc<Mutex<Vec<Event>>> = Arc::default();
    let inner = Arc::clone(&told);
    let store = manual()
        .on_event(move |e| inner.lock().unwrap().push(e.clone()))
        .open(dir.path().join("s"))
        .unwrap();
    let notes = store.collection("notes", options()).unwrap();
    fill(&notes, 0..200);
    settle(&store);
    notes.delete_where(altiplano::Filter::ids(0..100u64)).unwrap();
    store.compact().unwrap();
    let told = told.lock().unwrap();
    let heard = |what: fn(&Event) -> bool| told.iter().any(what);
    assert!(heard(
        |e| matches!(e, Event::RetentionUnset { collection, .. } if collection == "notes")
    ));
    assert!(heard(|e| matches!(e, Event::Sealed { rows, .. } if *rows > 0)));
    assert!(heard(|e| matches!(e, Event::Compacted { report, .. } if report.rows_reclaimed > 0)));
    assert!(heard(|e| matches!(e, Event::Indexed { graph: false, .. })));
    assert!(!heard(|e| matches!(e, Event::BackgroundError { .. } | Event::IndexDamaged { .. })));
}

#[test]
fn the_heap_budget_refuses_inserts_but_never_deletes() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreOptions::new()
        .background(Background::Manual)
        .heap_budget(16 << 20)
        .open(dir.path().join("s"))
        .unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let big = |id| memory(id, 8).text("x".repeat(1 << 20));
    let mut taken = 0u64;
    let error = loop {
        match notes.insert(big(taken)) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100, "the budget is never reached");
    };
    let Error::OverBudget { budget, needed, limit, free: 0, .. } = error else { panic!("{error}") };
    assert_eq!((budget, limit), (altiplano::Budget::Heap, 16 << 20));
    assert!(needed > limit && taken >= 10);
    assert!(store.stats().unwrap().collections[0].heap_bytes <= 16 << 20);
    assert!(notes.delete(0u64).unwrap());
    assert_eq!(notes.len().unwrap(), taken - 1);
    // Sealing releases the RAM.
    store.compact().unwrap();
    notes.insert(big(1000)).unwrap();
    assert_eq!(notes.len().unwrap(), taken);
}

#[test]
fn the_numbers_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = worn(&path, options(), 20, 30);
    let stats = store.stats().unwrap();
    let notes = &stats.collections[0];
    assert_eq!((notes.name.as_str(), notes.live_rows), ("notes", 210));
    assert_eq!((notes.dead_rows, notes.expired_rows), (20, 0));
    let sealed: u64 = notes.segments.iter().map(|s| s.rows).sum();
    assert_eq!(sealed + notes.memtable_rows, 230);
    assert_eq!(notes.live_rows + notes.dead_rows, 230);
    let dead: u64 = notes.segments.iter().map(|s| s.dead_rows).sum();
    assert!(dead <= 20 && notes.dead_bytes > 0 && notes.live_bytes > notes.dead_bytes);
    let bytes: u64 = notes.segments.iter().map(|s| s.bytes).sum();
    // In RAM a row of 8 dimensions and its text takes less than 100 bytes.
    let in_ram = notes.live_bytes + notes.dead_bytes - bytes;
    assert!((32 * notes.memtable_rows..100 * notes.memtable_rows + 1).contains(&in_ram));
    assert!(notes.retention_unset && notes.heap_bytes > 0 && !notes.indexes.is_empty());
    let nodes: u64 = notes.indexes.iter().map(|i| i.nodes).sum();
    assert_eq!(nodes, sealed);
    let live: u64 = notes.indexes.iter().map(|i| i.live_nodes).sum();
    assert_eq!(live, sealed - dead);
    assert_eq!(stats.poisoned, None);
    assert_eq!((stats.held_files, stats.held_bytes), (0, 0));
    assert_eq!(stats.visible_seq, 231);
    assert_eq!(stats.synced_seq, 231);
    assert!(stats.log_bytes > 0 && stats.log_files == 1);
    assert!(stats.disk_bytes >= stats.log_bytes + bytes);
    assert!(stats.mapped_bytes >= bytes && stats.heap_bytes >= notes.heap_bytes);
    // An iterator holds files that a compaction replaced, and the statistics report them.
    let iter = store.get_collection("notes").unwrap().iter();
    store.compact().unwrap();
    let pinned = store.stats().unwrap();
    assert!(pinned.held_files > 0 && pinned.held_bytes > 0);
    assert_eq!(iter.count(), 210);
    let after = store.stats().unwrap();
    assert_eq!((after.held_files, after.held_bytes), (0, 0));
    let query = vector(5, 8);
    let notes = store.get_collection("notes").unwrap();
    let (hits, told) = notes.search(&query).k(5).explain().unwrap();
    assert_eq!((hits.len(), told.eligible_rows), (5, 210));
    assert_eq!((told.scanned, told.reranked), (0, 210), "so few are all measured exactly");
    let (hits, told) = notes.search(&query).k(5).mode(SearchMode::Scan).explain().unwrap();
    assert_eq!((hits.len(), told.eligible_rows), (5, 210));
    assert!(told.scanned >= 210 && told.reranked >= 5);
}

#[test]
fn background_threads_seal_and_index_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (done, sealed) = std::sync::mpsc::channel();
    let done = Mutex::new(done);
    let store = StoreOptions::new()
        .on_event(move |e| {
            if matches!(e, Event::Sealed { .. }) {
                let _ = done.lock().unwrap().send(());
            }
        })
        .open(dir.path().join("s"))
        .unwrap();
    let notes = store.collection("notes", options()).unwrap();
    fill(&notes, 0..100);
    sealed.recv().unwrap();
    assert_eq!(ids(&notes), (0..100).collect::<Vec<u64>>());
    store.close().unwrap();
}

#[test]
fn the_bytes_of_the_files_are_counted_through_all_that_happens_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let in_blocks = |name: &str| {
        let len = std::fs::metadata(path.join(name)).unwrap().len();
        len.next_multiple_of(4096)
    };
    let check = |store: &Store| {
        let names = file_names(&path);
        let counted = names.iter().filter(|name| name.as_str() != "RESERVE");
        let bytes: u64 = counted.map(|name| in_blocks(name)).sum();
        let logs = names.iter().filter(|name| name.starts_with("log-"));
        let stats = store.stats().unwrap();
        assert_eq!(stats.disk_bytes, bytes, "{names:?}");
        assert_eq!(stats.log_files, logs.clone().count());
        assert_eq!(stats.log_bytes, logs.map(|name| in_blocks(name)).sum::<u64>());
    };
    let open = || manual().open(&path).unwrap();
    let store = open();
    check(&store);
    let notes = store.collection("notes", options()).unwrap();
    for round in 0..4 {
        fill(&notes, round * 50..round * 50 + 100);
        settle(&store);
        check(&store);
    }
    notes.delete_where(altiplano::Filter::ids(0..120_u64)).unwrap();
    store.compact().unwrap();
    check(&store);
    store.backup(dir.path().join("backup")).unwrap();
    check(&store);
    store.purge().unwrap();
    check(&store);
    drop(notes);
    store.close().unwrap();
    let store = open();
    check(&store);
    store.drop_collection("notes").unwrap();
    settle(&store);
    check(&store);
    // A reader beside the writer lists the directory.
    let reader = StoreOptions::new().open_read_only(&path).unwrap();
    assert!(reader.stats().unwrap().disk_bytes > 0);
}
