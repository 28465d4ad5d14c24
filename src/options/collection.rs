//! Owns `CollectionOptions`: the values that a caller passes to open or create a collection.

use std::time::Duration;

use super::text_index::TextIndex;
use super::values::{Durability, HnswParams, Metric};
use crate::quantization::Quantization;

/// The options with which [`Store::collection`](crate::Store::collection) creates or opens a
/// collection. The dimension, the metric, the quantization and whether the
/// collection is in memory are fixed at creation. So is the embedding space once it has a name. The
/// other options change when the collection is opened with other values.
///
/// An option that is not given has its default in a new collection. In a collection that exists it
/// is neither compared nor changed. [`Collection::settings`](crate::Collection::settings) returns
/// the values in force. Two `CollectionOptions` are equal if they create the same collection.
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
    /// `None` if no lifetime is given. The inner `None` is a given lifetime without end.
    pub(super) default_ttl: Option<Option<Duration>>,
    pub(super) in_memory: Option<bool>,
    pub(super) memtable_rows: Option<u32>,
    pub(super) unique_keys: Option<bool>,
    /// As `default_ttl`.
    pub(super) refresh_on_read: Option<Option<Duration>>,
    /// As `default_ttl`.
    pub(super) text_index: Option<Option<TextIndex>>,
}

impl CollectionOptions {
    /// Largest dimension of a collection.
    pub const MAX_DIMENSION: usize = 65_535;

