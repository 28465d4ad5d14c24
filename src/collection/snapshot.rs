//! Owns `CollectionSnapshot`, the handle of a collection at one moment. The moment itself is held
//! by `engine::held`.
//!
//! Invariant: nothing is written through it, and no read through it prolongs a life.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::collection::handle::Collection;
use crate::engine::held::Held;
use crate::engine::moment::{Moment, View};
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::search::list::{List, Window};
use crate::search::names::{self, NameCount};
use crate::search::{Iter, Search, TextQuery, single};
use crate::segment::Field;

/// A collection at one moment. Whatever is written, deleted or compacted later, and whatever
/// expires, its reads give the same answers. [`Collection::snapshot`] and
/// [`StoreSnapshot::collection`](crate::StoreSnapshot::collection) return it.
///
/// A cheap handle: clone it freely and use it from any thread. It keeps the store open.
///
/// # Cost
///
/// Taking one is O(1) and copies nothing. While it is held, files that it reads stay on the disk
/// even if compaction has replaced them, and so does the RAM of replaced memtables.
/// [`StoreStats::held_bytes`](crate::StoreStats::held_bytes) counts these files, and a purge lists
/// them as [pending](crate::PurgeReceipt::pending). So its age is limited:
/// [`StoreOptions::snapshot_max_age`](crate::StoreOptions::snapshot_max_age). Above the limit its
/// reads return [`Error::SnapshotExpired`](crate::Error::SnapshotExpired). Then, or once the last
/// clone is dropped, the files and the RAM are released. A read that has begun finishes.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
/// notes.insert(Memory::new(1, [0.0, 1.0]).text("likes tea"))?;
/// let before = notes.snapshot()?;
/// notes.delete(1)?;
/// assert_eq!((before.len()?, notes.len()?), (1, 0));
/// assert_eq!(before.search(&[0.0, 1.0]).run()?[0].text(), Some("likes tea"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct CollectionSnapshot {
    collection: Collection,
    held: Arc<Held>,
}

impl Collection {
    /// Returns the collection at this moment: see [`CollectionSnapshot`]. O(1).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    #[doc(alias = "freeze")]
    pub fn snapshot(&self) -> Result<CollectionSnapshot> {
        let Moment { snapshot, now, .. } = self.present()?;
        let held = self.engine.moments.hold(BTreeMap::from([(self.core.id, snapshot)]), now);
        Ok(self.at(held))
    }

    /// Returns this collection at a moment that is held.
    pub(crate) fn at(&self, held: Arc<Held>) -> CollectionSnapshot {
        CollectionSnapshot { collection: self.clone(), held }
    }
}

impl CollectionSnapshot {
    /// Returns the name that the collection has now.
    pub fn name(&self) -> &str {
        self.collection.name()
    }

    /// Returns the time of the moment. Memories that had expired by then are not seen, and those
    /// that expire later are.
    pub fn time(&self) -> Timestamp {
        self.held.now()
    }

    /// Returns the age by the monotonic clock.
    pub fn age(&self) -> Duration {
        self.held.age(self.collection.engine.time.monotonic())
    }

    /// Returns the memory with this id, as [`Collection::get`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::get`], and
    /// [`Error::SnapshotExpired`](crate::Error::SnapshotExpired) if the snapshot is too old.
    pub fn get(&self, id: impl Into<MemoryId>) -> Result<Option<Memory>> {
        single::by_id(&self.collection.core, &self.moment()?, id.into())
    }

