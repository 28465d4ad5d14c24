//! Owns the look at a graph with queries that users asked: what its beams find against what a scan of
//! the same codes finds. After every build, and now and then. What follows is `collection::canary`'s.

use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::metrics::{CanaryStats, Event};

/// Looks at the largest graph of a collection, if it is time to; tells whether it was found worn.
/// O(queries × nodes).
pub(super) fn look(engine: &Engine, core: &Core) -> bool {
    let snapshot = core.snapshot();
    let graphs = snapshot.indexes.iter().filter(|part| part.indexed.index.has_graph());
    let Some(part) = graphs.max_by_key(|part| part.indexed.index.nodes()) else {
        return false;
    };
    let (file, index) = (part.indexed.file, &part.indexed.index);
    let Some(queries) = core.canary.due(file, engine.monotonic()) else {
        return false;
    };
    let asked_for = index.ef_table().usual_ef();
    let asked = queries.len();
    let table = index.measure(queries);
    let stats = CanaryStats {
        index: file.0,
        queries: asked,
        recall: table.recall_at(asked_for),
        at: engine.now(),
        ..CanaryStats::default()
    };
    let table = table.with_mixtures(asked, index.ef_table());
    let stats = core.canary.looked(file, table, stats, engine.monotonic());
    let worn = stats.worn;
    engine.emit(&Event::Canary { collection: core.name.clone(), found: stats });
    worn
}
