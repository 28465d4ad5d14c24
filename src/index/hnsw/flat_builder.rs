//! Owns the crate's own graph builder: insertion one by one (algorithm 1 of the paper) into flat
//! arrays. Deterministic; about `8 m + 8` bytes of heap a row, against 2 KB for `hnsw_rs`. Runs on
//! one thread: it is background work beside readers.
//!
//! Invariants while building: a node's list at level 0 has at most `2 m` entries and `m` above, none
//! twice, never itself; every entry was inserted before or at the same time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::build::{BuildParams, GraphBuilder};
use super::graph::{FlatGraph, FlatLevel, MAX_LEVELS};
use super::search::Nearest;
use super::select::select_neighbors;
use crate::error::Result;
use crate::index::Candidate;
use crate::vector::codes::{CodeRows, Reduction};

/// Rows that are inserted between two looks at whether the build was cancelled.
const CHUNK: u32 = 1024;

/// Builds with flat arrays.
#[derive(Debug)]
pub(crate) struct FlatBuilder;

impl GraphBuilder for FlatBuilder {
    fn name(&self) -> &'static str {
        "flat"
    }

    fn build(&self, codes: &CodeRows<'_>, params: &BuildParams) -> Result<FlatGraph> {
        let mut draft = Draft::new(codes, params);
        for node in 1..codes.len() as u32 {
            if node % CHUNK == 0 {
                params.check()?;
            }
            draft.insert(node);
        }
        Ok(draft.finish())
    }
}

/// A graph that grows.
struct Draft<'a> {
    codes: CodeRows<'a>,
    reduction: Reduction,
    m: usize,
    ef_construction: usize,
    /// Level 0: `2 m` places for each node, of which the first `degrees[node]` are taken.
    neighbors: Vec<u32>,
    degrees: Vec<u16>,
    /// The lists above level 0, for the few nodes that have any.
    upper: HashMap<u32, Vec<Vec<u32>>>,
    entry: u32,
    /// Level of the entry point.
    top: usize,
    /// The insertion in which each node was last seen.
    seen: Vec<u32>,
    epoch: u32,
}

impl<'a> Draft<'a> {
    fn new(codes: &CodeRows<'a>, params: &BuildParams) -> Self {
        let nodes = codes.len();
        let mut draft = Self {
            codes: *codes,
            reduction: Reduction::new(codes),
            m: params.m,
            ef_construction: params.ef_construction,
            neighbors: vec![0; nodes * 2 * params.m],
            degrees: vec![0; nodes],
            upper: HashMap::new(),
            entry: 0,
            top: 0,
            seen: vec![0; nodes],
            epoch: 0,
        };
        draft.top = draft.level_of(0);
        draft.upper.insert(0, vec![Vec::new(); draft.top]);
        draft
    }

    /// The level of a node: exponentially distributed with 1/ln(m) as in section 4 of the paper, from
    /// a hash of the node, so that the same rows give the same graph.
    fn level_of(&self, node: u32) -> usize {
        let mut x = u64::from(node).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let uniform = ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        let level = -(1.0 - uniform).ln() / (self.m as f64).ln();
        (level as usize).min(MAX_LEVELS - 1)
    }

    fn distance(&self, a: u32, b: u32) -> f32 {
        self.codes.pair(&self.reduction, a, b)
    }

    fn list(&self, node: u32, level: usize) -> &[u32] {
        if level == 0 {
            let start = node as usize * 2 * self.m;
            return &self.neighbors[start..start + usize::from(self.degrees[node as usize])];
        }
        self.upper.get(&node).and_then(|lists| lists.get(level - 1)).map_or(&[], Vec::as_slice)
    }

    fn set_list(&mut self, node: u32, level: usize, list: &[u32]) {
        if level == 0 {
            let start = node as usize * 2 * self.m;
            self.neighbors[start..start + list.len()].copy_from_slice(list);
            self.degrees[node as usize] = list.len() as u16;
        } else if let Some(own) = self.upper.get_mut(&node).and_then(|l| l.get_mut(level - 1)) {
            own.clear();
            own.extend_from_slice(list);
        }
    }

