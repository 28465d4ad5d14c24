//! Owns the background threads of the process, a few for all open stores. They are divided into
//! lanes, so that a short job never waits behind a long one of another kind. A job is a closure
//! with a `Notify`; stores are not known here.
//!
//! Invariants: a job runs on one thread at a time. The jobs of a lane take turns, so that no store
//! keeps another one waiting for more than a turn. A lane has no more threads than jobs, and none
//! when it has no job. No callback runs while the pool is locked. Dropping a [`Worker`] waits for
//! its own job alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::lane::{Entry, LANES, Lane, LaneState, Phase, Turn};
use super::notify::{Notify, Receiver};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::poison::Poison;
use crate::sync::thread;
use crate::sync::{self, Condvar, MODEL_CHECKED, Mutex, MutexGuard, lock};

/// One turn of a job. Returns the longest time to wait before the next one.
type Task = Box<dyn FnMut(&Seat<'_>) -> Duration + Send>;

struct Job {
    label: &'static str,
    wakeup: Arc<Notify>,
    poison: Arc<Poison>,
    /// Only the thread whose turn it is locks it.
    task: Mutex<Task>,
}

impl Job {
    /// Runs one turn. Returns `None` if it panicked: then the job never runs again.
    fn run(&self, seat: &Seat<'_>) -> Option<Duration> {
        self.wakeup.begin_turn();
        let mut task = lock(&self.task);
        let ran = catch_unwind(AssertUnwindSafe(|| task(seat)));
        if ran.is_err() {
            self.poison.set(format!("the worker {} panicked", self.label));
        }
        ran.ok()
    }
}

#[derive(Default)]
struct State {
    lanes: [LaneState<Job>; LANES],
    next_id: u64,
}

impl State {
    fn lane(&mut self, lane: Lane) -> &mut LaneState<Job> {
        &mut self.lanes[lane as usize]
    }
}

/// The threads of this process.
static SHARED: ArcSwapOption<Pool> = ArcSwapOption::const_empty();

/// The pool of background threads of one process.
pub(super) struct Pool {
    /// The process that made it. A child made by fork has the memory of its parent, but not its
    /// threads.
    process: u32,
    clock: SystemClock,
    state: Mutex<State>,
    wake: [Condvar; LANES],
    ended: Condvar,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    fn new() -> Self {
        Self {
            process: std::process::id(),
            clock: SystemClock::new(),
            state: Mutex::new(State::default()),
            wake: std::array::from_fn(|_| Condvar::new()),
            ended: Condvar::new(),
        }
    }

    /// Returns the pool of this process. It takes no lock: a lock that another thread of the parent
    /// held stays locked in a child made by fork.
    fn shared() -> Arc<Self> {
        if MODEL_CHECKED {
            return Arc::new(Self::new());
        }
        loop {
            let found = SHARED.load_full();
            if let Some(pool) = found.as_ref().filter(|pool| !pool.is_foreign()) {
                return Arc::clone(pool);
            }
            SHARED.compare_and_swap(&found, Some(Arc::new(Self::new())));
        }
    }

    fn is_foreign(&self) -> bool {
        !MODEL_CHECKED && self.process != std::process::id()
    }

    fn now(&self) -> Duration {
        if MODEL_CHECKED { Duration::ZERO } else { self.clock.monotonic() }
    }

    fn wake(&self, lane: Lane) {
        self.wake[lane as usize].notify_all();
    }

    /// Starts the threads that a lane is short of.
    fn staff(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        lane: Lane,
    ) -> std::io::Result<()> {
        let mut hired = 0;
        while state.lane(lane).is_short(lane) {
            state.lane(lane).threads += 1;
            hired += 1;
        }
        drop(state);
        let mut result = Ok(());
        for _ in 0..hired {
            let pool = Arc::clone(self);
            if let Err(error) = sync::spawn(lane.name(), move || pool.serve(lane)) {
                let mut state = lock(&self.state);
                state.lane(lane).threads -= 1;
                // If other threads serve the lane, they do the work.
                let alone = state.lane(lane).threads == state.lane(lane).aside;
                result = if alone { Err(error) } else { Ok(()) };
            }
        }
        result
    }

    /// The life of a thread: it runs turns until the lane no longer needs it.
    fn serve(self: &Arc<Self>, lane: Lane) {
        let mut state = lock(&self.state);
        loop {
            let now = self.now();
            let of = state.lane(lane);
            of.ready_what_is_due(now);
            if let Some(turn) = of.next() {
                state = self.take(state, lane, turn);
            } else if of.is_overstaffed(lane) {
                of.threads -= 1;
                return;
            } else {
                let next = of.timers.first().map(|(due, _)| due.saturating_sub(now));
                let wake = &self.wake[lane as usize];
                state = match next {
                    Some(time) => sync::wait_for(wake, state, time).0,
                    None => sync::wait(wake, state),
                };
            }
        }
    }

    fn take<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State>,
        lane: Lane,
        turn: Turn,
    ) -> MutexGuard<'a, State> {
        let id = match turn {
            Turn::Job(id) => id,
            Turn::Post(_, work) => {
                drop(state);
                // A post handles its own panics. One that escapes must not end the thread.
                let _ = catch_unwind(AssertUnwindSafe(work));
                return lock(&self.state);
            }
        };
        let Some(entry) = state.lane(lane).entries.get_mut(&id) else {
            return state;
        };
        entry.phase = Phase::Running(thread::current().id());
        let job = Arc::clone(&entry.job);
        drop(state);
        let patience = job.run(&Seat { pool: self, lane });
        let mut state = lock(&self.state);
        let gone = self.end_turn(state.lane(lane), lane, id, patience);
        self.ended.notify_all();
        if gone.is_some() {
            // The values that a job owns are dropped outside the lock.
            drop(state);
            drop((gone, job));
            state = lock(&self.state);
        }
        state
    }

    /// Decides about a job whose turn ended. Returns the job if it is removed.
    fn end_turn(
        &self,
        of: &mut LaneState<Job>,
        lane: Lane,
        id: u64,
        patience: Option<Duration>,
    ) -> Option<Entry<Job>> {
        let entry = of.entries.get_mut(&id)?;
        if entry.dismissed {
            return of.entries.remove(&id);
        }
        let Some(patience) = patience else {
            entry.phase = Phase::Over;
            return None;
        };
        if patience.is_zero() || entry.job.wakeup.is_notified() {
            entry.phase = Phase::Ready;
            of.ready.push_back(Turn::Job(id));
            return None;
        }
        let due = self.now().saturating_add(patience);
        entry.phase = Phase::Waiting(due);
        of.timers.insert((due, id));
        if of.timers.first() == Some(&(due, id)) {
            // The others sleep for longer, and this thread may have something else to do.
            self.wake(lane);
        }
        None
    }

    /// Removes a job. Waits until its turn is over, unless that turn is on this thread.
    fn dismiss(&self, lane: Lane, id: u64) {
        let own = thread::current().id();
        let mut state = lock(&self.state);
        loop {
            match state.lane(lane).entries.get_mut(&id) {
                None => return,
                Some(entry) => match entry.phase {
                    Phase::Running(by) if by == own => {
                        entry.dismissed = true;
                        return;
                    }
                    Phase::Running(_) => {
                        state = sync::wait(&self.ended, state);
                    }
                    _ => break,
                },
            }
        }
        let of = state.lane(lane);
        of.timers.retain(|(_, other)| *other != id);
        of.ready.retain(|turn| !matches!(turn, Turn::Job(other) if *other == id));
        let gone = of.entries.remove(&id);
        drop(state);
        // A thread may have no more work and may end.
        self.wake(lane);
        drop(gone);
    }
}

