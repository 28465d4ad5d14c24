//! Owns what users choose: options of a store (`store`) and of a collection, checked in one place
//! each. Plain data; the manifest stores the lasting part of it (`format::manifest`).

mod settings;
mod store;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
pub(crate) use settings::Settings;
pub(crate) use store::Listener;
pub use store::{Background, IoMode, StoreOptions};

/// Largest dimension of a collection.
pub const MAX_DIMENSION: usize = 65_535;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Durability {
    /// The batch is on the disk: it survives a power cut.
    #[default]
    Sync,
    /// The batch is with the operating system: it survives the death of the process, and a power
    /// cut after `max_delay`. What a power cut takes is the youngest part, batches whole.
    Buffered {
        /// Longest time until the batch is synced.
        max_delay: Duration,
    },
}

/// The compact form of vectors that searches read first; the best are then measured exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Quantization {
    /// One byte a dimension with a scale per vector; reranked on the full vectors.
    Int8,
    /// The full vectors: four bytes a dimension.
    F32,
    /// Four bits a dimension after a rotation that is the same for all, with a scale per vector, and the
    /// signs once more in front: 256 bytes at 384 dimensions. The nearest by code are nearly those of
    /// int8, and most vectors that a search meets are told to be too far by their signs, a quarter of
    /// that.
    Bits4,
    /// Two bits a dimension, otherwise like [`Self::Bits4`]: 112 bytes at 384 dimensions. For where
    /// memory is short; more rows are reranked.
    Bits2,
    /// One bit a dimension, otherwise like [`Self::Bits4`]: 64 bytes at 384 dimensions. For scans of
    /// very many rows; an order of magnitude more rows are reranked than are asked for.
    Bits1,
}

impl Quantization {
    /// The codes for vectors of this many dimensions, unless others are asked for: the error of a
    /// few bits is smaller the more dimensions share it (Gao et al., SIGMOD 2025, theorem 3.2).
    const fn usual(dimension: usize) -> Self {
        if dimension >= 256 { Self::Bits4 } else { Self::Int8 }
    }
}

/// Who chooses the edges of a graph. Searches are the same for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HnswParams {
    /// Neighbors of a node per level, 4 to 128; twice as many at level 0. Default = 16.
    pub m: u16,
    /// Candidates kept while building, `m` to 4096. Default = 200.
    pub ef_construction: u16,
    /// Who builds the graph. Default = [`GraphBuilder::Flat`].
    pub builder: GraphBuilder,
    /// Fewest rows for which a graph is built; fewer are scanned, which takes some 10 ns a row and needs
    /// no upkeep. One that is there is kept down to half of that. Default = 30,000.
    pub min_rows: u32,
}

impl HnswParams {
    const USUAL: Self =
        Self { m: 16, ef_construction: 200, builder: GraphBuilder::Flat, min_rows: 30_000 };
}

impl Default for HnswParams {
    fn default() -> Self {
        Self::USUAL
    }
}

/// What a collection is to be: fixed at creation (dimension, metric, codes, whether it is in-memory, and
/// the embedding space once it has a name) or changed by opening it with other values (the rest).
///
/// What is not given has its default in a collection that is created, and stays as it is in one that
/// exists: it is neither compared nor changed. The getters tell what is given or else the default;
/// those of [`Collection::options`](crate::Collection::options) tell what holds in that collection.
/// Two are equal if they create the same collection.
///
/// ```
/// use altiplano::{CollectionOptions, Metric};
/// let options = CollectionOptions::new(384, Metric::Cosine).embedding_space("all-MiniLM-L6-v2");
/// ```
#[derive(Clone, Debug)]
pub struct CollectionOptions {
    dimension: usize,
    metric: Metric,
    embedding_space: Option<String>,
    codes: Option<Quantization>,
    hnsw: Option<HnswParams>,
    durability: Option<Durability>,
    /// Whether a lifetime is given, and which: none at all is one of them.
    default_ttl: Option<Option<Duration>>,
    in_memory: Option<bool>,
    memtable_rows: Option<u32>,
}

impl CollectionOptions {
    /// Options for vectors of `dimension` (1 to 65,535) floats compared by `metric`.
    pub const fn new(dimension: usize, metric: Metric) -> Self {
        Self {
            dimension,
            metric,
            embedding_space: None,
            codes: None,
            hnsw: None,
            durability: None,
            default_ttl: None,
            in_memory: None,
            memtable_rows: None,
        }
    }

