//! Owns `Collection`, the handle of one named set of memories, and its reads. Its writes are in
//! `write`.

use std::sync::Arc;

use crate::engine::life::Life;
use crate::engine::moment::{Moment, View};
use crate::engine::{Engine, refresh, stats};
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::options::CollectionSettings;
use crate::search::{Hit, Iter, Search, TextQuery, single};
use crate::snapshot::state::CollectionState;
use crate::stats::CollectionStats;

/// A named set of memories of one dimension and metric. A cheap handle: clone it freely and use it
/// from any thread.
///
/// A handle keeps its store open. The store closes when the last handle of it or of its collections
/// is dropped, or when any handle calls [`Store::close`](crate::Store::close). After that call
/// every handle gets [`Error::Closed`](crate::Error::Closed).
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::{CollectionOptions, Memory, Metric, Store};
/// let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(3, Metric::Cosine))?;
/// notes.insert(Memory::new(7, [0.1, 0.2, 0.3]).text("likes tea"))?;
/// let hits = notes.search(&[0.1, 0.2, 0.3]).k(1).run()?;
/// assert_eq!(hits[0].text(), Some("likes tea"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Collection {
    pub(crate) engine: Arc<Engine>,
    pub(crate) core: Arc<CollectionState>,
    pub(crate) life: Arc<Life>,
}

impl Collection {
    /// Returns the name that the collection has now. The name changes with
    /// [`Store::rename_collection`](crate::Store::rename_collection).
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// Returns every option with its current value. [`Store::collection`](crate::Store::collection)
    /// accepts them to create a collection like this one elsewhere.
    #[doc(alias = "options")]
    #[doc(alias = "config")]
    pub fn settings(&self) -> CollectionSettings {
        CollectionSettings::clone(&self.core.options())
    }

