//! Owns `Store`: opens, wires and closes. Everything it does, it asks the layers below to do.
//!
//! A store that is dropped or closed stops its workers, waits for them and for every other job, ends
//! the log with a `Close` frame and lets the lock go. Handles that outlive it can only read.

mod background;
mod clock;
mod compact;
mod open;
mod purge;
mod repair;
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

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use open::open_for_writing;
pub use repair::{Doubt, Loss, RepairReport, Salvaged};
pub use verify::{Verify, VerifyReport};

use crate::collection::Collection;
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::snapshot::Snapshot;
use crate::collection::stats;
use crate::compaction;
use crate::error::{Error, Result};
use crate::format::manifest::CollectionEntry;
use crate::format::names::FileName;
use crate::ids::{CollectionId, Seq};
use crate::metrics::{Event, StoreStats};
use crate::options::{CollectionOptions, StoreOptions};
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;
use crate::vector::kernel::Kernels;
use crate::worker::{Worker, lock};

/// Longest name of a collection, in bytes.
const MAX_NAME: usize = 255;

/// An open store: one directory, one process.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// use altiplano::{CollectionOptions, Memory, Metric, Store};
/// let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
/// notes.insert(Memory::new(1u64, [0.6, 0.8]).text("likes tea"))?;
/// store.close()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Store {
    engine: Arc<Engine>,
    /// Names of the collections; held while one is made or dropped.
    names: Mutex<HashMap<String, CollectionId>>,
    /// Held while a reader moves forward.
    refreshing: Mutex<()>,
    workers: Vec<Worker>,
    lock: Option<Box<dyn Any + Send + Sync>>,
}

