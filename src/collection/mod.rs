//! Owns one named set of memories: the public verbs, the write path, snapshots, search, recovery.
//! Joins rows and indexes through locators. Compaction is above, in `compaction`.
//!
//! Readers load one immutable snapshot and take no lock (I6); every write goes through the commit
//! pipeline of the store's one log (`commit`).

mod batch;
pub(crate) mod canary;
pub(crate) mod commit;
pub(crate) mod core;
pub(crate) mod deaths;
pub(crate) mod disk_budget;
mod eligible;
pub(crate) mod engine;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod heap_budget;
mod iter;
pub(crate) mod life;
pub(crate) mod logging;
pub(crate) mod moves;
mod owner;
pub(crate) mod pace;
pub(crate) mod recovery;
pub(crate) mod reserve;
mod resident;
mod room;
mod search;
pub(crate) mod snapshot;
mod stage;
pub(crate) mod stats;
mod threads;
mod time;

use std::sync::Arc;

pub use batch::{Applied, Batch, Outcome};
pub use iter::Iter;
pub use search::{
    AccessPath, AccessReason, Explanation, Fields, Hit, PartSearch, Search, SearchMode,
};

use crate::collection::batch::Write;
use crate::collection::commit::Prepared;
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::life::Life;
use crate::collection::stage::Effect;
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::format::op::OpKind;
use crate::format::record;
use crate::ids::MemoryId;
use crate::memory::{self, Memory};
use crate::options::{CollectionSettings, Durability};
use crate::stats::CollectionStats;
use crate::vector::metric::prepare;

/// A named set of memories of one dimension and metric. A cheap handle: clone it freely, use it from
/// any thread.
///
/// A handle keeps its store open: the store closes when the last handle of it or of its collections
/// is dropped, or when one calls [`Store::close`](crate::Store::close). After that call every handle
/// gets [`Error::Closed`].
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
    pub(crate) core: Arc<Core>,
    pub(crate) life: Arc<Life>,
}

impl Collection {
    /// The name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// Every option with the value that holds now. [`Store::collection`](crate::Store::collection) takes
    /// them to make a collection like this one elsewhere.
    #[doc(alias = "options")]
    #[doc(alias = "config")]
    pub fn settings(&self) -> CollectionSettings {
        self.core.options()
    }