    /// Returns the memory with this key, as [`Collection::get_by_key`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn get_by_key(&self, key: &str) -> Result<Option<Memory>> {
        self.by_key_in(key, None)
    }

    /// Returns true if a memory with this id is visible, as [`Collection::contains`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn contains(&self, id: impl Into<MemoryId>) -> Result<bool> {
        self.contains_in(id.into(), None)
    }

    /// Returns the number of visible memories, as [`Collection::len`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    #[doc(alias = "size")]
    pub fn len(&self) -> Result<u64> {
        single::len(&self.moment()?)
    }

    /// Returns true if no memory is visible.
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Iterates over every visible memory, as [`Collection::iter`]. The iterator holds the files of
    /// the moment until it is dropped, whatever the age of the snapshot.
    pub fn iter(&self) -> Iter {
        self.scan(Filter::All)
    }

    /// Iterates over every visible memory that matches, as [`Collection::scan`]. If the snapshot is
    /// too old, the iterator returns one error and ends.
    pub fn scan(&self, filter: Filter) -> Iter {
        let metric = self.collection.core.spec.metric;
        match self.moment() {
            Ok(at) => Iter::new(at, metric, filter),
            Err(error) => Iter::refused(metric, error),
        }
    }

    /// Creates a search for the memories nearest to `query`, as [`Collection::search`].
    pub fn search<'a>(&'a self, query: &'a [f32]) -> Search<'a> {
        let Collection { engine, core, .. } = &self.collection;
        Search::new(engine, core, query, self.view())
    }

    /// Creates a search for the memories nearest to a stored one, as [`Collection::near`].
    pub fn near(&self, id: impl Into<MemoryId>) -> Search<'_> {
        self.near_in(id.into(), None)
    }

    /// Creates a search by words, as [`Collection::search_text`].
    pub fn search_text(&self, query: impl Into<TextQuery>) -> Search<'_> {
        let Collection { engine, core, .. } = &self.collection;
        Search::words(engine, core, query.into(), self.view())
    }

    /// Creates a list of memories in an order, page by page, as [`Collection::list`]. All pages are
    /// of the same moment.
    pub fn list(&self) -> List<'_> {
        let Collection { engine, core, .. } = &self.collection;
        List::new(engine, core, self.view())
    }

    /// Returns the newest memories of a session that a window takes, as [`Collection::recent`].
    ///
    /// # Errors
    ///
    /// The same as for [`List::run`].
    pub fn recent(&self, session: impl Into<String>, window: Window) -> Result<Vec<Memory>> {
        self.list().session(session).recent(window)
    }

    /// Returns the number of visible memories that match, as [`Collection::count`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::count`] and [`CollectionSnapshot::get`].
    pub fn count(&self, filter: Filter) -> Result<u64> {
        names::count(&self.moment()?, filter)
    }

    /// Returns the namespaces at `prefix` and below it, as [`Collection::namespaces`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn namespaces(&self, prefix: &str, depth: usize) -> Result<Vec<NameCount>> {
        names::namespaces(&self.moment()?, prefix, depth)
    }

    /// Returns the sessions, as [`Collection::sessions`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn sessions<'n>(&self, namespace: impl Into<Option<&'n str>>) -> Result<Vec<NameCount>> {
        self.all_names(Field::Session, namespace.into().map_or(Filter::All, Filter::namespace))
    }

    /// Returns the tags, as [`Collection::tags`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn tags(&self) -> Result<Vec<NameCount>> {
        self.all_names(Field::Tag, Filter::All)
    }

    /// Returns the kinds, as [`Collection::kinds`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn kinds(&self) -> Result<Vec<NameCount>> {
        self.all_names(Field::Kind, Filter::All)
    }

    /// As [`CollectionSnapshot::get_by_key`], in a namespace if one is given.
    pub(super) fn by_key_in(&self, key: &str, namespace: Option<&str>) -> Result<Option<Memory>> {
        single::by_key(&self.collection.core, &self.moment()?, key, namespace)
    }

    /// As [`CollectionSnapshot::contains`], in a namespace if one is given.
    pub(super) fn contains_in(&self, id: MemoryId, namespace: Option<&str>) -> Result<bool> {
        single::contains(&self.moment()?, id, namespace)
    }

    /// As [`CollectionSnapshot::near`], by a memory of a namespace if one is given.
    pub(super) fn near_in(&self, id: MemoryId, namespace: Option<String>) -> Search<'_> {
        let Collection { engine, core, .. } = &self.collection;
        Search::near(engine, core, id, namespace, self.view())
    }

    /// Returns the names of an attribute that memories have which match.
    pub(super) fn all_names(&self, of: Field, filter: Filter) -> Result<Vec<NameCount>> {
        names::all(&self.moment()?, of, filter)
    }

    fn moment(&self) -> Result<Moment> {
        Moment::held(&self.collection.engine, &self.collection.core, &self.held)
    }

    fn view(&self) -> View<'_> {
        View::Held(&self.held)
    }
}

impl IntoIterator for &CollectionSnapshot {
    type Item = Result<Memory>;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}
