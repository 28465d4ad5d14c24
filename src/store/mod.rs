//! Owns `Store`: opens, wires and closes it. The layers below do all the work.
//!
//! A store is open while there is a handle: a `Store` or a `Collection`. When a handle closes it,
//! or the last handle is dropped, its jobs are stopped and waited for. Then the log ends with a
//! `Close` frame and the lock is released (`engine::life`). Remaining handles get `Error::Closed`.

mod backup;
mod clock;
mod collections;
mod forget;
mod maintenance;
mod open;
mod read_only;
mod rename;
mod repair;
mod snapshot;
mod stats;
// The other tests use threads and locks that no model checker schedules.
#[cfg(all(test, loom))]
#[path = "tests/loom_models.rs"]
mod loom_models;
#[cfg(all(test, shuttle))]
#[path = "tests/shuttle_schedules.rs"]
mod shuttle_schedules;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
mod verify;
mod workers;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub use backup::BackupOptions;
#[cfg(any(test, feature = "__fuzzing"))]
pub(crate) use open::open_for_writing;
pub use repair::{Loss, RepairPolicy, RepairReport, Salvaged};
pub use snapshot::StoreSnapshot;
pub use verify::{VerifyLevel, VerifyReport};

use crate::collection::Collection;
use crate::engine::Engine;
use crate::engine::life::Life;
use crate::error::Result;
use crate::ids::CollectionId;
use crate::options::StoreOptions;
use crate::snapshot::state::CollectionState;
use crate::sync::Mutex;

/// An open store: one directory, one process. A cheap handle: clone it freely and use it from any
/// thread.
///
/// The store stays open as long as there is a handle: a `Store` or a [`Collection`]. It closes when
/// the last one is dropped. [`Store::close`] on any of them closes it for all.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::{CollectionOptions, Memory, Metric, Store};
/// let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
/// notes.insert(Memory::new(1, [0.6, 0.8]).text("likes tea"))?;
/// store.close()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    engine: Arc<Engine>,
    life: Arc<Life>,
    shared: Arc<Shared>,
}

/// The state that the handles of a store share besides the engine.
#[derive(Debug)]
struct Shared {
    /// Ids of the collections by name. Held while a collection is created, renamed or dropped.
    names: Mutex<HashMap<String, CollectionId>>,
    /// Held while a read-only store moves forward.
    refreshing: Mutex<()>,
}

impl Store {
    /// Opens the store in the directory `path` for reading and writing. Creates the directory and
    /// an empty store if there is none; the directory above it must exist.
    ///
    /// A process opens a store once and shares it: clone the `Store` for other threads and parts of
    /// the program.
    ///
    /// # Errors
    ///
    /// - [`Error::Locked`](crate::Error::Locked) if the store is open already, in another process
    ///   or in this one.
    /// - [`Error::InvalidOption`](crate::Error::InvalidOption) if the directory above `path` does
    ///   not exist.
    /// - [`Error::NotAStore`](crate::Error::NotAStore) for a directory that holds something else.
    ///   Nothing is written to it.
    /// - [`Error::ReadOnly`](crate::Error::ReadOnly) if the directory cannot be written.
    /// - [`Error::Corrupt`](crate::Error::Corrupt) for damage, with the file that is damaged.
    /// - [`Error::UnsupportedFormat`](crate::Error::UnsupportedFormat) for a store of a newer
    ///   version of this crate.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        StoreOptions::new().open(path)
    }

    /// Returns the absolute path of the store's directory.
    pub fn path(&self) -> &Path {
        self.engine.dir.root()
    }

    /// Waits until every write that was acknowledged before the call survives a power cut, in all
    /// collections. `Ok` means that they do.
    ///
    /// Needed only after writes under [`Durability::Buffered`](crate::Durability::Buffered), at a
    /// point that must not be lost. Under [`Durability::Sync`](crate::Durability::Sync), the
    /// default, each write has waited already. [`Store::close`] and a drop of the last handle sync
    /// too.
    ///
    /// # Errors
    ///
    /// [`Error::CommitUnknown`](crate::Error::CommitUnknown) if the sync failed,
    /// [`Error::Poisoned`](crate::Error::Poisoned) if an earlier one did,
    /// [`Error::ReadOnly`](crate::Error::ReadOnly) for a store that was opened read-only,
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    #[doc(alias = "flush")]
    pub fn sync(&self) -> Result<()> {
        self.engine.log.sync().map(drop)
    }

    /// Closes the store for all of its handles. Its jobs end early and are waited for, the log
    /// ends, and the lock is released. From then on every other handle of the store and of its
    /// collections gets [`Error::Closed`](crate::Error::Closed). An iterator that has begun
    /// continues. A second close does nothing.
    ///
    /// Dropping the last handle does the same, but cannot report an error.
    ///
    /// # Errors
    ///
    /// [`Error::CommitUnknown`](crate::Error::CommitUnknown),
    /// [`Error::Poisoned`](crate::Error::Poisoned), [`Error::Io`](crate::Error::Io) or
    /// [`Error::DiskFull`](crate::Error::DiskFull) if the log could not be ended. Acknowledged
    /// writes are still there at the next open. [`Error::Forked`](crate::Error::Forked) in a child
    /// made by fork, for which nothing is closed.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Error, Metric, Store};
    /// let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// let other = store.clone();
    /// store.close()?;
    /// assert!(matches!(notes.len(), Err(Error::Closed)));
    /// assert!(matches!(other.stats(), Err(Error::Closed)));
    /// # Ok(()) }
    /// ```
    pub fn close(self) -> Result<()> {
        self.life.end()
    }

    fn handle(&self, core: Arc<CollectionState>) -> Collection {
        Collection { engine: Arc::clone(&self.engine), core, life: Arc::clone(&self.life) }
    }
}
