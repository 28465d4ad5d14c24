//! Pages of a list, joined, are the sorted scan: in RAM, sealed, compacted and reopened, in every
//! order, with filters.
#![allow(clippy::disallowed_methods, reason = "tests may damage files by hand")]

use altiplano::{
    Batch, CollectionOptions, Direction, Fields, Filter, Memory, Metric, Order, Store, Timestamp,
};
use bench_tools::vectors::Vectors;

use super::world::{DIMENSION, joined, orders, random, sorted};
use crate::common::{Rng, START, manual, vector};
use crate::metamorphic::world::with_memories;

/// Returns filters that match all, some and none.
fn filters() -> [Filter; 8] {
    [
        Filter::All,
        Filter::session("s1"),
        Filter::namespace("u:1") & Filter::kind("turn"),
        !Filter::tag("t1"),
        Filter::key("aa"),
        Filter::created(..START),
        Filter::ids(100..140u64),
        Filter::session("nobody"),
    ]
}

#[test]
fn joined_pages_are_the_sorted_scan() {
    let rows = 700;
    let data: Vec<f32> = (0..rows).flat_map(|id| vector(id, DIMENSION)).collect();
    let vectors = Vectors { dim: DIMENSION, data };
    let options = CollectionOptions::new(DIMENSION, Metric::L2);
    let mut rng = Rng(3);
    let memory = |id: u64, _: &[f32]| random(&mut Rng(id), id);
    with_memories(options, &vectors, memory, |world| {
        for (order, direction) in orders() {
            for filter in filters() {
                let wanted = sorted(&world.notes, filter.clone(), order, direction);
                for most in [1 + rng.below(9) as usize, 100, wanted.len().max(1)] {
                    let got = joined(|| {
                        let list = world.notes.list().filter(filter.clone());
                        list.order(order, direction).limit(most)
                    });
                    assert_eq!(got, wanted, "{world}: {order:?} {direction:?} {filter:?} {most}");
                }
                let count = world.notes.count(filter).unwrap();
                assert_eq!(count, wanted.len() as u64, "{world}");
            }
        }
    });
}

/// All memories of one batch are made at the same time.
#[test]
fn a_batch_keeps_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2)).unwrap();
    let ids = [5u64, 3, 9, 1];
    let batch = |ids: &[u64]| {
        let memories = ids.iter().map(|id| Memory::new(*id, [0.0, 1.0]));
        notes.apply(memories.collect::<Batch>()).unwrap();
    };
    batch(&ids);
    let listed = |list: altiplano::List<'_>| -> Vec<u64> {
        let page = list.run().unwrap();
        page.into_iter().map(|memory| memory.id.as_u128() as u64).collect()
    };
    for _ in 0..2 {
        assert_eq!(listed(notes.list().oldest_first()), ids);
        assert_eq!(listed(notes.list()), [1, 9, 3, 5]);
        assert_eq!(listed(notes.list().newest_first().limit(2)), [1, 9]);
        notes.compact().unwrap();
    }
    // A memory that is written again is the newest.
    batch(&[3]);
    assert_eq!(listed(notes.list().oldest_first()), [5, 9, 1, 3]);
}

#[test]
fn shorthands_are_filters() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", super::world::options()).unwrap();
    let mut rng = Rng(8);
    notes.apply((0..300).map(|id| random(&mut rng, id)).collect::<Batch>()).unwrap();
    let order = (Order::Created, Direction::Descending);
    for compact in [false, true] {
        if compact {
            notes.compact().unwrap();
        }
        let filter = Filter::namespace("u:1/chat")
            & Filter::session("s2")
            & Filter::kind("turn")
            & Filter::tag("t0")
            & Filter::created(Timestamp::EPOCH..);
        let list = notes.list().namespace("u:1/chat").session("s2").kind("turn").tag("t0");
        let page = list.created(Timestamp::EPOCH..).fields(Fields::All).run().unwrap();
        let wanted = sorted(&notes, filter, order.0, order.1);
        assert!(!wanted.is_empty());
        assert_eq!((page.memories, page.next), (wanted, None));
    }
}

#[test]
fn fields_are_those_that_were_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2)).unwrap();
    let whole = Memory::new(7u64, [0.5, 1.0])
        .text("likes tea")
        .bytes([1, 2])
        .session("s")
        .tag("food")
        .metadata_json("{\"a\":1}")
        .created_at(START);
    notes.insert(whole.clone()).unwrap();
    for _ in 0..2 {
        let one = |fields| {
            let [memory] = &notes.list().fields(fields).run().unwrap().memories[..] else {
                panic!("one memory");
            };
            assert_eq!(memory.seq(), notes.get(7u64).unwrap().unwrap().seq());
            memory.clone()
        };
        let stored = notes.get(7u64).unwrap().unwrap();
        let without = |change: &dyn Fn(&mut Memory)| {
            let mut memory = stored.clone();
            change(&mut memory);
            memory
        };
        assert_eq!(one(Fields::All), stored);
        let no_vector = |memory: &mut Memory| memory.vector.clear();
        assert_eq!(one(Fields::Payload), without(&no_vector));
        let attributes = without(&|memory| {
            no_vector(memory);
            (memory.text, memory.bytes) = (None, None);
        });
        assert_eq!(one(Fields::Attributes), attributes);
        assert_eq!(attributes.metadata_as_json(), Some("{\"a\":1}"));
        let none = one(Fields::None);
        assert_eq!((none.id, none.text, none.session), (7u64.into(), None, None));
        // A search knows the same fields.
        let hits = notes.search(&[0.5, 1.0]).fields(Fields::Attributes).run().unwrap();
        assert_eq!(hits[0].memory.as_ref(), Some(&attributes));
        notes.compact().unwrap();
    }
}

/// A list must not need what it does not return.
#[test]
fn a_list_reads_no_vector() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = Store::open(&path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2)).unwrap();
    let memories = (0..300u64).map(|id| Memory::new(id, [1234.5, id as f32]).session("s"));
    notes.apply(memories.collect::<Batch>()).unwrap();
    notes.compact().unwrap();
    drop(notes);
    store.close().unwrap();
    let mut damaged = 0;
    for name in crate::common::file_names(&path).iter().filter(|name| name.starts_with("seg-")) {
        let file = path.join(name);
        let mut bytes = std::fs::read(&file).unwrap();
        let places: Vec<usize> =
            memchr::memmem::find_iter(&bytes, &1234.5f32.to_le_bytes()).collect();
        damaged += places.len();
        places.into_iter().for_each(|at| bytes[at] ^= 1);
        std::fs::write(&file, bytes).unwrap();
    }
    assert_eq!(damaged, 300);
    let store = Store::open(&path).unwrap();
    let notes = store.get_collection("notes").unwrap();
    assert!(notes.get(7u64).is_err());
    assert_eq!(notes.list().session("s").limit(20).run().unwrap().memories.len(), 20);
    assert_eq!(notes.recent("s", altiplano::Window::turns(3)).unwrap().len(), 3);
    assert!(notes.list().fields(Fields::All).run().is_err());
}
