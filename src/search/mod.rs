//! Owns `Search`, the builder of a query. What it asks for is `request`, what it gets `hit`, how
//! that is found `run`.

mod choose;
mod eligible;
pub(crate) mod hit;
mod iter;
mod request;
mod run;
mod shortlist;

use std::fmt;
use std::sync::Arc;

pub use hit::{AccessPath, AccessReason, Explanation, Hit, PartSearch};
pub use iter::Iter;
pub use request::{Fields, SearchMode};

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::memory::Memory;
use crate::search::request::Request;
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;

/// Most results of one search.
const MAX_K: usize = 1 << 20;

/// A search in the making. Nothing happens before [`Search::run`].
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
/// notes.insert(Memory::new(1, [0.9, 0.1]).namespace("user:42").importance(0.8))?;
/// let query = [1.0, 0.0];
/// let search = notes.search(&query).k(5).namespace("user:42").target_recall(0.99);
/// let hits = search.filter(Filter::importance(0.5..=1.0)).run()?;
/// assert_eq!((hits[0].id, hits.len()), (1.into(), 1));
/// # Ok(()) }
/// ```
#[must_use = "a search does nothing until it is run"]
pub struct Search<'a> {
    engine: &'a Engine,
    core: &'a CollectionState,
    /// What is searched; what there is when it is run, if `None`.
    snapshot: Option<Arc<Snapshot>>,
    request: Request<'a>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        core: &'a CollectionState,
        query: &'a [f32],
        snapshot: Option<Arc<Snapshot>>,
    ) -> Self {
        Self { engine, core, snapshot, request: Request::new(query) }
    }

    /// How many results, at most about a million. Default = 10. As many come back whenever that
    /// many memories match.
    #[doc(alias = "limit")]
    #[doc(alias = "top_k")]
    pub const fn k(mut self, k: usize) -> Self {
        self.request.k = k;
        self
    }

    /// The width of the beam in graphs. Default: what [`Search::target_recall`] needs.
    pub const fn ef(mut self, ef: usize) -> Self {
        self.request.ef = Some(ef);
        self
    }

    /// The share of the true nearest that should be found, 0 to 1. Default = 0.95. A graph is
    /// searched only if it was measured to find as much, against exact distances, on average over
    /// queries like the rows; otherwise a way is taken that costs more and finds them. What is
    /// measured are ten results; for more a beam is taken that is wider in proportion, and nothing
    /// is promised of it.
    pub const fn target_recall(mut self, recall: f32) -> Self {
        self.request.recall = recall;
        self
    }

    /// Only memories that match; several filters must all match.
    #[doc(alias = "where")]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.request.filter = std::mem::replace(&mut self.request.filter, Filter::All).and(filter);
        self
    }

    /// Only memories of this namespace.
    pub fn namespace(self, name: impl Into<String>) -> Self {
        self.filter(Filter::namespace(name))
    }

    /// Only memories of this session. Sessions belong to the collection: ask for the namespace as
    /// well where users number theirs alike.
    pub fn session(self, name: impl Into<String>) -> Self {
        self.filter(Filter::session(name))
    }

    /// Only memories of this kind.
    pub fn kind(self, name: impl Into<String>) -> Self {
        self.filter(Filter::kind(name))
    }

    /// Only memories with this tag.
    pub fn tag(self, name: impl Into<String>) -> Self {
        self.filter(Filter::tag(name))
    }

    /// Only memories made in this range of time.
    pub fn created(self, range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        self.filter(Filter::created(range))
    }

    /// Only memories for which the closure is true. It sees them without their vectors, and is
    /// called for candidates only; data that a [`Filter`] can express is found faster with one.
    pub fn filter_fn(mut self, closure: impl Fn(&Memory) -> bool + Send + Sync + 'a) -> Self {
        self.request.closure = Some(Box::new(closure));
        self
    }

    /// Measures every eligible memory exactly: O(rows), and right.
    pub const fn exact(mut self) -> Self {
        self.request.exact = true;
        self
    }

    /// How candidates are looked for. Default = [`SearchMode::Auto`].
    pub const fn mode(mut self, mode: SearchMode) -> Self {
        self.request.mode = mode;
        self
    }

    /// How much of each memory comes back. Default = [`Fields::Payload`], without vectors.
    pub const fn fields(mut self, fields: Fields) -> Self {
        self.request.fields = fields;
        self
    }

    /// Returns the nearest memories, nearest first, ties by id.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`] or [`Error::InvalidVector`] for the query; [`Error::Corrupt`] if a row
    /// that belongs in the answer is damaged on disk.
    pub fn run(self) -> Result<Vec<Hit>> {
        self.explain().map(|(hits, _)| hits)
    }

    /// Returns the nearest memories, and what finding them took.
    ///
    /// # Errors
    ///
    /// As for [`Search::run`].
    pub fn explain(self) -> Result<(Vec<Hit>, Explanation)> {
        if self.request.k > MAX_K {
            return Err(Error::limit("k", (self.request.k, "results"), MAX_K, "ask for fewer"));
        }
        if !(0.0..=1.0).contains(&self.request.recall) {
            let reason = format!("{} is not between 0 and 1", self.request.recall);
            return Err(Error::option("target_recall", reason));
        }
        self.request.filter.check()?;
        self.engine.dir.check_open()?;
        let begun = self.engine.time.monotonic();
        let snapshot = self.snapshot.unwrap_or_else(|| self.core.snapshot());
        let answer = run::run(self.engine, self.core, &snapshot, &self.request);
        let took = self.engine.time.monotonic().saturating_sub(begun);
        self.engine.background.pace().note_search(took);
        answer
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        f.debug_struct("Search")
            .field("collection", &self.core.name)
            .field("k", &request.k)
            .field("ef", &request.ef)
            .field("target_recall", &request.recall)
            .field("filter", &request.filter)
            .field("filter_fn", &request.closure.is_some())
            .field("exact", &request.exact)
            .field("mode", &request.mode)
            .field("fields", &request.fields)
            .finish_non_exhaustive()
    }
}
