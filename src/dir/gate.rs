//! Owns who may write now: the process that opened the store, until the store is closed. Counts the
//! jobs that write files, so that a close can wait for them. Once the lock of the store is
//! released, its directory may belong to another store.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex, lock, wait, wait_for};

/// The state of a store: open, closing (no new jobs) or closed (nothing is written any more).
#[derive(Debug)]
pub(crate) struct Gate {
    /// The process that opened the store. A child made by fork has the same lock and a copy of the
    /// memory, and would write to the same files.
    process: u32,
    closing: AtomicBool,
    closed: AtomicBool,
    /// The threads that run jobs now.
    running: Mutex<Vec<ThreadId>>,
    ended: Condvar,
}

impl Gate {
    pub(crate) fn new(process: u32) -> Self {
        Self {
            process,
            closing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            running: Mutex::new(Vec::new()),
            ended: Condvar::new(),
        }
    }

    /// Returns the process that opened the store.
    pub(crate) const fn process(&self) -> u32 {
        self.process
    }

    /// Begins a job, unless the store is closing.
    pub(crate) fn begin(&self) -> Result<RunningJob<'_>> {
        let mut running = lock(&self.running);
        if self.is_closing() {
            return Err(Error::Closed);
        }
        running.push(thread::current().id());
        Ok(RunningJob { gate: self })
    }

    /// Returns true if jobs must end early because the store is being closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns true if a job is running.
    pub(crate) fn is_busy(&self) -> bool {
        !lock(&self.running).is_empty()
    }

    /// Waits until a job ends, at most for `longest`. Returns true if no job ended in time.
    pub(crate) fn wait_for_an_end(&self, longest: Duration) -> bool {
        let running = lock(&self.running);
        wait_for(&self.ended, running, longest).1
    }

    /// Marks the store as closed: nothing is written from now on. The caller holds the lock of the
    /// manifest, so a commit is either over or does not begin.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Prevents new jobs and waits for those that run. A job of the calling thread is not waited
    /// for; it ends at its next step.
    pub(crate) fn wait_for_jobs(&self) {
        let own = thread::current().id();
        let mut running = lock(&self.running);
        self.closing.store(true, Ordering::Release);
        while running.iter().any(|thread| *thread != own) {
            running = wait(&self.ended, running);
        }
    }
}

/// A running job. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct RunningJob<'a> {
    gate: &'a Gate,
}

impl Drop for RunningJob<'_> {
    fn drop(&mut self) {
        let own = thread::current().id();
        let mut running = lock(&self.gate.running);
        if let Some(at) = running.iter().position(|thread| *thread == own) {
            running.swap_remove(at);
        }
        drop(running);
        self.gate.ended.notify_all();
    }
}
