//! Owns the contract of graph builders. Each builder decides how edges are chosen.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::base::Base;
use super::graph::FlatGraph;
use crate::error::Result;
use crate::options::GraphBuilder;
use crate::vector::codes::CodeRows;

/// The parameters of a build.
#[derive(Clone)]
pub(crate) struct BuildParams<'a> {
    pub(crate) m: usize,
    pub(crate) ef_construction: usize,
    pub(crate) builder: GraphBuilder,
    /// The threads of the build; never rayon's global pool.
    #[cfg_attr(
        not(feature = "hnsw-rs"),
        expect(dead_code, reason = "the built-in builder has one thread")
    )]
    pub(crate) pool: Arc<rayon::ThreadPool>,
    /// Called between pieces of work. It may wait, and fails if the build must end early.
    pub(crate) checkpoint: &'a (dyn Fn() -> Result<()> + Sync),
    /// Builders that count distances add their number here.
    pub(crate) evaluations: Arc<AtomicU64>,
}

impl BuildParams<'_> {
    /// Fails if the build must end early.
    pub(crate) fn check(&self) -> Result<()> {
        (self.checkpoint)()
    }
}

/// Returns the most heap bytes per row that a build takes. They are a copy of the codes, the lists,
/// and the state of each row. The lists count with the slack of the draft, or twice when finished.
/// `hnsw_rs` takes some 2 KB per row more.
pub(crate) fn heap_bytes_per_row(row_bytes: usize, m: usize, builder: GraphBuilder) -> u64 {
    const KNOWN: usize = 64;
    let lists = 4 * with_slack(2 * m).max(2 * 2 * m);
    let others = if builder == GraphBuilder::BuiltIn { 0 } else { 2048 };
    (row_bytes + lists + KNOWN + others) as u64
}

/// Returns the capacity of a list during the build, if it may have `cap` entries in the end.
pub(super) const fn with_slack(cap: usize) -> usize {
    cap + (cap * 3).div_ceil(10)
}

/// Builds the graph of a set of distinct vectors.
pub(crate) trait BuildGraph: Send + Sync {
    /// Returns its name, for statistics and benchmarks.
    fn name(&self) -> &'static str;

    /// Builds a graph over the rows of `codes`, at least one. Distances are those of
    /// [`CodeRows::pair`]. The graph need not be connected.
    fn build(&self, codes: &CodeRows<'_>, params: &BuildParams<'_>) -> Result<FlatGraph>;

    /// Builds a graph from an older one, which covers the first rows. A builder that cannot merge
    /// rebuilds.
    fn merge(
        &self,
        codes: &CodeRows<'_>,
        _: &Base<'_>,
        params: &BuildParams<'_>,
    ) -> Result<FlatGraph> {
        self.build(codes, params)
    }
}
