//! Owns random memories with many ties and gaps in their attributes, the order that lists must
//! have, and ways to read a whole list.

use std::cmp::Ordering;
use std::time::Duration;

use altiplano::{
    Collection, CollectionOptions, Direction, Fields, Filter, List, Memory, Metric, Order, Page,
    Timestamp,
};

use crate::common::{Rng, START, vector};

pub(crate) const DIMENSION: usize = 4;

pub(crate) const ORDERS: [Order; 4] =
    [Order::Created, Order::EventTime, Order::Importance, Order::Key];
pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Ascending, Direction::Descending];

/// Returns every order in both directions.
pub(crate) fn orders() -> impl Iterator<Item = (Order, Direction)> {
    ORDERS.into_iter().flat_map(|order| DIRECTIONS.map(|direction| (order, direction)))
}

pub(crate) fn options() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2).memtable_rows(64)
}

/// Returns a memory whose attributes many others share.
pub(crate) fn random(rng: &mut Rng, id: u64) -> Memory {
    let mut memory = Memory::new(id, vector(id, DIMENSION)).text(format!("text {id}"));
    // Some are made before 1970, some at the same time.
    let later = [0, 1, 1, 2, 50][rng.below(5) as usize];
    let earlier = [0, 2_000_000_000_000][rng.below(2) as usize];
    let made = Timestamp::from_millis(START.as_millis() + later - earlier);
    memory = memory.created_at(made).importance(rng.below(5) as f32 / 4.0);
    if rng.below(3) > 0 {
        memory = memory.event_time(Timestamp::from_millis(rng.below(7) as i64 - 3));
    }
    if rng.below(3) > 0 {
        memory = memory.key(["a", "aa", "b", "ü", ""][rng.below(5) as usize]);
    }
    if rng.below(4) > 0 {
        let all = ["u:1", "u:1/chat", "u:1/chat/x", "u:2", "u:22"];
        memory = memory.namespace(all[rng.below(5) as usize]);
    }
    if rng.below(4) > 0 {
        memory = memory.session(format!("s{}", rng.below(4)));
    }
    if rng.below(4) > 0 {
        memory = memory.kind(["turn", "summary"][rng.below(2) as usize]);
    }
    for tag in 0..rng.below(4) {
        memory = memory.tag(format!("t{}", tag * rng.below(3)));
    }
    if rng.below(5) == 0 {
        memory = memory.ttl(Duration::from_secs(1 + rng.below(600)));
    }
    memory
}

/// Compares two memories as a list must.
pub(crate) fn compare(a: &Memory, b: &Memory, order: Order, direction: Direction) -> Ordering {
    let turned = |ordering: Ordering| match direction {
        Direction::Descending => ordering.reverse(),
        _ => ordering,
    };
    fn values<T: PartialOrd>(a: Option<T>, b: Option<T>) -> (Ordering, bool) {
        match (a, b) {
            (Some(a), Some(b)) => (a.partial_cmp(&b).unwrap(), true),
            // One without the attribute comes last in both directions.
            (a, b) => (b.is_some().cmp(&a.is_some()), false),
        }
    }
    let (by_value, turns) = match order {
        Order::Created => values(a.created_at, b.created_at),
        Order::EventTime => values(a.event_time, b.event_time),
        Order::Importance => values(Some(a.importance), Some(b.importance)),
        _ => values(a.key.as_ref(), b.key.as_ref()),
    };
    let by_value = if turns { turned(by_value) } else { by_value };
    by_value.then_with(|| turned(a.seq().cmp(&b.seq())))
}

/// Returns what matches, sorted.
pub(crate) fn sorted(
    notes: &Collection,
    filter: Filter,
    order: Order,
    direction: Direction,
) -> Vec<Memory> {
    let mut all: Vec<Memory> = notes.scan(filter).map(Result::unwrap).collect();
    all.sort_by(|a, b| compare(a, b, order, direction));
    all
}

/// Returns all pages of a list joined. `configure` sets everything but the position.
pub(crate) fn joined<'a>(mut configure: impl FnMut() -> List<'a>) -> Vec<Memory> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let Page { memories, next, .. } =
            configure().fields(Fields::All).after(after).run().unwrap();
        assert!(next.is_none() || !memories.is_empty(), "an empty page is followed by another");
        all.extend(memories);
        after = next;
        if after.is_none() {
            return all;
        }
    }
}
