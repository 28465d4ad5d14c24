//! Owns the facts that the policy decides on: a collection's segments and indexes, and for how many
//! rows a graph pays. Changes nothing.

use crate::compaction::policy::{
    self, Eagerness, GraphRows, IndexFacts, IndexStep, RowStep, SegmentFacts,
};
use crate::engine::Engine;
use crate::error::Result;
use crate::index::heap_bytes_per_row;
use crate::segment::Rows;
use crate::snapshot::state::CollectionState;
use crate::snapshot::{IndexPart, Snapshot};

/// Returns the facts about the segments.
pub(super) fn segment_facts(
    engine: &Engine,
    core: &CollectionState,
    snapshot: &Snapshot,
) -> Result<Vec<SegmentFacts>> {
    let now = engine.time.plausible_now();
    let analyzer = core.options().analyzer();
    let dead = core.deaths.look(snapshot, now)?;
    let facts = snapshot.segments.iter().zip(dead).map(|(part, dead)| SegmentFacts {
        file: part.sealed.file,
        bytes: part.sealed.segment.len(),
        rows: u64::from(part.sealed.segment.rows()),
        dead: dead.rows,
        reclaim_by: dead.since.map(|since| since + engine.background.reclaim_within()),
        // Damage is found where the words are used. No rewrite may hide it.
        other_words: !part.sealed.segment.has_words_by(analyzer).unwrap_or(true),
        changed: u64::from(part.changes.rows()),
    });
    Ok(facts.collect())
}

/// Returns the facts about the indexes, and the number of live rows that no index covers.
pub(super) fn index_facts(core: &CollectionState, snapshot: &Snapshot) -> (Vec<IndexFacts>, u64) {
    let facts = snapshot.indexes.iter().map(|part| IndexFacts {
        file: part.indexed.file,
        nodes: u64::from(part.indexed.index.nodes()),
        live: snapshot.live_nodes(part),
        graph: part.indexed.index.has_graph(),
        degraded: part.indexed.index.degraded() || core.recall.is_degraded(part.indexed.file),
    });
    let uncovered = snapshot.segments.iter().filter(|s| !s.covered);
    (facts.collect(), uncovered.map(|s| u64::from(s.live.live())).sum())
}

/// Returns the next step for the indexes, if there is one.
pub(super) fn next_index_step(
    engine: &Engine,
    core: &CollectionState,
    eagerness: Eagerness,
) -> Option<IndexStep> {
    let (facts, uncovered) = index_facts(core, &core.snapshot());
    policy::plan_index(&facts, uncovered, graph_rows(engine, core), eagerness)
}

/// Returns from how many rows on a graph pays, and for how many rows half of the heap budget
/// suffices to build one.
pub(super) fn graph_rows(engine: &Engine, core: &CollectionState) -> GraphRows {
    let hnsw = core.options().hnsw;
    let a_row = heap_bytes_per_row(core.spec.row_bytes(), usize::from(hnsw.m), hnsw.builder);
    let most = engine.admission.heap().limit().map_or(u64::MAX, |bytes| bytes / 2 / a_row);
    GraphRows { least: u64::from(hnsw.min_rows), most }
}

/// Returns the bytes of the files that a snapshot reads.
pub(super) fn collection_bytes(snapshot: &Snapshot) -> u64 {
    let segments: u64 = snapshot.segments.iter().map(|s| s.sealed.guard.len()).sum();
    let index = |i: &IndexPart| i.indexed.index_guard.len() + i.indexed.locator_guard.len();
    segments + snapshot.indexes.iter().map(index).sum::<u64>()
}

/// Returns the bytes of the inputs of `steps`.
pub(super) fn bytes_of(steps: &[RowStep], facts: &[SegmentFacts]) -> u64 {
    let due = |f: &&SegmentFacts| steps.iter().any(|s| s.inputs.contains(&f.file));
    facts.iter().filter(due).map(|f| f.bytes).sum()
}
