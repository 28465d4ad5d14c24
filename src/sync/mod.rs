//! Owns the choice of locks, condition variables, atomics and threads wherever blocking or order
//! matters. They are one of:
//!
//! - the standard library's;
//! - those of a model checker, which runs the same code under its own schedules (`--cfg loom`,
//!   `--cfg shuttle`; see `.ci/concurrency`);
//! - the standard library's in wrappers that ThreadSanitizer understands (`--cfg tsan`).
//!
//! Also owns `Published`, the cell from which readers load the newest snapshot, and the functions
//! that take a lock even if its last holder panicked.
//!
//! What the checkers prove: under them `Published` is a mutex around an `Arc`, and `Arc` is the
//! standard library's. So they check the code around the cell, given its contract. A load returns
//! the last value stored, a store is one step, and the last owner drops the value. They do not
//! check that arc-swap and `Arc` keep that contract on real hardware; `tests/stress.rs` only
//! exercises it, with ThreadSanitizer too. Neither checker lets a wait time out, so a thread that
//! is never woken is found. Counters and caches that nobody waits for (`section`, index building,
//! the pool) stay on the standard library.

#[cfg(any(all(loom, shuttle), all(loom, tsan), all(shuttle, tsan)))]
compile_error!("one at a time: --cfg loom, --cfg shuttle or --cfg tsan");

#[cfg(loom)]
use loom as checked;
#[cfg(shuttle)]
use shuttle as checked;

#[cfg(tsan)]
mod instrumented;

#[cfg(tsan)]
pub(crate) use instrumented::{
    Condvar, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
#[cfg(not(any(loom, shuttle, tsan)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{sync::atomic, thread};
// The model checkers do not order a cell that nobody waits for.
#[cfg(not(tsan))]
pub(crate) use std::sync::OnceLock;

#[cfg(any(loom, shuttle))]
pub(crate) use checked::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread,
};

use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// True if a model checker runs the threads. Then each run needs threads of its own, and the
/// system's time would make runs differ.
pub(crate) const MODEL_CHECKED: bool = cfg!(any(loom, shuttle));

/// Locks a mutex even if a holder panicked. Its data stays valid: every holder leaves it whole at
/// each step, and a panic on the write path stops all writes besides.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for a mutex of the standard library that no checker sees.
pub(crate) fn lock_std<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for reading beside other readers.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for the only writer.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Unlocks until a notification, and locks again.
pub(crate) fn wait<'a, T>(condition: &Condvar, held: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(held).unwrap_or_else(PoisonError::into_inner)
}

/// As [`wait`], for at most `longest`. Also returns true if the time ran out.
pub(crate) fn wait_for<'a, T>(
    condition: &Condvar,
    held: MutexGuard<'a, T>,
    longest: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let waited = condition.wait_timeout(held, longest).unwrap_or_else(PoisonError::into_inner);
    (waited.0, waited.1.timed_out())
}

/// Starts a named thread.
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    let builder = thread::Builder::new().name(name.to_owned());
    // In words. Loom's default is less than a commit needs.
    #[cfg(loom)]
    let builder = builder.stack_size(1 << 17);
    builder.spawn(body)
}

/// A value that one thread at a time replaces and any number of threads load, without waiting for
/// each other.
#[derive(Debug)]
pub(crate) struct Published<T> {
    #[cfg(not(any(loom, shuttle)))]
    current: arc_swap::ArcSwap<T>,
    #[cfg(any(loom, shuttle))]
    current: Mutex<Arc<T>>,
}

#[cfg(not(any(loom, shuttle)))]
impl<T> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { current: arc_swap::ArcSwap::from_pointee(value) }
    }

    /// Returns the current value.
    pub(crate) fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Replaces the value. The old one is dropped with its last reader.
    pub(crate) fn store(&self, next: T) {
        self.current.store(Arc::new(next));
    }
}

#[cfg(any(loom, shuttle))]
impl<T> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { current: Mutex::new(Arc::new(value)) }
    }

    pub(crate) fn load(&self) -> Arc<T> {
        Arc::clone(&lock(&self.current))
    }

    pub(crate) fn store(&self, next: T) {
        let mut current = lock(&self.current);
        let before = std::mem::replace(&mut *current, Arc::new(next));
        // As in arc-swap, nobody waits while the old value is dropped.
        drop(current);
        drop(before);
    }
}
