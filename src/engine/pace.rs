//! Owns how fast background work goes: whether it is paused, how many bytes per second it may
//! write, and how far it yields to readers. Knows nothing of what the work is. Two kinds of work
//! are never delayed here: work that a caller asked for, and sealing, which bounds the RAM of
//! memtables.
//!
//! Invariant: no job waits here while work is expedited ([`Pace::expedite`]). Work is expedited for
//! a writer that waits for room and for a caller that waits for a job's lock.

use std::time::Duration;

use crate::clock::Clock;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, lock, wait_for};
use crate::worker::Seat;

/// Longest single wait of a delayed job before it checks again whether it must end.
const POLL: Duration = Duration::from_millis(20);
/// Weight of a new search in the mean latency: one part in `MEMORY`.
const MEMORY: u64 = 64;
/// Background work yields when it makes searches slower than this factor.
const SLOWER: f64 = 1.5;
/// The longest rest, as a multiple of the work before it.
const LONGEST_REST: f64 = 3.0;
/// The longest rest.
const REST: Duration = Duration::from_millis(200);

/// How fast background work goes.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Bytes per second; `None` for no limit.
    limit: Option<u64>,
    state: Mutex<State>,
    changed: Condvar,
    /// Number of background jobs that are under way.
    working: AtomicUsize,
    in_a_hurry: AtomicUsize,
    /// Incremented to end the jobs that are under way.
    ended: AtomicU64,
    /// Mean latency of searches in nanoseconds: without a job under way, and beside one.
    quiet: AtomicU64,
    beside: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    paused: bool,
    /// When the bytes written so far are within the rate limit, in monotonic time.
    paid: Duration,
}

/// Counts one in its counter until it is dropped.
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

    /// Pauses background work where it is, or lets it continue.
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

    /// Returns how often jobs were ended. A job must end once this differs from the value at its
    /// start.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Counts a background job as under way until the guard is dropped.
    pub(crate) fn work(&self) -> WorkGuard<'_> {
        self.working.fetch_add(1, Ordering::Relaxed);
        WorkGuard(&self.working)
    }

    /// Suspends all delays until the guard is dropped.
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
        // One of two concurrent updates may be lost, which a mean can afford.
        let next = if before == 0 { took } else { before - before / MEMORY + took / MEMORY };
        mean.store(next, Ordering::Relaxed);
    }

    /// Charges `bytes` against the rate limit. The next wait pays for them.
    pub(crate) fn charge(&self, clock: &dyn Clock, bytes: u64) {
        if let Some(limit) = self.limit {
            let mut state = lock(&self.state);
            let cost = Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
            state.paid = state.paid.max(clock.monotonic()).saturating_add(cost);
        }
    }

    /// Waits as long as a background job must after `worked` of work. After the first poll, the job
    /// gives up its seat, so that its thread is free for other stores.
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

/// Returns how long to rest after `worked` of work, from the search latencies without background
/// work (`quiet`) and beside it (`beside`).
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
