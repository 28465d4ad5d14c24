//! Owns the verbs that hold background work up. What it does, and when, is `compaction` and `workers`.

use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::compaction;
use crate::error::Result;
use crate::store::Store;

/// How long it takes at the most until idleness is looked at again: not every end of work is told of.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Store {
    /// Holds background compaction and index building up, within some hundredths of a second, until
    /// [`Store::resume_background`]. Jobs that are under way wait where they are and lose nothing.
    ///
    /// Memtables are sealed and the log is kept short all the same, so that RAM stays bounded; what is
    /// called by hand (`compact`, `purge`, `run_pending_tasks`) runs, and takes jobs that wait to their end
    /// first. Other stores are served meanwhile. Dead bytes pile up: see `CollectionStats::debt_bytes`.
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
        self.engine.pace.set_paused(true);
    }

    /// Lets background work go on.
    pub fn resume_background(&self) {
        self.engine.pace.set_paused(false);
        self.engine.row_bell.ring();
        self.engine.index_bell.ring();
    }

    /// Waits until no background work is due and none is under way: memtables that are full are sealed,
    /// dead rows reclaimed as far as they are due, indexes built, the log trimmed. Tells whether that
    /// came to pass within `timeout`, which the system's monotonic clock measures. What is called by
    /// hand on other threads counts as work. With [`crate::Background::Manual`] the work is done here,
    /// on the calling thread. A store that was opened to be read is idle.
    ///
    /// It can be idle for a moment only: memories expire and writers go on.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Poisoned`] and [`crate::Error::Closed`]; with `Background::Manual` also what the
    /// work may give. Otherwise work that fails is tried again, and is not done until it succeeds.
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
        if engine.read_only {
            return Ok(true);
        }
        loop {
            engine.check_writable()?;
            if compaction::is_idle(engine)? {
                return Ok(true);
            }
            let left = timeout.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return Ok(false);
            }
            if !engine.has_workers() {
                if !self.run_pending_tasks()? {
                    return compaction::is_idle(engine);
                }
                continue;
            }
            // Not after every end of a job: the worker that was woken would end one, and so on.
            if ring {
                engine.row_bell.ring();
                engine.index_bell.ring();
            }
            ring = engine.gate.wait_for_an_end(left.min(LOOK_AGAIN));
        }
    }

    /// Whether background work is held up.
    pub fn is_background_paused(&self) -> bool {
        self.engine.pace.is_paused()
    }

    /// Ends the background jobs that are under way, within some hundredths of a second. What they have
    /// written is removed; nothing else is lost, and what is due still is: unless the background is
    /// paused, it begins again soon.
    pub fn cancel_background(&self) -> Result<()> {
        self.engine.check_writable()?;
        self.engine.pace.end_jobs();
        Ok(())
    }
}
