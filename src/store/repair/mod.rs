//! Owns `StoreOptions::repair`: writes everything that can be read of a damaged store into a new
//! one, and reports what was salvaged and what was given up. Never changes the damaged store.
//! `sources` finds what can be read. `survivors` decides which version of a memory is the newest
//! and which may be dead.
//!
//! Invariants: every written row passed its checksums. Without [`RepairPolicy::KeepDoubtful`] no
//! row is written that a lost record may have deleted, replaced or dropped.

mod changes;
mod frames;
mod report;
mod sources;
mod survivors;

use std::path::Path;
use std::sync::Arc;

pub use report::{Loss, RepairPolicy, RepairReport, Salvaged};

use crate::collection::Collection;
use crate::disk::{Disk, RealDisk};
use crate::error::{Error, Result};
use crate::format::manifest::CollectionEntry;
use crate::format::names::FileName;
use crate::format::{DecodeError, record};
use crate::ids::Seq;
use crate::options::{Background, CollectionSettings, Durability, StoreOptions};
use crate::segment::{NewRow, RowRef};
use crate::snapshot::stage::{Condition, Prepared, Task};
use crate::store::Store;
use crate::store::open::{create_dir, no_store, open_for_writing};
use sources::Sources;
use survivors::Survivors;

/// Bytes of vectors and bodies per batch.
const BATCH_BYTES: usize = 1 << 20;
/// Batches between two runs of the pending background tasks.
const BATCHES: usize = 8;

impl StoreOptions {
    /// Salvages a damaged store: writes every memory of `from` that can be read into a new store in
    /// `to`, and reports what was salvaged and what was given up. `from` is not changed and must
    /// not be open. `to` must be empty or must not exist. Memories that may have been deleted are
    /// given up: see [`RepairPolicy`], and [`StoreOptions::repair_with`] for the other choice.
    ///
    /// Memories keep everything but their sequence numbers. Indexes are rebuilt. O(bytes), and
    /// about 64 bytes of heap per memory. The repair of an undamaged store makes a compacted copy.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if `from` is open. [`Error::NotFound`] if there is no store in it.
    /// [`Error::InvalidOption`] if `to` is not empty, or the directory above it does not exist.
    /// [`Error::Corrupt`] if no manifest can be
    /// read: without one it is unknown what the files belong to. After any other error, discard
    /// what was written to `to`.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store, StoreOptions};
    /// let (from, to) = (dir.path().join("agent.alt"), dir.path().join("repaired.alt"));
    /// let store = Store::open(&from)?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).text("kept"))?;
    /// store.close()?;
    /// let report = StoreOptions::new().repair(&from, &to)?;
    /// assert!(report.is_complete());
    /// assert_eq!(report.salvaged[0].rows, 1);
    /// # Ok(()) }
    /// ```
    pub fn repair(self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<RepairReport> {
        self.repair_with(from, to, RepairPolicy::Strict)
    }

    /// Same as [`StoreOptions::repair`]. `doubt` decides about memories that may or may not have
    /// been deleted.
    ///
    /// # Errors
    ///
    /// As for [`StoreOptions::repair`].
    pub fn repair_with(
        self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        doubt: RepairPolicy,
    ) -> Result<RepairReport> {
        self.validate()?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (from, to) = (from.as_ref(), to.as_ref());
        if disk.list(from).map_err(|error| no_store(error, from))?.is_empty() {
            return Err(Error::not_found(from));
        }
        let _lock = disk.lock(&from.join(FileName::Lock.to_string()))?;
        create_dir(disk.as_ref(), "to", to)?;
        if !disk.list(to)?.is_empty() {
            return Err(Error::option(
                "to",
                format!("{} is not empty; give a new or an empty directory", to.display()),
            ));
        }
        let mut report = RepairReport::default();
        let sources = Sources::find(disk.as_ref(), from, doubt, &mut report)?;
        let survivors = Survivors::of(&sources, doubt, &mut report)?;
        let options = self.background(Background::Manual).create(true);
        let store = open_for_writing(Arc::clone(&disk), to, options)?;
        store.engine.time.recover((sources.manifest.time, sources.manifest.clock_doubted));
        write_all(&store, &sources, survivors, &mut report)?;
        store.close()?;
        Ok(report)
    }
}

/// Writes the survivors to a new store.
fn write_all(
    store: &Store,
    sources: &Sources<'_>,
    mut survivors: Survivors,
    report: &mut RepairReport,
) -> Result<()> {
    let mut writers = Vec::new();
    for entry in &sources.manifest.collections {
        writers.push(Writer::new(store, entry)?);
    }
    survivors.each(sources, report, |collection, row| match writers.get_mut(collection) {
        Some(writer) => writer.add(row),
        None => Ok(()),
    })?;
    for (mut writer, entry) in writers.into_iter().zip(&sources.manifest.collections) {
        writer.flush()?;
        let name = writer.collection.name().to_owned();
        // Of two memories with one key, either may be the one that is wanted.
        match store.collection(&name, entry.options.clone()) {
            Err(Error::InvalidOption { name: "unique_keys", .. }) => {
                report.shared_keys.push(name.clone());
            }
            opened => drop(opened?),
        }
        report.salvaged.push(Salvaged { collection: name, rows: writer.rows });
    }
    while store.run_pending_tasks()? {}
    Ok(())
}

/// Writes rows to a collection of the new store, in the form in which the old one stored them.
struct Writer<'a> {
    store: &'a Store,
    collection: Collection,
    batch: Vec<Prepared>,
    bytes: usize,
    batches: usize,
    rows: u64,
}

impl<'a> Writer<'a> {
    fn new(store: &'a Store, entry: &CollectionEntry) -> Result<Self> {
        let options = CollectionSettings { unique_keys: false, ..entry.options.clone() };
        let collection = store.collection(&entry.name, options)?;
        Ok(Self { store, collection, batch: Vec::new(), bytes: 0, batches: 0, rows: 0 })
    }

    fn add(&mut self, row: &RowRef<'_>) -> Result<()> {
        self.rows += 1;
        self.bytes += row.vector.len() * 4 + row.body.len();
        let damaged = |e: DecodeError| Error::internal(format!("the body of a row: {}", e.reason));
        let expires_at = record::attributes(row.id, row.body).map_err(damaged)?.expires_at;
        // The new store counts its operations anew.
        let body = record::without_history(row.body).map_err(damaged)?;
        let (vector, seq) = (row.vector.to_vec(), Seq::ZERO);
        let row = NewRow { id: row.id, seq, norm: row.norm, vector, body, expires_at };
        let task = Task::Insert { row, only: Condition::default() };
        self.batch.push(Prepared { core: Arc::clone(&self.collection.core), task });
        if self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let durability = Durability::Buffered { max_delay: std::time::Duration::from_secs(60) };
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        self.store.engine.committer.commit(batch, durability)?;
        self.batches += 1;
        // Full memtables are sealed here, so that RAM stays bounded.
        while self.batches.is_multiple_of(BATCHES) && self.store.run_pending_tasks()? {}
        Ok(())
    }
}
