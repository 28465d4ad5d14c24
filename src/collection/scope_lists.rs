//! Owns the lists and counts of one namespace, and the search by one of its memories.

use crate::collection::scope::Scope;
use crate::engine::moment::View;
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::search::Search;
use crate::search::list::{List, Window};
use crate::search::names::NameCount;
use crate::segment::Field;

impl Scope {
    /// Creates a list of memories in an order, page by page, as
    /// [`Collection::list`](crate::Collection::list).
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// let (ada, bob) = (notes.scope("user:ada"), notes.scope("user:bob"));
    /// ada.insert(Memory::new(1, [0.0, 1.0]).session("monday"))?;
    /// bob.insert(Memory::new(2, [0.0, 1.0]).session("monday"))?;
    /// assert_eq!(ada.list().session("monday").run()?.memories[0].id, 1.into());
    /// assert_eq!(ada.sessions()?[0].memories, 1);
    /// assert!(bob.near(1).run().is_err());
    /// # Ok(()) }
    /// ```
    pub fn list(&self) -> List<'_> {
        self.collection().list().filter(self.filter())
    }

    /// Returns the newest memories of a session that a window takes, the oldest first, as
    /// [`Collection::recent`](crate::Collection::recent).
    ///
    /// # Errors
    ///
    /// The same as for [`List::run`].
    pub fn recent(&self, session: impl Into<String>, window: Window) -> Result<Vec<Memory>> {
        self.list().session(session).recent(window)
    }

    /// Returns the number of visible memories that match, as
    /// [`Collection::count`](crate::Collection::count).
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::count`](crate::Collection::count).
    pub fn count(&self, filter: Filter) -> Result<u64> {
        self.collection().count(filter.and(self.filter()))
    }

    /// Returns the sessions with the number of memories of each, sorted by name.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::sessions`](crate::Collection::sessions).
    pub fn sessions(&self) -> Result<Vec<NameCount>> {
        self.collection().all_names(Field::Session, self.filter())
    }

    /// Returns the tags with the number of memories that have each, sorted by name.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::tags`](crate::Collection::tags).
    pub fn tags(&self) -> Result<Vec<NameCount>> {
        self.collection().all_names(Field::Tag, self.filter())
    }

    /// Returns the kinds with the number of memories of each, sorted by name.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::kinds`](crate::Collection::kinds).
    pub fn kinds(&self) -> Result<Vec<NameCount>> {
        self.collection().all_names(Field::Kind, self.filter())
    }

    /// Creates a search for the memories nearest to a stored one, as
    /// [`Collection::near`](crate::Collection::near). A memory of another namespace is as none.
    pub fn near(&self, id: impl Into<MemoryId>) -> Search<'_> {
        let (collection, namespace) = (self.collection(), self.namespace().to_owned());
        let (engine, core) = (&collection.engine, &collection.core);
        let search = Search::near(engine, core, id.into(), Some(namespace), View::Present);
        search.filter(self.filter())
    }
}
