//! Owns the contract of graph builders. How edges are chosen is the builder's.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::base::Base;
use super::graph::FlatGraph;
use crate::error::Result;
use crate::options::Builder;
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

/// Heap bytes that building a graph takes a row, at most, with a copy of the codes: the lists of
/// the draft with their slack, later the finished lists and once more in their last order, and what
/// is known of each row. `hnsw_rs` takes some 2 KB more.
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

    /// The same, starting from an older graph over the first of the rows. A builder that cannot
    /// builds anew.
    fn merge(
        &self,
        codes: &CodeRows<'_>,
        _: &Base<'_>,
        params: &BuildParams<'_>,
    ) -> Result<FlatGraph> {
        self.build(codes, params)
    }
}
