//! Owns `Search`, the builder of a query. `request` has its parameters, `hit` its results, and
//! `run` carries it out.

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

/// Largest number of results of one search.
const MAX_K: usize = 1 << 20;

/// A search that is being configured: [`Collection::search`](crate::Collection::search) creates it,
/// and [`Search::run`] carries it out.
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
    /// The snapshot to search; `None` means the current one at the time of the run.
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

    /// Sets the number of results, at most 1,048,576. Default = 10. If that many memories match,
    /// that many are returned.
    #[doc(alias = "limit")]
    #[doc(alias = "top_k")]
    pub const fn k(mut self, k: usize) -> Self {
        self.request.k = k;
        self
    }

    /// Sets the width of the beam in graphs. Default: the width that [`Search::target_recall`]
    /// needs.
    pub const fn ef(mut self, ef: usize) -> Self {
        self.request.ef = Some(ef);
        self
    }

    /// Sets the share of the true nearest that should be found, 0 to 1. Default = 0.95.
    ///
    /// A graph is searched only if its measured recall reaches this share. The recall is measured
    /// against exact distances, on average over queries like the rows. Otherwise a more expensive
    /// path is taken that does reach it. Recall is measured for ten results. More results get a
    /// proportionally wider beam, without a promise.
    pub const fn target_recall(mut self, recall: f32) -> Self {
        self.request.recall = recall;
        self
    }

    /// Limits the search to memories that match. Several filters must all match.
    #[doc(alias = "where")]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.request.filter = std::mem::replace(&mut self.request.filter, Filter::All).and(filter);
        self
    }

    /// Limits the search to memories of this namespace.
    pub fn namespace(self, name: impl Into<String>) -> Self {
        self.filter(Filter::namespace(name))
    }

    /// Limits the search to memories of this session. Sessions belong to the collection. If several
    /// users use the same session names, filter by namespace as well.
    pub fn session(self, name: impl Into<String>) -> Self {
        self.filter(Filter::session(name))
    }

    /// Limits the search to memories of this kind.
    pub fn kind(self, name: impl Into<String>) -> Self {
        self.filter(Filter::kind(name))
    }

    /// Limits the search to memories with this tag.
    pub fn tag(self, name: impl Into<String>) -> Self {
        self.filter(Filter::tag(name))
    }

    /// Limits the search to memories made in this range of time.
    pub fn created(self, range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        self.filter(Filter::created(range))
    }

    /// Limits the search to memories for which the closure returns true. The closure gets them
    /// without their vectors and is called for candidates only. Use a [`Filter`] where one can
    /// express the condition: it is faster.
    pub fn filter_fn(mut self, closure: impl Fn(&Memory) -> bool + Send + Sync + 'a) -> Self {
        self.request.closure = Some(Box::new(closure));
        self
    }

    /// Measures every eligible memory exactly: O(rows), with exact results.
    pub const fn exact(mut self) -> Self {
        self.request.exact = true;
        self
    }

    /// Sets how candidates are found. Default = [`SearchMode::Auto`].
    pub const fn mode(mut self, mode: SearchMode) -> Self {
        self.request.mode = mode;
        self
    }

    /// Sets which fields of each memory are returned. Default = [`Fields::Payload`], without
    /// vectors.
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

    /// Returns the nearest memories, and an explanation of the search.
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
