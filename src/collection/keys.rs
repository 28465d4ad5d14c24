//! Owns the reads and deletes of a collection by key. `search::single` reads them.

use crate::collection::handle::Collection;
use crate::error::Result;
use crate::filter::Filter;
use crate::memory::Memory;
use crate::search::single;

impl Collection {
    /// Returns the visible memory with this key, including its vector; `None` if there is none. If
    /// several memories have the key, the one that was inserted last, by [`Memory::seq`].
    ///
    /// O(log rows) per segment, and comparing a number per row in RAM. If several namespaces use
    /// the same keys, ask a [`Scope`](crate::Scope).
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::get`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::keyed("doc:7", [0.0, 1.0]).text("likes tea"))?;
    /// let memory = notes.get_by_key("doc:7")?.unwrap();
    /// assert_eq!(memory.text.as_deref(), Some("likes tea"));
    /// assert!(notes.get_by_key("doc:8")?.is_none());
    /// # Ok(()) }
    /// ```
    #[doc(alias = "find_by_key")]
    pub fn get_by_key(&self, key: &str) -> Result<Option<Memory>> {
        self.newest_with_key(key, None)
    }

    /// Deletes every memory with this key, in every namespace. Returns how many were visible. The
    /// same as [`Collection::delete_where`] with [`Filter::key`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::delete_where`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::keyed("doc:7", [0.0, 1.0]))?;
    /// assert_eq!(notes.delete_by_key("doc:7")?, 1);
    /// # Ok(()) }
    /// ```
    pub fn delete_by_key(&self, key: &str) -> Result<u64> {
        self.delete_where(Filter::key(key))
    }

    /// Returns the visible memory with this key that was inserted last; that of a namespace if one
    /// is given.
    pub(super) fn newest_with_key(
        &self,
        key: &str,
        namespace: Option<&str>,
    ) -> Result<Option<Memory>> {
        let found = single::by_key(&self.core, &self.present()?, key, namespace)?;
        Ok(found.inspect(|memory| self.note_read(memory)))
    }
}
