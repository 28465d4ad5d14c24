//! Owns how a job learns that it must end early, and where it waits: between pieces of work, while
//! it holds no lock but the one for its kind of job.

use std::sync::TryLockError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::pace::WorkGuard;
use crate::error::{Error, Result};
use crate::snapshot::state::CollectionState;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::worker::Seat;

/// Passed down through a job.
pub(crate) struct Control<'a> {
    engine: &'a Engine,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// For background work: the count of ended jobs at its start, and when it last waited.
    paced: Option<(u64, AtomicU64)>,
    /// For a job on a thread that it shares with other jobs.
    seat: Option<Seat<'a>>,
}

impl<'a> Control<'a> {
    /// Creates the control of a background job, which waits where [`crate::engine::pace`] requires.
    pub(crate) fn background(
        engine: &'a Engine,
        stop: &'a (dyn Fn() -> bool + Sync),
        seat: Seat<'a>,
    ) -> Self {
        let begun = AtomicU64::new(nanos(engine.time.monotonic()));
        let paced = Some((engine.background.pace().ended(), begun));
        Self { engine, stop, paced, seat: Some(seat) }
    }

    /// Creates the control of a job that a caller waits for. It is never delayed.
    pub(crate) fn unpaced(engine: &'a Engine, stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { engine, stop, paced: None, seat: None }
    }

    /// Returns the control for a part of the job that a caller waits for.
    pub(crate) fn without_pace(&self) -> Self {
        Self { engine: self.engine, stop: self.stop, paced: None, seat: self.seat }
    }

    /// Returns the engine of the job's store.
    pub(crate) const fn engine(&self) -> &'a Engine {
        self.engine
    }

    /// Takes a lock that another job may hold for long. While it waits, other stores may use the
    /// thread.
    pub(super) fn hold<'m>(&self, job: &'m Mutex<()>) -> MutexGuard<'m, ()> {
        match job.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let _aside = self.seat.as_ref().map(Seat::aside);
                lock(job)
            }
        }
    }

    /// Returns true if background work may begin.
    pub(super) fn may_begin(&self) -> bool {
        self.paced.is_none() || !self.engine.background.pace().is_paused()
    }

    /// Returns true if the job must end early.
    pub(crate) fn is_stopped(&self) -> bool {
        let ended = |(before, _): &(u64, _)| self.engine.background.pace().ended() != *before;
        (self.stop)()
            || self.engine.dir.gate().is_closing()
            || self.paced.as_ref().is_some_and(ended)
    }

    /// Returns an error if the job must end early.
    pub(super) fn check(&self, core: &CollectionState) -> Result<()> {
        if self.is_stopped() || core.is_dropped() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Called between two pieces of work, the last of which wrote `bytes`. Waits as long as the job
    /// must. An error if the job must end early.
    pub(super) fn step(&self, core: &CollectionState, bytes: u64) -> Result<()> {
        if let Some((_, last)) = &self.paced {
            let clock = self.engine.time.clock().as_ref();
            self.engine.background.pace().charge(clock, bytes);
            let since = Duration::from_nanos(last.load(Ordering::Relaxed));
            let worked = clock.monotonic().saturating_sub(since);
            let stop = || self.is_stopped() || core.is_dropped();
            self.engine.background.pace().wait(clock, worked, &stop, self.seat.as_ref());
            last.store(nanos(clock.monotonic()), Ordering::Relaxed);
        }
        self.check(core)
    }

    /// Same as [`Self::step`] while a lock is held: the bytes are paid for at the next step.
    pub(super) fn charge(&self, bytes: u64) {
        if self.paced.is_some() {
            self.engine.background.pace().charge(self.engine.time.clock().as_ref(), bytes);
        }
    }

    /// Counts the job as under way until the guard is dropped.
    pub(super) fn work(&self) -> Option<WorkGuard<'a>> {
        self.paced.is_some().then(|| self.engine.background.pace().work())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
