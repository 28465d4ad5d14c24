//! Owns `Search`, the builder of a query. `request` has its parameters and `hit` its results.
//! `answer` carries it out, and `run` finds the nearest rows to one query. `list` lists memories in
//! an order without a query, and `names` counts them.

mod answer;
mod choose;
mod eligible;
mod group;
pub(crate) mod hit;
mod iter;
pub(crate) mod list;
pub(crate) mod names;
mod request;
mod run;
mod shortlist;
pub(crate) mod single;
mod text;
mod words;

use std::fmt;

pub use group::GroupBy;
pub use hit::{
    AccessPath, AccessReason, Explanation, Group, Hit, PartSearch, TextSearch, WordCount,
};
pub use iter::Iter;
pub use request::{Fields, SearchMode};
pub use text::{Fusion, TextQuery};

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::engine::moment::View;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::search::answer::Answer;
use crate::search::request::{Query, Request};
use crate::snapshot::state::CollectionState;

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
    /// The moment to search.
    view: View<'a>,
    request: Request<'a>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        core: &'a CollectionState,
        query: &'a [f32],
        view: View<'a>,
    ) -> Self {
        Self { engine, core, view, request: Request::new(Query::Vector(query)) }
    }

    /// Returns a search for the memories nearest to a stored one. With a namespace, a memory of
    /// another is as none.
    pub(crate) fn near(
        engine: &'a Engine,
        core: &'a CollectionState,
        id: MemoryId,
        namespace: Option<String>,
        view: View<'a>,
    ) -> Self {
        let query = Query::Memory { id, namespace };
        Self { engine, core, view, request: Request::new(query) }
    }

    /// Adds a query: the distance of a memory is the smallest to any of the queries, so results
    /// near to any of them are found, each once. Takes as long as that many searches. Added to a
    /// search by words, it makes a search by both.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{Batch, CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// let at = [(1, [0.0, 0.1]), (2, [0.5, 0.5]), (3, [1.0, 0.9])];
    /// notes.apply(at.map(|(id, vector)| Memory::new(id, vector)).into_iter().collect::<Batch>())?;
    /// let hits = notes.search(&[0.0, 0.0]).or_near(&[1.0, 1.0]).k(2).run()?;
    /// let ids: Vec<u64> = hits.iter().map(|hit| hit.id.as_u128() as u64).collect();
    /// assert_eq!((ids.contains(&1), ids.contains(&3)), (true, true));
    /// # Ok(()) }
    /// ```
    pub fn or_near(mut self, query: &[f32]) -> Self {
        self.request.others.push(query.to_vec());
        self
    }

    /// Returns a search by words.
    pub(crate) fn words(
        engine: &'a Engine,
        core: &'a CollectionState,
        query: TextQuery,
        view: View<'a>,
    ) -> Self {
        let mut request = Request::new(Query::Words);
        request.text = Some(query);
        Self { engine, core, view, request }
    }

    /// Adds a query by words: results are ordered by both, as [`Search::fusion`] says. The
    /// collection needs a [text index](crate::CollectionOptions::text_index).
    ///
    /// The words only add to the order. A memory without any of them, or without a phrase of the
    /// query, can still be a result by its vector. A second query replaces the first.
    ///
    /// Takes as long as one search of each kind. Each finds its best candidates, and both scores of
    /// all of these are computed: see [`Search::pool`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store, TextIndex};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let options = CollectionOptions::new(2, Metric::Cosine).text_index(TextIndex::new());
    /// let notes = store.collection("notes", options)?;
    /// notes.insert(Memory::new(1, [0.9, 0.1]).text("Trains were late again."))?;
    /// notes.insert(Memory::new(2, [0.7, 0.3]).text("Booked flight LA2047 to Lima."))?;
    /// let hits = notes.search(&[1.0, 0.0]).text("when is flight LA2047").run()?;
    /// assert_eq!(hits[0].id, 2.into());
    /// assert!(hits[0].text_score > hits[1].text_score && hits[0].distance > hits[1].distance);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "hybrid")]
    #[doc(alias = "bm25")]
    pub fn text(mut self, query: impl Into<TextQuery>) -> Self {
        self.request.text = Some(query.into());
        self
    }

    /// Sets how the rankings by vector and by words become one. Default = [`Fusion::default`].
    pub const fn fusion(mut self, fusion: Fusion) -> Self {
        self.request.fusion = fusion;
        self
    }

    /// Sets how many candidates each side of a search by vector and words gives, at least four
    /// times the results. Default = 100. A memory that is among the candidates of neither side is
    /// no result.
    pub const fn pool(mut self, candidates: usize) -> Self {
        self.request.pool = Some(candidates);
        self
    }

    /// Sets the number of results, at most 1,048,576. Default = 10. If that many memories match,
    /// that many are returned.
    #[doc(alias = "limit")]
    #[doc(alias = "top_k")]
    pub const fn k(mut self, k: usize) -> Self {
        self.request.k = k;
        self
    }

    /// Leaves out the first `n` results, for the second and later pages. Default = 0. Each page
    /// searches anew for all results up to its end. While nothing is written, the pages of an
    /// [`exact`](Self::exact) search join to one list. Pages found through a graph may differ in
    /// which of the nearest they know. `k` and offset together are at most 1,048,576.
    #[doc(alias = "skip")]
    pub const fn offset(mut self, n: usize) -> Self {
        self.request.offset = n;
        self
    }

    /// Leaves out results that are farther away than this. One exactly at this distance stays.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [1.0, 0.1]))?;
    /// notes.insert(Memory::new(2, [-1.0, 0.0]))?;
    /// let hits = notes.search(&[1.0, 0.0]).min_score(0.8).run()?;
    /// assert_eq!((hits.len(), hits[0].id), (1, 1.into()));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "radius")]
    pub const fn max_distance(mut self, distance: f32) -> Self {
        self.request.max_distance = distance;
        self
    }

    /// Leaves out results with a smaller score than this: see [`Hit::score`]. One with exactly this
    /// score stays.
    #[doc(alias = "threshold")]
    pub const fn min_score(mut self, score: f32) -> Self {
        self.request.min_score = score;
        self
    }

    /// Groups the results by an attribute, with at most `n` results in each group. `k` is then the
    /// number of groups, and [`offset`](Self::offset) leaves out groups. Groups are in the order of
    /// their nearest result. If `k` groups match, `k` are returned. A memory without the attribute
    /// is in no group.
    ///
    /// [`run`](Self::run) returns one group after the other in one list.
    /// [`run_groups`](Self::run_groups) returns them one by one. Where a few groups hold most of
    /// the nearest memories, some further searches are needed for the others.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, GroupBy, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// for (id, session) in [(1, "monday"), (2, "monday"), (3, "friday")] {
    ///     notes.insert(Memory::new(id, [id as f32, 0.0]).session(session))?;
    /// }
    /// let search = notes.search(&[1.0, 0.0]).k(5).group_by(GroupBy::Session, 1);
    /// let groups = search.run_groups()?;
    /// let sessions: Vec<&str> = groups.iter().map(|group| &*group.value).collect();
    /// assert_eq!(sessions, ["monday", "friday"]);
    /// assert_eq!(groups[0].hits[0].id, 1.into());
    /// # Ok(()) }
    /// ```
    #[doc(alias = "distinct")]
    pub fn group_by(mut self, attribute: GroupBy, n: usize) -> Self {
        self.request.group = Some((attribute, n));
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

    /// Makes the search one that does not count as a read: it prolongs no lives, where
    /// [`refresh_on_read`](crate::CollectionOptions::refresh_on_read) would.
    pub const fn peek(mut self) -> Self {
        self.request.is_peek = true;
        self
    }

    /// Returns the nearest memories, nearest first, ties by id.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`] or [`Error::InvalidVector`] for a query. [`Error::NoMemory`] if the
    /// memory of [`Collection::near`](crate::Collection::near) is not there.
    /// [`Error::InvalidOption`] and [`Error::LimitExceeded`] for options that are out of range.
    /// [`Error::Corrupt`] if a row that belongs in the answer is damaged on disk.
    /// [`Error::SnapshotExpired`] if it is on a snapshot that is too old.
    pub fn run(self) -> Result<Vec<Hit>> {
        self.explain().map(|(hits, _)| hits)
    }

    /// Returns the nearest memories, and an explanation of the search.
    ///
    /// # Errors
    ///
    /// As for [`Search::run`].
    pub fn explain(self) -> Result<(Vec<Hit>, Explanation)> {
        if self.request.group.is_none() {
            return self.answer(|answer| answer.hits());
        }
        let (groups, told) = self.answer(|answer| answer.groups())?;
        Ok((groups.into_iter().flat_map(|group| group.hits).collect(), told))
    }

    /// Returns the groups that [`Search::group_by`] asked for.
    ///
    /// # Errors
    ///
    /// As for [`Search::run`], and [`Error::InvalidOption`] if no attribute to group by was set.
    pub fn run_groups(self) -> Result<Vec<Group>> {
        if self.request.group.is_none() {
            let reason = "no attribute is set; call Search::group_by before run_groups";
            return Err(Error::option("group_by", reason));
        }
        self.answer(|answer| answer.groups()).map(|(groups, _)| groups)
    }

    /// Finds the answer, and returns it with an explanation.
    fn answer<T>(
        self,
        find: impl FnOnce(&mut Answer<'_>) -> Result<T>,
    ) -> Result<(T, Explanation)> {
        self.request.check()?;
        let at = self.view.moment(self.engine, self.core)?;
        let begun = self.engine.time.monotonic();
        let answer = Answer::new(self.engine, self.core, &at, &self.request);
        let answer = answer.and_then(|mut answer| Ok((find(&mut answer)?, answer.told)));
        let took = self.engine.time.monotonic().saturating_sub(begun);
        self.engine.background.pace().note_search(took);
        answer
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Search");
        self.request.show(shown.field("collection", &self.core.name()));
        shown.finish_non_exhaustive()
    }
}
