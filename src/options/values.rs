//! Owns the types of single options: metric, durability, graph parameters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The measure of distance between two vectors. Smaller is nearer, for every metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Metric {
    /// `1 - cos(a, b)`, from 0 to 2. Zero vectors are refused.
    Cosine,
    /// `-(a · b)`: the largest dot product is nearest. May be negative.
    Dot,
    /// `|a - b|²`, the squared Euclidean distance.
    L2,
}

/// What a write waits for before it is acknowledged.
///
/// Displayed as `sync` or `buffered:100ms`, and parsed from that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Durability {
    /// The batch is on the disk: it survives a power cut.
    #[default]
    Sync,
    /// The operating system has the batch: it survives the death of the process at once, and a
    /// power cut after `max_delay`. A power cut takes the youngest batches, each as a whole. Made
    /// with [`Durability::buffered`].
    #[non_exhaustive]
    Buffered {
        /// Longest time until the batch is synced.
        max_delay: Duration,
    },
}

impl Durability {
    /// Returns a durability with which writes survive the death of the process at once, and a power
    /// cut after `max_delay`.
    ///
    /// ```
    /// use altiplano::Durability;
    /// use std::time::Duration;
    /// let durability = Durability::buffered(Duration::from_millis(100));
    /// assert_eq!(durability.to_string(), "buffered:100ms");
    /// assert_eq!("buffered:100ms".parse::<Durability>()?, durability);
    /// # Ok::<(), altiplano::Error>(())
    /// ```
    pub const fn buffered(max_delay: Duration) -> Self {
        Self::Buffered { max_delay }
    }
}

/// The code that builds an HNSW graph. The graphs of both builders are searched the same way.
///
/// Displayed as `built_in` or `hnsw_rs`, and parsed from that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GraphBuilder {
    /// The builder in this crate: deterministic, one thread, little heap.
    #[default]
    BuiltIn,
    /// The crate `hnsw_rs`. It uses all threads of the machine and about 2 KB of heap per row
    /// during the build. Without the feature `hnsw-rs` it is the same as `BuiltIn`.
    HnswRs,
}

/// Parameters of the HNSW graph, named as in Malkov and Yashunin, "Efficient and robust
/// approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
/// arXiv:1603.09320, section 4.
///
/// ```
/// use altiplano::HnswParams;
/// let params = HnswParams::default().m(24).ef_construction(400);
/// assert_eq!((params.m, params.ef_construction, params.min_rows), (24, 400, 30_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HnswParams {
    /// Neighbors of a node per level, 4 to 128; twice as many at level 0. Default = 16.
    pub m: u16,
    /// Candidates kept while building, `m` to 4096. Default = 200.
    pub ef_construction: u16,
    /// The code that builds the graph. Default = [`GraphBuilder::BuiltIn`].
    pub builder: GraphBuilder,
    /// Smallest number of rows for which a graph is built. Fewer rows are scanned, which takes some
    /// 10 ns per row and needs no upkeep. An existing graph is kept down to half of this number.
    /// Default = 30,000.
    pub min_rows: u32,
}

impl HnswParams {
    const DEFAULT: Self =
        Self { m: 16, ef_construction: 200, builder: GraphBuilder::BuiltIn, min_rows: 30_000 };

    /// Sets the number of neighbors of a node per level, 4 to 128.
    #[must_use]
    pub const fn m(mut self, m: u16) -> Self {
        self.m = m;
        self
    }

    /// Sets the number of candidates kept while building, `m` to 4096.
    #[must_use]
    pub const fn ef_construction(mut self, ef: u16) -> Self {
        self.ef_construction = ef;
        self
    }

    /// Sets the code that builds the graph.
    #[must_use]
    pub const fn builder(mut self, builder: GraphBuilder) -> Self {
        self.builder = builder;
        self
    }

    /// Sets the smallest number of rows for which a graph is built.
    #[must_use]
    pub const fn min_rows(mut self, rows: u32) -> Self {
        self.min_rows = rows;
        self
    }
}

impl Default for HnswParams {
    fn default() -> Self {
        Self::DEFAULT
    }
}
