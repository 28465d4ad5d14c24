//! Pages of a collection that changes between them: no memory comes twice, and none is left out
//! that was there all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::time::Duration;

use altiplano::{
    Background, Batch, Collection, Direction, Filter, ManualClock, Memory, Order, Store,
    StoreOptions,
};

use super::world::{compare, options, orders, random, sorted};
use crate::common::size::{seed, sized};
use crate::common::{Rng, START, contents, settle, with_clock};

/// Changes a collection in some way. Returns the ids that were written or deleted.
fn change(store: &Store, notes: &Collection, clock: &ManualClock, rng: &mut Rng) -> BTreeSet<u64> {
    let mut touched = BTreeSet::new();
    let batch = (0..rng.below(20)).fold(Batch::new(), |batch, _| {
        let id = rng.below(400);
        touched.insert(id);
        if rng.below(3) == 0 { batch.delete(id) } else { batch.insert(random(rng, id)) }
    });
    notes.apply(batch).unwrap();
    match rng.below(6) {
        0 => drop(notes.compact().unwrap()),
        1 => settle(store),
        2 => clock.advance(Duration::from_secs(rng.below(120))),
        _ => {}
    }
    touched
}

/// Reads a list page by page while it changes.
fn read_while_it_moves(rng: &mut Rng, filter: &Filter, (order, direction): (Order, Direction)) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    notes.apply((0..300).map(|id| random(rng, id)).collect::<Batch>()).unwrap();
    let first = sorted(&notes, filter.clone(), order, direction);
    let mut still: BTreeMap<u64, Memory> =
        first.into_iter().map(|memory| (memory.id.as_u128() as u64, memory)).collect();
    let (mut listed, mut after): (Vec<Memory>, _) = (Vec::new(), None);
    loop {
        let list = notes.list().filter(filter.clone()).order(order, direction);
        let page = list.limit(1 + rng.below(40) as usize).after(after).run().unwrap();
        let visible = contents(&notes);
        for memory in page.memories {
            assert_eq!(visible[&memory.id].seq(), memory.seq(), "it is not there");
            listed.push(memory);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
        let touched = change(&store, &notes, &clock, rng);
        let visible = contents(&notes);
        still.retain(|id, _| !touched.contains(id) && visible.contains_key(&(*id).into()));
    }
    for pair in listed.windows(2) {
        let ordering = compare(&pair[0], &pair[1], order, direction);
        assert!(ordering.is_lt(), "{order:?} {direction:?}: {pair:?}");
    }
    let seqs: BTreeSet<Option<u64>> = listed.iter().map(Memory::seq).collect();
    assert_eq!(seqs.len(), listed.len(), "a memory came twice");
    for (id, memory) in still {
        assert!(seqs.contains(&memory.seq()), "{order:?} {direction:?}: {id} is left out");
    }
}

#[test]
fn pages_lose_and_repeat_nothing_while_the_collection_changes() {
    let mut rng = Rng(seed(11));
    for _ in 0..sized("lists that move", 2, 25, 500) {
        for by in orders() {
            for filter in [Filter::All, Filter::session("s1") | Filter::tag("t0")] {
                read_while_it_moves(&mut rng, &filter, by);
            }
        }
    }
}

/// The same with threads that write and compact.
#[test]
fn pages_beside_writers_lose_and_repeat_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options_of_store = StoreOptions::new().background(Background::Auto);
    let store = options_of_store.open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    let durability = altiplano::Durability::buffered(Duration::from_secs(3600));
    // Memories whose ids are even stay. They are as old as those that come and go.
    let mut rng = Rng(5);
    let batch = (0..600).map(|id| random(&mut rng, id).never_expires());
    notes.apply_with(batch.collect::<Batch>(), durability).unwrap();
    let wanted: BTreeSet<u64> = (0..600).step_by(2).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = Rng(6);
            while !done.load(Atomic::Acquire) {
                let batch = (0..50).fold(Batch::new(), |batch, _| {
                    let id = 2 * rng.below(300) + 1;
                    if rng.below(2) == 0 {
                        batch.delete(id)
                    } else {
                        batch.insert(random(&mut rng, id))
                    }
                });
                notes.apply_with(batch, durability).unwrap();
                if rng.below(40) == 0 {
                    notes.compact().unwrap();
                }
            }
        });
        for round in 0..sized("rounds of lists", 5, 40, 400) {
            for (order, direction) in orders() {
                let (mut listed, mut after): (Vec<Memory>, _) = (Vec::new(), None);
                loop {
                    let list = notes.list().order(order, direction).limit(37);
                    let page = list.after(after).run().unwrap();
                    listed.extend(page.memories);
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                let is_sorted = listed.is_sorted_by(|a, b| compare(a, b, order, direction).is_lt());
                let ids: Vec<u64> = listed.iter().map(|m| m.id.as_u128() as u64).collect();
                let still: BTreeSet<u64> = ids.iter().copied().filter(|id| id % 2 == 0).collect();
                let evens = ids.iter().filter(|id| *id % 2 == 0).count();
                if !is_sorted || still != wanted || evens != wanted.len() {
                    done.store(true, Atomic::Release);
                    panic!("round {round}, {order:?} {direction:?}: {ids:?}");
                }
            }
        }
        done.store(true, Atomic::Release);
    });
}
