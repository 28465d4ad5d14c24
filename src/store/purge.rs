//! Owns the verb `purge`, of a store and of a collection. What it does is `compaction::purge`.

use crate::collection::Collection;
use crate::compaction::{self, Control};
use crate::error::Result;
use crate::metrics::PurgeReceipt;
use crate::store::Store;

impl Store {
    /// Makes sure that what was deleted is gone from the disk, now, on the calling thread.
    ///
    /// When it returns and nothing is pending, no file of the store holds a vector, code, text, id,
    /// metadata or graph row of any memory that was deleted, replaced or had expired before the
    /// call, nor anything of a collection that was dropped before. Expired means here: by a clock
    /// that is not believed to have jumped by more than a day. What writers delete during the call
    /// is left for the next one. Writers go on meanwhile.
    ///
    /// Files that an iterator, a handle to a dropped collection or another reader in this process
    /// still holds are listed in
    /// [`PurgeReceipt::pending`] and go when it lets go. Purging says nothing of the medium's free
    /// space, of snapshots of the file system, of backups, nor of other processes that read the
    /// store.
    ///
    /// O(bytes of segments with a dead row, and of indexes with a dead node); a graph that has one is
    /// built anew. Small collections are copied to a new log file.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Io`], [`crate::Error::DiskFull`] and [`crate::Error::Corrupt`]: nothing is
    /// lost, nothing is promised, and it can be called again. [`crate::Error::ReadOnly`],
    /// [`crate::Error::Poisoned`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1u64, [0.6, 0.8]).text("a secret"))?;
    /// notes.delete(1u64)?;
    /// let receipt = store.purge()?;
    /// assert!(receipt.is_complete());
    /// # Ok(()) }
    /// ```
    pub fn purge(&self) -> Result<PurgeReceipt> {
        let _telling = self.engine.telling();
        compaction::purge(&self.engine, None, &Control::unpaced(&self.engine, &|| false))
    }
}

impl Collection {
    /// As [`Store::purge`], for what this collection's dead memories left, also in the log that it
    /// shares with others. Other collections keep their dead rows in their own files.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1u64, [0.6, 0.8]))?;
    /// notes.delete(1u64)?;
    /// assert_eq!(notes.purge()?.rows, 1);
    /// # Ok(()) }
    /// ```
    pub fn purge(&self) -> Result<PurgeReceipt> {
        let _telling = self.engine.telling();
        let control = Control::unpaced(&self.engine, &|| false);
        compaction::purge(&self.engine, Some(&self.core), &control)
    }
}
