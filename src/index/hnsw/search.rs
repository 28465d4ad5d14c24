//! Owns the search of a graph: greedy descent through the upper levels, then `search_level` at
//! level 0 (algorithm 5 of the paper).

use super::graph::{Graph, Level};
use super::pool::MAX_NODES;
use super::search_level::{LevelSearch, Lists, Scratch, SearchInfo};
use crate::index::top::Candidate;
use crate::vector::codes::Measure;

/// Returns whether a node may be a result; called at most once per node.
pub(crate) type Accept<'a> = dyn FnMut(u32) -> bool + 'a;

/// Searches for the `ef` nearest accepted nodes and leaves them in `scratch`. Without `accept`,
/// every node is accepted. Measures at most about `limit` distances.
pub(crate) fn search(
    graph: &Graph<'_>,
    measure: &impl Measure,
    ef: usize,
    accept: Option<&mut Accept<'_>>,
    limit: usize,
    scratch: &mut Scratch,
) -> SearchInfo {
    let mut info = SearchInfo::default();
    scratch.begin(graph.nodes, ef);
    if ef == 0 || graph.entry >= graph.nodes || graph.nodes > MAX_NODES {
        return info;
    }
    let Some((lists, upper)) = graph.levels.split_first() else {
        return info;
    };
    measure.distances(&[graph.entry], &mut scratch.distances);
    let distance = scratch.distances.first().copied().unwrap_or(f32::INFINITY);
    let mut nearest = Candidate { distance, node: graph.entry };
    info.evaluations += 1;
    for level in upper.iter().rev() {
        descend(level, graph.nodes, measure, &mut nearest, &mut info, scratch);
    }
    let search = LevelSearch { lists, measure, limit };
    match accept {
        None => search.run(&[nearest], &mut |_| true, &mut info, scratch),
        Some(accept) => search.run(&[nearest], accept, &mut info, scratch),
    }
    info
}

/// Moves to the nearest neighbor while one is nearer: algorithm 2 with `ef` = 1.
pub(super) fn descend(
    lists: &impl Lists,
    nodes: u32,
    measure: &impl Measure,
    nearest: &mut Candidate,
    info: &mut SearchInfo,
    scratch: &mut Scratch,
) {
    let Scratch { batch, distances, .. } = scratch;
    loop {
        let before = nearest.node;
        info.hops += 1;
        batch.clear();
        // A damaged list may contain numbers that are no nodes.
        batch.extend(lists.listed(before).iter().filter(|n| **n < nodes));
        measure.distances(batch, distances);
        info.evaluations += batch.len();
        for (&node, &distance) in batch.iter().zip(distances.iter()) {
            if distance < nearest.distance {
                *nearest = Candidate { distance, node };
            }
        }
        if nearest.node == before {
            return;
        }
    }
}

impl Lists for Level<'_> {
    #[inline]
    fn listed(&self, node: u32) -> &[u32] {
        Level::listed(self, node)
    }

    #[inline]
    fn prefetch(&self, node: u32) {
        Level::prefetch(self, node);
    }
}
