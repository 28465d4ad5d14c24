//! The budget of heap, shared by the memtables of all collections and by graph builds.

use crate::common::vector;
use altiplano::{
    Background, Batch, Budget, CollectionOptions, Error, HnswParams, Memory, Metric, Store,
    StoreOptions,
};

const DIMENSION: usize = 512;
const BUDGET: u64 = 16 << 20;
/// Number of rows of about half a MiB.
const ROWS: u64 = 180;

fn batch(first: u64) -> Batch {
    (first..first + ROWS).map(|id| Memory::new(id, vector(id, DIMENSION))).collect()
}

fn collection(store: &Store, at: u64) -> altiplano::Collection {
    let options = CollectionOptions::new(DIMENSION, Metric::L2);
    store.collection(&format!("notes {at}"), options).unwrap()
}

/// A budget full of active memtables, each too small to be sealed by size, must not refuse every
/// insert.
#[test]
fn many_small_memtables_make_room_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new().heap_budget(BUDGET);
    let store = options.open(dir.path().join("a.alt")).unwrap();
    for at in 0..100 {
        collection(&store, at).apply(batch(0)).unwrap();
        assert!(store.stats().unwrap().heap_bytes <= BUDGET + (1 << 20));
    }
    for at in 0..100 {
        assert_eq!(collection(&store, at).len().unwrap(), ROWS);
    }
    store.close().unwrap();
}

#[test]
fn without_threads_an_insert_is_refused_until_pending_work_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new().heap_budget(BUDGET).background(Background::Manual);
    let store = options.open(dir.path().join("a.alt")).unwrap();
    let mut refused = 0;
    for at in 0..60 {
        let notes = collection(&store, at);
        while let Err(error) = notes.apply(batch(0)) {
            assert!(matches!(error, Error::OverBudget { budget: Budget::Heap, .. }), "{error}");
            refused += 1;
            assert!(store.run_pending_tasks().unwrap(), "there was something to seal");
        }
    }
    assert!(refused > 0, "30 MiB went through a budget of 16");
}

#[test]
fn a_graph_is_built_only_where_half_of_the_budget_is_enough() {
    // Some 240 bytes per row: enough for 34,000 rows and not for 60,000.
    for (budget, has_graph) in [(Some(BUDGET), false), (None, true)] {
        let dir = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new().background(Background::Manual);
        if let Some(bytes) = budget {
            options = options.heap_budget(bytes);
        }
        let store = options.open(dir.path().join("a.alt")).unwrap();
        let hnsw = HnswParams::default().min_rows(1000).m(4).ef_construction(8);
        let wanted = CollectionOptions::new(64, Metric::L2).hnsw(hnsw);
        let notes = store.collection("notes", wanted).unwrap();
        for first in (0..60_000u64).step_by(4000) {
            let rows = (first..first + 4000).map(|id| Memory::new(id, vector(id, 64)));
            notes.apply(rows.collect::<Batch>()).unwrap();
            while store.run_pending_tasks().unwrap() {}
        }
        let stats = store.stats().unwrap();
        assert_eq!(stats.job_heap_bytes, 0);
        let graphs = stats.collections[0].indexes.iter().filter(|i| i.graph && i.nodes > 40_000);
        assert_eq!(graphs.count() > 0, has_graph);
        let exact = notes.search(&vector(5, 64)).exact().run().unwrap();
        assert_eq!(exact[0].id, 5u64.into());
        // A graph this narrow over random vectors misses some ids, so only most must be found.
        let ids = (0..200u64).map(|i| 300 * i);
        let finds = |id: &u64| {
            let hits = notes.search(&vector(*id, 64)).run().unwrap();
            hits[0].id == (*id).into()
        };
        let found = ids.filter(finds).count();
        assert!(found >= 150, "{found} of 200");
    }
}
