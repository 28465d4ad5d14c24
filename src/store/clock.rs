//! Owns the operations about time: the current time of the store, and whether its clock is
//! believed. `clock::high_water` defines when it is.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::Store;

impl Store {
    /// Returns the time by which memories expire: the clock's, or the latest time that a commit has
    /// recorded if that is later.
    pub fn now(&self) -> Timestamp {
        self.engine.time.now()
    }

    /// Believes the clock, for a caller who knows that it is right.
    ///
    /// The clock is in doubt for a day if it is more than a day ahead of the last time that the
    /// store saw. That also happens after a long time without an open. Memories that have expired
    /// by it are hidden at once, but destroyed only after that day
    /// ([`StoreStats::clock_doubt`](crate::StoreStats::clock_doubt)). After this call compaction
    /// and purge follow the clock.
    ///
    /// The call cannot be taken back, because time does not run backwards. If the clock is set back
    /// later, memories that it had hidden stay hidden. The call is durable when it returns. It does
    /// nothing if the clock is not in doubt.
    ///
    /// # Errors
    ///
    /// [`crate::Error::ReadOnly`], [`crate::Error::Poisoned`] and the errors of a write to the log.
    /// After an error the clock is believed while the store is open, and later only if the log was
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
        self.engine.background.wakeups().rows.notify();
        Ok(())
    }
}
