//! Owns one named background thread: wake it, pause it, stop and join it, turn a panic into poison.
//! Knows no tasks: it is given a closure. Also owns `Poison`, the latch that stops all writes after
//! a failure whose outcome is unknown (I10).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{self, Condvar, Mutex, MutexGuard};

/// Locks a mutex whose data stays meaningful even if a holder panicked: every holder leaves it whole
/// at each step, and a panic on the write path sets [`Poison`] besides.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Set once, never cleared: from then on writes are refused and no file is removed.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    is_set: AtomicBool,
    reason: Mutex<Option<String>>,
}

impl Poison {
    /// Stops writes; the first reason stays.
    pub(crate) fn set(&self, reason: impl Into<String>) {
        lock(&self.reason).get_or_insert(reason.into());
        self.is_set.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// An error if writes were stopped.
    pub(crate) fn check(&self) -> Result<()> {
        match self.is_set() {
            true => Err(Error::Poisoned { reason: lock(&self.reason).clone().unwrap_or_default() }),
            false => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stopping: bool,
}

/// The bell of a worker: anyone may ring it.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    flags: Mutex<Flags>,
    changed: Condvar,
}

impl Bell {
    /// Makes the worker run its task soon.
    pub(crate) fn ring(&self) {
        lock(&self.flags).woken = true;
        self.changed.notify_all();
    }

    /// Whether the worker was told to stop; long tasks ask now and then.
    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.flags).stopping
    }

    /// Whether it was rung since it was last waited for or asked.
    #[cfg(test)]
    pub(crate) fn take_ring(&self) -> bool {
        std::mem::take(&mut lock(&self.flags).woken)
    }

    fn stop(&self) {
        lock(&self.flags).stopping = true;
        self.changed.notify_all();
    }

    /// Waits for a ring, at most `patience`. False when the worker must stop.
    fn wait(&self, patience: Duration) -> bool {
        let mut flags = lock(&self.flags);
        // Once only: after a spurious wake-up the task looks early, which does no harm.
        if !flags.woken && !flags.stopping && !patience.is_zero() {
            (flags, _) =
                self.changed.wait_timeout(flags, patience).unwrap_or_else(PoisonError::into_inner);
        }
        flags.woken = false;
        !flags.stopping
    }
}

/// A background thread that runs a task at every ring and at least every so often.
#[derive(Debug)]
pub(crate) struct Worker {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread that calls `task` until it is stopped. `task` returns how long to wait at most
    /// before the next call. A panic in it sets `poison` and ends the thread.
    pub(crate) fn start(
        name: &str,
        bell: Arc<Bell>,
        poison: Arc<Poison>,
        mut task: impl FnMut() -> Duration + Send + 'static,
    ) -> Result<Self> {
        let inner = Arc::clone(&bell);
        let label = name.to_owned();
        let body = move || {
            let mut patience = Duration::ZERO;
            while inner.wait(patience) {
                match catch_unwind(AssertUnwindSafe(&mut task)) {
                    Ok(next) => patience = next,
                    Err(_) => {
                        poison.set(format!("the worker {label} panicked"));
                        return;
                    }
                }
            }
        };
        let thread =
            sync::spawn(name, body).map_err(|e| Error::io("start a thread for", name, e))?;
        Ok(Self { bell, thread: Some(thread) })
    }
}

impl Worker {
    /// Forgets the thread: in a child made by fork it does not exist, and to wait for it would take
    /// for ever.
    pub(crate) fn abandon(self) {
        std::mem::forget(self);
    }
}

impl Drop for Worker {
    /// Stops the thread and waits for it.
    fn drop(&mut self) {
        self.bell.stop();
        if let Some(thread) = self.thread.take() {
            // A worker that drops the last handle of its own store must not wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_ring_runs_the_task_and_a_drop_joins_the_thread() {
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        let (done, finished) = std::sync::mpsc::channel();
        let bell = Arc::new(Bell::default());
        let worker = Worker::start("test", Arc::clone(&bell), Arc::default(), move || {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = done.send(());
            Duration::from_secs(3600)
        })
        .unwrap();
        finished.recv().unwrap();
        bell.ring();
        finished.recv().unwrap();
        drop(worker);
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_panic_in_a_task_is_poison() {
        let poison = Arc::new(Poison::default());
        let task = || -> Duration { std::panic::resume_unwind(Box::new("planted")) };
        let worker = Worker::start("test", Arc::default(), Arc::clone(&poison), task).unwrap();
        while !poison.is_set() {
            std::thread::yield_now();
        }
        drop(worker);
        assert!(matches!(poison.check(), Err(Error::Poisoned { .. })));
    }
}
