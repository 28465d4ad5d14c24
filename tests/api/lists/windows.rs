//! Windows over the newest memories of a session.

use altiplano::{Batch, Collection, Fields, Memory, Window};

use super::world::{DIMENSION, options};
use crate::common::{manual, vector};

const SESSION: u64 = 200;

fn memory(id: u64) -> Memory {
    Memory::new(id, vector(id, DIMENSION)).text("x".repeat(id as usize % 9))
}

/// Fills a collection with a session between others. Every third memory has its number of tokens.
fn fill(notes: &Collection) {
    for first in (0..SESSION).step_by(10) {
        let turns = (first..first + 10).flat_map(|id| {
            let turn = memory(id).session("s");
            let turn = if id % 3 == 0 { turn.tokens(5) } else { turn };
            [turn, memory(10_000 + id).session("other")]
        });
        notes.apply(turns.collect::<Batch>()).unwrap();
    }
}

/// Returns the tokens that a turn counts, as the documentation says.
fn tokens(id: u64) -> u64 {
    if id.is_multiple_of(3) { 5 } else { (id % 9).div_ceil(4) }
}

fn ids(memories: Vec<Memory>) -> Vec<u64> {
    memories.into_iter().map(|memory| memory.id.as_u128() as u64).collect()
}

#[test]
fn a_window_takes_the_newest_in_order_of_creation() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    fill(&notes);
    for _ in 0..2 {
        for n in [0, 1, 7, 63, 64, 65, 199, 200, 201, usize::MAX] {
            let first = SESSION.saturating_sub(n as u64);
            let got = ids(notes.recent("s", Window::turns(n)).unwrap());
            assert_eq!(got, (first..SESSION).collect::<Vec<_>>(), "{n} turns");
        }
        let total: u64 = (0..SESSION).map(tokens).sum();
        for budget in (0..60).chain([150, 200, total - 1, total, total + 1, u64::MAX]) {
            let (mut left, mut first) = (budget, SESSION);
            while first > 0 && tokens(first - 1) <= left {
                first -= 1;
                left -= tokens(first);
            }
            for fields in [Fields::Payload, Fields::Attributes, Fields::All, Fields::None] {
                let list = notes.list().session("s").fields(fields);
                let got = ids(list.recent(Window::tokens(budget)).unwrap());
                assert_eq!(got, (first..SESSION).collect::<Vec<_>>(), "{budget} tokens");
            }
        }
        assert!(notes.recent("nobody", Window::tokens(100)).unwrap().is_empty());
        // The order, limit and cursor of the list have no effect.
        let cursor = notes.list().limit(1).run().unwrap().next;
        let list = notes.list().session("s").oldest_first().limit(1).after(cursor);
        assert_eq!(ids(list.recent(Window::turns(2)).unwrap()), [198, 199]);
        notes.compact().unwrap();
    }
    let turn = &notes.recent("s", Window::turns(1)).unwrap()[0];
    assert!(turn.vector.is_empty() && turn.text.is_some());
}
