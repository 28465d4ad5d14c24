//! The budget of resident bytes. Pages of mapped files are released when more are resident than
//! allowed. Rows are read without their maps. Nothing is lost by it.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{START, settle, vector, with_clock};
use altiplano::{
    Batch, Collection, CollectionOptions, Fields, IoMode, ManualClock, Memory, Metric, Store,
    StoreOptions,
};

const DIMENSION: usize = 256;
const ROWS: u64 = 8_000;

fn filled(store: &Store) -> Collection {
    let notes = store.collection("notes", CollectionOptions::new(DIMENSION, Metric::L2)).unwrap();
    for first in (0..ROWS).step_by(1000) {
        let memory = |id| Memory::new(id, vector(id, DIMENSION)).text(format!("memory {id}"));
        notes.apply((first..first + 1000).map(memory).collect::<Batch>()).unwrap();
    }
    notes.compact().unwrap();
    notes
}

fn ask(notes: &Collection, exact: bool) -> Vec<(u64, String)> {
    let query = vector(77, DIMENSION);
    let search = notes.search(&query).k(50).fields(Fields::Payload);
    let search = if exact { search.exact() } else { search };
    let hits = search.run().unwrap();
    hits.iter().map(|hit| (hit.id.as_u128() as u64, hit.text().unwrap().to_owned())).collect()
}

#[test]
fn rows_that_are_read_without_their_maps_are_not_resident() {
    const VECTORS: u64 = ROWS * DIMENSION as u64 * 4;
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let open = |options: StoreOptions| {
        let store = options.open(dir.path().join("s")).unwrap();
        settle(&store);
        store
    };
    let store = open(with_clock(&clock).io_mode(IoMode::Mapped));
    let nearest = ask(&filled(&store), true);
    let stats = store.stats().unwrap();
    let segments = stats.collections[0].segments.len();
    assert!(
        store.resident_bytes().unwrap() > VECTORS && stats.open_files == 0 && segments > 1,
        "{stats:?}"
    );
    store.close().unwrap();

    // A budget that is never exceeded releases nothing: this is the effect of the I/O mode alone.
    let store = open(with_clock(&clock).resident_budget(1 << 30));
    let notes = store.get_collection("notes").unwrap();
    assert_eq!((ask(&notes, true), ask(&notes, false)), (nearest.clone(), nearest.clone()));
    let stats = store.stats().unwrap();
    let resident = store.resident_bytes().unwrap();
    assert!(resident < VECTORS / 2, "{resident}");
    assert_eq!(stats.open_files, segments);
    // The files that replace the segments are read in the same way, and the old ones are closed.
    notes.apply((0..ROWS / 2).fold(Batch::new(), Batch::delete)).unwrap();
    notes.compact().unwrap();
    let stats = store.stats().unwrap();
    let resident = store.resident_bytes().unwrap();
    assert!(resident < VECTORS / 2, "{resident}");
    assert_eq!(stats.open_files, stats.collections[0].segments.len());
    let nearest = ask(&notes, true);
    assert!(nearest.iter().all(|(id, _)| *id >= ROWS / 2) && nearest.len() == 50);
    assert!(store.verify().unwrap().is_clean());
    store.close().unwrap();

    // The files beyond the limit are read through their maps.
    let store = open(with_clock(&clock).io_mode(IoMode::Pread).max_open_files(1));
    let notes = store.get_collection("notes").unwrap();
    assert_eq!(ask(&notes, true), nearest);
    assert_eq!(store.stats().unwrap().open_files, 1);
}

#[test]
fn a_store_that_is_verified_does_not_become_resident() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let open = || {
        let store = with_clock(&clock).io_mode(IoMode::Mapped).open(dir.path().join("s")).unwrap();
        settle(&store);
        store
    };
    let store = open();
    filled(&store);
    store.close().unwrap();
    let store = open();
    assert!(store.verify().unwrap().is_clean());
    let stats = store.stats().unwrap();
    let (resident, mapped) = (store.resident_bytes().unwrap(), stats.mapped_bytes);
    assert!(resident < mapped / 2, "{resident} of {mapped}");
}

#[test]
fn pages_are_let_go_when_more_are_resident_than_may_be() {
    const BUDGET: u64 = 3 << 20;
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let options = with_clock(&clock).io_mode(IoMode::Mapped).resident_budget(BUDGET);
    let store = options.open(dir.path().join("s")).unwrap();
    settle(&store);
    let notes = filled(&store);
    // Every row is read: at least 8 MB are resident.
    let nearest = ask(&notes, true);
    assert!(store.resident_bytes().unwrap() > 2 * BUDGET);
    settle(&store);
    assert!(store.resident_bytes().unwrap() > 2 * BUDGET, "looked at once a second");
    clock.advance(Duration::from_secs(1));
    settle(&store);
    let resident = store.resident_bytes().unwrap();
    assert!(resident <= BUDGET, "{resident}");
    assert_eq!(ask(&notes, false), nearest);
    assert_eq!(ask(&notes, true), nearest);
    assert!(store.verify().unwrap().is_clean());
}
