//! The edges of budgets: the error of a full one, and the deletes that are then enough. Also what
//! the numbers count, and how to wait until a store is at rest.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bytes_on_disk;
use crate::common::size::sized;
use crate::common::{manual, settle, vector};
use altiplano::{
    Background, Batch, Budget, Collection, CollectionOptions, Durability, Error, Event, Filter,
    HnswParams, Memory, Metric, Store, StoreOptions,
};

const DIMENSION: usize = 256;
const BUDGET: u64 = 32 << 20;

fn text(id: u64, bytes: usize) -> String {
    format!("{id} ").repeat(bytes).chars().take(bytes).collect()
}

/// Returns a memory of 1,024 bytes of vector and up to 400 bytes of text.
fn row(id: u64) -> Memory {
    Memory::new(id, vector(id, DIMENSION)).text(text(id, 100 + (id % 300) as usize))
}

/// Returns the bytes that a memory counts in a refusal's advice on how much to delete.
fn counts(id: u64) -> u64 {
    4 * DIMENSION as u64 + 100 + id % 300
}

fn open(path: &std::path::Path, background: Background) -> (Store, Collection) {
    // The tests of this program share two threads for their background work: an insert that waits
    // for a compaction waits for those of others.
    let patience = Duration::from_secs(300);
    let options = StoreOptions::new().background(background).disk_budget(BUDGET);
    let options = options.write_timeout(patience);
    let store = options.reserve_bytes(1 << 20).open(path).unwrap();
    let wanted = CollectionOptions::new(DIMENSION, Metric::L2).memtable_rows(1024);
    // Durability for thousands of single writes.
    let wanted = wanted.durability(Durability::buffered(Duration::from_secs(60)));
    let notes = store.collection("notes", wanted).unwrap();
    (store, notes)
}

/// Inserts batch after batch until the store refuses. Returns the first id that is not stored, and
/// the bytes that the refusal says to delete.
fn fill(store: &Store, notes: &Collection, from: u64) -> (u64, u64) {
    for first in (from..).step_by(32) {
        match notes.apply((first..first + 32).map(row).collect::<Batch>()) {
            Ok(_) => assert!(bytes_on_disk(store) <= BUDGET, "{} bytes", bytes_on_disk(store)),
            Err(Error::OverBudget { budget: Budget::Disk, needed, limit, free, .. }) => {
                assert!(free >= needed - limit && free < limit / 4, "{free} of {needed}");
                return (first, free);
            }
            Err(error) => panic!("{error}"),
        }
        assert!(first < 100_000);
    }
    unreachable!("ids do not end")
}

/// Deletes the oldest memories one by one until `free` bytes are deleted. Returns the first that is
/// left.
fn delete(notes: &Collection, mut oldest: u64, free: u64) -> u64 {
    let mut gone = 0;
    while gone < free {
        assert!(notes.delete(oldest).unwrap());
        gone += counts(oldest);
        oldest += 1;
    }
    oldest
}

