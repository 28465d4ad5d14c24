//! Owns `Store`: opens, wires and closes. Everything it does, it asks the layers below to do.
//!
//! A store is open while there is a handle: a `Store` or a `Collection`. When one closes it, or the last
//! one is dropped, its jobs are stopped and waited for, the log is ended with a `Close` frame and the
//! lock is let go (`collection::life`). Handles that are left get `Error::Closed`.

mod background;
mod clock;
mod compact;
mod open;
mod purge;
mod repair;
mod stats;
// The other tests have threads and locks of their own, which no model checker schedules.
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

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use open::open_for_writing;
pub use repair::{Loss, RepairPolicy, RepairReport, Salvaged};
pub use verify::{VerifyLevel, VerifyReport};

use crate::collection::Collection;
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::life::Life;
use crate::collection::snapshot::Snapshot;
use crate::collection::stats as collection_stats;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::format::manifest::CollectionEntry;
use crate::format::names::FileName;
use crate::ids::{CollectionId, Seq};
use crate::options::{CollectionOptions, CollectionSettings, StoreOptions};
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, lock, write};

/// Longest name of a collection, in bytes.
const MAX_NAME: usize = 255;

/// An open store: one directory, one process. A cheap handle: clone it freely, use it from any thread.
///
/// The store stays open as long as there is a handle: a `Store` or a [`Collection`]. It closes when
/// the last one is dropped, or when [`Store::close`] is called on any of them, which ends it for all.
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

/// What the handles of a store share besides the engine.
#[derive(Debug)]
struct Shared {
    /// Names of the collections; held while one is made or dropped.
    names: Mutex<HashMap<String, CollectionId>>,
    /// Held while a reader moves forward.
    refreshing: Mutex<()>,
}

