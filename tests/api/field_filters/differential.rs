//! Compares filters on random metadata with the plain evaluator, wherever the rows are: in memory,
//! in segments, after a reopening and a replay, in a scan, a search, a delete, and a closure.

use std::collections::BTreeSet;

use altiplano::{Batch, Collection, Memory};
use serde_json::Value;

use super::generate::{Asked, metadata};
use super::{copy_of, open, scanned};
use crate::common::size::{seed, sized};
use crate::common::{Rng, ids};

const ROWS: u64 = 60;
const FILTERS: usize = 420;
/// Filters of a world that delete.
const DELETES: usize = 12;

struct World {
    rows: Vec<(Value, String)>,
    asked: Vec<Asked>,
}

impl World {
    fn new(rng: &mut Rng) -> Self {
        let rows = (0..ROWS).map(|_| metadata(rng)).collect();
        let asked = (0..FILTERS).map(|_| Asked::random(rng, 2)).collect();
        Self { rows, asked }
    }

    fn memory(&self, id: u64) -> Memory {
        let memory = Memory::new(id, [id as f32, 1.0]);
        let memory = if id.is_multiple_of(2) { memory.namespace("even") } else { memory };
        memory.metadata_json(self.rows[id as usize].1.as_str())
    }

    fn fill(&self, notes: &Collection, ids: impl Iterator<Item = u64>) {
        notes.apply(ids.map(|id| self.memory(id)).collect::<Batch>()).unwrap();
    }

    fn wanted(&self, asked: &Asked) -> BTreeSet<u64> {
        (0..ROWS).filter(|id| asked.holds(*id, &self.rows[*id as usize].0)).collect()
    }

    /// Returns the first filter whose answer is wrong somewhere.
    fn check(&self, notes: &Collection, place: &str) {
        for asked in &self.asked {
            let (filter, wanted) = (asked.filter(), self.wanted(asked));
            let wrong = |found: &BTreeSet<u64>| {
                let one = *found.symmetric_difference(&wanted).next().unwrap();
                format!("{place}: {filter:?} of row {one}: {}", self.rows[one as usize].1)
            };
            let found = scanned(notes, &filter);
            assert!(found == wanted, "scan, {}", wrong(&found));
            let query = [7.5, 1.0];
            let search = || notes.search(&query).k(1000);
            let hits = search().filter(filter.clone()).run().unwrap();
            let found = hits.iter().map(|hit| hit.id.as_u128() as u64).collect();
            assert!(found == wanted, "search, {}", wrong(&found));
            let closure = |memory: &Memory| {
                let json: Value = serde_json::from_str(memory.metadata_as_json().unwrap()).unwrap();
                asked.holds(memory.id.as_u128() as u64, &json)
            };
            let hits = search().filter_fn(closure).run().unwrap();
            let found = hits.iter().map(|hit| hit.id.as_u128() as u64).collect();
            assert!(found == wanted, "closure, {}", wrong(&found));
        }
    }
}

#[test]
fn filters_on_fields_mean_the_same_as_the_plain_evaluator_everywhere() {
    let worlds = sized("worlds of 25,200 rows and filters", 1, 5, 100);
    let first = seed(1);
    for number in first..first + worlds {
        let (world, dir) = (World::new(&mut Rng(number)), tempfile::tempdir().unwrap());
        let (path, copy) = (dir.path().join("s"), dir.path().join("copy"));
        let (store, notes) = open(&path);
        world.fill(&notes, 0..ROWS);
        world.check(&notes, &format!("seed {number}, in memory"));
        copy_of(&path, &copy);
        {
            let (_store, notes) = open(&copy);
            world.check(&notes, &format!("seed {number}, replayed"));
        }
        store.compact().unwrap();
        assert_eq!(notes.stats().unwrap().memtable_rows, 0);
        world.check(&notes, &format!("seed {number}, in a segment"));
        assert!(store.verify().unwrap().is_clean());
        // A segment, and newer versions of some rows in memory.
        world.fill(&notes, (0..ROWS).step_by(3));
        world.check(&notes, &format!("seed {number}, in both"));
        store.close().unwrap();
        let (_store, notes) = open(&path);
        world.check(&notes, &format!("seed {number}, opened again"));
    }
}

#[test]
fn deletes_by_fields_take_the_same_rows_and_their_replay_does() {
    let worlds = sized("worlds of deletes", 1, 8, 200);
    let first = seed(100);
    for number in first..first + worlds {
        let mut rng = Rng(number);
        let (world, dir) = (World::new(&mut rng), tempfile::tempdir().unwrap());
        for (n, asked) in world.asked.iter().take(DELETES).enumerate() {
            let (path, copy) = (dir.path().join(n.to_string()), dir.path().join(format!("{n}c")));
            let (store, notes) = open(&path);
            world.fill(&notes, 0..ROWS / 2);
            if n % 2 == 0 {
                store.compact().unwrap();
            }
            world.fill(&notes, ROWS / 2..ROWS);
            let wanted = world.wanted(asked);
            let Ok(deleted) = notes.delete_where(asked.filter()) else {
                // The filter holds for every memory, and does not say so.
                assert_eq!(wanted.len() as u64, ROWS, "{asked:?}");
                continue;
            };
            assert_eq!(deleted, wanted.len() as u64, "seed {number}: {asked:?}");
            let stay: Vec<u64> = (0..ROWS).filter(|id| !wanted.contains(id)).collect();
            assert_eq!(ids(&notes), stay, "seed {number}: {asked:?}");
            copy_of(&path, &copy);
            let (_copied, notes) = open(&copy);
            assert_eq!(ids(&notes), stay, "seed {number}, replayed: {asked:?}");
        }
    }
}
