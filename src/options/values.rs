//! Owns the choices that options are made of: metric, durability, graph parameters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far apart two vectors are. Smaller is nearer, everywhere.
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
/// It is shown as `sync` or `buffered:100ms` and read back from that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Durability {
    /// The batch is on the disk: it survives a power cut.
    #[default]
    Sync,
    /// The batch is with the operating system: it survives the death of the process, and a power
    /// cut after `max_delay`. What a power cut takes is the youngest part, batches whole. Made with
    /// [`Durability::buffered`].
    #[non_exhaustive]
    Buffered {
        /// Longest time until the batch is synced.
        max_delay: Duration,
    },
}

impl Durability {
    /// Writes survive the death of the process at once, and a power cut after `max_delay`.
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

/// Who chooses the edges of a graph. Searches are the same for both.
///
/// Shown as `flat` or `hnsw_rs`, and read back from that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GraphBuilder {
    /// This crate's own: deterministic, little heap, one thread.
    #[default]
    Flat,
    /// The crate `hnsw_rs`: as many threads as the machine has, about 2 KB of heap a row while it
    /// builds. The same as `Flat` without the feature `hnsw-rs`.
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
    /// Who builds the graph. Default = [`GraphBuilder::Flat`].
    pub builder: GraphBuilder,
    /// Fewest rows for which a graph is built; fewer are scanned, which takes some 10 ns a row and
    /// needs no upkeep. One that is there is kept down to half of that. Default = 30,000.
    pub min_rows: u32,
}

impl HnswParams {
    const DEFAULT: Self =
        Self { m: 16, ef_construction: 200, builder: GraphBuilder::Flat, min_rows: 30_000 };

    /// Sets the neighbors of a node per level, 4 to 128.
    #[must_use]
    pub const fn m(mut self, m: u16) -> Self {
        self.m = m;
        self
    }

    /// Sets the candidates kept while building, `m` to 4096.
    #[must_use]
    pub const fn ef_construction(mut self, ef: u16) -> Self {
        self.ef_construction = ef;
        self
    }

    /// Sets who builds the graph.
    #[must_use]
    pub const fn builder(mut self, builder: GraphBuilder) -> Self {
        self.builder = builder;
        self
    }

    /// Sets the fewest rows for which a graph is built.
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