impl Store {
    /// Opens a store for reading and writing, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if it is open elsewhere, [`Error::NotAStore`] for a directory that holds
    /// something else, in which nothing is written then; [`Error::ReadOnly`] if it cannot be written,
    /// [`Error::Corrupt`] naming the damaged file, [`Error::UnsupportedFormat`] for a store of a newer
    /// version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        StoreOptions::new().open(path)
    }

    /// Opens the collection with this name, or creates it.
    ///
    /// What is fixed at creation must agree as far as it is given: dimension, metric,
    /// quantization, in memory or not, and the embedding space once it has a name. What is given of the rest (durability,
    /// default lifetime, graph parameters, memtable size) is changed, durably and for all handles. What
    /// is not given stays as it is. A store that is open for reading changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::EmbeddingSpace`] or [`Error::InvalidOption`] if it does not
    /// agree; [`Error::InvalidOption`] for a name that does not have 1 to 255 bytes and for an option
    /// out of range.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Error, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// let error = store.collection("notes", CollectionOptions::new(3, Metric::Cosine)).unwrap_err();
    /// assert!(matches!(error, Error::Dimension { expected: 2, got: 3 }));
    /// # Ok(()) }
    /// ```
    pub fn collection(
        &self,
        name: &str,
        options: impl Into<CollectionOptions>,
    ) -> Result<Collection> {
        let options = options.into();
        if name.is_empty() || name.len() > MAX_NAME {
            let reason = format!("{} bytes, not 1 to {MAX_NAME}", name.len());
            return Err(Error::option("name of the collection", reason));
        }
        options.validate()?;
        let _telling = self.engine.telling();
        self.engine.check_open()?;
        let mut names = lock(&self.shared.names);
        if let Some(core) = names.get(name).and_then(|id| self.engine.core(*id)) {
            self.agree(&core, options)?;
            return Ok(self.handle(core));
        }
        self.engine.check_writable()?;
        let options = CollectionSettings::from(options);
        let unset = collection_stats::retention_unset(&self.engine, &options);
        let core = self.create(name, options)?;
        names.insert(name.to_owned(), core.id);
        drop(names);
        if unset {
            self.engine.emit(&Event::RetentionUnset { collection: name.to_owned() });
        }
        Ok(self.handle(core))
    }

    /// The directory of the store, from the root on.
    pub fn path(&self) -> &Path {
        self.engine.dir()
    }

    /// The collection with this name, if it exists.
    pub fn get_collection(&self, name: &str) -> Option<Collection> {
        let id = *lock(&self.shared.names).get(name)?;
        Some(self.handle(self.engine.core(id)?))
    }

    /// The names of all collections, sorted.
    pub fn collection_names(&self) -> Vec<String> {
        let mut names: Vec<String> = lock(&self.shared.names).keys().cloned().collect();
        names.sort();
        names
    }

    /// Removes a collection with everything in it. Returns whether it was there. Handles to it that
    /// are still around can read on and get [`Error::Closed`] for writes.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`] or [`Error::Closed`]; [`Error::DiskFull`] or [`Error::Io`] if the change could
    /// not be written, and then the collection is still there.
    pub fn drop_collection(&self, name: &str) -> Result<bool> {
        self.engine.check_writable()?;
        let mut names = lock(&self.shared.names);
        let Some(core) = names.get(name).and_then(|id| self.engine.core(*id)) else {
            return Ok(false);
        };
        core.dropped.store(true, Ordering::Release);
        let removed = self.remove(&core);
        if removed.is_err() && !self.engine.poison.is_set() {
            core.dropped.store(false, Ordering::Release);
            return removed.map(|()| false);
        }
        names.remove(name);
        self.collections_mut(|map| map.remove(&core.id));
        removed.map(|()| true)
    }

    /// Makes every write that was acknowledged before durable.
    ///
    /// # Errors
    ///
    /// [`Error::CommitUnknown`] if the sync failed, [`Error::Poisoned`] if an earlier one did.
    pub fn sync(&self) -> Result<()> {
        self.engine.sync_log().map(drop)
    }

    /// Closes the store, for all of its handles: waits for its jobs, which end early, ends the log and
    /// lets the lock go. From then on every other handle of it and of its collections gets
    /// [`Error::Closed`]; an iterator that has begun goes on. To close it once more does nothing.
    ///
    /// Dropping the last handle does the same, but cannot tell what went wrong.
    ///
    /// # Errors
    ///
    /// [`Error::CommitUnknown`], [`Error::Poisoned`], [`Error::Io`] or [`Error::DiskFull`] if the log
    /// could not be ended: what was acknowledged is found at the next open all the same.
    /// [`Error::Forked`] in a child made by fork, for which nothing is closed.
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

    fn handle(&self, core: Arc<Core>) -> Collection {
        Collection { engine: Arc::clone(&self.engine), core, life: Arc::clone(&self.life) }
    }

    fn collections_mut<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<CollectionId, Arc<Core>>) -> T,
    ) -> T {
        change(&mut write(&self.engine.collections))
    }

    /// Checks wanted options against those of an open collection and takes over what may change.
    fn agree(&self, core: &Core, wanted: CollectionOptions) -> Result<()> {
        let before = core.options();
        let now = before.changed(&core.name, wanted)?;
        if now == before || self.engine.read_only {
            return Ok(());
        }
        if !now.in_memory {
            self.engine.sync_log()?;
            self.engine.commit_manifest(|manifest| {
                if let Some(entry) = manifest.collection_mut(core.id) {
                    entry.options = now.clone();
                }
            })?;
        }
        core.set_options(now);
        Ok(())
    }

    fn create(&self, name: &str, options: CollectionSettings) -> Result<Arc<Core>> {
        let engine = &self.engine;
        // The token keeps the log from rolling on between the two steps.
        let mut token = engine.committer.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        let log_file = log.file();
        let snapshot = Snapshot { visible: engine.visible_seq(), ..Snapshot::default() };
        let id = if options.in_memory {
            // In-memory collections are in no manifest; their numbers count down.
            let taken =
                engine.cores().iter().filter(|c| c.options().in_memory).map(|c| c.id.0).min();
            CollectionId(taken.unwrap_or(u32::MAX) - 1)
        } else {
            // What was acknowledged before must not be lost where this is kept (I4).
            engine.sync_held(log)?;
            let mut id = CollectionId::default();
            engine.commit_manifest(|manifest| {
                id = manifest.next_collection;
                manifest.next_collection = CollectionId(id.0 + 1);
                manifest.collections.push(CollectionEntry {
                    id,
                    name: name.to_owned(),
                    options: options.clone(),
                    covers_seq: Seq::ZERO,
                    log_from: log_file,
                    segments: Vec::new(),
                    indexes: Vec::new(),
                });
            })?;
            id
        };
        let core = Arc::new(Core::new(id, name.to_owned(), options, snapshot, log_file));
        self.collections_mut(|map| map.insert(id, Arc::clone(&core)));
        drop(token);
        Ok(core)
    }

    /// Takes a collection out of the manifest and lets its files go.
    fn remove(&self, core: &Core) -> Result<()> {
        if core.options().in_memory {
            return Ok(());
        }
        let _hurry = self.engine.pace.hurry();
        let _jobs = (lock(&core.row_job), lock(&core.index_job), lock(&core.structure));
        let deletes: Vec<FileName> = self
            .engine
            .manifest()
            .collections
            .iter()
            .filter(|c| c.id == core.id)
            .flat_map(|c| &c.segments)
            .filter_map(|s| s.deletes.as_ref().map(|d| FileName::Deletes(d.file)))
            .collect();
        // What was acknowledged before must not be lost where this is kept (I4).
        self.engine.sync_log()?;
        self.engine.commit_manifest(|m| m.collections.retain(|c| c.id != core.id))?;
        for name in deletes {
            let _ = self.engine.disk.remove(&self.engine.path(name));
        }
        let snapshot = core.snapshot();
        snapshot.segments.iter().for_each(|s| s.sealed.guard.mark_obsolete());
        for part in &snapshot.indexes {
            part.indexed.index_guard.mark_obsolete();
            part.indexed.locator_guard.mark_obsolete();
        }
        Ok(())
    }
}
