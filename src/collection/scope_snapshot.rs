//! Owns `ScopeSnapshot`, the handle of one namespace at one moment.
//!
//! Invariants: no memory of another namespace is returned. Nothing is written through it, and no
//! read through it prolongs a life.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::collection::scope::Scope;
use crate::collection::snapshot::CollectionSnapshot;
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::search::list::{List, Window};
use crate::search::names::NameCount;
use crate::search::{Iter, Search, TextQuery};
use crate::segment::Field;

/// One namespace of a collection at one moment: what a [`Scope`] sees, as a [`CollectionSnapshot`]
/// keeps it. [`Scope::snapshot`] and [`CollectionSnapshot::scope`] return it.
///
/// A cheap handle: clone it freely and use it from any thread. It holds what a
/// [`CollectionSnapshot`] holds, as long as that.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
/// let (ada, bob) = (notes.scope("user:ada"), notes.scope("user:bob"));
/// ada.insert(Memory::new(1, [0.0, 1.0]).text("likes tea"))?;
/// bob.insert(Memory::new(2, [0.1, 0.9]))?;
/// let before = ada.snapshot()?;
/// ada.delete(1)?;
/// assert_eq!((before.len()?, before.contains(2)?), (1, false));
/// assert_eq!(before.search(&[0.0, 1.0]).run()?[0].text(), Some("likes tea"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ScopeSnapshot {
    snapshot: CollectionSnapshot,
    namespace: Arc<str>,
}

impl Scope {
    /// Returns the namespace at this moment: see [`ScopeSnapshot`]. O(1).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    #[doc(alias = "freeze")]
    pub fn snapshot(&self) -> Result<ScopeSnapshot> {
        Ok(self.collection().snapshot()?.scope(self.namespace()))
    }
}

impl CollectionSnapshot {
    /// Returns one namespace at this moment, as [`Collection::scope`](crate::Collection::scope).
    /// O(1).
    pub fn scope(&self, namespace: impl Into<String>) -> ScopeSnapshot {
        ScopeSnapshot { snapshot: self.clone(), namespace: namespace.into().into() }
    }
}

impl ScopeSnapshot {
    /// Returns the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the name that the collection has now.
    pub fn collection_name(&self) -> &str {
        self.snapshot.name()
    }

    /// Returns the time of the moment: see [`CollectionSnapshot::time`].
    pub fn time(&self) -> Timestamp {
        self.snapshot.time()
    }

    /// Returns the age by the monotonic clock.
    pub fn age(&self) -> Duration {
        self.snapshot.age()
    }

    /// Returns the memory with this id, as [`Scope::get`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn get(&self, id: impl Into<MemoryId>) -> Result<Option<Memory>> {
        let found = self.snapshot.get(id)?;
        Ok(found.filter(|memory| memory.namespace.as_deref() == Some(&*self.namespace)))
    }

    /// Returns the memory with this key, as [`Scope::get_by_key`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn get_by_key(&self, key: &str) -> Result<Option<Memory>> {
        self.snapshot.by_key_in(key, Some(&self.namespace))
    }

    /// Returns true if a memory with this id is visible, as [`Scope::contains`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn contains(&self, id: impl Into<MemoryId>) -> Result<bool> {
        self.snapshot.contains_in(id.into(), Some(&self.namespace))
    }

    /// Returns the number of visible memories, as [`Scope::len`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::count`].
    pub fn len(&self) -> Result<u64> {
        self.snapshot.count(self.filter())
    }

    /// Returns true if no memory is visible.
    ///
    /// # Errors
    ///
    /// The same as for [`ScopeSnapshot::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Iterates over every visible memory, as [`Scope::iter`].
    pub fn iter(&self) -> Iter {
        self.scan(Filter::All)
    }

    /// Iterates over every visible memory that matches, as [`CollectionSnapshot::scan`].
    pub fn scan(&self, filter: Filter) -> Iter {
        self.snapshot.scan(filter.and(self.filter()))
    }

    /// Creates a search for the memories nearest to `query`, as [`Scope::search`].
    pub fn search<'a>(&'a self, query: &'a [f32]) -> Search<'a> {
        self.snapshot.search(query).filter(self.filter())
    }

    /// Creates a search for the memories nearest to a stored one, as [`Scope::near`].
    pub fn near(&self, id: impl Into<MemoryId>) -> Search<'_> {
        let namespace = Some(self.namespace.to_string());
        self.snapshot.near_in(id.into(), namespace).filter(self.filter())
    }

    /// Creates a search by words, as [`Scope::search_text`].
    pub fn search_text(&self, query: impl Into<TextQuery>) -> Search<'_> {
        self.snapshot.search_text(query).filter(self.filter())
    }

    /// Creates a list of memories in an order, page by page, as [`CollectionSnapshot::list`].
    pub fn list(&self) -> List<'_> {
        self.snapshot.list().filter(self.filter())
    }

    /// Returns the newest memories of a session that a window takes, as [`Scope::recent`].
    ///
    /// # Errors
    ///
    /// The same as for [`List::run`].
    pub fn recent(&self, session: impl Into<String>, window: Window) -> Result<Vec<Memory>> {
        self.list().session(session).recent(window)
    }

    /// Returns the number of visible memories that match, as [`Scope::count`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::count`].
    pub fn count(&self, filter: Filter) -> Result<u64> {
        self.snapshot.count(filter.and(self.filter()))
    }

    /// Returns the sessions, as [`Scope::sessions`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn sessions(&self) -> Result<Vec<NameCount>> {
        self.snapshot.all_names(Field::Session, self.filter())
    }

    /// Returns the tags, as [`Scope::tags`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn tags(&self) -> Result<Vec<NameCount>> {
        self.snapshot.all_names(Field::Tag, self.filter())
    }

    /// Returns the kinds, as [`Scope::kinds`].
    ///
    /// # Errors
    ///
    /// The same as for [`CollectionSnapshot::get`].
    pub fn kinds(&self) -> Result<Vec<NameCount>> {
        self.snapshot.all_names(Field::Kind, self.filter())
    }

    fn filter(&self) -> Filter {
        Filter::namespace(&*self.namespace)
    }
}

impl IntoIterator for &ScopeSnapshot {
    type Item = Result<Memory>;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}
