//! Owns the choice of locks, condition variables, atomics and threads wherever blocking or order
//! matters: the standard library's, or those of a model checker that runs the same code under
//! schedules of its own (`--cfg loom`, `--cfg shuttle`; see `.ci/concurrency`), or the standard
//! library's in wrappers that ThreadSanitizer understands (`--cfg tsan`). Also owns `Published`,
//! the cell through which readers get the newest snapshot, and the functions that take locks
//! whatever became of their last holder.
//!
//! What the checkers prove: under them `Published` is a mutex around an `Arc`, and `Arc` is the
//! standard library's, so that whatever follows from "a load gives the last value stored, a store
//! is one step, the last owner drops" is checked, for the code around the cell. That arc-swap and
//! `Arc` keep that contract on real hardware is not; `tests/stress.rs` only exercises it, with
//! ThreadSanitizer too. Neither checker lets a wait time out: whoever is not woken is found out.
//! Counters and caches that nobody waits for (`section`, index building, the pool) stay on the
//! standard library.

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
// The model checkers do not order what nobody waits for.
#[cfg(not(tsan))]
pub(crate) use std::sync::OnceLock;

#[cfg(any(loom, shuttle))]
pub(crate) use checked::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread,
};

use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Whether a model checker runs the threads: each run then needs threads of its own, and the time
/// of the system would make runs differ.
pub(crate) const MODEL_CHECKED: bool = cfg!(any(loom, shuttle));

/// Locks a mutex whose data stays meaningful even if a holder panicked: every holder leaves it
/// whole at each step, and a panic on the write path stops all writes besides.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for a mutex of the standard library that no checker sees.
pub(crate) fn lock_std<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to read beside other readers.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for the only writer.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a lock go until somebody notifies, and takes it again.
pub(crate) fn wait<'a, T>(condition: &Condvar, held: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(held).unwrap_or_else(PoisonError::into_inner)
}

/// As [`wait`], for at most this long; returns whether the time ran out as well.
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
    // In words. What loom gives by itself is less than a commit needs.
    #[cfg(loom)]
    let builder = builder.stack_size(1 << 17);
    builder.spawn(body)
}

/// A value that one thread at a time replaces and any number load, without waiting for each other.
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

    /// The value as it is now.
    pub(crate) fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Replaces the value; the one before goes when its last reader lets go.
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
