//! Owns how fast background work goes: whether it is paused, how many bytes a second it may write,
//! and how far it gives way to readers. Knows nothing of what the work is. What a caller asks for
//! by hand, and sealing, which bounds the RAM of memtables, are not held up here.
//!
//! Invariant: nobody waits here for ever while someone is in a hurry ([`Pace::hurry`]): a writer
//! that waits for room, or a caller that waits for a lock that a background job holds.

use std::time::Duration;

use crate::clock::Clock;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, lock, wait_for};
use crate::worker::Seat;

/// How long a job that is held up waits at once before it looks whether it was told to end.
const POLL: Duration = Duration::from_millis(20);
/// A new search counts so much in the mean latency: one part in this many.
const MEMORY: u64 = 64;
/// Readers may be so many times as slow beside background work before it gives way.
const SLOWER: f64 = 1.5;
/// The longest rest, as a multiple of the work before it.
const LONGEST_REST: f64 = 3.0;
/// The longest rest.
const REST: Duration = Duration::from_millis(200);

/// How fast background work goes.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Bytes a second; none: as many as it can.
    limit: Option<u64>,
    state: Mutex<State>,
    changed: Condvar,
    /// Background jobs that are under way.
    working: AtomicUsize,
    in_a_hurry: AtomicUsize,
    /// Grows when what is under way is to end.
    ended: AtomicU64,
    /// Mean latency of searches in nanoseconds: while no job is under way, and while one is.
    quiet: AtomicU64,
    beside: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    paused: bool,
    /// When what was written so far is paid for, in monotonic time.
    paid: Duration,
}

/// A background job that is under way, for as long as this lives.
#[derive(Debug)]
pub(crate) struct WorkGuard<'a>(&'a AtomicUsize);

impl Drop for WorkGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Holds background work up where it is, or lets it go on.
    pub(crate) fn set_paused(&self, paused: bool) {
        lock(&self.state).paused = paused;
        self.changed.notify_all();
    }

    pub(crate) fn is_paused(&self) -> bool {
        lock(&self.state).paused
    }

    /// Ends the background jobs that are under way.
    pub(crate) fn end_jobs(&self) {
        self.ended.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    /// How often jobs were ended: a job ends when this differs from when it began.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// A background job is under way until this is dropped.
    pub(crate) fn work(&self) -> WorkGuard<'_> {
        self.working.fetch_add(1, Ordering::Relaxed);
        WorkGuard(&self.working)
    }

    /// Nothing is held up until this is dropped.
    pub(crate) fn expedite(&self) -> WorkGuard<'_> {
        self.in_a_hurry.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_all();
        WorkGuard(&self.in_a_hurry)
    }

    /// Notes how long a search took.
    pub(crate) fn note_search(&self, took: Duration) {
        let mean = match self.working.load(Ordering::Relaxed) {
            0 => &self.quiet,
            _ => &self.beside,
        };
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let before = mean.load(Ordering::Relaxed);
        // Of two at once one may be lost.
        let next = if before == 0 { took } else { before - before / MEMORY + took / MEMORY };
        mean.store(next, Ordering::Relaxed);
    }

    /// So many bytes were written, or are about to be: they are paid for at the next wait.
    pub(crate) fn charge(&self, clock: &dyn Clock, bytes: u64) {
        if let Some(limit) = self.limit {
            let mut state = lock(&self.state);
            let cost = Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
            state.paid = state.paid.max(clock.monotonic()).saturating_add(cost);
        }
    }

    /// Waits where a background job must, after `worked` of work. Past a nap, its thread is free
    /// for other stores.
    pub(crate) fn wait(
        &self,
        clock: &dyn Clock,
        worked: Duration,
        stop: &dyn Fn() -> bool,
        seat: Option<&Seat<'_>>,
    ) {
        let (mut naps, mut aside) = (0, None);
        let mean = |of: &AtomicU64| Duration::from_nanos(of.load(Ordering::Relaxed));
        let rested = clock.monotonic() + rest(worked, mean(&self.quiet), mean(&self.beside));
        let mut state = lock(&self.state);
        while !stop() && self.in_a_hurry.load(Ordering::Acquire) == 0 {
            let left = state.paid.max(rested).saturating_sub(clock.monotonic());
            if !state.paused && left.is_zero() {
                return;
            }
            if naps > 0 && aside.is_none() {
                aside = seat.map(Seat::aside);
            }
            naps += 1;
            let nap = if state.paused { POLL } else { left.min(POLL) };
            (state, _) = wait_for(&self.changed, state, nap);
        }
    }
}

