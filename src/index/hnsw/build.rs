//! Owns the contract of graph builders and what every builder's output goes through: reachability,
//! a cache-friendly order of nodes, validation. How edges are chosen is the builder's.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::graph::{FlatGraph, FlatLevel};
use super::merge::Base;
use super::reach::attach_unreachable;
use crate::error::{Error, Result};
use crate::map_vec::MapVec;
use crate::options::GraphBuilder;
use crate::vector::codes::CodeRows;

/// What a graph is built with.
#[derive(Clone)]
pub(crate) struct BuildParams<'a> {
    pub(crate) m: usize,
    pub(crate) ef_construction: usize,
    pub(crate) builder: GraphBuilder,
    /// Where the work runs; never rayon's global pool.
    #[cfg_attr(
        not(feature = "hnsw-rs"),
        expect(dead_code, reason = "the flat builder has one thread")
    )]
    pub(crate) pool: Arc<rayon::ThreadPool>,
    /// Called between pieces of work: it may wait, and is an error if the build is to end early.
    pub(crate) checkpoint: &'a (dyn Fn() -> Result<()> + Sync),
    /// Where builders that count them add the distances they measured.
    pub(crate) evaluations: Arc<AtomicU64>,
}

impl BuildParams<'_> {
    /// An error if the build is to end early.
    pub(crate) fn check(&self) -> Result<()> {
        (self.checkpoint)()
    }
}

/// Heap bytes that building a graph takes a row, at most, with a copy of the codes: the lists of the draft
/// with their slack, later the finished lists and once more in their last order, and what is known of each
/// row. `hnsw_rs` takes some 2 KB more.
pub(crate) fn heap_bytes_per_row(row_bytes: usize, m: usize, builder: GraphBuilder) -> u64 {
    const KNOWN: usize = 64;
    let lists = 4 * with_slack(2 * m).max(2 * 2 * m);
    let others = if builder == GraphBuilder::Flat { 0 } else { 2048 };
    (row_bytes + lists + KNOWN + others) as u64
}

/// Places of a list, while a graph is being built, that may take this many in the end.
pub(super) const fn with_slack(cap: usize) -> usize {
    cap + (cap * 3).div_ceil(10)
}

/// Builds the graph of a set of distinct vectors.
pub(crate) trait BuildGraph: Send + Sync {
    /// Its name, for statistics and benchmarks.
    fn name(&self) -> &'static str;

    /// A graph over the rows of `codes`, at least one. Distances are those of
    /// [`CodeRows::pair`]. It need not be connected.
    fn build(&self, codes: &CodeRows<'_>, params: &BuildParams<'_>) -> Result<FlatGraph>;

    /// The same, starting from an older graph over the first of the rows. A builder that cannot builds
    /// anew.
    fn merge(
        &self,
        codes: &CodeRows<'_>,
        _: &Base<'_>,
        params: &BuildParams<'_>,
    ) -> Result<FlatGraph> {
        self.build(codes, params)
    }
}

/// The builder with this name; `hnsw_rs` falls back to our own where the feature is off.
pub(crate) fn builder(name: GraphBuilder) -> &'static dyn BuildGraph {
    match name {
        #[cfg(feature = "hnsw-rs")]
        GraphBuilder::HnswRs => &super::hnsw_rs_builder::HnswRsBuilder,
        _ => &super::flat_builder::FlatBuilder,
    }
}

/// A finished graph, and for each of its nodes the row that it was built from.
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

/// The nodes in the order of a breadth-first walk from the entry point: neighbors come to lie near
/// each other (Coleman et al., "Graph Reordering for Cache-Efficient Near Neighbor Search",
/// NeurIPS 2022, compares such orders).
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