/// The position of a job in the pool.
#[derive(Debug)]
struct Place {
    pool: Arc<Pool>,
    lane: Lane,
    id: u64,
}

impl Receiver for Place {
    fn notify(&self) {
        // In a child made by fork no thread would notice, and the pool's lock may stay locked.
        if !self.pool.is_foreign() && lock(&self.pool.state).lane(self.lane).make_ready(self.id) {
            self.pool.wake(self.lane);
        }
    }
}

/// A job's view of the thread that it runs on.
#[derive(Clone, Copy)]
pub(crate) struct Seat<'a> {
    pool: &'a Arc<Pool>,
    lane: Lane,
}

impl Seat<'_> {
    /// Marks the job as waiting for something that may take long, until the result is dropped.
    /// Meanwhile another thread does the work that this one could do.
    pub(crate) fn aside(&self) -> Aside<'_> {
        let mut state = lock(&self.pool.state);
        state.lane(self.lane).aside += 1;
        // If no thread can be started, the other jobs wait until this one is over.
        let _ = self.pool.staff(state, self.lane);
        Aside { seat: self }
    }
}

/// The mark of a waiting job; see [`Seat::aside`].
pub(crate) struct Aside<'a> {
    seat: &'a Seat<'a>,
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        lock(&self.seat.pool.state).lane(self.seat.lane).aside -= 1;
    }
}

/// A job that runs at every notification, and after a timeout, until it is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    place: Arc<Place>,
    wakeup: Arc<Notify>,
}

