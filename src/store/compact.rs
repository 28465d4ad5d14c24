//! Owns the verbs that reclaim bytes by hand: plan, compact, one piece of what is due. What they do is
//! `compaction`.

use crate::collection::Collection;
use crate::compaction::{self, Control};
use crate::error::{Error, Result};
use crate::report::{CompactionReport, Plan};
use crate::store::Store;

impl Store {
    /// What [`Store::compact`] would do to a collection, and why. Changes nothing.
    pub fn plan(&self, collection: &Collection) -> Result<Plan> {
        self.engine.check_open()?;
        compaction::plan(&self.engine, &collection.core)
    }

    /// Compacts every collection now, on the calling thread: seals memtables, gives back the bytes
    /// of all dead and expired rows, rebuilds the indexes that have dead nodes. The background does
    /// the same by itself when it pays; this is for those who want the bytes at once.
    pub fn compact(&self) -> Result<CompactionReport> {
        let _telling = self.engine.telling();
        self.engine.check_open()?;
        let mut total = CompactionReport::default();
        for core in self.engine.cores() {
            let report = match compaction::compact(
                &self.engine,
                &core,
                &Control::unpaced(&self.engine, &|| false),
            ) {
                // Dropped meanwhile: that is no reason to leave the others as they are.
                Err(Error::Closed) if core.is_dropped() => continue,
                report => report?,
            };
            total.sealed += report.sealed;
            total.dropped += report.dropped;
            total.rewritten += report.rewritten;
            total.written += report.written;
            total.indexes_built += report.indexes_built;
            total.rows_reclaimed += report.rows_reclaimed;
            total.bytes_before += report.bytes_before;
            total.bytes_after += report.bytes_after;
            total.took += report.took;
        }
        compaction::after_compaction(&self.engine, &Control::unpaced(&self.engine, &|| false))?;
        Ok(total)
    }

    /// Does one piece of background work that is due, if any; tells whether there was. For
    /// [`crate::Background::Manual`]: call it until it gives false.
    pub fn run_pending_tasks(&self) -> Result<bool> {
        let _telling = self.engine.telling();
        self.engine.check_open()?;
        let asked = self.engine.disk_budget.asked();
        self.engine.tend_log()?;
        self.engine.tend_reserve();
        self.engine.tend_resident();
        let never = &Control::unpaced(&self.engine, &|| false);
        for core in self.engine.cores() {
            let rows = || compaction::run_rows_due(&self.engine, &core, never);
            let index = || compaction::run_index_due(&self.engine, &core, never);
            match rows().and_then(|done| Ok(done || index()?)) {
                Ok(false) => {}
                Err(Error::Closed) if core.is_dropped() => {}
                done => return done,
            }
        }
        let trimmed = compaction::run_trim(&self.engine, never)?
            || compaction::give_back(&self.engine, never)?;
        self.engine.tend_disk_budget(!trimmed, asked)?;
        Ok(trimmed)
    }
}

impl Collection {
    /// Compacts this collection now, on the calling thread. See [`Store::compact`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.6, 0.8]))?;
    /// notes.delete(1)?;
    /// let report = notes.compact()?;
    /// assert_eq!(report.rows_reclaimed, 1);
    /// # Ok(()) }
    /// ```
    pub fn compact(&self) -> Result<CompactionReport> {
        let _telling = self.engine.telling();
        let control = Control::unpaced(&self.engine, &|| false);
        let report = compaction::compact(&self.engine, &self.core, &control)?;
        compaction::after_compaction(&self.engine, &control)?;
        Ok(report)
    }

    /// What [`Collection::compact`] would do, and why. Changes nothing.
    pub fn plan(&self) -> Result<Plan> {
        self.engine.check_open()?;
        compaction::plan(&self.engine, &self.core)
    }
}
