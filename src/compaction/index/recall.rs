//! Owns the recall measurement of a graph with users' queries: which of their true neighbors, by
//! exact distances, each beam finds. It runs after every build and from time to time.
//! `snapshot::recall` owns the consequences.

use crate::compaction::index::nodes::Place;
use crate::compaction::index::survey::Survey;
use crate::compaction::job::Job;
use crate::error::Result;
use crate::event::Event;
use crate::index::{Kind, Probe, Truth};
use crate::stats::RecallStats;

/// Measures the recall of a collection's largest graph, if that is due. Returns true if the graph
/// has degraded. O(queries × rows × dimension).
pub(in crate::compaction) fn look(job: &Job<'_>) -> Result<bool> {
    let Job { engine, core, .. } = *job;
    let snapshot = core.snapshot();
    let graphs = snapshot.indexes.iter().filter(|part| part.indexed.index.has_graph());
    let Some(part) = graphs.max_by_key(|part| part.indexed.index.nodes()) else {
        return Ok(false);
    };
    let (file, index) = (part.indexed.file, &part.indexed.index);
    let Some(queries) = core.recall.due(file, engine.time.monotonic()) else {
        return Ok(false);
    };
    let asked_for = index.ef_table().default_ef();
    let asked = queries.len();
    let probe = |vector| Probe { kind: Kind::Asked, vector, made_from: Vec::new() };
    let probes = queries.into_iter().map(probe).collect();
    let truths = Survey::of_index(core, &snapshot, part).truths_of(probes, job)?;
    let segments = || (0u32..).zip(part.indexed.locator.segments());
    let node_of = |(file, row): Place| {
        let (slot, _) = segments().find(|(_, segment)| **segment == file)?;
        part.indexed.locator.nodes_of(slot)(row)
    };
    let truths: Vec<Truth<u32>> = truths.iter().map(|truth| truth.renamed(node_of)).collect();
    let is_live = |(segment, row): (u32, u32)| {
        snapshot.segments.get(segment as usize).is_some_and(|s| s.live.is_live(row))
    };
    let table = index.measure(&truths, &|node| part.places(node).any(is_live));
    let stats = RecallStats {
        index: file.0,
        queries: asked,
        recall: table.recall_at(asked_for),
        at: engine.time.now(),
        ..RecallStats::default()
    };
    let table = table.with_mixtures(asked, index.ef_table());
    let stats = core.recall.looked(file, table, stats, engine.time.monotonic());
    let degraded = stats.degraded;
    engine.events.emit(&Event::RecallMeasured { collection: core.name().to_owned(), found: stats });
    Ok(degraded)
}