#[test]
fn deleting_as_much_as_a_refused_insert_says_is_enough() {
    for background in [Background::Auto, Background::Manual] {
        let dir = tempfile::tempdir().unwrap();
        let (store, notes) = open(&dir.path().join("s"), background);
        let work = || {
            if background == Background::Manual {
                settle(&store);
            }
        };
        let (mut end, mut oldest) = (0, 0);
        for round in 0..sized("rounds of a full disk", 3, 10, 30) {
            let mut free;
            // Without workers, a refusal may mean that work must be done first.
            loop {
                let before = end;
                (end, free) = fill(&store, &notes, end);
                work();
                if end == before || background == Background::Auto {
                    break;
                }
            }
            oldest = delete(&notes, oldest, free);
            work();
            let next = notes.apply((end..end + 32).map(row).collect::<Batch>());
            assert!(next.is_ok(), "{background:?}, round {round}: {next:?} after {free} bytes");
            end += 32;
        }
        assert_eq!(notes.len().unwrap(), end - oldest);
        assert!(bytes_on_disk(&store) <= BUDGET);
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn a_memory_is_replaced_by_one_of_its_size_when_the_disk_budget_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"), Background::Auto);
    let (end, _) = fill(&store, &notes, 0);
    assert!(store.wait_idle(Duration::from_secs(60)).unwrap());
    let (end, _) = fill(&store, &notes, end);
    // Half of the budget again, a batch at a time: many times the space that is kept free.
    for first in (0..end).step_by(16) {
        let ids = (first..first + 16).map(|id| id % end);
        let same = |id| {
            let text = text(id + 1, 100 + (id % 300) as usize);
            Memory::new(id, vector(id + 7, DIMENSION)).text(text)
        };
        let applied = notes.apply(ids.map(same).collect::<Batch>());
        assert!(applied.is_ok(), "from {first} of {end}: {applied:?}");
        assert!(bytes_on_disk(&store) <= BUDGET, "{}", bytes_on_disk(&store));
    }
    // A smaller replacement, and a larger one.
    notes.insert(Memory::new(1u64, vector(1, DIMENSION))).unwrap();
    let larger = Memory::new(2u64, vector(1, DIMENSION)).text(text(2, 1 << 20));
    assert!(matches!(notes.insert(larger), Err(Error::OverBudget { .. })));
    assert_eq!(notes.len().unwrap(), end);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn compacting_by_hand_when_the_disk_budget_is_full_makes_it_no_worse() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"), Background::Auto);
    let (end, _) = fill(&store, &notes, 0);
    let held: u64 = (0..end).map(counts).sum();
    assert!(held > BUDGET * 2 / 5, "{held} bytes of memories in {BUDGET}");
    let needed = |end| {
        let rows = (end..end + 32).map(row);
        match notes.apply(rows.collect::<Batch>()) {
            Err(Error::OverBudget { needed, .. }) => needed,
            _ => BUDGET,
        }
    };
    let compact = || {
        store.compact().unwrap();
        notes.compact().unwrap();
        assert!(bytes_on_disk(&store) <= BUDGET);
        needed(end)
    };
    // The first one joins what came faster than the background could: its next compaction needs
    // room for a larger segment. From then on nothing is added.
    let first = compact();
    assert!(first <= BUDGET + BUDGET / 16, "{first} of {BUDGET}");
    for _ in 0..3 {
        let again = compact();
        assert!(again <= first + (64 << 10), "{again} after, {first} before");
    }
}

#[test]
fn a_full_heap_budget_of_in_memory_memories_says_how_much_to_delete() {
    const HEAP: u64 = 16 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new().background(Background::Manual).heap_budget(HEAP);
    let store = options.reserve_bytes(0).open(dir.path().join("s")).unwrap();
    let wanted = CollectionOptions::new(DIMENSION, Metric::L2).in_memory();
    let notes = store.collection("notes", wanted).unwrap();
    let (mut end, mut oldest) = (0, 0);
    for round in 0..sized("rounds of a full heap", 1, 3, 10) {
        let free = loop {
            match notes.apply((end..end + 32).map(row).collect::<Batch>()) {
                Ok(_) => end += 32,
                Err(Error::OverBudget { budget: Budget::Heap, needed, limit, free, .. }) => {
                    assert!(free >= needed - limit && free > 0);
                    break free;
                }
                Err(error) => panic!("{error}"),
            }
        };
        // A replacement of the same size is always accepted.
        for first in (oldest..end).step_by(16) {
            let same = |id| {
                let text = text(id + 3, 100 + (id % 300) as usize);
                Memory::new(id, vector(id + 5, DIMENSION)).text(text)
            };
            let ids = first..end.min(first + 16);
            notes.apply(ids.map(same).collect::<Batch>()).unwrap();
        }
        oldest = delete(&notes, oldest, free);
        let next = notes.apply((end..end + 32).map(row).collect::<Batch>());
        assert!(next.is_ok(), "round {round}: {next:?} after {free} bytes");
        end += 32;
        assert!(store.stats().unwrap().heap_bytes <= HEAP);
    }
    assert_eq!(notes.len().unwrap(), end - oldest);
}

#[test]
fn retention_is_unset_only_where_nothing_bounds_what_is_kept() {
    let budgets: [fn(StoreOptions) -> StoreOptions; 5] = [
        |o| o,
        |o| o.heap_budget(64 << 20),
        |o| o.disk_budget(64 << 20),
        |o| o.resident_budget(1 << 20),
        |o| o.compaction_debt_limit(64 << 20),
    ];
    // For a collection on the disk, and for one in RAM.
    let bounded = [(false, false), (false, true), (true, false), (false, false), (false, false)];
    for (budget, (on_disk, in_ram)) in budgets.iter().zip(bounded) {
        let dir = tempfile::tempdir().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&received);
        let store = budget(manual())
            .on_event(move |event| {
                if let Event::RetentionUnset { collection, .. } = event {
                    heard.lock().unwrap().push(collection.clone());
                }
            })
            .open(dir.path().join("s"))
            .unwrap();
        let plain = || CollectionOptions::new(2, Metric::L2);
        store.collection("disk", plain()).unwrap();
        store.collection("ram", plain().in_memory()).unwrap();
        store.collection("mortal", plain().default_ttl(Duration::from_secs(1))).unwrap();
        let wanted: Vec<&str> =
            [("disk", on_disk), ("ram", in_ram)].iter().filter(|b| !b.1).map(|b| b.0).collect();
        assert_eq!(*received.lock().unwrap(), wanted);
        let stats = store.stats().unwrap().collections;
        let unset = stats.iter().filter(|c| c.retention_unset).map(|c| c.name.as_str());
        assert_eq!(unset.collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn live_bytes_count_rows_in_ram_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let live = || store.stats().unwrap().collections[0].live_bytes;
    let notes = store.collection("n", CollectionOptions::new(64, Metric::L2)).unwrap();
    for id in 0..100u64 {
        notes.insert(Memory::new(id, vector(id, 64)).text(text(id, 500))).unwrap();
    }
    let full = live();
    assert!((75_600..90_000).contains(&full), "{full}");
    for id in 0..50u64 {
        notes.delete(id).unwrap();
    }
    assert_eq!(live(), full / 2);
    notes.compact().unwrap();
    assert!((37_800..50_000).contains(&live()), "{}", live());
}

fn graph_options() -> CollectionOptions {
    let hnsw = HnswParams::default().min_rows(2_000);
    CollectionOptions::new(32, Metric::L2).memtable_rows(512).hnsw(hnsw)
}

#[test]
fn debt_counts_an_index_until_it_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Arc::new(Mutex::new(Vec::<bool>::new()));
    let received = Arc::clone(&seen);
    let options = manual().on_event(move |event| {
        if let Event::Indexed { graph, .. } = event {
            received.lock().unwrap().push(*graph);
        }
    });
    let store = options.open(dir.path().join("s")).unwrap();
    let notes = store.collection("n", graph_options()).unwrap();
    for first in (0..4_096u64).step_by(512) {
        let rows = (first..first + 512).map(|id| Memory::new(id, vector(id, 32)));
        notes.apply(rows.collect::<Batch>()).unwrap();
    }
    // All work except the graph is done when the debt is that of the graph alone.
    let debt = || {
        let stats = store.stats().unwrap().collections.remove(0);
        assert!(stats.debt_bytes >= stats.index_debt_bytes);
        stats.index_debt_bytes
    };
    while !seen.lock().unwrap().contains(&true) {
        let before = debt();
        assert!(store.run_pending_tasks().unwrap(), "no graph was built");
        if seen.lock().unwrap().contains(&true) {
            let graph = &store.stats().unwrap().collections[0].indexes;
            let bytes: u64 = graph.iter().filter(|i| i.graph).map(|i| i.bytes).sum();
            assert!((bytes / 2..bytes * 2).contains(&before), "{before} owed, {bytes} written");
        }
    }
    settle(&store);
    assert_eq!(debt(), 0);
}

#[test]
fn waiting_for_idleness_ends_when_nothing_is_due_or_under_way() {
    for background in [Background::Auto, Background::Manual] {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions::new().background(background);
        let store = options.open(dir.path().join("s")).unwrap();
        let notes = store.collection("n", graph_options()).unwrap();
        for first in (0..4_096u64).step_by(512) {
            let rows = (first..first + 512).map(|id| Memory::new(id, vector(id, 32)));
            notes.apply(rows.collect::<Batch>()).unwrap();
        }
        assert!(store.wait_idle(Duration::from_secs(300)).unwrap());
        let stats = store.stats().unwrap();
        assert_eq!((stats.collections[0].debt_bytes, stats.job_heap_bytes), (0, 0));
        assert!(stats.collections[0].indexes.iter().any(|index| index.graph));
        assert!(!store.run_pending_tasks().unwrap(), "nothing is left to do");
        // Work that is due but paused is never done, so the wait times out.
        store.pause_background();
        notes.delete_where(Filter::Ids((0..4_000u64).map(Into::into).collect())).unwrap();
        if background == Background::Auto {
            assert!(!store.wait_idle(Duration::from_millis(200)).unwrap());
        }
        store.resume_background();
        assert!(store.wait_idle(Duration::from_secs(300)).unwrap());
        assert_eq!(store.stats().unwrap().collections[0].dead_rows, 0);
        assert!(store.wait_idle(Duration::ZERO).unwrap());
        store.close().unwrap();
        let reader = StoreOptions::new().open_read_only(dir.path().join("s")).unwrap();
        assert!(reader.wait_idle(Duration::ZERO).unwrap());
    }
}
