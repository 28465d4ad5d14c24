//! Owns the tests of room in RAM: the heap budget, and writers that are ahead of the worker that
//! seals. Here a job for the rows of the same collection delays that worker.

use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn, yield_now};

use super::{memory, recovered, scratch};
use crate::collection::Collection;
use crate::disk::RealDisk;
use crate::store::open::open_for_writing;
use crate::sync::lock;
use crate::{
    Background, Batch, CollectionOptions, Error, Memory, Metric, Result, Store, StoreOptions,
};

/// The number of memtables, with the active one, at which writers wait for a seal.
const MEMTABLES: usize = 9;
const ROWS: u64 = 64;

fn open(dir: &Path) -> (Store, Collection) {
    let options = StoreOptions::new().reserve_bytes(0);
    let store = open_for_writing(Arc::new(RealDisk), dir, options).unwrap();
    let wanted = CollectionOptions::new(2, Metric::L2).memtable_rows(ROWS as u32);
    let notes = store.collection("notes", wanted).unwrap();
    (store, notes)
}

/// Writes until the next insert has to wait. Returns the number of rows.
fn fill(notes: &Collection) -> u64 {
    let mut there = 0;
    while notes.core.snapshot().memtables.len() < MEMTABLES {
        notes.apply((there..there + ROWS).map(|id| memory(id, "a")).collect::<Batch>()).unwrap();
        there += ROWS;
    }
    there
}

/// Starts an insert and returns when it waits.
fn waiting(store: &Store, notes: &Collection, id: u64) -> JoinHandle<Result<()>> {
    store.engine.background.wakeups().rows.take_notification();
    let notes = notes.clone();
    let writer = spawn(move || notes.insert(memory(id, "b")).map(drop));
    waits(store, &writer);
    writer
}

/// Returns when a writer has checked for room and found none.
fn waits(store: &Store, writer: &JoinHandle<Result<()>>) {
    while !store.engine.background.wakeups().rows.take_notification() {
        assert!(!writer.is_finished(), "it does not wait");
        yield_now();
    }
}

#[test]
fn what_other_collections_seal_does_not_use_up_the_patience_of_a_writer_i13() {
    let temp = scratch();
    let (store, notes) = open(&temp.path().join("a.alt"));
    let held_up = lock(&notes.core.row_job);
    let there = fill(&notes);
    let writer = waiting(&store, &notes, there);
    // More often than the writer checks before it gives up.
    for _ in 0..1000 {
        store.engine.admission.space_freed();
        waits(&store, &writer);
    }
    assert_eq!(notes.len().unwrap(), there);
    assert!(notes.delete(0u64).unwrap(), "deletes do not wait");
    drop(held_up);
    writer.join().unwrap().unwrap();
    assert_eq!(notes.len().unwrap(), there);
    store.close().unwrap();
}

#[test]
fn a_close_lets_a_writer_go_that_waits_for_room() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let (store, notes) = open(&dir);
    let held_up = lock(&notes.core.row_job);
    let there = fill(&notes);
    let writer = waiting(&store, &notes, there);
    let closer = spawn(move || store.close());
    let refused = writer.join().unwrap();
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    drop(held_up);
    closer.join().unwrap().unwrap();
    assert_eq!(recovered(&dir)[0].len() as u64, there);
}

#[test]
fn the_heap_budget_counts_the_vectors_of_a_batch_before_it_takes_them_in() {
    const BUDGET: u64 = 16 << 20;
    let temp = scratch();
    let options = StoreOptions::new().background(Background::Manual).reserve_bytes(0);
    let store = options.heap_budget(BUDGET).open(temp.path().join("a.alt")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(4096, Metric::L2)).unwrap();
    let vectors = |n: u64| (0..n).map(|id| Memory::new(id, vec![0.5; 4096])).collect::<Batch>();
    let Err(Error::OverBudget { needed, limit, .. }) = notes.apply(vectors(1024)) else {
        panic!("16 MiB of vectors and more are within a budget of 16 MiB");
    };
    assert!(limit == BUDGET && needed > BUDGET, "{needed}");
    assert_eq!(notes.len().unwrap(), 0);
    notes.apply(vectors(512)).unwrap();
}

/// Regression: each delete made a separate block of the inserts before it.
#[test]
fn a_batch_of_inserts_and_deletes_becomes_one_block() {
    let temp = scratch();
    let dir = temp.path().join("a.alt");
    let store = super::open(Arc::new(RealDisk), &dir).unwrap();
    let [notes, _] = super::collections(&store).unwrap();
    let blocks = |notes: &Collection| notes.core.snapshot().memtables[0].rows.block_rows();
    notes.apply((0..20).map(|id| memory(id, "old")).collect()).unwrap();
    let mut batch = Batch::new();
    for id in 0..10 {
        batch = batch.insert(memory(100 + id, "new")).delete(id);
    }
    notes.apply(batch).unwrap();
    assert_eq!(blocks(&notes), [20, 10]);
    let before = super::read(&store);
    assert!(before[0].keys().copied().eq((10..20).chain(100..110)));
    // A replay carries out many batches at once. Some delete rows that are still pending.
    notes.delete(105u64).unwrap();
    notes.insert(memory(5, "again")).unwrap();
    notes.delete(5u64).unwrap();
    notes.insert(memory(6, "again")).unwrap();
    let before = super::read(&store);
    store.close().unwrap();
    let store = super::open(Arc::new(RealDisk), &dir).unwrap();
    assert_eq!(super::read(&store), before);
}
