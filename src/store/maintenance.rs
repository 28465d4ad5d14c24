//! Owns the operations that reclaim bytes on the calling thread (plan, compact, purge, one pending
//! task) and those that pause background work. The work itself is in `compaction`, the background
//! jobs in `workers`.

use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::collection::Collection;
use crate::compaction::{self, Control, Job};
use crate::engine::refresh;
use crate::error::{Error, Result};
use crate::report::{CompactionReport, Plan, PurgeReceipt};
use crate::store::Store;

/// Longest wait before idleness is checked again, because not every end of work is notified.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Store {
    /// Returns what [`Store::compact`] would do to a collection, and why. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] after a close; [`Error::Corrupt`] if a column that it reads is damaged.
    pub fn plan(&self, collection: &Collection) -> Result<Plan> {
        self.engine.dir.check_open()?;
        compaction::plan(&self.engine, &collection.core)
    }

    /// Compacts every collection now, on the calling thread: seals memtables, reclaims the bytes of
    /// all dead and expired rows, and rebuilds the indexes that have dead nodes. The background
    /// does the same when it pays. Call this to have the bytes back at once.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] or [`Error::Io`] if an output cannot be written, and [`Error::Corrupt`]
    /// if an input is damaged: the inputs stay as they are then. [`Error::ReadOnly`],
    /// [`Error::Poisoned`] or [`Error::Closed`] for a store that takes no writes.
    pub fn compact(&self) -> Result<CompactionReport> {
        let _telling = self.engine.events.telling();
        self.engine.dir.check_open()?;
        self.engine.moments.let_go();
        let control = &Control::unpaced(&self.engine, &|| false);
        let mut total = CompactionReport::default();
        for core in self.engine.collections.all() {
            let report = match compaction::compact(&Job::new(&core, control)) {
                // The collection was dropped meanwhile. The others are still compacted.
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

    /// Does one piece of background work that is due, if any. Returns true if there was one. With
    /// [`Background::Manual`](crate::Background::Manual), call it until it returns false.
    ///
    /// # Errors
    ///
    /// As for [`Store::compact`].
    pub fn run_pending_tasks(&self) -> Result<bool> {
        let _telling = self.engine.events.telling();
        self.engine.dir.check_open()?;
        let asked = self.engine.admission.disk().asked();
        self.engine.moments.let_go();
        refresh::write_noted(&self.engine)?;
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
        let trimmed = compaction::run_checkpoint(never)? || compaction::give_back(never)?;
        self.engine.admission.maintain_disk(!trimmed, asked)?;
        Ok(trimmed)
    }

    /// Removes every deleted memory from the disk, now, on the calling thread.
    ///
    /// When it returns and the receipt [is complete](PurgeReceipt::is_complete), some memories have
    /// left every file of the store: those that were deleted, replaced or had expired before the
    /// call. No file holds a vector, code, text, id, metadata or graph row of any of them, nor
    /// anything of a collection that was dropped before. Memories that die during the call are left
    /// for the next one. Writers continue meanwhile.
    ///
    /// The clock is in doubt if it is more than a day ahead of the last time that the store saw.
    /// That also happens after a long time without an open. Memories that have expired by it are
    /// hidden but not destroyed. [`PurgeReceipt::withheld_rows`] counts them.
    /// [`Store::trust_clock`] ends the doubt for a caller who knows that the clock is right.
    /// Otherwise it ends after a day.
    ///
    /// [`PurgeReceipt::pending`] lists files that an iterator, a search, a snapshot or a handle to
    /// a dropped collection still holds. Each is removed when it is released. A purge does not
    /// cover free space of the medium, snapshots of the file system or backups. Nor does it cover
    /// stores that were opened read-only, in this or another process: they read what they have open
    /// until they are refreshed or closed.
    ///
    /// O(bytes of segments with a dead row, and of indexes with a dead node): a graph of 100,000
    /// rows with a dead node takes seconds. Collections with fewer than 256 rows in RAM are copied
    /// to a new log file, others are sealed. If you purge the memories of single users often, give
    /// each user a collection. [`Collection::purge`] leaves the files of other collections alone.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Io`], [`crate::Error::DiskFull`] and [`crate::Error::Corrupt`]: nothing is
    /// lost, nothing is promised, and the purge can be called again. [`crate::Error::ReadOnly`],
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
        self.engine.moments.let_go();
        compaction::purge(None, &Control::unpaced(&self.engine, &|| false))
    }

    /// Pauses background compaction and index building, within some hundredths of a second, until
    /// [`Store::resume_background`]. Jobs that are under way wait where they are and lose nothing.
    ///
    /// Memtables are still sealed and the log is still kept short, so that RAM stays bounded. Work
    /// that you call yourself (`compact`, `purge`, `run_pending_tasks`) runs, after it lets paused
    /// jobs finish. Other stores are served meanwhile. Dead bytes pile up: see
    /// [`CollectionStats::debt_bytes`](crate::CollectionStats::debt_bytes).
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

    /// Lets background work continue.
    pub fn resume_background(&self) {
        self.engine.background.pace().set_paused(false);
        self.engine.background.wakeups().rows.notify();
        self.engine.background.wakeups().indexes.notify();
    }

    /// Waits until no background work is due and none is under way: full memtables are sealed, dead
    /// rows reclaimed as far as they are due, indexes built, and the log is short. Returns true if
    /// that happened within `timeout`, by the system's monotonic clock.
    ///
    /// Work that other threads call counts as well. With [`crate::Background::Manual`] the work is
    /// done on the calling thread. A read-only store is always idle.
    ///
    /// A store may be idle for a moment only: memories expire and writers continue.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Poisoned`] and [`crate::Error::Closed`]. With
    /// [`Background::Manual`](crate::Background::Manual) also the errors of the work. Otherwise
    /// failed work is retried, and the store is not idle until it succeeds.
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
        let mut notify = true;
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
            // Not after every end of a job: a notified worker would end a job itself, and so on
            // without end.
            if notify {
                engine.background.wakeups().rows.notify();
                engine.background.wakeups().indexes.notify();
            }
            notify = engine.dir.gate().wait_for_an_end(left.min(LOOK_AGAIN));
        }
    }

    /// Returns true if background work is paused.
    pub fn is_background_paused(&self) -> bool {
        self.engine.background.pace().is_paused()
    }

    /// Ends the background jobs that are under way, within some hundredths of a second. The files
    /// that they have written are removed; nothing else is lost. The work stays due, so it starts
    /// again soon unless the background is paused.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Poisoned`] or [`Error::Closed`] for a store that takes no
    /// writes.
    pub fn cancel_background(&self) -> Result<()> {
        self.engine.dir.check_writable()?;
        self.engine.background.pace().end_jobs();
        Ok(())
    }
}

impl Collection {
    /// Compacts this collection now, on the calling thread. See [`Store::compact`].
    ///
    /// # Errors
    ///
    /// As for [`Store::compact`].
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
        self.engine.moments.let_go();
        let control = Control::unpaced(&self.engine, &|| false);
        let report = compaction::compact(&Job::new(&self.core, &control))?;
        compaction::after_compaction(&control)?;
        Ok(report)
    }

    /// Returns what [`Collection::compact`] would do, and why. Changes nothing.
    ///
    /// # Errors
    ///
    /// As for [`Store::plan`].
    pub fn plan(&self) -> Result<Plan> {
        self.engine.dir.check_open()?;
        compaction::plan(&self.engine, &self.core)
    }

    /// Same as [`Store::purge`], for the dead memories of this collection only, also in the log
    /// that it shares with others. Other collections keep their dead rows in their own files.
    ///
    /// # Errors
    ///
    /// As for [`Store::purge`].
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
        self.engine.moments.let_go();
        let control = Control::unpaced(&self.engine, &|| false);
        compaction::purge(Some(&self.core), &control)
    }
}