    /// Returns the memory with this id, including its vector; `None` if there is none or it has
    /// expired.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the row is damaged on disk,
    /// [`Error::Io`](crate::Error::Io) if it cannot be read,
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).text("a"))?;
    /// assert_eq!(notes.get(1)?.unwrap().text.as_deref(), Some("a"));
    /// assert!(notes.get(2)?.is_none());
    /// # Ok(()) }
    /// ```
    pub fn get(&self, id: impl Into<MemoryId>) -> Result<Option<Memory>> {
        let found = self.read(id.into())?;
        Ok(found.inspect(|memory| self.note_read(memory)))
    }

    /// Notes that a caller read a memory.
    pub(super) fn note_read(&self, memory: &Memory) {
        if let Some(end) = memory.expiry() {
            refresh::note_read(&self.engine, &self.core, memory.id, end);
        }
    }

    /// Returns the memory with this id, for a reader that may not be the caller.
    pub(super) fn read(&self, id: MemoryId) -> Result<Option<Memory>> {
        single::by_id(&self.core, &self.present()?, id)
    }

    /// Returns the present moment. An error if the store is closed.
    pub(super) fn present(&self) -> Result<Moment> {
        Moment::present(&self.engine, &self.core)
    }

    /// Returns true if a memory with this id is visible.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::get`].
    pub fn contains(&self, id: impl Into<MemoryId>) -> Result<bool> {
        single::contains(&self.present()?, id.into(), None)
    }

    /// Returns the number of visible memories. O(segments), and O(rows / 64) per segment in which
    /// some rows have expired, but not all.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) if a column of expiries is damaged on disk,
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    #[doc(alias = "size")]
    pub fn len(&self) -> Result<u64> {
        single::len(&self.present()?)
    }

    /// Returns true if no memory is visible.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Iterates over every visible memory, including its vector, in no particular order. The
    /// iterator shows the collection as of now: later writes are not seen. It needs bounded heap,
    /// however large the collection. [`Collection::list`] lists memories in an order, page by page.
    pub fn iter(&self) -> Iter {
        self.scan(Filter::All)
    }

    /// Iterates over every visible memory that matches. See [`Collection::iter`]. For an invalid
    /// filter, as [`Filter`] lists, the iterator returns one error and ends.
    #[doc(alias = "find")]
    pub fn scan(&self, filter: Filter) -> Iter {
        let metric = self.core.spec.metric;
        match self.present() {
            Ok(at) => Iter::new(at, metric, filter),
            Err(error) => Iter::refused(metric, error),
        }
    }

    /// Creates a search for the memories nearest to `query`. It sees the collection as of the
    /// moment when it runs.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).namespace("user:42").text("likes tea"))?;
    /// notes.insert(Memory::new(2, [1.0, 0.0]).namespace("user:7").text("likes coffee"))?;
    /// let hits = notes.search(&[0.1, 0.9]).k(5).filter(Filter::namespace("user:42")).run()?;
    /// assert_eq!(hits.len(), 1);
    /// assert_eq!(hits[0].text(), Some("likes tea"));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "query")]
    #[doc(alias = "recall")]
    pub fn search<'a>(&'a self, query: &'a [f32]) -> Search<'a> {
        Search::new(&self.engine, &self.core, query, View::Present)
    }

    /// Creates a search for the memories nearest to a stored one, which is itself left out. It sees
    /// the collection as of the moment when it runs.
    ///
    /// If the memory is not there when the search runs, [`Search::run`] returns
    /// [`Error::NoMemory`](crate::Error::NoMemory).
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// for (id, vector) in [(1, [0.0, 1.0]), (2, [1.0, 0.0]), (3, [0.1, 0.9])] {
    ///     notes.insert(Memory::new(id, vector))?;
    /// }
    /// let hits = notes.near(1).k(1).run()?;
    /// assert_eq!(hits[0].id, 3.into());
    /// assert!(notes.near(9).run().is_err());
    /// # Ok(()) }
    /// ```
    #[doc(alias = "similar")]
    #[doc(alias = "more_like_this")]
    pub fn near(&self, id: impl Into<MemoryId>) -> Search<'_> {
        Search::near(&self.engine, &self.core, id.into(), None, View::Present)
    }

    /// Creates a search for the memories whose text matches a query by words, the best first. It
    /// sees the collection as of the moment when it runs. The collection needs a
    /// [text index](crate::CollectionOptions::text_index), otherwise [`Search::run`] returns
    /// [`Error::InvalidOption`](crate::Error::InvalidOption).
    ///
    /// The score of a result is BM25, with the statistics of all visible memories of the
    /// collection. A memory that has none of the words is no result. For a search by words and by a
    /// vector, see [`Search::text`].
    ///
    /// O(memories that have one of the words).
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store, TextIndex};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let options = CollectionOptions::new(2, Metric::Cosine).text_index(TextIndex::new());
    /// let notes = store.collection("notes", options)?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).text("Ana's flight to Lima is LA2047."))?;
    /// notes.insert(Memory::new(2, [1.0, 0.0]).text("Lima is foggy in July."))?;
    /// let hits = notes.search_text("flight Lima").k(5).run()?;
    /// assert_eq!(hits[0].id, 1.into());
    /// assert!(hits[0].score > hits[1].score);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "full_text")]
    #[doc(alias = "keyword")]
    pub fn search_text(&self, query: impl Into<TextQuery>) -> Search<'_> {
        Search::words(&self.engine, &self.core, query.into(), View::Present)
    }

    /// Answers many queries in parallel, all at the same moment. `configure` sets the options of
    /// each search.
    ///
    /// # Errors
    ///
    /// The same as for [`Search::run`]: the first error of any query.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]))?;
    /// let queries = [[0.0, 1.0], [1.0, 0.0]];
    /// let answers = notes.search_batch(&queries, |search| search.k(3))?;
    /// assert_eq!(answers.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn search_batch<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        configure: impl Fn(Search<'_>) -> Search<'_> + Sync,
    ) -> Result<Vec<Vec<Hit>>> {
        use rayon::prelude::*;
        let at = self.present()?;
        let answer = |query: &Q| {
            let view = View::Moment(at.clone());
            let search = Search::new(&self.engine, &self.core, query.as_ref(), view);
            configure(search).run()
        };
        self.engine.threads.pool()?.install(|| queries.par_iter().map(answer).collect())
    }

    /// Returns the statistics of the collection without its compaction debt.
    pub(crate) fn counted(&self) -> Result<CollectionStats> {
        self.engine.dir.check_open()?;
        stats::collection(&self.engine, &self.core)
    }
}

impl IntoIterator for &Collection {
    type Item = Result<Memory>;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}
