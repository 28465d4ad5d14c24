//! Owns the verb `purge`, of a store and of a collection. What it does is `compaction::purge`.

use crate::collection::Collection;
use crate::compaction::{self, Control};
use crate::error::Result;
use crate::report::PurgeReceipt;
use crate::store::Store;

impl Store {
    /// Makes sure that what was deleted is gone from the disk, now, on the calling thread.
    ///
    /// When it returns and the receipt [is complete](PurgeReceipt::is_complete), no file of the store
    /// holds a vector, code, text, id, metadata or graph row of any memory that was deleted, replaced or
    /// had expired before the call, nor anything of a collection that was dropped before. What writers
    /// delete during the call is left for the next one. Writers go on meanwhile.
    ///
    /// A clock that is more than a day ahead of what the store saw last, as after a long time without an
    /// open, is in doubt: what has expired by it is hidden and not destroyed. Such rows are counted in
    /// [`PurgeReceipt::withheld_rows`]. [`Store::trust_clock`] ends the doubt for a caller who knows that
    /// the clock is right; otherwise it ends after a day.
    ///
    /// Files that an iterator, a handle to a dropped collection or another reader in this process
    /// still holds are listed in [`PurgeReceipt::pending`], and each goes when it is let go. Purging says nothing of the medium's free
    /// space, of snapshots of the file system, of backups, nor of other processes that read the
    /// store.
    ///
    /// O(bytes of segments with a dead row, and of indexes with a dead node): a graph of 100,000 rows
    /// that has one takes seconds. Collections with fewer than 256 rows in RAM are copied to a new log
    /// file, others are sealed. Where the memories of one user are purged often, give each user a
    /// collection: then [`Collection::purge`] leaves the files of the others alone.
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
    /// notes.insert(Memory::new(1, [0.6, 0.8]).text("a secret"))?;
    /// notes.delete(1)?;
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
    /// notes.insert(Memory::new(1, [0.6, 0.8]))?;
    /// notes.delete(1)?;
    /// assert_eq!(notes.purge()?.rows, 1);
    /// # Ok(()) }
    /// ```
    pub fn purge(&self) -> Result<PurgeReceipt> {
        let _telling = self.engine.telling();
        let control = Control::unpaced(&self.engine, &|| false);
        compaction::purge(&self.engine, Some(&self.core), &control)
    }
}
