//! Owns the operations that change the names of collections. Each is one commit of the manifest, so
//! a crash leaves all names from before or all from after.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ids::CollectionId;
use crate::snapshot::state::CollectionState;
use crate::store::Store;
use crate::store::collections::check_name;
use crate::sync::lock;

impl Store {
    /// Gives a collection another name. Its memories and options stay with it, and so do handles
    /// that are open. A collection that gets the name it has stays as it is. O(files): one commit
    /// of the manifest.
    ///
    /// # Errors
    ///
    /// [`Error::NoCollection`] if there is no collection `from`, [`Error::NameTaken`] if there is a
    /// collection `to`, [`Error::InvalidOption`] if `to` does not have 1 to 255 bytes. Nothing is
    /// changed then. [`Error::ReadOnly`], [`Error::Poisoned`] or [`Error::Closed`] for a store that
    /// takes no writes; [`Error::DiskFull`] or [`Error::Io`] if the change could not be written.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// store.rename_collection("notes", "notes of 2026")?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]))?;
    /// assert_eq!(notes.name(), "notes of 2026");
    /// assert!(store.get_collection("notes").is_none());
    /// # Ok(()) }
    /// ```
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        check_name(to)?;
        self.engine.dir.check_writable()?;
        let mut names = lock(&self.shared.names);
        let core = self.named(&names, from)?;
        if from == to {
            return Ok(());
        }
        if names.contains_key(to) {
            return Err(Error::NameTaken { name: to.to_owned() });
        }
        self.commit_names(&[(&core, to)])?;
        names.remove(from);
        names.insert(to.to_owned(), core.id);
        Ok(())
    }

    /// Exchanges the names of two collections, in one step: whoever looks for a name finds one
    /// collection or the other, also after a crash. Handles that are open stay with their
    /// collections, under the other name. O(files): one commit of the manifest.
    ///
    /// The use is a change of the embedding model. Fill a second collection with the vectors of the
    /// new model, exchange the two, and drop the old one.
    ///
    /// # Errors
    ///
    /// [`Error::NoCollection`] if one of them does not exist. Nothing is changed then. Otherwise
    /// the same as for [`Store::rename_collection`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let embed = |_: &str| vec![0.1, 0.2, 0.3];
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).text("likes tea"))?;
    /// let new = store.collection("notes.new", CollectionOptions::new(3, Metric::Cosine))?;
    /// for memory in &notes.snapshot()? {
    ///     let mut memory = memory?;
    ///     memory.vector = embed(memory.text.as_deref().unwrap_or_default());
    ///     new.insert(memory)?;
    /// }
    /// store.swap_collections("notes", "notes.new")?;
    /// store.drop_collection("notes.new")?;
    /// assert_eq!(store.get_collection("notes").unwrap().get(1)?.unwrap().vector.len(), 3);
    /// # Ok(()) }
    /// ```
    pub fn swap_collections(&self, a: &str, b: &str) -> Result<()> {
        self.engine.dir.check_writable()?;
        let mut names = lock(&self.shared.names);
        let (first, second) = (self.named(&names, a)?, self.named(&names, b)?);
        if a == b {
            return Ok(());
        }
        self.commit_names(&[(&first, b), (&second, a)])?;
        names.insert(a.to_owned(), second.id);
        names.insert(b.to_owned(), first.id);
        Ok(())
    }

    fn named(
        &self,
        names: &HashMap<String, CollectionId>,
        name: &str,
    ) -> Result<Arc<CollectionState>> {
        let found = names.get(name).and_then(|id| self.engine.collections.get(*id));
        found.ok_or_else(|| Error::NoCollection { name: name.to_owned() })
    }

    /// Gives collections their new names, durably. In-memory collections are in no manifest.
    fn commit_names(&self, renamed: &[(&Arc<CollectionState>, &str)]) -> Result<()> {
        // The token keeps writes out. Once the new manifest is durable, every write acknowledged
        // before must be as well (I4).
        let mut token = self.engine.log.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        if renamed.iter().any(|(core, _)| !core.is_in_memory()) {
            self.engine.log.sync_held(log)?;
            self.engine.catalog.commit(|manifest| {
                for (core, name) in renamed {
                    if let Some(entry) = manifest.collection_mut(core.id) {
                        (*name).clone_into(&mut entry.name);
                    }
                }
            })?;
        }
        renamed.iter().for_each(|(core, name)| core.set_name(name));
        Ok(())
    }
}
