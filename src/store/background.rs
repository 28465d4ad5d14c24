//! Owns the verbs that hold background work up. What it does, and when, is `compaction` and `workers`.

use crate::error::Result;
use crate::store::Store;

impl Store {
    /// Holds background compaction and index building up, within some hundredths of a second, until
    /// [`Store::resume_background`]. Jobs that are under way wait where they are and lose nothing.
    ///
    /// Memtables are sealed and the log is kept short all the same, so that RAM stays bounded; what is
    /// called by hand (`compact`, `purge`, `run_pending`) runs, and takes jobs that wait to their end
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