    /// Returns options for vectors of `dimension` (1 to 65,535) floats, compared by `metric`.
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
            unique_keys: None,
            refresh_on_read: None,
            text_index: None,
        }
    }

    /// Names the model that makes the vectors, in 1 to 1,024 bytes. Opening the collection under
    /// another name is an error. A name given to a collection without one is kept. Default =
    /// unnamed: then no names are compared.
    #[must_use]
    pub fn embedding_space(mut self, name: impl Into<String>) -> Self {
        self.embedding_space = Some(name.into());
        self
    }

    /// Sets the compact form of vectors that searches read. Default = [`Quantization::Bits4`] from
    /// 256 dimensions on, [`Quantization::Int8`] below.
    #[must_use]
    pub const fn quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = Some(quantization);
        self
    }

    /// Sets all parameters of the graph. Default = [`HnswParams::default`]. Existing graphs keep
    /// their parameters until they are rebuilt.
    #[must_use]
    pub const fn hnsw(mut self, hnsw: HnswParams) -> Self {
        self.hnsw = Some(hnsw);
        self
    }

    /// Sets what a write waits for, unless the write itself sets it. Default =
    /// [`Durability::Sync`].
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Sets the lifetime, counted from the insert, of memories that have none of their own and are
    /// not pinned. It is rounded up to a whole millisecond and must not be zero. It applies to
    /// memories inserted from now on. Default = for ever.
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

    /// Removes a [`default_ttl`](Self::default_ttl) that the collection may have: memories inserted
    /// from now on without a lifetime live for ever. Memories that already got their end from it
    /// keep that end.
    #[must_use]
    pub const fn no_default_ttl(mut self) -> Self {
        self.default_ttl = Some(None);
        self
    }

    /// Prolongs the lives of memories that are read: what [`Collection::get`], a search or a list
    /// returns, and would expire before, lives for at least this long from then on. Memories that
    /// never expire stay so. Rounded up to whole milliseconds; must not be zero. Default = reads
    /// change nothing.
    ///
    /// A read does not wait for this. The new ends are collected and written by the background at
    /// most once a second, as [`Collection::touch`] would, and lost if the process dies before.
    /// Only an end that moves by at least an eighth of the time is written, so a memory that is
    /// read all the time is written eight times in it. Without background work
    /// [`Store::run_pending_tasks`](crate::Store::run_pending_tasks) writes them.
    ///
    /// [`Collection::get`]: crate::Collection::get
    /// [`Collection::touch`]: crate::Collection::touch
    #[must_use]
    #[doc(alias = "sliding")]
    pub const fn refresh_on_read(mut self, time: Duration) -> Self {
        self.refresh_on_read = Some(Some(time));
        self
    }

    /// Takes back [`refresh_on_read`](Self::refresh_on_read): reads change nothing.
    #[must_use]
    pub const fn no_refresh_on_read(mut self) -> Self {
        self.refresh_on_read = Some(None);
        self
    }

    /// Indexes the words of texts. Default = they are not indexed.
    ///
    /// It can be switched on, changed and switched off at any time. Searches are right from then
    /// on: the texts of rows that have no words yet, or words by other rules, are read for each
    /// search. The background rewrites one segment after the other, and
    /// [`Store::compact`](crate::Store::compact) all at once.
    ///
    /// The index lies in the segments. It is compacted and purged with them, and takes about half
    /// the bytes of the texts ([`CollectionStats::word_bytes`](crate::CollectionStats::word_bytes)
    /// tells). A memtable with it takes more heap, which
    /// [`StoreOptions::heap_budget`](crate::StoreOptions::heap_budget) counts. Needs the feature
    /// `text`, which is on by default.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Language, Metric, Store, TextIndex};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let options = || CollectionOptions::new(2, Metric::Cosine);
    /// let words = TextIndex::new().language(Language::English);
    /// let notes = store.collection("notes", options().text_index(words))?;
    /// assert_eq!(notes.settings().text_index, Some(words));
    /// let notes = store.collection("notes", options().no_text_index())?;
    /// assert_eq!(notes.settings().text_index, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    #[doc(alias = "bm25")]
    pub const fn text_index(mut self, index: TextIndex) -> Self {
        self.text_index = Some(Some(index));
        self
    }

    /// Takes back [`text_index`](Self::text_index). The words go with the next rewrite of each
    /// segment.
    #[must_use]
    pub const fn no_text_index(mut self) -> Self {
        self.text_index = Some(None);
        self
    }

    /// Keeps the whole collection in RAM: it has no file and no log, and is gone when the store is
    /// closed. Its memories count against
    /// [`StoreOptions::heap_budget`](crate::StoreOptions::heap_budget).
    #[must_use]
    pub const fn in_memory(mut self) -> Self {
        self.in_memory = Some(true);
        self
    }

    /// Sets the number of rows at which the active segment (the memtable) is sealed, 64 to 65,536.
    /// Default = 4,096. It is also sealed when it takes 8 MiB of heap. An in-memory collection
    /// ignores this option.
    #[must_use]
    pub const fn memtable_rows(mut self, rows: u32) -> Self {
        self.memtable_rows = Some(rows);
        self
    }

    /// Keeps the key of a memory unique within its namespace. A write that would give a second
    /// visible memory of a namespace the same key is [`Error::KeyTaken`](crate::Error::KeyTaken),
    /// and nothing of its batch is written. The memories without a namespace count as one
    /// namespace. A memory without a key is not affected. Default = false.
    ///
    /// The writes of a batch are checked in turn, so that a batch can delete a memory and give its
    /// key to another. It can be switched off at any time. It can be switched on if no two visible
    /// memories of a namespace share a key. Checking that is O(rows), takes 8 bytes of heap per row
    /// with a key, and lets writers wait.
    ///
    /// A write with a key costs O(log rows) per segment, and comparing a number per row in RAM.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Error, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let options = CollectionOptions::new(2, Metric::L2).unique_keys(true);
    /// let notes = store.collection("notes", options)?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).key("name"))?;
    /// let second = notes.insert(Memory::new(2, [0.0, 1.0]).key("name"));
    /// assert!(matches!(second, Err(Error::KeyTaken { .. })));
    /// notes.insert(Memory::new(2, [0.0, 1.0]).key("name").namespace("user:42"))?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn unique_keys(mut self, unique: bool) -> Self {
        self.unique_keys = Some(unique);
        self
    }
}