    const fn cap(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    /// Algorithm 1: find the place from the top down, link on the way.
    fn insert(&mut self, node: u32) {
        let level = self.level_of(node);
        if level > 0 {
            self.upper.insert(node, vec![Vec::new(); level]);
        }
        let mut entry = Candidate { distance: self.distance(node, self.entry), node: self.entry };
        for above in (level + 1..=self.top).rev() {
            entry = self.descend(node, entry, above);
        }
        let mut entries = vec![entry];
        for depth in (0..=level.min(self.top)).rev() {
            let found = self.search_level(node, &entries, depth);
            let chosen = select_neighbors(&found, self.m, |a, b| self.distance(a, b));
            let list: Vec<u32> = chosen.iter().map(|c| c.node).collect();
            self.set_list(node, depth, &list);
            for neighbor in &chosen {
                self.link_back(neighbor.node, node, neighbor.distance, depth);
            }
            entries = found;
        }
        if level > self.top {
            (self.entry, self.top) = (node, level);
        }
    }

    fn descend(&self, node: u32, mut nearest: Candidate, level: usize) -> Candidate {
        loop {
            let before = nearest.node;
            for &next in self.list(before, level) {
                let distance = self.distance(node, next);
                if distance < nearest.distance {
                    nearest = Candidate { distance, node: next };
                }
            }
            if nearest.node == before {
                return nearest;
            }
        }
    }

    /// Algorithm 2: the `ef_construction` nearest nodes of a level, nearest first.
    fn search_level(&mut self, node: u32, entries: &[Candidate], level: usize) -> Vec<Candidate> {
        self.epoch += 1;
        let ef = self.ef_construction;
        let mut frontier: BinaryHeap<Reverse<Nearest>> = BinaryHeap::with_capacity(ef);
        let mut results: BinaryHeap<Nearest> = BinaryHeap::with_capacity(ef + 1);
        self.seen[node as usize] = self.epoch;
        for &entry in entries {
            self.seen[entry.node as usize] = self.epoch;
            frontier.push(Reverse(Nearest(entry)));
            results.push(Nearest(entry));
        }
        let mut batch: Vec<u32> = Vec::with_capacity(2 * self.m);
        while let Some(Reverse(Nearest(current))) = frontier.pop() {
            let worst = results.peek().map_or(f32::INFINITY, |w| w.0.distance);
            if results.len() >= ef && current.distance > worst {
                break;
            }
            batch.clear();
            batch.extend_from_slice(self.list(current.node, level));
            batch.retain(|next| {
                std::mem::replace(&mut self.seen[*next as usize], self.epoch) != self.epoch
            });
            batch.iter().for_each(|next| self.codes.prefetch(*next));
            for &next in &batch {
                let found = Candidate { distance: self.distance(node, next), node: next };
                let worst = results.peek().map_or(f32::INFINITY, |w| w.0.distance);
                if results.len() < ef || found.distance < worst {
                    frontier.push(Reverse(Nearest(found)));
                    results.push(Nearest(found));
                    if results.len() > ef {
                        results.pop();
                    }
                }
            }
        }
        results.into_sorted_vec().into_iter().map(|n| n.0).collect()
    }

    /// Adds `node` to the list of `host`; a full list is chosen anew by the same rule.
    fn link_back(&mut self, host: u32, node: u32, distance: f32, level: usize) {
        let mut list = self.list(host, level).to_vec();
        if list.contains(&node) {
            return;
        }
        if list.len() < self.cap(level) {
            list.push(node);
            return self.set_list(host, level, &list);
        }
        let mut all: Vec<Candidate> =
            list.iter().map(|&n| Candidate { distance: self.distance(host, n), node: n }).collect();
        all.push(Candidate { distance, node });
        all.sort_unstable_by_key(|c| Nearest(*c));
        let chosen = select_neighbors(&all, self.cap(level), |a, b| self.distance(a, b));
        let list: Vec<u32> = chosen.iter().map(|c| c.node).collect();
        self.set_list(host, level, &list);
    }

    fn finish(self) -> FlatGraph {
        let nodes = self.degrees.len() as u32;
        let levels = (0..=self.top)
            .map(|level| {
                let mut members: Vec<u32> = match level {
                    0 => (0..nodes).collect(),
                    _ => {
                        let has = |(node, lists): (&u32, &Vec<Vec<u32>>)| {
                            (lists.len() >= level).then_some(*node)
                        };
                        self.upper.iter().filter_map(has).collect()
                    }
                };
                members.sort_unstable();
                let mut flat = FlatLevel { offsets: vec![0], ..FlatLevel::default() };
                for &node in &members {
                    flat.neighbors.extend_from_slice(self.list(node, level));
                    flat.offsets.push(flat.neighbors.len() as u32);
                }
                if level > 0 {
                    flat.nodes = members;
                }
                flat
            })
            .collect();
        FlatGraph { levels, entry: self.entry, nodes, m: self.m as u32 }
    }
}