impl Store {
    /// Opens a store for reading and writing, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if it is open elsewhere, [`Error::ReadOnly`] if it cannot be written,
    /// [`Error::Corrupt`] naming the damaged file, [`Error::UnsupportedFormat`] for a store of a
    /// newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        StoreOptions::new().open(path)
    }

    /// Opens the collection with this name, or creates it.
    ///
    /// What is fixed at creation must agree: dimension, metric, codes, embedding space. The rest
    /// (durability, default lifetime, graph parameters, memtable size) is changed to what is given.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::EmbeddingSpace`] or [`Error::InvalidOption`] if it does not
    /// agree.
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
    pub fn collection(&self, name: &str, options: CollectionOptions) -> Result<Collection> {
        if name.is_empty() || name.len() > MAX_NAME {
            let reason = format!("{} bytes, not 1 to {MAX_NAME}", name.len());
            return Err(Error::option("name of the collection", reason));
        }
        options.validate()?;
        let mut names = lock(&self.names);
        if let Some(core) = names.get(name).and_then(|id| self.engine.core(*id)) {
            self.agree(&core, options)?;
            return Ok(self.handle(core));
        }
        self.engine.check_writable()?;
        let unset = stats::retention_unset(&self.engine, &options);
        let core = self.create(name, options)?;
        names.insert(name.to_owned(), core.id);
        // The listener may well ask for the collection that it is told of.
        drop(names);
        if unset {
            self.engine.emit(&Event::RetentionUnset { collection: name.to_owned() });
        }
        Ok(self.handle(core))
    }

    /// The collection with this name, if it exists.
    pub fn existing(&self, name: &str) -> Option<Collection> {
        let id = *lock(&self.names).get(name)?;
        Some(self.handle(self.engine.core(id)?))
    }

    /// The names of all collections, sorted.
    pub fn collections(&self) -> Vec<String> {
        let mut names: Vec<String> = lock(&self.names).keys().cloned().collect();
        names.sort();
        names
    }

    /// Removes a collection with everything in it; tells whether it was there. Handles to it that
    /// are still around can read on and get [`Error::Closed`] for writes.
    pub fn drop_collection(&self, name: &str) -> Result<bool> {
        self.engine.check_writable()?;
        let mut names = lock(&self.names);
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
    pub fn sync(&self) -> Result<()> {
        self.engine.sync_log().map(drop)
    }

    /// What the store holds and what it costs.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1u64, [0.6, 0.8]))?;
    /// let stats = store.stats()?;
    /// assert_eq!(stats.collections[0].live_rows, 1);
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> Result<StoreStats> {
        let engine = &self.engine;
        let (pinned_files, pinned_bytes) = engine.pinned.totals();
        let mut stats = StoreStats {
            visible_seq: engine.visible_seq().0,
            synced_seq: engine.committer.synced_seq().0,
            clock_doubt: engine.clock_doubt(),
            pinned_files,
            pinned_bytes,
            job_heap_bytes: engine.heap_budget.held(),
            resident_bytes: engine.resident_bytes(),
            open_files: engine.open_files(),
            background_paused: engine.pace.is_paused(),
            kernels: Kernels::detect().name,
            poisoned: engine.poison.check().err().map(|e| e.to_string()),
            ..StoreStats::default()
        };
        for entry in engine.disk.list(engine.dir())? {
            let Some(name) = FileName::parse(&entry.name) else {
                continue;
            };
            // A file may go between the two calls.
            let bytes = engine.disk.allocated_bytes(&engine.path(name)).unwrap_or(0);
            if name == FileName::Reserve {
                stats.reserve_bytes += bytes;
                continue;
            }
            stats.disk_bytes += bytes;
            if matches!(name, FileName::Log(_)) {
                stats.log_bytes += bytes;
                stats.log_files += 1;
            }
        }
        stats.heap_bytes = stats.job_heap_bytes;
        let mut cores = engine.cores();
        cores.sort_by(|a, b| a.name.cmp(&b.name));
        for core in cores {
            let mut collection = self.handle(Arc::clone(&core)).stats()?;
            let debt = compaction::debt(engine, &core)?;
            collection.debt_bytes = debt.rows + debt.index;
            collection.index_debt_bytes = debt.index;
            let liveness: usize = core.snapshot().parts().map(|(_, live)| live.heap_bytes()).sum();
            stats.heap_bytes += collection.heap_bytes + liveness as u64;
            stats.mapped_bytes += collection.segments.iter().map(|s| s.bytes).sum::<u64>();
            stats.mapped_bytes += collection.indexes.iter().map(|i| i.bytes).sum::<u64>();
            stats.collections.push(collection);
        }
        Ok(stats)
    }

    /// Stops the workers, ends the log and lets the lock go. Dropping a store does the same, but
    /// cannot tell what went wrong.
    pub fn close(mut self) -> Result<()> {
        self.shut()
    }

    fn shut(&mut self) -> Result<()> {
        let closed = if self.engine.read_only {
            Ok(())
        } else if let Err(forked) = self.engine.check_process() {
            // Nothing of it is this process's to end.
            self.workers.drain(..).for_each(Worker::abandon);
            Err(forked)
        } else {
            self.workers.clear();
            self.engine.close()
        };
        self.lock = None;
        closed
    }

    fn handle(&self, core: Arc<Core>) -> Collection {
        Collection { engine: Arc::clone(&self.engine), core }
    }

    fn collections_mut<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<CollectionId, Arc<Core>>) -> T,
    ) -> T {
        change(&mut self.engine.collections.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks wanted options against those of an open collection and takes over what may change.
    fn agree(&self, core: &Core, wanted: CollectionOptions) -> Result<()> {
        let mut now = core.options();
        if now.dimension != wanted.dimension {
            return Err(Error::Dimension { expected: now.dimension, got: wanted.dimension });
        }
        for (name, same) in [
            ("metric", now.metric == wanted.metric),
            ("codes", now.codes == wanted.codes),
            ("volatile", now.volatile == wanted.volatile),
        ] {
            if !same {
                let reason = format!("the collection {:?} was created with another", core.name);
                return Err(Error::option(name, reason));
            }
        }
        match (&now.embedding_space, &wanted.embedding_space) {
            (Some(expected), Some(got)) if expected != got => {
                let (expected, got) = (expected.clone(), got.clone());
                return Err(Error::EmbeddingSpace { expected, got });
            }
            _ => {}
        }
        let before = now.clone();
        now.embedding_space = wanted.embedding_space.or(now.embedding_space);
        now.hnsw = wanted.hnsw;
        now.durability = wanted.durability;
        now.default_ttl = wanted.default_ttl;
        now.memtable_rows = wanted.memtable_rows;
        if now == before || self.engine.read_only {
            return Ok(());
        }
        if !now.volatile {
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

    fn create(&self, name: &str, options: CollectionOptions) -> Result<Arc<Core>> {
        let engine = &self.engine;
        // The token keeps the log from rolling on between the two steps.
        let mut token = engine.committer.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        let log_file = log.file();
        let snapshot = Snapshot { visible: engine.visible_seq(), ..Snapshot::default() };
        let id = if options.volatile {
            // Volatile collections are in no manifest; their numbers count down.
            let taken =
                engine.cores().iter().filter(|c| c.options().volatile).map(|c| c.id.0).min();
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
        if core.options().volatile {
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

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.shut();
    }
}
