//! Owns algorithm 2 of the paper, the search of one level, over lists and measures of any kind: of a
//! stored graph for a query, of a draft for a row that is inserted.
//!
//! Nodes that are not accepted are traversed like any other and never take a place among the
//! results (I12): the search goes on until the nearest node not yet expanded is farther than the
//! worst of a full set of accepted ones. No allocation per search: `Scratch` is reused.
//!
//! The accepted nodes are one sorted array, in which the expanded ones are marked: most nodes that
//! are measured are too far to enter it, and one that enters moves less than a cache line or two.
//! Nodes that are not accepted wait in a heap of their own.
//!
//! A search waits for memory more than it computes. So neighbors are worked on in batches of a size, from
//! as many lists as that takes, and two batches are under way: while the neighbors of one, as far as the
//! first look let them pass, are measured by their whole codes, the first lines of the next one's come in.
//! Nodes are expanded a little earlier for that than algorithm 2 would; it costs about one evaluation in
//! fifty and takes a fifth of the time off.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pool::{Nearest, Pool, Seen};
use crate::index::top::Candidate;
use crate::vector::codes::Measure;

/// Neighbors of a batch, unless the last list brings more.
const BATCH: usize = 16;

/// Lists that are asked for ahead.
const LISTS_AHEAD: usize = 3;

/// Standard deviations by which a first look may be off before a node is missed. Those that are missed
/// lie at the edge of the beam and hardly ever lead on: with half as many recall falls by .003 where it is
/// .95, with one and a half it is the same.
const DEVIATIONS: f32 = 1.0;

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SearchInfo {
    /// Nodes whose distance was measured, or found to be too large at first look.
    pub(crate) evaluations: usize,
    /// Nodes whose neighbors were looked at.
    pub(crate) hops: usize,
    /// Whether the limit on evaluations ended the search.
    pub(crate) capped: bool,
}

/// The lists of neighbors of one level.
pub(super) trait Lists {
    /// The neighbors of a node; there may be what is no node at the end.
    fn listed(&self, node: u32) -> &[u32];

    /// Asks for the list of a node that is looked at soon.
    fn prefetch(&self, node: u32);
}

/// The buffers of a search, kept between searches.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) seen: Seen,
    /// Accepted nodes.
    pub(super) pool: Pool,
    /// Nodes that are not accepted and not yet expanded.
    waypoints: BinaryHeap<Reverse<Nearest>>,
    pub(super) batch: Vec<u32>,
    /// The batch before, as far as it passed the first look.
    passed: Vec<u32>,
    pub(super) distances: Vec<f32>,
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

    pub(super) fn begin(&mut self, nodes: u32, ef: usize) {
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

/// Algorithm 2.
pub(super) struct LevelSearch<'a, L, M> {
    pub(super) lists: &'a L,
    pub(super) measure: &'a M,
    /// Evaluations, about, after which it ends.
    pub(super) limit: usize,
}

impl<L: Lists, M: Measure> LevelSearch<'_, L, M> {
    /// Searches from these nodes on, after [`Scratch::begin`]. The results are left in `scratch`.
    pub(super) fn run<A: FnMut(u32) -> bool + ?Sized>(
        &self,
        entries: &[Candidate],
        accept: &mut A,
        info: &mut SearchInfo,
        scratch: &mut Scratch,
    ) {
        for entry in entries {
            scratch.seen.first_sight(entry.node);
            self.consider(*entry, accept, scratch);
        }
        let mut batch = std::mem::take(&mut scratch.batch);
        let mut passed = std::mem::take(&mut scratch.passed);
        let mut distances = std::mem::take(&mut scratch.distances);
        passed.clear();
        loop {
            self.next_batch(&mut batch, info, scratch);
            if batch.is_empty() && passed.is_empty() {
                break;
            }
            self.measure.ask(&batch);
            self.measure.distances(&passed, &mut distances);
            for (&node, &distance) in passed.iter().zip(&distances) {
                self.consider(Candidate { distance, node }, accept, scratch);
            }
            self.measure.sift(scratch.pool.bound(), DEVIATIONS, &mut batch, &mut distances);
            std::mem::swap(&mut batch, &mut passed);
        }
        (scratch.batch, scratch.passed, scratch.distances) = (batch, passed, distances);
        scratch.pool.finish();
    }

    /// Expands the nearest nodes until their neighbors, as far as they were not met, make up a batch.
    #[inline]
    fn next_batch(&self, batch: &mut Vec<u32>, info: &mut SearchInfo, scratch: &mut Scratch) {
        batch.clear();
        if info.evaluations >= self.limit {
            info.capped = true;
            return;
        }
        while batch.len() < BATCH
            && let Some(node) = scratch.expand()
        {
            info.hops += 1;
            scratch.seen.first_sights(self.lists.listed(node), batch);
        }
        info.evaluations += batch.len();
        for node in scratch.pool.upcoming(LISTS_AHEAD) {
            self.lists.prefetch(node);
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
            self.lists.prefetch(candidate.node);
        }
    }
}
