//! Owns the search of a graph: greedy descent through the upper levels, then `search_level` at level
//! 0 (algorithms 2 and 5 of the paper).
//!
//! Nodes that are not accepted are traversed like any other and never take a place among the
//! results (I12): the search goes on until the nearest node not yet expanded is farther than the
//! worst of a full set of accepted ones. No allocation per query: `Scratch` is reused.
//!
//! The accepted nodes are one sorted array, in which the expanded ones are marked: most nodes that
//! are measured are too far to enter it, and one that enters moves less than a cache line or two.
//! Nodes that are not accepted wait in a heap of their own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::graph::{Graph, Level};
use super::pool::{MAX_NODES, Nearest, Pool, Seen};
use crate::index::Candidate;
use crate::vector::codes::{CodeRows, Query};

/// Says whether a node may be a result; called at most once for each node.
pub(crate) type Accept<'a> = dyn FnMut(u32) -> bool + 'a;

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SearchInfo {
    /// Distances measured.
    pub(crate) evaluations: usize,
    /// Nodes whose neighbors were looked at.
    pub(crate) hops: usize,
    /// Whether the limit on evaluations ended the search.
    pub(crate) capped: bool,
}

/// The buffers of a search, kept between searches.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    seen: Seen,
    /// Accepted nodes.
    pool: Pool,
    /// Nodes that are not accepted and not yet expanded.
    waypoints: BinaryHeap<Reverse<Nearest>>,
    batch: Vec<u32>,
    distances: Vec<f32>,
    /// Nodes that searches at level 0 behave as if they were not there.
    hidden: Vec<u32>,
}

impl Scratch {
    /// Hides nodes from the searches that follow, as if they had never been inserted.
    pub(crate) fn hide(&mut self, nodes: &[u32]) {
        self.hidden.clear();
        self.hidden.extend_from_slice(nodes);
    }

    /// The results of the last search, nearest first.
    pub(crate) fn results(&self) -> &[Candidate] {
        self.pool.finished()
    }

    fn begin(&mut self, nodes: u32, ef: usize) {
        self.seen.begin(nodes);
        self.pool.begin(ef);
        self.waypoints.clear();
        for &node in &self.hidden {
            self.seen.first_sight(node);
        }
    }

    /// The nearest node that is not expanded, marked as expanded; `None` if it is too far to lead on.
    #[inline]
    fn expand(&mut self) -> Option<u32> {
        if let Some(Reverse(Nearest(waypoint))) = self.waypoints.peek().copied() {
            let nearest = self.pool.nearest().is_none_or(|c| waypoint.distance < c.distance);
            if nearest && waypoint.distance <= self.pool.bound() {
                self.waypoints.pop();
                return Some(waypoint.node);
            }
        }
        self.pool.expand()
    }
}

/// Searches for the `ef` nearest accepted nodes; they are left in `scratch`. Every node is accepted
/// where there is no `accept`. At most about `limit` distances are measured.
pub(crate) fn search(
    graph: &Graph<'_>,
    codes: &CodeRows<'_>,
    query: &Query,
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
    let Some((lowest, upper)) = graph.levels.split_first() else {
        return info;
    };
    let mut nearest =
        Candidate { distance: query.distance(codes.row(graph.entry)), node: graph.entry };
    info.evaluations += 1;
    for level in upper.iter().rev() {
        descend(level, codes, query, &mut nearest, &mut info, scratch);
    }
    let mut search = LevelSearch { level: lowest, codes, query, limit };
    match accept {
        None => search.run(nearest, &mut |_| true, &mut info, scratch),
        Some(accept) => search.run(nearest, accept, &mut info, scratch),
    }
    scratch.pool.finish();
    info
}

/// Moves to the nearest neighbor for as long as there is a nearer one: algorithm 2 with ef = 1.
fn descend(
    level: &Level<'_>,
    codes: &CodeRows<'_>,
    query: &Query,
    nearest: &mut Candidate,
    info: &mut SearchInfo,
    scratch: &mut Scratch,
) {
    let Scratch { batch, distances, .. } = scratch;
    loop {
        let before = nearest.node;
        info.hops += 1;
        batch.clear();
        // A damaged list may name what is no node.
        batch.extend(level.neighbors(before).iter().filter(|n| (**n as usize) < codes.len()));
        query.distances(codes, batch, distances);
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

/// Algorithm 2 at the lowest level.
struct LevelSearch<'a> {
    level: &'a Level<'a>,
    codes: &'a CodeRows<'a>,
    query: &'a Query,
    limit: usize,
}

impl LevelSearch<'_> {
    fn run<A: FnMut(u32) -> bool + ?Sized>(
        &mut self,
        entry: Candidate,
        accept: &mut A,
        info: &mut SearchInfo,
        scratch: &mut Scratch,
    ) {
        scratch.seen.first_sight(entry.node);
        self.consider(entry, accept, scratch);
        while let Some(current) = scratch.expand() {
            if info.evaluations >= self.limit {
                info.capped = true;
                return;
            }
            info.hops += 1;
            let mut batch = std::mem::take(&mut scratch.batch);
            scratch.seen.first_sights(self.level.listed(current), &mut batch);
            // The list of the next node comes in while this one's neighbors are measured.
            if let Some(node) = scratch.pool.upcoming() {
                self.level.prefetch(node);
            }
            let mut distances = std::mem::take(&mut scratch.distances);
            self.query.distances(self.codes, &batch, &mut distances);
            for (&node, &distance) in batch.iter().zip(&distances) {
                self.consider(Candidate { distance, node }, accept, scratch);
            }
            info.evaluations += batch.len();
            (scratch.batch, scratch.distances) = (batch, distances);
        }
    }

    /// Takes a node into the pool if it is accepted, among the waypoints if it is not, unless it is
    /// too far.
    #[inline]
    fn consider<A: FnMut(u32) -> bool + ?Sized>(
        &self,
        candidate: Candidate,
        accept: &mut A,
        scratch: &mut Scratch,
    ) {
        // A damaged code may measure as NaN, which is not nearer than anything.
        let nearer = candidate.distance < scratch.pool.bound();
        if !nearer {
            return;
        }
        if !accept(candidate.node) {
            scratch.waypoints.push(Reverse(Nearest(candidate)));
        } else if scratch.pool.insert(candidate) {
            self.level.prefetch(candidate.node);
        }
    }
}
