//! Owns the draft of a graph: flat arrays of lists that grow while rows are inserted. Also owns the
//! searches, choices and links of which insertion and merging consist.
//!
//! Invariants during a build: a node's list has at most `2.6 m` entries at level 0 and `1.3 m`
//! above. No entry occurs twice or is the node itself. Every entry is an inserted node or the one
//! being inserted. A full list is shortened to `2 m` or `m`; the slack makes that ten times rarer
//! than shortening at every new neighbor.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::builder::{BuildParams, with_slack};
use super::graph::{FlatGraph, FlatLevel};
use super::pool::Nearest;
use super::search::descend;
use super::search_level::{LevelSearch, Lists, Scratch, SearchInfo};
use super::select::select_neighbors;
use crate::index::top::Candidate;
use crate::map_vec::MapVec;
use crate::vector::codes::{CodeRows, Measure, Origin};
use crate::vector::kernel::Kernels;

/// Rows inserted between two checkpoints: a few hundredths of a second.
pub(super) const CHUNK: u32 = 256;

/// A graph that grows.
pub(super) struct Draft<'a> {
    pub(super) codes: CodeRows<'a>,
    pub(super) m: usize,
    ef_construction: usize,
    /// Number of neighbors of a row at level 0 when it is inserted.
    pub(super) lowest_links: usize,
    /// Level 0: `slots` places per node, of which the first `degrees[node]` are taken.
    neighbors: MapVec<u32>,
    degrees: MapVec<u16>,
    slots: usize,
    /// The lists above level 0, of the few nodes that have any.
    pub(super) upper: HashMap<u32, Vec<Vec<u32>>>,
    pub(super) entry: u32,
    /// Level of the entry point.
    pub(super) top: usize,
    pub(super) work: Work,
}

/// Buffers of one insertion, reused for the next.
#[derive(Default)]
pub(super) struct Work {
    scratch: Scratch,
    pub(super) near: Vec<u32>,
    distances: Vec<f32>,
    pub(super) candidates: Vec<Candidate>,
    /// Distances measured so far.
    evaluations: u64,
}

/// The lists of one level of a draft.
struct DraftLevel<'d, 'a> {
    draft: &'d Draft<'a>,
    level: usize,
}

impl Lists for DraftLevel<'_, '_> {
    #[inline]
    fn listed(&self, node: u32) -> &[u32] {
        self.draft.list(node, self.level)
    }

    #[inline]
    fn prefetch(&self, node: u32) {
        if self.level == 0 {
            let start = node as usize * self.draft.slots;
            let list = &self.draft.neighbors[start..start + self.draft.slots];
            (Kernels::detect().prefetch)(bytemuck::cast_slice(list));
        }
    }
}

impl<'a> Draft<'a> {
    /// Returns a draft in which no node has a neighbor.
    pub(super) fn empty(codes: &CodeRows<'a>, params: &BuildParams<'_>) -> Self {
        let nodes = codes.len();
        let slots = with_slack(2 * params.m);
        Self {
            codes: *codes,
            m: params.m,
            ef_construction: params.ef_construction,
            lowest_links: params.m,
            neighbors: MapVec::zeroed(nodes * slots),
            degrees: MapVec::zeroed(nodes),
            slots,
            upper: HashMap::new(),
            entry: 0,
            top: 0,
            work: Work::default(),
        }
    }

    /// Gives a node empty lists up to this level, unless it has them. The first node on the highest
    /// level is the entry point.
    pub(super) fn raise(&mut self, node: u32, level: usize) {
        if level > 0 {
            let lists = self.upper.entry(node).or_default();
            lists.resize(lists.len().max(level), Vec::new());
        }
        if level > self.top {
            (self.entry, self.top) = (node, level);
        }
    }

