//! Owns rows with names, in every state that rows can have, and the whole list of results.

use altiplano::{Collection, CollectionOptions, Hit, Memory, Metric};
use bench_tools::vectors::Vectors;

use crate::common::{Rng, clustered};
use crate::metamorphic::world::{World, with_memories};

pub(crate) const ROWS: usize = 900;
pub(crate) const DIMENSION: usize = 8;
pub(crate) const METRICS: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::Dot];

/// Returns a memory that shares its names with others. Sessions have unlike sizes: `s0` has two of
/// three memories that have a session, and some have one memory only. The rows of a cluster are in
/// one session, so the nearest are often of one group.
pub(crate) fn memory(id: u64, vector: &[f32]) -> Memory {
    let mut rng = Rng(id);
    let mut memory = Memory::new(id, vector).text(format!("text {id}"));
    memory = match id % 10 {
        0..=5 => memory.session("s0"),
        6 => memory.session(format!("s{}", 1 + rng.below(8))),
        7 => memory.session(format!("only {id}")),
        _ => memory,
    };
    if !id.is_multiple_of(3) {
        memory = memory.namespace(format!("u:{}", id % 7)).kind("note");
    }
    if id.is_multiple_of(50) {
        memory = memory.key(format!("k{}", id % 4));
    }
    memory.tag(if id.is_multiple_of(2) { "even" } else { "odd" })
}

/// Runs `check` in every state.
pub(crate) fn in_every_state(metric: Metric, check: impl FnMut(&World)) {
    let data: Vec<f32> =
        (0..ROWS as u64).flat_map(|id| clustered(id, DIMENSION, 10, 0.3)).collect();
    let rows = Vectors { dim: DIMENSION, data };
    with_memories(CollectionOptions::new(DIMENSION, metric), &rows, memory, check);
}

/// Returns a query near some of the rows.
pub(crate) fn query(i: u64) -> Vec<f32> {
    clustered(10_000 + i, DIMENSION, 10, 0.3)
}

/// Returns every memory with its exact distance, nearest first.
pub(crate) fn everything(notes: &Collection, query: &[f32]) -> Vec<Hit> {
    let hits = notes.search(query).k(10 * ROWS).exact().run().unwrap();
    assert_eq!(hits.len(), ROWS);
    hits
}
