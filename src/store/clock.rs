//! Owns the verbs about time: what time it is for the store, and whether its clock is believed.
//! What that means is `clock::high_water`.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::Store;

impl Store {
    /// The moment that expiry goes by: the clock's, or the latest that a commit has vouched for if
    /// the clock was set back.
    pub fn now(&self) -> Timestamp {
        self.engine.time.now()
    }

    /// Believes what the clock shows, for a caller who knows that it is right. A clock that is more
    /// than a day ahead of what the store saw last, as after a long time without an open, is in
    /// doubt for a day: what has expired by it is hidden at once and destroyed only then
    /// (`StoreStats::clock_doubt`). Afterwards compaction and purge go by the clock. It cannot be
    /// taken back: time does not run backwards, so a clock that is set right later hides what it
    /// hid until it gets there. Durable when it returns; does nothing if the clock is not in doubt.
    ///
    /// # Errors
    ///
    /// [`crate::Error::ReadOnly`], [`crate::Error::Poisoned`] and what a write of the log may give;
    /// the clock is believed then as long as the store is open, and afterwards if anything was
    /// written.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use std::{sync::Arc, time::Duration};
    /// # use altiplano::{CollectionOptions, ManualClock, Memory, Metric, StoreOptions, Timestamp};
    /// let day = Duration::from_secs(86_400);
    /// let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    /// let store = StoreOptions::new().clock(clock.clone()).open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.6, 0.8]).text("a secret").ttl(3 * day))?;
    /// clock.set_wall(store.now() + 10 * day); // a jump, or a holiday: nobody can tell
    /// assert!(!store.purge()?.is_complete());
    /// store.trust_clock()?;
    /// assert!(store.purge()?.is_complete());
    /// # Ok(()) }
    /// ```
    pub fn trust_clock(&self) -> Result<()> {
        if self.engine.time.doubt().is_none() {
            return self.engine.dir.check_writable();
        }
        self.engine.log.trust_clock()?;
        self.engine.background.bells().rows.notify();
        Ok(())
    }
}
