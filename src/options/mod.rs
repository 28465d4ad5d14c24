//! Owns what users choose: options of a store (`store`) and of a collection, checked in one place
//! each. Plain data; the manifest stores the lasting part of it (`format::manifest`).

mod settings;
mod store;
mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
pub(crate) use crate::quantization::Quantization;
pub use settings::CollectionSettings;
pub(crate) use store::Listener;
pub use store::{Background, IoMode, StoreOptions};

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
    /// Fewest rows for which a graph is built; fewer are scanned, which takes some 10 ns a row and needs
    /// no upkeep. One that is there is kept down to half of that. Default = 30,000.
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

/// What a collection is to be: fixed at creation (dimension, metric, quantization, whether it is in
/// memory, and the embedding space once it has a name) or changed by opening it with other values (the
/// rest).
///
/// What is not given has its default in a collection that is created, and stays as it is in one that
/// exists: it is neither compared nor changed. [`Collection::settings`](crate::Collection::settings)
/// returns what holds in a collection. Two are equal if they create the same collection.
///
/// ```
/// use altiplano::{CollectionOptions, CollectionSettings, Metric, Quantization};
/// let options = CollectionOptions::new(384, Metric::Cosine).embedding_space("all-MiniLM-L6-v2");
/// assert_eq!(CollectionSettings::from(options).quantization, Quantization::Bits4);
/// ```
#[derive(Clone, Debug)]
pub struct CollectionOptions {
    dimension: usize,
    metric: Metric,
    embedding_space: Option<String>,
    quantization: Option<Quantization>,
    hnsw: Option<HnswParams>,
    durability: Option<Durability>,
    /// Whether a lifetime is given, and which: none at all is one of them.
    default_ttl: Option<Option<Duration>>,
    in_memory: Option<bool>,
    memtable_rows: Option<u32>,
}

impl CollectionOptions {
    /// Largest dimension of a collection.
    pub const MAX_DIMENSION: usize = 65_535;

    /// Options for vectors of `dimension` (1 to 65,535) floats compared by `metric`.
    pub const fn new(dimension: usize, metric: Metric) -> Self {
        Self {
            dimension,
            metric,
            embedding_space: None,
            quantization: None,
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

    /// Chooses the compact form of vectors that searches read. Default = [`Quantization::Bits4`] from 256 dimensions on, below
    /// that [`Quantization::Int8`].
    #[must_use]
    pub const fn quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = Some(quantization);
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
    /// assert_eq!(notes.settings().default_ttl, Some(day));
    /// let notes = store.collection("notes", options().no_default_ttl())?;
    /// assert_eq!(notes.settings().default_ttl, None);
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

    /// Checks every range.
    pub(crate) fn validate(&self) -> Result<()> {
        CollectionSettings::from(self.clone()).validate()
    }
}

impl PartialEq for CollectionOptions {
    fn eq(&self, other: &Self) -> bool {
        CollectionSettings::from(self.clone()) == CollectionSettings::from(other.clone())
    }
}
