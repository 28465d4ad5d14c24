//! Owns the operations that create, find and drop collections.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::Collection;
use crate::engine::stats;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::format::manifest::CollectionEntry;
use crate::format::names::FileName;
use crate::ids::{CollectionId, Seq};
use crate::options::{CollectionOptions, CollectionSettings};
use crate::snapshot::Snapshot;
use crate::snapshot::keys;
use crate::snapshot::state::CollectionState;
use crate::store::Store;
use crate::sync::atomic::Ordering;
use crate::sync::lock;

/// Maximum length of a collection's name, in bytes.
const MAX_NAME: usize = 255;

impl Store {
    /// Opens the collection with this name, or creates it.
    ///
    /// Some options are fixed at creation: dimension, metric, quantization, in memory or not, and
    /// the embedding space once it has a name. Where `options` sets them, they must agree. Where
    /// `options` sets any other (durability, default lifetime, graph parameters, memtable size,
    /// unique keys), the collection takes it over, durably and for all handles. Options that are
    /// not set stay as they are. A read-only store changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::EmbeddingSpace`] or [`Error::InvalidOption`] if a fixed
    /// option does not agree. [`Error::InvalidOption`] for a name that does not have 1 to 255 bytes
    /// and for an option out of range. Also if keys shall be unique from now on and two memories
    /// share one: the message names it.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Error, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// let other = CollectionOptions::new(3, Metric::Cosine);
    /// let error = store.collection("notes", other).unwrap_err();
    /// assert!(matches!(error, Error::Dimension { expected: 2, got: 3, .. }));
    /// # Ok(()) }
    /// ```
    pub fn collection(
        &self,
        name: &str,
        options: impl Into<CollectionOptions>,
    ) -> Result<Collection> {
        let options = options.into();
        check_name(name)?;
        options.validate()?;
        let _telling = self.engine.events.telling();
        self.engine.dir.check_open()?;
        let mut names = lock(&self.shared.names);
        if let Some(core) = names.get(name).and_then(|id| self.engine.collections.get(*id)) {
            self.reconcile_options(&core, options)?;
            return Ok(self.handle(core));
        }
        self.engine.dir.check_writable()?;
        let options = CollectionSettings::from(options);
        let unset = stats::retention_unset(&self.engine, &options);
        let core = self.create(name, options)?;
        names.insert(name.to_owned(), core.id);
        drop(names);
        if unset {
            self.engine.events.emit(&Event::RetentionUnset { collection: name.to_owned() });
        }
        Ok(self.handle(core))
    }

    /// Returns the collection with this name, if it exists.
    pub fn get_collection(&self, name: &str) -> Option<Collection> {
        let id = *lock(&self.shared.names).get(name)?;
        Some(self.handle(self.engine.collections.get(id)?))
    }

    /// Returns the names of all collections, sorted.
    pub fn collection_names(&self) -> Vec<String> {
        let mut names: Vec<String> = lock(&self.shared.names).keys().cloned().collect();
        names.sort();
        names
    }

    /// Removes a collection with everything in it. Returns true if it existed. Its remaining
    /// handles can still read, and get [`Error::Closed`] for writes.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`] or [`Error::Closed`]. [`Error::DiskFull`] or [`Error::Io`] if the change
    /// could not be written; the collection still exists then.
    pub fn drop_collection(&self, name: &str) -> Result<bool> {
        self.engine.dir.check_writable()?;
        let mut names = lock(&self.shared.names);
        let Some(core) = names.get(name).and_then(|id| self.engine.collections.get(*id)) else {
            return Ok(false);
        };
        core.dropped.store(true, Ordering::Release);
        let removed = self.remove(&core);
        if removed.is_err() && !self.engine.dir.poison().is_set() {
            core.dropped.store(false, Ordering::Release);
            return removed.map(|()| false);
        }
        names.remove(name);
        self.engine.collections.change(|map| map.remove(&core.id));
        removed.map(|()| true)
    }

    /// Checks the wanted options against those of an open collection and takes over those that may
    /// change.
    fn reconcile_options(&self, core: &CollectionState, wanted: CollectionOptions) -> Result<()> {
        let before = core.options();
        let now = before.changed(core.name(), wanted)?;
        if now == *before || self.engine.dir.is_read_only() {
            return Ok(());
        }
        // The token keeps writes out: none may make two memories share a key after the check.
        let mut token = self.engine.log.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        if now.unique_keys && !before.unique_keys {
            check_keys(core, self.engine.time.now())?;
        }
        if !now.in_memory {
            self.engine.log.sync_held(log)?;
            self.engine.catalog.commit(|manifest| {
                if let Some(entry) = manifest.collection_mut(core.id) {
                    entry.options = now.clone();
                }
            })?;
        }
        core.set_options(now);
        Ok(())
    }

    fn create(&self, name: &str, options: CollectionSettings) -> Result<Arc<CollectionState>> {
        let engine = &self.engine;
        // The token prevents a new log file between the two steps.
        let mut token = engine.log.hold();
        let log = token.as_mut().ok_or(Error::Closed)?;
        let log_file = log.file();
        let snapshot = Snapshot { visible: engine.progress.last_seq(), ..Snapshot::default() };
        let id = if options.in_memory {
            // In-memory collections are in no manifest; their numbers count down.
            let taken =
                engine.collections.all().iter().filter(|c| c.is_in_memory()).map(|c| c.id.0).min();
            CollectionId(taken.unwrap_or(u32::MAX) - 1)
        } else {
            // Once the new manifest is durable, every write acknowledged before must be as well
            // (I4).
            engine.log.sync_held(log)?;
            let mut id = CollectionId::default();
            engine.catalog.commit(|manifest| {
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
        let core = Arc::new(CollectionState::new(id, name.to_owned(), options, snapshot, log_file));
        self.engine.collections.change(|map| map.insert(id, Arc::clone(&core)));
        drop(token);
        Ok(core)
    }

    /// Removes a collection from the manifest and releases its files.
    fn remove(&self, core: &CollectionState) -> Result<()> {
        if core.is_in_memory() {
            return Ok(());
        }
        let _expedited = self.engine.background.pace().expedite();
        let _jobs = (lock(&core.row_job), lock(&core.index_job), lock(&core.structure));
        let deletes: Vec<FileName> = self
            .engine
            .catalog
            .manifest()
            .collections
            .iter()
            .filter(|c| c.id == core.id)
            .flat_map(|c| &c.segments)
            .filter_map(|s| s.deletes.as_ref().map(|d| FileName::Deletes(d.file)))
            .collect();
        // Once the new manifest is durable, every write acknowledged before must be as well (I4).
        self.engine.log.sync()?;
        self.engine.catalog.commit(|m| m.collections.retain(|c| c.id != core.id))?;
        for name in deletes {
            let _ = self.engine.dir.remove(name);
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

/// Fails if a collection cannot have this name.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME {
        let reason = format!("it has {} bytes and must have 1 to {MAX_NAME}", name.len());
        return Err(Error::option("name of the collection", reason));
    }
    Ok(())
}

/// Fails if two visible memories of one namespace share a key.
fn check_keys(core: &CollectionState, now: Timestamp) -> Result<()> {
    let Some((namespace, key)) = keys::shared(&core.snapshot(), now)? else {
        return Ok(());
    };
    let within = namespace.map_or("no namespace".to_owned(), |name| format!("namespace {name:?}"));
    let reason = format!(
        "two memories in {within} of collection {:?} have the key {key:?}; delete or change one",
        core.name()
    );
    Err(Error::option("unique_keys", reason))
}
