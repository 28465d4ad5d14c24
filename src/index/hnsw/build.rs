//! Owns the steps that follow every builder: reachability, a cache-friendly order of nodes,
//! validation. Also chooses the builder.

use super::base::Base;
use super::builder::{BuildGraph, BuildParams};
use super::graph::{FlatGraph, FlatLevel};
use super::reach::attach_unreachable;
use crate::error::{Error, Result};
use crate::map_vec::MapVec;
use crate::options::GraphBuilder;
use crate::vector::codes::CodeRows;

/// Returns the builder with this name. Without the feature `hnsw-rs`, returns our own instead of
/// `hnsw_rs`.
pub(crate) fn builder(name: GraphBuilder) -> &'static dyn BuildGraph {
    match name {
        #[cfg(feature = "hnsw-rs")]
        GraphBuilder::HnswRs => &super::hnsw_rs_builder::HnswRsBuilder,
        _ => &super::flat_builder::FlatBuilder,
    }
}

/// A finished graph, and for each of its nodes the row from which it was built.
pub(crate) struct Built {
    pub(crate) graph: FlatGraph,
    /// New node → old row.
    pub(crate) order: MapVec<u32>,
}

/// Builds, connects, orders and validates a graph, from an older one if there is a `base`.
pub(crate) fn build_graph(
    builder: &dyn BuildGraph,
    codes: &CodeRows<'_>,
    base: Option<&Base<'_>>,
    params: &BuildParams<'_>,
) -> Result<Built> {
    let mut graph = match base {
        Some(base) => builder.merge(codes, base, params)?,
        None => builder.build(codes, params)?,
    };
    attach_unreachable(&mut graph, codes);
    let order = breadth_first(&graph);
    let invalid = |reason| Error::internal(format!("graph builder {}: {reason}", builder.name()));
    if order.len() < graph.nodes as usize {
        return Err(invalid("a node cannot be reached"));
    }
    let graph = renumber(&graph, &order);
    graph.view().validate().map_err(invalid)?;
    Ok(Built { graph, order })
}

/// Returns the nodes in the order of a breadth-first walk from the entry point. So neighbors are
/// stored near each other. Coleman et al., "Graph Reordering for Cache-Efficient Near Neighbor
/// Search", NeurIPS 2022, compares such orders.
fn breadth_first(graph: &FlatGraph) -> MapVec<u32> {
    let view = graph.view();
    let mut seen = MapVec::<u8>::zeroed(graph.nodes as usize);
    let mut order = MapVec::from(vec![graph.entry]);
    seen[graph.entry as usize] = 1;
    let mut next = 0;
    while let Some(node) = order.get(next).copied() {
        next += 1;
        for &neighbor in view.levels[0].neighbors(node) {
            if std::mem::replace(&mut seen[neighbor as usize], 1) == 0 {
                order.push(neighbor);
            }
        }
    }
    order
}

fn renumber(graph: &FlatGraph, order: &[u32]) -> FlatGraph {
    let mut new_id = MapVec::<u32>::zeroed(order.len());
    for (new, old) in (0u32..).zip(order) {
        new_id[*old as usize] = new;
    }
    let view = graph.view();
    let levels = view.levels.iter().enumerate().map(|(depth, level)| {
        let mut nodes: Vec<u32> = match depth {
            0 => (0..graph.nodes).collect(),
            _ => level.nodes.iter().map(|n| new_id[*n as usize]).collect(),
        };
        nodes.sort_unstable();
        let mut flat = FlatLevel::with_room(nodes.len(), level.neighbors.len());
        for &node in &nodes {
            let old = order[node as usize];
            flat.neighbors.extend(level.neighbors(old).iter().map(|n| new_id[*n as usize]));
            flat.offsets.push(flat.neighbors.len() as u32);
        }
        if depth > 0 {
            flat.nodes = nodes;
        }
        flat
    });
    let entry = new_id[graph.entry as usize];
    FlatGraph { levels: levels.collect(), entry, nodes: graph.nodes, m: graph.m }
}