    /// Adds a memory. One with the same id is replaced, as in a map. A memory that a store gave back
    /// and that has expired since is passed over: [`Outcome::Expired`].
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::InvalidVector`], [`Error::LimitExceeded`] and
    /// [`Error::InvalidOption`] for what the memory itself says; [`Error::DiskFull`] and
    /// [`Error::Io`] if it could not be logged (nothing changed then); [`Error::CommitUnknown`] if
    /// the sync failed.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Outcome, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// assert_eq!(notes.insert(Memory::new(1, [0.0, 1.0]))?, Outcome::Inserted);
    /// assert_eq!(notes.insert(Memory::new(1, [1.0, 0.0]))?, Outcome::Replaced);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "add")]
    #[doc(alias = "put")]
    #[doc(alias = "upsert")]
    pub fn insert(&self, memory: Memory) -> Result<Outcome> {
        let applied = self.apply(Batch::new().insert(memory))?;
        Ok(match applied {
            Applied { expired: 1.., .. } => Outcome::Expired,
            Applied { replaced: 1.., .. } => Outcome::Replaced,
            _ => Outcome::Inserted,
        })
    }

    /// Deletes a memory. Returns whether one was visible. It is gone for readers at once, and its
    /// bytes are reclaimed by compaction. An id that no memory has leaves no trace in the log.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Closed`], and what [`Collection::insert`] lists for a record that
    /// could not be logged or synced.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]))?;
    /// assert!(notes.delete(1)?);
    /// assert!(!notes.delete(1)?);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "remove")]
    pub fn delete(&self, id: impl Into<MemoryId>) -> Result<bool> {
        Ok(self.apply(Batch::new().delete(id))?.deleted > 0)
    }

    /// Deletes every memory that matches, in one atomic step with one record in the log, and tells
    /// how many were visible. Memories inserted later with the same attributes are not affected.
    /// The record has the filter or the ids of what died, whichever is shorter. Where nothing matches
    /// there is none, and no name of the filter gets into a file.
    ///
    /// O(rows in RAM + rows that match + filter), and some steps for each segment; a filter on a
    /// range also looks at one column of all rows.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the filter holds for every memory and is not [`Filter::All`], and for
    /// what else [`Filter`] lists; [`Error::LimitExceeded`] if it is too deep or too large; what
    /// [`Collection::insert`] lists for a record that could not be logged or synced.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).namespace("user:42"))?;
    /// assert_eq!(notes.delete_where(Filter::namespace("user:42"))?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "clear")]
    #[doc(alias = "forget")]
    pub fn delete_where(&self, filter: Filter) -> Result<u64> {
        Ok(self.apply(Batch::new().delete_where(filter))?.deleted)
    }

    /// Carries out a batch, all of it or nothing, with the collection's durability.
    ///
    /// # Errors
    ///
    /// As for [`Collection::insert`], and [`Error::LimitExceeded`] past
    /// [`Batch::MAX_BYTES`]: split it into smaller ones.
    #[doc(alias = "insert_many")]
    #[doc(alias = "write")]
    pub fn apply(&self, batch: Batch) -> Result<Applied> {
        self.apply_with(batch, self.core.options().durability)
    }

    /// Carries out a batch, all of it or nothing, with a durability of its own. [`Durability::Sync`] also
    /// makes every earlier write of the store durable.
    ///
    /// # Errors
    ///
    /// As for [`Collection::apply`].
    pub fn apply_with(&self, batch: Batch, durability: Durability) -> Result<Applied> {
        self.engine.check_writable()?;
        let (writes, expired) = self.prepare(batch)?;
        self.engine.wait_for_room(&writes)?;
        let mut applied = Applied { expired, ..Applied::default() };
        for effect in self.engine.commit(writes, durability)? {
            match effect {
                Effect::Inserted => applied.inserted += 1,
                Effect::Replaced => applied.replaced += 1,
                Effect::Deleted(count) => applied.deleted += count,
            }
        }
        Ok(applied)
    }

    /// Makes every write to the store that was acknowledged before durable.
    ///
    /// # Errors
    ///
    /// [`Error::CommitUnknown`] if the sync failed, [`Error::Poisoned`] if an earlier one did.
    #[doc(alias = "flush")]
    pub fn sync(&self) -> Result<()> {
        self.engine.sync_log().map(drop)
    }

    /// Returns the memory with this id, vector included; `None` if there is none, or it has expired.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the row is damaged on disk, [`Error::Io`] if it cannot be read,
    /// [`Error::Closed`] after a close.
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
        self.engine.check_open()?;
        let (snapshot, now) = (self.core.snapshot(), self.engine.now());
        let Some(place) = snapshot.find(id.into())? else {
            return Ok(None);
        };
        let Some((rows, _, row)) = snapshot.rows_at(place) else {
            return Ok(None);
        };
        if rows.expires_at(row)? <= now {
            return Ok(None);
        }
        search::read_memory(self.core.spec.metric, rows, row, true).map(Some)
    }

    /// Whether a memory with this id is visible.
    ///
    /// # Errors
    ///
    /// As for [`Collection::get`].
    pub fn contains(&self, id: impl Into<MemoryId>) -> Result<bool> {
        self.engine.check_open()?;
        let (snapshot, now) = (self.core.snapshot(), self.engine.now());
        let Some(place) = snapshot.find(id.into())? else {
            return Ok(false);
        };
        let Some((rows, _, row)) = snapshot.rows_at(place) else {
            return Ok(false);
        };
        Ok(rows.expires_at(row)? > now)
    }

    /// How many memories are visible. O(segments), and O(rows / 64) of those in which some and not all
    /// have expired.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if a column of expiries is damaged on disk, [`Error::Closed`] after a close.
    #[doc(alias = "count")]
    #[doc(alias = "size")]
    pub fn len(&self) -> Result<u64> {
        self.engine.check_open()?;
        let (snapshot, now) = (self.core.snapshot(), self.engine.now());
        let mut count = 0;
        for (rows, live) in snapshot.parts() {
            count += u64::from(live.live()) - rows.live_expired(live, now)?;
        }
        Ok(count)
    }

    /// Whether no memory is visible.
    ///
    /// # Errors
    ///
    /// As for [`Collection::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Every visible memory, vectors included, in no particular order, as of now: later writes do not
    /// show. Needs bounded heap whatever the collection's size. Sort by
    /// `(memory.created_at, memory.seq())` to have them in the order in which they came.
    pub fn iter(&self) -> Iter {
        self.scan(Filter::All)
    }

    /// Every visible memory that matches. See [`Collection::iter`]. A filter that is refused, as
    /// [`Filter`] lists, gives one error and then ends.
    #[doc(alias = "list")]
    #[doc(alias = "find")]
    pub fn scan(&self, filter: Filter) -> Iter {
        if self.engine.check_open().is_err() {
            return Iter::closed(self.core.spec.metric);
        }
        Iter::new(self.core.snapshot(), self.engine.now(), self.core.spec.metric, filter)
    }

    /// Begins a search for the memories nearest to `query`. It sees what there is when it is run.
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
        Search::new(self, query, None)
    }

    /// Answers many queries in parallel, all on the same snapshot. `configure` is called for each
    /// with a search to add options to.
    ///
    /// # Errors
    ///
    /// As for [`Search::run`]: the first error of any query.
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
        let snapshot = self.core.snapshot();
        let answer = |query: &Q| {
            configure(Search::new(self, query.as_ref(), Some(Arc::clone(&snapshot)))).run()
        };
        self.engine.pool()?.install(|| queries.par_iter().map(answer).collect())
    }

    /// What the collection holds and what it costs, but for its compaction debt.
    pub(crate) fn counted(&self) -> Result<CollectionStats> {
        self.engine.check_open()?;
        stats::collection(&self.engine, &self.core)
    }

    /// Checks a batch and brings it into the form that is logged. An id that is named several times
    /// keeps the last write to it, between two `delete_where`. Also how many memories have expired
    /// since a store gave them back: these are passed over.
    fn prepare(&self, batch: Batch) -> Result<(Vec<Prepared>, u64)> {
        let mut expired = 0;
        let mut writes: Vec<Option<Prepared>> = Vec::with_capacity(batch.len());
        let mut latest = std::collections::HashMap::new();
        for (target, write) in batch.writes {
            let target = target.as_ref().unwrap_or(self);
            if !Arc::ptr_eq(&target.life, &self.life) {
                return Err(Error::option("batch", "a collection is of another store"));
            }
            let Some((id, kind)) = target.prepare_one(write)? else {
                expired += 1;
                continue;
            };
            match id {
                Some(id) => {
                    if let Some(before) = latest.insert((target.core.id, id), writes.len()) {
                        writes[before] = None;
                    }
                }
                None => latest.clear(),
            }
            writes.push(Some(Prepared { core: Arc::clone(&target.core), kind }));
        }
        Ok((writes.into_iter().flatten().collect(), expired))
    }

    /// `None` for a memory that has expired since a store gave it back.
    fn prepare_one(&self, write: Write) -> Result<Option<(Option<MemoryId>, OpKind)>> {
        Ok(Some(match write {
            Write::Delete(id) => (Some(id), OpKind::Delete { id }),
            Write::DeleteWhere(filter) => {
                let filter = Matcher::to_delete(filter)?;
                (None, OpKind::DeleteWhere { filter, now: self.engine.now() })
            }
            Write::Insert(mut memory) => {
                memory.check_limits()?;
                let (spec, id, now) = (self.core.spec, memory.id, self.engine.now());
                let default_ttl = self.core.options().default_ttl;
                let Some(expiry) = memory::expiry(&memory, default_ttl, now)? else {
                    return Ok(None);
                };
                let norm = prepare(spec.metric, spec.dimension, Some(id), &mut memory.vector)?;
                let created_at = memory.created_at.unwrap_or(now);
                let body = record::encode_body(&memory, created_at, expiry);
                (Some(id), OpKind::Insert { id, norm, vector: memory.vector, body })
            }
        }))
    }
}

impl IntoIterator for &Collection {
    type Item = Result<Memory>;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}