/// How long to rest after so much work, when searches take so long without it and beside it.
fn rest(worked: Duration, quiet: Duration, beside: Duration) -> Duration {
    if quiet.is_zero() {
        return Duration::ZERO;
    }
    let slower = beside.as_secs_f64() / quiet.as_secs_f64() - SLOWER;
    worked.mul_f64(slower.clamp(0.0, LONGEST_REST)).min(REST)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::{ManualClock, Timestamp};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn work_rests_the_longer_the_more_it_slows_readers_down() {
        assert_eq!(rest(100 * MS, Duration::ZERO, 5 * MS), Duration::ZERO, "nobody reads");
        assert_eq!(rest(100 * MS, 2 * MS, 3 * MS), Duration::ZERO);
        assert_eq!(rest(100 * MS, 2 * MS, 4 * MS), 50 * MS);
        assert_eq!(rest(40 * MS, 2 * MS, 40 * MS), 120 * MS);
        assert_eq!(rest(100 * MS, 2 * MS, 40 * MS), REST);
    }

    #[test]
    fn searches_are_counted_apart_while_a_job_is_under_way() {
        let pace = Pace::new(None);
        pace.note_search(2 * MS);
        let working = pace.work();
        pace.note_search(6 * MS);
        drop(working);
        pace.note_search(2 * MS);
        let nanos = |of: &AtomicU64| of.load(Ordering::Relaxed);
        assert_eq!((nanos(&pace.quiet), nanos(&pace.beside)), (2_000_000, 6_000_000));
    }

    #[test]
    fn what_was_written_is_paid_for_with_time() {
        let clock = ManualClock::new(Timestamp::from_millis(1));
        let pace = Pace::new(Some(1000));
        let looks = AtomicU64::new(0);
        // Time passes while it waits, and never more than it takes.
        let stop = || {
            clock.advance(100 * MS);
            looks.fetch_add(1, Ordering::Relaxed);
            false
        };
        pace.charge(&clock, 500);
        pace.charge(&clock, 500);
        pace.wait(&clock, Duration::ZERO, &stop, None);
        assert_eq!((clock.monotonic(), looks.load(Ordering::Relaxed)), (1000 * MS, 10));
        pace.wait(&clock, Duration::ZERO, &stop, None);
        assert_eq!(clock.monotonic(), 1100 * MS, "nothing was written since");
        pace.charge(&clock, 5000);
        let hurry = pace.expedite();
        pace.wait(&clock, Duration::ZERO, &stop, None);
        assert_eq!(clock.monotonic(), 1200 * MS, "someone is in a hurry");
        drop(hurry);
    }

    #[test]
    fn a_pause_holds_up_and_an_end_does_not_wait() {
        let clock = ManualClock::new(Timestamp::from_millis(1));
        let pace = Pace::new(None);
        pace.set_paused(true);
        let waited = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                pace.wait(
                    &clock,
                    Duration::ZERO,
                    &|| {
                        waited.store(true, Ordering::Release);
                        false
                    },
                    None,
                );
            });
            while !waited.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            assert!(!waiter.is_finished() && pace.is_paused());
            pace.set_paused(false);
        });
        pace.set_paused(true);
        let before = pace.ended();
        pace.end_jobs();
        pace.wait(&clock, Duration::ZERO, &|| pace.ended() != before, None);
    }
}
