//! Owns memories whose ids are made of their keys.

use super::data::Memory;
use crate::ids::MemoryId;

impl Memory {
    /// Returns a memory with a key and a vector, whose id is made of the key:
    /// [`MemoryId::from_key`]. Inserting it again replaces it.
    ///
    /// Two keys with the same 128 bits of SHA-256 are not expected. An insert that would replace a
    /// memory with another key is [`Error::IdTaken`](crate::Error::IdTaken) all the same. The same
    /// error tells that the memory with this id has been given another key since.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, MemoryId, Metric, Outcome, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::keyed("doc:7", [0.0, 1.0]).text("first"))?;
    /// let again = notes.insert(Memory::keyed("doc:7", [0.0, 1.0]).text("second"))?;
    /// assert_eq!(again, Outcome::Replaced);
    /// assert!(notes.delete(MemoryId::from_key("doc:7"))?);
    /// # Ok(()) }
    /// ```
    pub fn keyed(key: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        let key = key.into();
        Self::new(MemoryId::from_key(&key), vector).key(key)
    }

    /// Returns a memory with a namespace, a key and a vector, whose id is made of namespace and
    /// key: [`MemoryId::from_key_in`]. Several namespaces can so use the same keys.
    /// See [`Memory::keyed`].
    ///
    /// ```
    /// use altiplano::{Memory, MemoryId};
    /// let memory = Memory::keyed_in("user:42", "name", [0.5]);
    /// assert_eq!(memory.namespace.as_deref(), Some("user:42"));
    /// assert_eq!(memory.id, MemoryId::from_key_in("user:42", "name"));
    /// ```
    pub fn keyed_in(
        namespace: impl Into<String>,
        key: impl Into<String>,
        vector: impl Into<Vec<f32>>,
    ) -> Self {
        let (namespace, key) = (namespace.into(), key.into());
        let id = MemoryId::from_key_in(&namespace, &key);
        Self::new(id, vector).namespace(namespace).key(key)
    }

    /// Returns the key, if the id is made of it.
    pub(crate) fn key_of_id(&self) -> Option<&str> {
        let key = self.key.as_deref()?;
        let within = |namespace: &str| self.id == MemoryId::from_key_in(namespace, key);
        let made =
            self.id == MemoryId::from_key(key) || self.namespace.as_deref().is_some_and(within);
        made.then_some(key)
    }
}
