//! Owns the verbs that reclaim bytes by hand (plan, compact, purge, one piece of what is due) and
//! those that hold background work up. What they do is `compaction`, what the background does
//! `workers`.

use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::collection::Collection;
use crate::compaction::{self, Control, Job};
use crate::error::{Error, Result};
use crate::report::{CompactionReport, Plan, PurgeReceipt};
use crate::store::Store;

/// How long it takes at the most until idleness is looked at again: not every end of work is told
/// of.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Store {
    /// What [`Store::compact`] would do to a collection, and why. Changes nothing.
    pub fn plan(&self, collection: &Collection) -> Result<Plan> {
        self.engine.dir.check_open()?;
        compaction::plan(&self.engine, &collection.core)
    }

    /// Compacts every collection now, on the calling thread: seals memtables, gives back the bytes
    /// of all dead and expired rows, rebuilds the indexes that have dead nodes. The background does
    /// the same by itself when it pays; this is for those who want the bytes at once.
    pub fn compact(&self) -> Result<CompactionReport> {
        let _telling = self.engine.events.telling();
        self.engine.dir.check_open()?;
        let control = &Control::unpaced(&self.engine, &|| false);
        let mut total = CompactionReport::default();
        for core in self.engine.collections.all() {
            let report = match compaction::compact(&Job::new(&core, control)) {
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
        compaction::after_compaction(control)?;
        Ok(total)
    }

    /// Does one piece of background work that is due, if any; tells whether there was. For
    /// [`crate::Background::Manual`]: call it until it gives false.
    pub fn run_pending_tasks(&self) -> Result<bool> {
        let _telling = self.engine.events.telling();
        self.engine.dir.check_open()?;
        let asked = self.engine.admission.disk().asked();
        self.engine.log.tend()?;
        self.engine.reserve.tend();
        self.engine.background.resident().tend();
        let never = &Control::unpaced(&self.engine, &|| false);
        for core in self.engine.collections.all() {
            let job = Job::new(&core, never);
            let rows = || compaction::run_rows_due(&job);
            let index = || compaction::run_index_due(&job);
            match rows().and_then(|done| Ok(done || index()?)) {
                Ok(false) => {}
                Err(Error::Closed) if core.is_dropped() => {}
                done => return done,
            }
        }
        let trimmed = compaction::run_trim(never)? || compaction::give_back(never)?;
        self.engine.admission.maintain_disk(!trimmed, asked)?;
        Ok(trimmed)
    }

    /// Makes sure that what was deleted is gone from the disk, now, on the calling thread.
    ///
    /// When it returns and the receipt [is complete](PurgeReceipt::is_complete), no file of the
    /// store holds a vector, code, text, id, metadata or graph row of any memory that was deleted,
    /// replaced or had expired before the call, nor anything of a collection that was dropped
    /// before. What writers delete during the call is left for the next one. Writers go on
    /// meanwhile.
    ///
    /// A clock that is more than a day ahead of what the store saw last, as after a long time
    /// without an open, is in doubt: what has expired by it is hidden and not destroyed. Such rows
    /// are counted in [`PurgeReceipt::withheld_rows`]. [`Store::trust_clock`] ends the doubt for a
    /// caller who knows that the clock is right; otherwise it ends after a day.
    ///
    /// Files that an iterator, a handle to a dropped collection or another reader in this process
    /// still holds are listed in [`PurgeReceipt::pending`], and each goes when it is let go.
    /// Purging says nothing of the medium's free space, of snapshots of the file system, of
    /// backups, nor of other processes that read the store.
    ///
    /// O(bytes of segments with a dead row, and of indexes with a dead node): a graph of 100,000
    /// rows that has one takes seconds. Collections with fewer than 256 rows in RAM are copied to a
    /// new log file, others are sealed. Where the memories of one user are purged often, give each
    /// user a collection: then [`Collection::purge`] leaves the files of the others alone.
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
        let _telling = self.engine.events.telling();
        compaction::purge(None, &Control::unpaced(&self.engine, &|| false))
    }

    /// Holds background compaction and index building up, within some hundredths of a second, until
    /// [`Store::resume_background`]. Jobs that are under way wait where they are and lose nothing.
    ///
    /// Memtables are sealed and the log is kept short all the same, so that RAM stays bounded; what
    /// is called by hand (`compact`, `purge`, `run_pending_tasks`) runs, and takes jobs that wait
    /// to their end first. Other stores are served meanwhile. Dead bytes pile up: see
    /// `CollectionStats::debt_bytes`.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = altiplano::Store::open(dir.path().join("agent.alt"))?;
    /// store.pause_background();
    /// // … answer the user …
    /// store.resume_background();
    /// # Ok(()) }
    /// ```
    pub fn pause_background(&self) {
        self.engine.background.pace().set_paused(true);
    }

    /// Lets background work go on.
    pub fn resume_background(&self) {
        self.engine.background.pace().set_paused(false);
        self.engine.background.bells().rows.notify();
        self.engine.background.bells().indexes.notify();
    }

    /// Waits until no background work is due and none is under way: memtables that are full are
    /// sealed, dead rows reclaimed as far as they are due, indexes built, the log trimmed. Tells
    /// whether that came to pass within `timeout`, which the system's monotonic clock measures.
    /// What is called by hand on other threads counts as work. With [`crate::Background::Manual`]
    /// the work is done here, on the calling thread. A store that was opened to be read is idle.
    ///
    /// It can be idle for a moment only: memories expire and writers go on.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Poisoned`] and [`crate::Error::Closed`]; with `Background::Manual` also what
    /// the work may give. Otherwise work that fails is tried again, and is not done until it
    /// succeeds.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = altiplano::Store::open(dir.path().join("agent.alt"))?;
    /// use std::time::Duration;
    /// assert!(store.wait_idle(Duration::from_secs(60))?);
    /// # Ok(()) }
    /// ```
    pub fn wait_idle(&self, timeout: Duration) -> Result<bool> {
        let (engine, clock) = (&self.engine, SystemClock::new());
        let mut ring = true;
        if engine.dir.is_read_only() {
            return Ok(true);
        }
        loop {
            engine.dir.check_writable()?;
            if compaction::is_idle(engine)? {
                return Ok(true);
            }
            let left = timeout.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return Ok(false);
            }
            if !engine.background.has_workers() {
                if !self.run_pending_tasks()? {
                    return compaction::is_idle(engine);
                }
                continue;
            }
            // Not after every end of a job: the worker that was woken would end one, and so on.
            if ring {
                engine.background.bells().rows.notify();
                engine.background.bells().indexes.notify();
            }
            ring = engine.dir.gate().wait_for_an_end(left.min(LOOK_AGAIN));
        }
    }

    /// Whether background work is held up.
    pub fn is_background_paused(&self) -> bool {
        self.engine.background.pace().is_paused()
    }

    /// Ends the background jobs that are under way, within some hundredths of a second. What they
    /// have written is removed; nothing else is lost, and what is due still is: unless the
    /// background is paused, it begins again soon.
    pub fn cancel_background(&self) -> Result<()> {
        self.engine.dir.check_writable()?;
        self.engine.background.pace().end_jobs();
        Ok(())
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
        let _telling = self.engine.events.telling();
        let control = Control::unpaced(&self.engine, &|| false);
        let report = compaction::compact(&Job::new(&self.core, &control))?;
        compaction::after_compaction(&control)?;
        Ok(report)
    }

    /// What [`Collection::compact`] would do, and why. Changes nothing.
    pub fn plan(&self) -> Result<Plan> {
        self.engine.dir.check_open()?;
        compaction::plan(&self.engine, &self.core)
    }

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
        let _telling = self.engine.events.telling();
        let control = Control::unpaced(&self.engine, &|| false);
        compaction::purge(Some(&self.core), &control)
    }
}
