//! Owns the statistics of a store. Reads and changes nothing.

use std::sync::Arc;

use super::Store;
use crate::collection::Collection;
use crate::compaction;
use crate::error::Result;
use crate::segment::Changes;
use crate::stats::{CollectionStats, StoreStats};
use crate::vector::kernel::Kernels;

impl Store {
    /// Returns what the store holds and what it costs. O(files + segments), and O(rows / 64) per
    /// segment in which some rows have expired, but not all. Nothing is asked of the system, so it
    /// may be called often. A store that was opened read-only lists its directory.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed) after a close. For a read-only store
    /// [`Error::Io`](crate::Error::Io) if the directory cannot be listed.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.6, 0.8]))?;
    /// let stats = store.stats()?;
    /// assert_eq!(stats.collections[0].live_rows, 1);
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> Result<StoreStats> {
        let engine = &self.engine;
        engine.dir.check_open()?;
        engine.moments.let_go();
        let (snapshots, oldest_snapshot_age) = engine.moments.totals();
        let (held_files, held_bytes) = engine.dir.held().totals();
        let sizes = engine.dir.sizes()?;
        let mut stats = StoreStats {
            visible_seq: engine.progress.last_seq().0,
            synced_seq: engine.progress.synced_seq().0,
            clock_doubt: engine.time.doubt(),
            held_files,
            held_bytes,
            disk_bytes: sizes.bytes,
            reserve_bytes: sizes.reserve,
            log_bytes: sizes.log_bytes,
            log_files: sizes.log_files,
            snapshots,
            oldest_snapshot_age,
            job_heap_bytes: engine.admission.heap().held(),
            resident_bytes: engine.background.resident().last(),
            open_files: engine.dir.open_files(),
            listener_panics: engine.events.panics(),
            events_lost: engine.events.lost(),
            background_paused: engine.background.pace().is_paused(),
            kernels: Kernels::detect().name,
            poisoned: engine.dir.poison().check().err().map(|e| e.to_string()),
            ..StoreStats::default()
        };
        stats.heap_bytes = stats.job_heap_bytes;
        let mut cores = engine.collections.all();
        cores.sort_by(|a, b| a.name().cmp(b.name()));
        for core in cores {
            let collection = self.handle(Arc::clone(&core)).stats()?;
            let snapshot = core.snapshot();
            let liveness: usize = snapshot.parts().map(|(_, live)| live.heap_bytes()).sum();
            let changes: usize = snapshot.parts_changes().map(Changes::heap_bytes).sum();
            stats.heap_bytes += collection.heap_bytes + (liveness + changes) as u64;
            stats.mapped_bytes += collection.segments.iter().map(|s| s.bytes).sum::<u64>();
            stats.mapped_bytes += collection.indexes.iter().map(|i| i.bytes).sum::<u64>();
            stats.collections.push(collection);
        }
        Ok(stats)
    }

    /// Asks the system how many bytes of mapped files are resident now: 0 where it does not report
    /// it (Linux does). [`StoreStats::resident_bytes`] is the newest answer. O(maps of the
    /// process): some milliseconds.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = altiplano::Store::open(dir.path().join("agent.alt"))?;
    /// let resident = store.resident_bytes()?;
    /// assert_eq!(store.stats()?.resident_bytes, resident);
    /// # Ok(()) }
    /// ```
    pub fn resident_bytes(&self) -> Result<u64> {
        self.engine.dir.check_open()?;
        Ok(self.engine.background.resident().bytes())
    }
}

impl Collection {
    /// Returns what the collection holds and what it costs, in the time of [`Store::stats`].
    ///
    /// # Errors
    ///
    /// As for [`Store::stats`].
    pub fn stats(&self) -> Result<CollectionStats> {
        let mut stats = self.counted()?;
        let debt = compaction::debt(&self.engine, &self.core)?;
        stats.debt_bytes = debt.rows + debt.index;
        stats.index_debt_bytes = debt.index;
        Ok(stats)
    }
}