    #[inline]
    pub(super) fn list(&self, node: u32, level: usize) -> &[u32] {
        if level == 0 {
            let start = node as usize * self.slots;
            return &self.neighbors[start..start + usize::from(self.degrees[node as usize])];
        }
        self.upper.get(&node).and_then(|lists| lists.get(level - 1)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn set_list(&mut self, node: u32, level: usize, list: impl Iterator<Item = u32>) {
        if level == 0 {
            let start = node as usize * self.slots;
            let mut degree = 0;
            for (to, neighbor) in self.neighbors[start..start + self.slots].iter_mut().zip(list) {
                *to = neighbor;
                degree += 1;
            }
            self.degrees[node as usize] = degree;
        } else if let Some(own) = self.upper.get_mut(&node).and_then(|l| l.get_mut(level - 1)) {
            own.clear();
            own.extend(list);
        }
    }

    fn push(&mut self, node: u32, level: usize, neighbor: u32) {
        if level == 0 {
            let degree = &mut self.degrees[node as usize];
            self.neighbors[node as usize * self.slots + usize::from(*degree)] = neighbor;
            *degree += 1;
        } else if let Some(own) = self.upper.get_mut(&node).and_then(|l| l.get_mut(level - 1)) {
            own.push(neighbor);
        }
    }

    pub(super) const fn cap(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    /// Descends to the level above `level`. Leaves the node from which a search of `level` begins
    /// in `work.candidates`.
    pub(super) fn approach(&self, origin: &Origin<'_>, node: u32, level: usize, work: &mut Work) {
        let distance = self.codes.pair(node, self.entry);
        let mut entry = Candidate { distance, node: self.entry };
        let mut info = SearchInfo::default();
        for above in (level + 1..=self.top).rev() {
            let lists = DraftLevel { draft: self, level: above };
            let nodes = self.degrees.len() as u32;
            descend(&lists, nodes, origin, &mut entry, &mut info, &mut work.scratch);
        }
        work.evaluations += info.evaluations as u64;
        work.candidates.clear();
        work.candidates.push(entry);
    }

    /// Measures the distances of the nodes in `work.near` from `node`. Leaves them in
    /// `work.candidates`, nearest first.
    pub(super) fn measured(&self, node: u32, work: &mut Work) {
        let Work { near, distances, candidates, evaluations, .. } = work;
        self.codes.origin(node).distances(near, distances);
        *evaluations += near.len() as u64;
        candidates.clear();
        let all = near.iter().zip(distances.iter());
        candidates.extend(all.map(|(&node, &distance)| Candidate { distance, node }));
        candidates.sort_unstable_by_key(|c| Nearest(*c));
    }

    /// Chooses at most `m` of the candidates in addition to the `taken` nodes.
    pub(super) fn select(
        &self,
        taken: &[u32],
        candidates: &[Candidate],
        m: usize,
        work: &mut Work,
    ) -> Vec<Candidate> {
        let Work { distances, evaluations, .. } = work;
        select_neighbors(taken, candidates, m, |node, others| {
            *evaluations += others.len() as u64;
            self.codes.origin(node).distances(others, distances);
            distances.iter().copied().fold(f32::INFINITY, f32::min)
        })
    }

    /// Algorithm 2: replaces the entry points in `work.candidates` by the `ef_construction` nearest
    /// nodes of a level, nearest first.
    pub(super) fn search_level(
        &self,
        origin: &Origin<'_>,
        node: u32,
        level: usize,
        work: &mut Work,
    ) {
        let Work { scratch, candidates, evaluations, .. } = work;
        scratch.begin(self.degrees.len() as u32, self.ef_construction);
        scratch.seen.first_sight(node);
        let lists = DraftLevel { draft: self, level };
        let search = LevelSearch { lists: &lists, measure: origin, limit: usize::MAX };
        let mut info = SearchInfo::default();
        search.run(candidates, &mut |_| true, &mut info, scratch);
        *evaluations += info.evaluations as u64;
        candidates.clear();
        candidates.extend_from_slice(scratch.results());
    }

    /// Adds `node` to the list of `host`. A full list is shortened first, by the same rule.
    pub(super) fn link_back(&mut self, host: u32, node: u32, level: usize, work: &mut Work) {
        let list = self.list(host, level);
        if list.contains(&node) {
            return;
        }
        let room = with_slack(self.cap(level));
        if list.len() >= room {
            self.shorten(host, level, work);
        }
        self.push(host, level, node);
    }

    /// Chooses the neighbors of a list again, so that it holds no more than it may in the end.
    fn shorten(&mut self, host: u32, level: usize, work: &mut Work) {
        work.near.clear();
        work.near.extend_from_slice(self.list(host, level));
        // Keeps the candidates of the row that is being inserted.
        let waiting = std::mem::take(&mut work.candidates);
        self.measured(host, work);
        let all = std::mem::replace(&mut work.candidates, waiting);
        let chosen = self.select(&[], &all, self.cap(level), work);
        self.set_list(host, level, chosen.iter().map(|c| c.node));
    }

    /// Shortens every list to its final capacity.
    fn shorten_all(&mut self) {
        let mut work = std::mem::take(&mut self.work);
        for node in 0..self.degrees.len() as u32 {
            let levels = self.upper.get(&node).map_or(0, Vec::len);
            for level in 0..=levels {
                if self.list(node, level).len() > self.cap(level) {
                    self.shorten(node, level, &mut work);
                }
            }
        }
        self.work = work;
    }

    /// Takes level 0 out of the draft. The lists are moved together in place, because there is no
    /// room for a copy.
    fn pack(&mut self) -> FlatLevel {
        let mut flat = FlatLevel::with_room(self.degrees.len(), 0);
        let mut neighbors = std::mem::take(&mut self.neighbors);
        let mut end = 0;
        for (node, &degree) in self.degrees.iter().enumerate() {
            let start = node * self.slots;
            neighbors.copy_within(start..start + usize::from(degree), end);
            end += usize::from(degree);
            flat.offsets.push(end as u32);
        }
        neighbors.shrink(end);
        flat.neighbors = neighbors;
        flat
    }

    pub(super) fn finish(mut self, params: &BuildParams<'_>) -> FlatGraph {
        self.shorten_all();
        params.evaluations.fetch_add(self.work.evaluations, Ordering::Relaxed);
        let nodes = self.degrees.len() as u32;
        let mut levels = vec![self.pack()];
        levels.extend((1..=self.top).map(|level| {
            let has =
                |(node, lists): (&u32, &Vec<Vec<u32>>)| (lists.len() >= level).then_some(*node);
            let mut members: Vec<u32> = self.upper.iter().filter_map(has).collect();
            members.sort_unstable();
            let mut flat = FlatLevel::with_room(members.len(), 0);
            for &node in &members {
                flat.neighbors.extend_from_slice(self.list(node, level));
                flat.offsets.push(flat.neighbors.len() as u32);
            }
            flat.nodes = members;
            flat
        }));
        FlatGraph { levels, entry: self.entry, nodes, m: self.m as u32 }
    }
}
