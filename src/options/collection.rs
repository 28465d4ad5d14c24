//! Owns `CollectionOptions`, what a caller gives when a collection is opened or created.

use std::time::Duration;

use super::values::{Durability, HnswParams, Metric};
use crate::quantization::Quantization;

/// What a collection is to be: fixed at creation (dimension, metric, quantization, whether it is in
/// memory, and the embedding space once it has a name) or changed by opening it with other values
/// (the rest).
///
/// What is not given has its default in a collection that is created, and stays as it is in one
/// that exists: it is neither compared nor changed.
/// [`Collection::settings`](crate::Collection::settings) returns what holds in a collection. Two
/// are equal if they create the same collection.
///
/// ```
/// use altiplano::{CollectionOptions, CollectionSettings, Metric, Quantization};
/// let options = CollectionOptions::new(384, Metric::Cosine).embedding_space("all-MiniLM-L6-v2");
/// assert_eq!(CollectionSettings::from(options).quantization, Quantization::Bits4);
/// ```
#[derive(Clone, Debug)]
pub struct CollectionOptions {
    pub(super) dimension: usize,
    pub(super) metric: Metric,
    pub(super) embedding_space: Option<String>,
    pub(super) quantization: Option<Quantization>,
    pub(super) hnsw: Option<HnswParams>,
    pub(super) durability: Option<Durability>,
    /// Whether a lifetime is given, and which: none at all is one of them.
    pub(super) default_ttl: Option<Option<Duration>>,
    pub(super) in_memory: Option<bool>,
    pub(super) memtable_rows: Option<u32>,
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
    /// another name is an error; a name that is given to a collection without one is kept. Default
    /// = unnamed, which is compared with nothing.
    #[must_use]
    pub fn embedding_space(mut self, name: impl Into<String>) -> Self {
        self.embedding_space = Some(name.into());
        self
    }

    /// Chooses the compact form of vectors that searches read. Default = [`Quantization::Bits4`]
    /// from 256 dimensions on, below that [`Quantization::Int8`].
    #[must_use]
    pub const fn quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = Some(quantization);
        self
    }

    /// Sets the parameters of the graph, all of them. Default = [`HnswParams::default`]. Graphs
    /// that are there keep theirs until they are built again.
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
    /// rounded up to a whole millisecond, and not zero. It counts for memories inserted from now
    /// on. Default = for ever.
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

    /// Says that memories which are given no lifetime live for ever, also where the collection had
    /// a [`default_ttl`](Self::default_ttl) before. Memories that got their end from it keep it.
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
}