impl Worker {
    /// Gives a job to the threads of a lane. `task` returns how long to wait at most before the
    /// next call. A panic in it sets `poison` and ends the job.
    pub(crate) fn start(
        lane: Lane,
        wakeup: &Arc<Notify>,
        poison: &Arc<Poison>,
        task: impl FnMut(&Seat<'_>) -> Duration + Send + 'static,
    ) -> Result<Self> {
        let pool = Pool::shared();
        let job = Job {
            label: lane.name(),
            wakeup: Arc::clone(wakeup),
            poison: Arc::clone(poison),
            task: Mutex::new(Box::new(task)),
        };
        let mut state = lock(&pool.state);
        let id = state.next_id;
        state.next_id += 1;
        let place = Arc::new(Place { pool: Arc::clone(&pool), lane, id });
        // Attached before the first turn, so that no notification is lost. The lock of `Notify` is
        // taken last.
        wakeup.attach(Arc::clone(&place) as Arc<dyn Receiver>);
        let of = state.lane(lane);
        of.entries.insert(id, Entry { job: Arc::new(job), phase: Phase::Ready, dismissed: false });
        of.ready.push_back(Turn::Job(id));
        let worker = Self { place, wakeup: Arc::clone(wakeup) };
        let staffed = pool.staff(state, lane);
        pool.wake(lane);
        staffed.map_err(|e| Error::io("start a thread for", lane.name(), e))?;
        Ok(worker)
    }

    /// Forgets the job. In a child made by fork its thread does not exist, so waiting for it would
    /// never end.
    pub(crate) fn abandon(self) {
        std::mem::forget(self);
    }
}

impl Drop for Worker {
    /// Ends the job and waits for it.
    fn drop(&mut self) {
        self.wakeup.stop();
        self.place.pool.dismiss(self.place.lane, self.place.id);
    }
}

/// Runs `work` once on the threads for listeners. Returns false if no thread could be started for
/// it.
pub(crate) fn post(work: impl FnOnce() + Send + 'static) -> bool {
    let (pool, lane) = (Pool::shared(), Lane::Events);
    let mut state = lock(&pool.state);
    let id = state.next_id;
    state.next_id += 1;
    let of = state.lane(lane);
    of.ready.push_back(Turn::Post(id, Box::new(work)));
    of.posts += 1;
    let staffed = pool.staff(state, lane);
    pool.wake(lane);
    if staffed.is_ok() {
        return true;
    }
    let mut state = lock(&pool.state);
    let of = state.lane(lane);
    let at = of.ready.iter().position(|turn| matches!(turn, Turn::Post(other, _) if *other == id));
    let taken_back = at.and_then(|at| of.ready.remove(at));
    of.posts -= usize::from(taken_back.is_some());
    drop(state);
    taken_back.is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Longer than any of these waits takes on any machine. Reaching it means a bug.
    const LONG: Duration = Duration::from_secs(60);

    /// A job that reports when a turn begins, and waits for permission to end it.
    struct Slow {
        begun: Receiver<()>,
        /// Dropped before the worker, which waits for the turn to end.
        go_on: Sender<()>,
        worker: Worker,
    }

    fn slow(lane: Lane, aside: bool) -> Slow {
        let (begin, begun) = channel();
        let (go_on, may_go_on) = channel();
        let task = move |seat: &Seat<'_>| {
            let _aside = aside.then(|| seat.aside());
            let _ = begin.send(());
            let _ = may_go_on.recv();
            LONG
        };
        let worker = Worker::start(lane, &Arc::default(), &Arc::default(), task).unwrap();
        Slow { begun, go_on, worker }
    }

    impl Slow {
        fn has_begun(&self) {
            self.begun.recv_timeout(LONG).unwrap();
        }
    }

    // The lanes belong to the process, so one test checks all of them in turn.
    #[test]
    fn lanes_do_not_wait_for_each_other_and_a_job_that_waits_gives_its_thread_away() {
        let mut rows: Vec<Slow> = (0..2).map(|_| slow(Lane::Rows, false)).collect();
        rows.iter().for_each(Slow::has_begun);
        let log = slow(Lane::Log, false);
        log.has_begun();
        drop(log.go_on);
        // Both threads for rows are taken, so a third job waits for its turn. A job aside does not
        // count.
        let third = slow(Lane::Rows, false);
        assert!(third.begun.try_recv().is_err());
        let first = rows.remove(0);
        drop(first.go_on);
        third.has_begun();
        drop((first.worker, third, rows));
        let waiting: Vec<Slow> = (0..5).map(|_| slow(Lane::Index, true)).collect();
        waiting.iter().for_each(Slow::has_begun);
    }

    #[test]
    fn a_post_runs_once_and_a_panic_in_it_ends_no_thread() {
        let (tell, told) = channel();
        for n in 0..10 {
            let tell = tell.clone();
            assert!(post(move || {
                if n % 2 == 0 {
                    std::panic::resume_unwind(Box::new("planted"));
                }
                let _ = tell.send(n);
            }));
        }
        let mut seen: Vec<i32> = (0..5).map(|_| told.recv_timeout(LONG).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 3, 5, 7, 9]);
    }
}
