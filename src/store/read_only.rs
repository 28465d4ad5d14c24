//! Owns the opening of a store for reading beside a writer, and the step forward to what the writer
//! has written since. Takes no lock and writes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::ids::CollectionId;
use crate::manifest::{self, Found};
use crate::options::{CollectionSettings, StoreOptions};
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;
use crate::store::Store;
use crate::store::open::{absolute, engine, no_store, recover};

/// Attempts of a read-only open, in case the writer changes files meanwhile.
const READ_ATTEMPTS: usize = 3;

impl StoreOptions {
    /// Opens an existing store for reading, also while another process writes it. Takes no lock and
    /// writes nothing. It shows the store as of now, and what the writer does later from the next
    /// [`Store::refresh`] on: until then it also returns memories that were deleted meanwhile. What
    /// expires disappears by itself. Give the reader the writer's clock if that is not the
    /// system's.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no store, [`Error::NotAStore`] for something else,
    /// [`Error::Corrupt`] and [`Error::UnsupportedFormat`] as for [`Store::open`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store, StoreOptions};
    /// # let path = dir.path().join("agent.alt");
    /// let writer = Store::open(&path)?;
    /// let notes = writer.collection("notes", CollectionOptions::new(1, Metric::L2))?;
    /// let reader = StoreOptions::new().open_read_only(&path)?;
    /// notes.insert(Memory::new(1, [0.5]))?;
    /// assert!(reader.get_collection("notes").unwrap().is_empty()?);
    /// reader.refresh()?;
    /// assert_eq!(reader.get_collection("notes").unwrap().len()?, 1);
    /// # Ok(()) }
    /// ```
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<Store> {
        open_for_reading(Arc::new(RealDisk), &absolute(path.as_ref())?, &self)
    }
}

impl Store {
    /// Moves a store that was opened read-only forward to what its writer has written by now, with
    /// all handles of its collections. For a writable store there is nothing to do.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::Io`] if what was written cannot be read: the store stays at
    /// the moment that it showed before. [`Error::Closed`] after a close.
    pub fn refresh(&self) -> Result<()> {
        self.engine.dir.check_open()?;
        if !self.engine.dir.is_read_only() {
            return Ok(());
        }
        // Serialized: if the refresh that read first ended last, readers would go back in time.
        let _refreshing = crate::sync::lock(&self.shared.refreshing);
        let (dir, clock) = (&self.engine.dir, self.engine.time.clock());
        let options = StoreOptions::new().clock(Arc::clone(clock));
        let newer = read_with_retries(dir.shared_disk(), dir.root(), &options)?;
        let mut names = crate::sync::lock(&self.shared.names);
        self.engine.adopt(&newer);
        let newer: HashMap<CollectionId, Arc<CollectionState>> =
            newer.collections.all().into_iter().map(|core| (core.id, core)).collect();
        self.engine.collections.change(|open| {
            open.retain(|id, _| newer.contains_key(id));
            for (id, core) in newer {
                match open.get(&id) {
                    Some(old) => {
                        old.set_options(CollectionSettings::clone(&core.options()));
                        old.publish(Snapshot::clone(&core.snapshot()));
                        old.set_name(core.name());
                    }
                    None => drop(open.insert(id, core)),
                }
            }
            *names = open.values().map(|core| (core.name().to_owned(), core.id)).collect();
        });
        Ok(())
    }
}

/// Opens an existing store for reading, on any [`Disk`].
pub(crate) fn open_for_reading(
    disk: Arc<dyn Disk>,
    path: &Path,
    options: &StoreOptions,
) -> Result<Store> {
    options.validate()?;
    let engine = read_with_retries(&disk, path, options).map_err(|error| no_store(error, path))?;
    Ok(Store::assemble(engine, Vec::new(), None))
}

/// Reads a store that another process may be changing. The writer may remove a file after its
/// manifest was read, so the read is retried.
fn read_with_retries(
    disk: &Arc<dyn Disk>,
    path: &Path,
    options: &StoreOptions,
) -> Result<Arc<Engine>> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match read_once(disk, path, options) {
            Err(Error::Io { .. } | Error::Corrupt { .. }) if attempts < READ_ATTEMPTS => {}
            result => return result,
        }
    }
}

fn read_once(disk: &Arc<dyn Disk>, path: &Path, options: &StoreOptions) -> Result<Arc<Engine>> {
    let found = match manifest::load(disk.as_ref(), path)? {
        Found::Manifest(manifest) => *manifest,
        Found::Nothing => return Err(Error::not_found(path)),
    };
    let engine = engine(Arc::clone(disk), path.to_owned(), found, options, 0, true)?;
    let end = recover(&engine)?;
    engine.progress.take_seq(end.last_seq);
    Ok(engine)
}