    /// Names the model that makes the vectors, in 1 to 1,024 bytes. Opening the collection under
    /// another name is an error; a name that is given to a collection without one is kept. Default =
    /// unnamed, which is compared with nothing.
    #[must_use]
    pub fn embedding_space(mut self, name: impl Into<String>) -> Self {
        self.embedding_space = Some(name.into());
        self
    }

    /// Chooses the codes that searches read. Default = [`Quantization::Bits4`] from 256 dimensions on, below
    /// that [`Quantization::Int8`].
    #[must_use]
    pub const fn codes(mut self, codes: Quantization) -> Self {
        self.codes = Some(codes);
        self
    }

    /// Sets the parameters of the graph, all of them. Default = [`HnswParams::default`]. Graphs that
    /// are there keep theirs until they are built again.
    #[must_use]
    pub const fn hnsw(mut self, hnsw: HnswParams) -> Self {
        self.hnsw = Some(hnsw);
        self
    }

    /// Sets what a write waits for, unless it says otherwise. Default = [`Durability::Sync`].
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Sets the lifetime of memories that are given none and are not pinned, from their insert on;
    /// rounded up to a whole millisecond, and not zero. It counts for memories inserted from now on.
    /// Default = for ever.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Metric, Store};
    /// # use std::time::Duration;
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let options = || CollectionOptions::new(2, Metric::Cosine);
    /// let day = Duration::from_secs(86_400);
    /// store.collection("notes", options().default_ttl(day))?;
    /// // What is not given stays.
    /// let notes = store.collection("notes", options())?;
    /// assert_eq!(notes.options().default_lifetime(), Some(day));
    /// let notes = store.collection("notes", options().no_default_ttl())?;
    /// assert_eq!(notes.options().default_lifetime(), None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = Some(Some(ttl));
        self
    }

    /// Says that memories which are given no lifetime live for ever, also where the collection had a
    /// [`default_ttl`](Self::default_ttl) before. Memories that got their end from it keep it.
    #[must_use]
    pub const fn no_default_ttl(mut self) -> Self {
        self.default_ttl = Some(None);
        self
    }

    /// Keeps the whole collection in RAM: no file, no log, gone when the store is closed. Its
    /// memories count against `StoreOptions::heap_budget`.
    #[must_use]
    pub const fn in_memory(mut self) -> Self {
        self.in_memory = Some(true);
        self
    }

    /// Sets how many rows the active segment (the memtable) takes before it is sealed, 64 to
    /// 65,536. Default = 4,096. It is also sealed when it takes 8 MiB of heap. In an in-memory
    /// collection it means nothing.
    #[must_use]
    pub const fn memtable_rows(mut self, rows: u32) -> Self {
        self.memtable_rows = Some(rows);
        self
    }

    /// The dimension.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The metric.
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// The name of the model that makes the vectors, if there is one.
    pub fn embedding_space_name(&self) -> Option<&str> {
        self.embedding_space.as_deref()
    }

    /// The codes that searches read.
    pub const fn code_kind(&self) -> Quantization {
        match self.codes {
            Some(codes) => codes,
            None => Quantization::usual(self.dimension),
        }
    }

    /// The parameters of the graph.
    pub const fn hnsw_params(&self) -> HnswParams {
        match self.hnsw {
            Some(hnsw) => hnsw,
            None => HnswParams::USUAL,
        }
    }

    /// What a write waits for, unless it says otherwise.
    pub const fn durability_level(&self) -> Durability {
        match self.durability {
            Some(durability) => durability,
            None => Durability::Sync,
        }
    }

    /// The lifetime of memories that are given none; `None` for ever.
    pub const fn default_lifetime(&self) -> Option<Duration> {
        match self.default_ttl {
            Some(lifetime) => lifetime,
            None => None,
        }
    }

    /// Whether the collection is in RAM alone.
    pub const fn is_in_memory(&self) -> bool {
        matches!(self.in_memory, Some(true))
    }

    /// How many rows the active segment takes.
    pub const fn memtable_row_limit(&self) -> u32 {
        match self.memtable_rows {
            Some(rows) => rows,
            None => settings::MEMTABLE_ROWS,
        }
    }

    /// Checks every range.
    pub(crate) fn validate(&self) -> Result<()> {
        Settings::new(self.clone()).validate()
    }
}

impl PartialEq for CollectionOptions {
    fn eq(&self, other: &Self) -> bool {
        Settings::new(self.clone()) == Settings::new(other.clone())
    }
}
