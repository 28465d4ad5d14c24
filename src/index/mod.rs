//! Owns indexes: codes in node order and, where one pays, an HNSW graph over them; searching,
//! building and storing both. Knows nodes, codes and neighbors; nothing of rows, deletion, time or
//! filters (I9): liveness is what the caller's `offer` or `accept` says.

mod calibrate;
mod cost;
mod file;
pub(crate) mod hnsw;
mod scan;
mod top;
mod truth;

pub(crate) use calibrate::{Beam, EfTable, probes};
pub(crate) use cost::Costs;
pub(crate) use file::{BuiltGraph, GraphBase, IndexParts, write_index};
#[cfg(test)]
use hnsw::build::BuildGraph;
pub(crate) use hnsw::build::{BuildParams, heap_bytes_per_row};
pub(crate) use hnsw::graph::NO_NODE;
pub(crate) use hnsw::search::Accept;
pub(crate) use hnsw::search_level::{Scratch, SearchInfo};
pub(crate) use scan::Scan;
pub(crate) use top::TopK;
pub(crate) use truth::{Kind, Probe, Truth, TruthSearch};

use crate::clock::Clock;
use crate::section::SectionFile;
use crate::sync::OnceLock;
use crate::vector::codes::{CodeRows, Fit, Frame, Measure, Query, SignBlocks};
use hnsw::graph::Graph;
use std::sync::Arc;

/// A node with its distance from a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) distance: f32,
    pub(crate) node: u32,
}

/// An open index.
#[derive(Debug)]
pub(crate) struct Index {
    file: SectionFile,
    frame: Arc<Frame>,
    fit: Fit,
    nodes: u32,
    ef_table: EfTable,
    /// The beam that its graph, or the one that it was merged from, took when it was built anew.
    fresh_ef: u32,
    levels: u32,
    entry: u32,
    /// What ways to search it cost, once they were asked for.
    costs: OnceLock<Costs>,
}

impl Index {
    /// What its codes are made of.
    pub(crate) const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// How far off its codes are.
    pub(crate) const fn fit(&self) -> &Fit {
        &self.fit
    }

    /// What ways to search it cost on this machine.
    pub(crate) fn costs(&self, clock: &dyn Clock) -> Costs {
        *self.costs.get_or_init(|| Costs::of(self.frame.spec, clock))
    }

    /// How many distinct vectors it covers.
    pub(crate) const fn nodes(&self) -> u32 {
        self.nodes
    }

    pub(crate) const fn has_graph(&self) -> bool {
        self.levels > 0
    }

    /// Lets the pages of its file go.
    pub(crate) fn release(&self) {
        self.file.release();
    }

    /// Bytes mapped.
    pub(crate) fn len(&self) -> u64 {
        self.file.len()
    }

    /// The codes, node by node.
    pub(crate) fn codes(&self) -> CodeRows<'_> {
        CodeRows::new(self.frame.spec, self.file.bytes(file::CODES).unwrap_or(&[]))
    }

    /// Leaves of `nodes` those that may be nearer than the bound, and their distances by code in place of
    /// what `out` held.
    pub(crate) fn nearer(
        &self,
        query: &Query,
        bound: f32,
        nodes: &mut Vec<u32>,
        out: &mut Vec<f32>,
    ) {
        let codes = self.codes();
        let measure = query.over(&codes);
        measure.ask(nodes);
        measure.sift(bound, self.fit.look, nodes, out);
        measure.distances(nodes, out);
    }

    /// Measures every node by code, in order. `offer` is called with each node nearer than the
    /// bound and gives the new bound.
    ///
    /// O(nodes).
    pub(crate) fn scan(&self, query: &Query, mut bound: f32, offer: impl FnMut(Candidate) -> f32) {
        let (codes, signs) = (self.codes(), self.signs());
        Scan::new(query, self.fit.look).run(&codes, signs.as_ref(), 0, &mut bound, offer);
    }

    /// The signs of the codes side by side, which an index without a graph has where its codes have signs.
    pub(crate) fn signs(&self) -> Option<SignBlocks<'_>> {
        SignBlocks::new(self.frame.spec, self.file.bytes(file::SIGNS)?, self.nodes)
    }

    /// Searches the graph: about the `ef` nearest accepted nodes (of all, without an `accept`),
    /// nearest first, are left in `scratch`. Without a graph it finds nothing.
    pub(crate) fn search(
        &self,
        query: &Query,
        ef: usize,
        accept: Option<&mut Accept<'_>>,
        limit: usize,
        scratch: &mut Scratch,
    ) -> SearchInfo {
        match self.graph() {
            Some(graph) => {
                let codes = self.codes();
                hnsw::search::search(&graph, &query.over(&codes), ef, accept, limit, scratch)
            }
            None => SearchInfo::default(),
        }
    }

    /// What each `ef` gives, as calibrated when the graph was built.
    pub(crate) const fn ef_table(&self) -> &EfTable {
        &self.ef_table
    }

    /// What each `ef` gives for queries of which the true neighbors are known, among the nodes that are
    /// accepted. Without a graph, nothing.
    pub(crate) fn measure(&self, truths: &[Truth<u32>], accept: &dyn Fn(u32) -> bool) -> EfTable {
        let coded = calibrate::Coded { frame: &self.frame, fit: &self.fit, codes: self.codes() };
        match self.graph() {
            Some(graph) => calibrate::measure(&graph, coded, truths, Some(accept)),
            None => EfTable::default(),
        }
    }

    /// The graph as stored. Neighbors are checked at use.
    fn graph(&self) -> Option<Graph<'_>> {
        file::graph(&self.file, self.nodes, self.levels, self.entry)
    }

    /// Checks every byte and every neighbor.
    pub(crate) fn verify(&self) -> crate::Result<()> {
        self.file.verify()?;
        self.verify_structure()
    }

    /// Checks everything but the bytes of the codes.
    pub(crate) fn verify_structure(&self) -> crate::Result<()> {
        self.file.verify_but(&[file::CODES])?;
        let recall = |r: f32| (0.0..=1.0).contains(&r);
        let sound = |b: &calibrate::Beam| b.ef > 0 && recall(b.recall) && recall(b.error);
        let sound = self.ef_table.0.iter().all(sound);
        if !sound || !self.ef_table.0.is_sorted_by(|a, b| a.ef < b.ef) {
            return Err(self.file.corrupt(0, "the ef table is out of order"));
        }
        match self.graph() {
            Some(graph) => graph.validate().map_err(|reason| self.file.corrupt(0, reason)),
            None if self.has_graph() => Err(self.file.corrupt(0, "the graph is incomplete")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
