//! Owns the crate's own graph builder: insertion one by one (algorithm 1 of the paper) into flat
//! arrays. Deterministic; about `10.4 m + 8` bytes of heap a row, against 2 KB for `hnsw_rs`. Runs on
//! one thread: it is background work beside readers.
//!
//! Invariants while building: a node's list at level 0 has at most `2.6 m` entries and above at most
//! `1.3 m`, none twice, never itself; every entry was inserted before or at the same time. A list
//! that is full is chosen anew down to `2 m` or `m`: the slack makes that ten times rarer than if
//! every new neighbor caused it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::build::{BuildGraph, BuildParams, with_slack};
use super::graph::{FlatGraph, FlatLevel, MAX_LEVELS};
use super::merge::Base;
use super::pool::Nearest;
use super::search::descend;
use super::search_level::{LevelSearch, Lists, Scratch, SearchInfo};
use super::select::select_neighbors;
use crate::error::Result;
use crate::index::Candidate;
use crate::map_vec::MapVec;
use crate::vector::codes::{CodeRows, Measure, Origin};
use crate::vector::kernel::Kernels;

/// Rows that are inserted between two checkpoints: a few hundredths of a second.
pub(super) const CHUNK: u32 = 256;

/// Builds with flat arrays.
#[derive(Debug)]
pub(crate) struct FlatBuilder;

impl BuildGraph for FlatBuilder {
    fn name(&self) -> &'static str {
        "flat"
    }

    fn build(&self, codes: &CodeRows<'_>, params: &BuildParams<'_>) -> Result<FlatGraph> {
        let mut draft = Draft::empty(codes, params);
        draft.raise(0, draft.level_of(0));
        draft.insert_from(1, params)?;
        Ok(draft.finish(params))
    }

    /// What is new takes half as many neighbors again at level 0: few rows follow that would link back to it,
    /// and lists would get thinner with every merge. A narrower beam for it does the same, and is not worth the
    /// eighth of the distances that it saves (ARCHITECTURE.md, "Compaction, in numbers").
    fn merge(
        &self,
        codes: &CodeRows<'_>,
        base: &Base<'_>,
        params: &BuildParams<'_>,
    ) -> Result<FlatGraph> {
        let (mut draft, gaps) = Draft::from_base(codes, params, base);
        draft.repair(base, &gaps, params)?;
        drop(gaps);
        draft.lowest_links = params.m * 3 / 2;
        draft.insert_from(base.kept(), params)?;
        Ok(draft.finish(params))
    }
}

/// A graph that grows.
pub(super) struct Draft<'a> {
    pub(super) codes: CodeRows<'a>,
    m: usize,
    ef_construction: usize,
    /// Neighbors that a row gets at level 0 when it is inserted.
    lowest_links: usize,
    /// Level 0: `slots` places for each node, of which the first `degrees[node]` are taken.
    neighbors: MapVec<u32>,
    degrees: MapVec<u16>,
    slots: usize,
    /// The lists above level 0, for the few nodes that have any.
    upper: HashMap<u32, Vec<Vec<u32>>>,
    entry: u32,
    /// Level of the entry point.
    top: usize,
    pub(super) work: Work,
}

/// Buffers of one insertion, kept for the next.
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
    /// A draft in which no node has a neighbor.
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

    /// Gives a node empty lists up to this level, where it has none. The first on the highest level is the
    /// entry point.
    pub(super) fn raise(&mut self, node: u32, level: usize) {
        if level > 0 {
            let lists = self.upper.entry(node).or_default();
            lists.resize(lists.len().max(level), Vec::new());
        }
        if level > self.top {
            (self.entry, self.top) = (node, level);
        }
    }

    /// Inserts this row and all that follow.
    fn insert_from(&mut self, first: u32, params: &BuildParams<'_>) -> Result<()> {
        for node in first..self.codes.len() as u32 {
            if node % CHUNK == 0 {
                params.check()?;
            }
            self.insert(node);
        }
        Ok(())
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

    /// Algorithm 1: find the place from the top down, link on the way.
    fn insert(&mut self, node: u32) {
        let level = self.level_of(node);
        if level > 0 {
            self.upper.insert(node, vec![Vec::new(); level]);
        }
        let mut work = std::mem::take(&mut self.work);
        let origin = self.codes.origin(node).with_sieve();
        self.approach(&origin, node, level, &mut work);
        for depth in (0..=level.min(self.top)).rev() {
            self.search_level(&origin, node, depth, &mut work);
            let found = std::mem::take(&mut work.candidates);
            let links = if depth == 0 { self.lowest_links } else { self.m };
            let chosen = self.select(&[], &found, links, &mut work);
            self.set_list(node, depth, chosen.iter().map(|c| c.node));
            for neighbor in &chosen {
                self.link_back(neighbor.node, node, depth, &mut work);
            }
            work.candidates = found;
        }
        self.work = work;
        if level > self.top {
            (self.entry, self.top) = (node, level);
        }
    }

    /// Leaves in `work.candidates` the node above this level from which a search on it begins.
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

    /// Measures the nodes in `work.near` from this one; nearest first, they are left in
    /// `work.candidates`.
    pub(super) fn measured(&self, node: u32, work: &mut Work) {
        let Work { near, distances, candidates, evaluations, .. } = work;
        self.codes.origin(node).distances(near, distances);
        *evaluations += near.len() as u64;
        candidates.clear();
        let all = near.iter().zip(distances.iter());
        candidates.extend(all.map(|(&node, &distance)| Candidate { distance, node }));
        candidates.sort_unstable_by_key(|c| Nearest(*c));
    }

    /// Chooses at most `m` of the candidates beside those that are taken.
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

    /// Algorithm 2: the `ef_construction` nearest nodes of a level, nearest first, in place of the
    /// entry points in `work.candidates`.
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

    /// Adds `node` to the list of `host`; a full list is chosen anew by the same rule.
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

    /// Chooses a list anew, so that it holds no more than it may in the end.
    fn shorten(&mut self, host: u32, level: usize, work: &mut Work) {
        work.near.clear();
        work.near.extend_from_slice(self.list(host, level));
        // The candidates of the row that is being inserted wait meanwhile.
        let waiting = std::mem::take(&mut work.candidates);
        self.measured(host, work);
        let all = std::mem::replace(&mut work.candidates, waiting);
        let chosen = self.select(&[], &all, self.cap(level), work);
        self.set_list(host, level, chosen.iter().map(|c| c.node));
    }

    /// Brings every list down to what it may hold.
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

    /// Takes level 0 out. The lists move together where they are: there is no room for all of them twice.
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

    fn finish(mut self, params: &BuildParams<'_>) -> FlatGraph {
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
