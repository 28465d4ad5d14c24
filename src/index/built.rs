//! Owns the building of a graph and its calibration. The codes are brought into the order of its
//! nodes.

use super::calibrate::{self, Coded};
use super::ef_table::EfTable;
use super::hnsw::base::Base;
use super::hnsw::build::{Built, build_graph, builder};
use super::hnsw::builder::BuildParams;
use super::hnsw::graph::FlatGraph;
use super::truth::Truth;
use crate::error::Result;
use crate::map_vec::MapVec;
use crate::vector::codes::{CodeBuffer, Fit};

/// A graph and its calibration, over codes in the order of its nodes.
pub(crate) struct BuiltGraph {
    pub(super) graph: FlatGraph,
    pub(super) ef_table: EfTable,
    /// The beam width of the freshly built graph, with which [`Index::worn`] compares.
    pub(super) fresh_ef: u32,
}

impl BuiltGraph {
    /// Builds a graph over these codes, from an older one if there is a `base`, and brings the
    /// codes into the order of its nodes. Returns for each node the row it was made from. `truths`,
    /// which refer to rows, serve to measure recall.
    pub(crate) fn build(
        codes: &mut CodeBuffer,
        fit: &Fit,
        base: Option<&GraphBase<'_>>,
        params: &BuildParams<'_>,
        truths: &[Truth<u32>],
    ) -> Result<(Self, MapVec<u32>)> {
        let builder = builder(params.builder);
        let graph_base = base.map(|base| &base.graph);
        let built = build_graph(builder, &codes.rows(), graph_base, params)?;
        let Built { graph, order } = built;
        params.check()?;
        codes.permute(&order);
        let mut nodes = MapVec::<u32>::zeroed(order.len());
        (0u32..).zip(&order[..]).for_each(|(node, row)| nodes[*row as usize] = node);
        let of_nodes = |truth: &Truth<u32>| truth.renamed(|row| nodes.get(row as usize).copied());
        let truths: Vec<Truth<u32>> = truths.iter().map(of_nodes).collect();
        let coded = Coded { frame: codes.frame(), fit, codes: codes.rows() };
        let ef_table = calibrate::measure(&graph.view(), coded, &truths, None);
        let own = ef_table.default_ef() as u32;
        let fresh_ef = base.map_or(0, |base| base.fresh_ef);
        let fresh_ef = if fresh_ef > 0 { fresh_ef } else { own };
        Ok((Self { graph, ef_table, fresh_ef }, order))
    }
}

/// An older graph from which a new one starts.
pub(crate) struct GraphBase<'a> {
    pub(super) graph: Base<'a>,
    pub(super) fresh_ef: u32,
}
