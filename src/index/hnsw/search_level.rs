//! Owns algorithm 2 of the paper, the search of one level. It works on any lists and distances:
//! those of a stored graph and a query, or of a draft and a row that is inserted.
//!
//! Nodes that are not accepted are traversed like all others, but never take a place among the
//! results (I12). The search goes on until the nearest node not yet expanded is farther than the
//! worst of a full set of accepted nodes. `Scratch` is reused, so a search allocates nothing.
//!
//! The accepted nodes are one sorted array with marks on expanded nodes. Most measured nodes are
//! too far to enter it, and one that enters moves less than a cache line or two. Nodes that are not
//! accepted wait in a heap of their own.
//!
//! A search spends more time waiting for memory than computing. So neighbors are handled in batches
//! of one size, collected from as many lists as that takes, and two batches are in progress at
//! once. While one batch's nodes that passed the sign filter are measured by their whole codes, the
//! first cache lines of the next batch are loaded. So nodes are expanded a little earlier than in
//! algorithm 2. That costs about one distance in fifty and saves a fifth of the time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pool::{Nearest, Pool, Seen};
use crate::index::top::Candidate;
use crate::vector::codes::Measure;

/// Neighbors in a batch, unless the last list has more.
const BATCH: usize = 16;

/// Lists that are prefetched.
const LISTS_AHEAD: usize = 3;

/// Standard deviations of the sign filter's error that are allowed for before a node is rejected.
/// Wrongly rejected nodes lie at the edge of the beam and rarely lead on. At a recall of 0.95, half
/// of this value lowers recall by 0.003, and 1.5 times this value does not raise it.
const DEVIATIONS: f32 = 1.0;

/// The cost of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SearchInfo {
    /// Nodes that were measured or rejected by the sign filter.
    pub(crate) evaluations: usize,
    /// Nodes whose neighbors were visited.
    pub(crate) hops: usize,
    /// Whether `limit` ended the search.
    pub(crate) capped: bool,
}

/// The neighbor lists of one level.
pub(super) trait Lists {
    /// Returns the neighbors of a node. Entries at the end may be no nodes.
    fn listed(&self, node: u32) -> &[u32];

    /// Prefetches the list of a node that is visited soon.
    fn prefetch(&self, node: u32);
}

/// The buffers of a search, reused between searches.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) seen: Seen,
    /// The accepted nodes.
    pub(super) pool: Pool,
    /// Nodes that are not accepted and not yet expanded.
    waypoints: BinaryHeap<Reverse<Nearest>>,
    pub(super) batch: Vec<u32>,
    /// The nodes of the previous batch that passed the sign filter.
    passed: Vec<u32>,
    pub(super) distances: Vec<f32>,
    /// Nodes that searches at level 0 skip as if they did not exist.
    hidden: Vec<u32>,
}

impl Scratch {
    /// Hides nodes from the following searches, as if they had never been inserted.
    pub(crate) fn hide(&mut self, nodes: &[u32]) {
        self.hidden.clear();
        self.hidden.extend_from_slice(nodes);
    }

    /// Returns the results of the last search, nearest first.
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

    /// Returns the nearest node that is not expanded, and marks it as expanded. `None` if it is too
    /// far to lead on.
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
    /// Approximate number of distances after which the search ends.
    pub(super) limit: usize,
}

impl<L: Lists, M: Measure> LevelSearch<'_, L, M> {
    /// Searches from the nodes in `entries`, after [`Scratch::begin`]. Leaves the results in
    /// `scratch`.
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

    /// Expands the nearest nodes until their neighbors that were not met before fill a batch.
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

    /// Adds a node to the pool if it is accepted, and to the waypoints if not. A node that is too
    /// far is dropped.
    #[inline]
    fn consider<A: FnMut(u32) -> bool + ?Sized>(
        &self,
        candidate: Candidate,
        accept: &mut A,
        scratch: &mut Scratch,
    ) {
        // A damaged code may have a NaN distance, which is not nearer than anything.
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
