//! Owns the search of a graph: greedy descent through the upper levels, then `search_level` at level
//! 0 (algorithms 2 and 5 of the paper).
//!
//! Nodes that are not accepted are traversed like any other and never take a place among the
//! results (I12): the search goes on until the nearest node not yet expanded is farther than the
//! worst of a full set of accepted ones. No allocation per query: `Scratch` is reused.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::graph::{Graph, Level};
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

/// Orders candidates by distance, then by node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nearest(pub(super) Candidate);

impl Eq for Nearest {}

impl Ord for Nearest {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (a, b) = (self.0, other.0);
        a.distance.total_cmp(&b.distance).then_with(|| a.node.cmp(&b.node))
    }
}

impl PartialOrd for Nearest {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The buffers of a search, kept between searches.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The search in which each node was last seen.
    seen: Vec<u32>,
    epoch: u32,
    frontier: BinaryHeap<Reverse<Nearest>>,
    results: BinaryHeap<Nearest>,
    batch: Vec<u32>,
    sorted: Vec<Candidate>,
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
        &self.sorted
    }

    /// Forgets which nodes were seen, in O(1) but once in four billion searches.
    fn begin(&mut self, nodes: u32) {
        if self.seen.len() < nodes as usize {
            self.seen.resize(nodes as usize, 0);
        }
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.seen.fill(0);
            self.epoch = 1;
        }
        self.frontier.clear();
        self.results.clear();
        self.sorted.clear();
        let hidden = std::mem::take(&mut self.hidden);
        for node in &hidden {
            self.first_sight(*node);
        }
        self.hidden = hidden;
    }

    /// Marks a node as seen; true the first time. A node out of range counts as seen.
    #[inline]
    fn first_sight(&mut self, node: u32) -> bool {
        match self.seen.get_mut(node as usize) {
            Some(epoch) if *epoch != self.epoch => {
                *epoch = self.epoch;
                true
            }
            _ => false,
        }
    }
}

/// Searches for the `ef` nearest accepted nodes; they are left in `scratch`. At most `limit`
/// distances are measured.
pub(crate) fn search(
    graph: &Graph<'_>,
    codes: &CodeRows<'_>,
    query: &Query,
    ef: usize,
    accept: &mut Accept<'_>,
    limit: usize,
    scratch: &mut Scratch,
) -> SearchInfo {
    let mut info = SearchInfo::default();
    scratch.begin(graph.nodes);
    if ef == 0 || graph.entry >= graph.nodes || graph.levels.is_empty() {
        return info;
    }
    let mut nearest =
        Candidate { distance: query.distance(codes.row(graph.entry)), node: graph.entry };
    info.evaluations += 1;
    for level in graph.levels.iter().skip(1).rev() {
        descend(level, codes, query, &mut nearest, &mut info);
    }
    search_level(&graph.levels[0], codes, query, nearest, ef, accept, limit, scratch, &mut info);
    scratch.sorted.extend(scratch.results.drain().map(|n| n.0));
    scratch.sorted.sort_unstable_by_key(|c| Nearest(*c));
    info
}

/// Moves to the nearest neighbor for as long as there is a nearer one: algorithm 2 with ef = 1.
fn descend(
    level: &Level<'_>,
    codes: &CodeRows<'_>,
    query: &Query,
    nearest: &mut Candidate,
    info: &mut SearchInfo,
) {
    loop {
        let before = nearest.node;
        info.hops += 1;
        for &node in level.neighbors(before) {
            // A damaged list may name what is no node.
            if node as usize >= codes.len() {
                continue;
            }
            let distance = query.distance(codes.row(node));
            info.evaluations += 1;
            if distance < nearest.distance {
                *nearest = Candidate { distance, node };
            }
        }
        if nearest.node == before {
            return;
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the paper's algorithm 2 with its scratch and cost")]
fn search_level(
    level: &Level<'_>,
    codes: &CodeRows<'_>,
    query: &Query,
    entry: Candidate,
    ef: usize,
    accept: &mut Accept<'_>,
    limit: usize,
    scratch: &mut Scratch,
    info: &mut SearchInfo,
) {
    scratch.first_sight(entry.node);
    scratch.frontier.push(Reverse(Nearest(entry)));
    if accept(entry.node) {
        scratch.results.push(Nearest(entry));
    }
    while let Some(Reverse(Nearest(current))) = scratch.frontier.pop() {
        let full = scratch.results.len() >= ef;
        if full && scratch.results.peek().is_some_and(|w| current.distance > w.0.distance) {
            return;
        }
        if info.evaluations >= limit {
            info.capped = true;
            return;
        }
        info.hops += 1;
        let mut batch = std::mem::take(&mut scratch.batch);
        batch.clear();
        for &node in level.neighbors(current.node) {
            if scratch.first_sight(node) {
                codes.prefetch(node);
                batch.push(node);
            }
        }
        for &node in &batch {
            let distance = query.distance(codes.row(node));
            consider(Candidate { distance, node }, ef, accept, scratch);
        }
        info.evaluations += batch.len();
        scratch.batch = batch;
    }
}

/// Takes a node into the frontier, and into the results if it is accepted, unless it is too far.
#[inline]
fn consider(candidate: Candidate, ef: usize, accept: &mut Accept<'_>, scratch: &mut Scratch) {
    let full = scratch.results.len() >= ef;
    if full && scratch.results.peek().is_some_and(|w| candidate.distance >= w.0.distance) {
        return;
    }
    scratch.frontier.push(Reverse(Nearest(candidate)));
    if accept(candidate.node) {
        if full {
            scratch.results.pop();
        }
        scratch.results.push(Nearest(candidate));
    }
}
