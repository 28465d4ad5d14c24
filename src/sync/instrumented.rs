//! Owns locks and condition variables that report to ThreadSanitizer when they change hands. The
//! standard library comes compiled, without instrumentation. Where threads really wait, its locks
//! hand over in code that ThreadSanitizer does not see, and the data they guard looks like a race.
//!
//! Each lock has an atomic beside it. A holder does a release on the atomic just before it unlocks;
//! the next holder does an acquire just after it locks. That is the order that the lock makes
//! anyhow, and no other. For `--cfg tsan` only. It has the part of the standard library's interface
//! that the crate uses.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{self, LockResult, PoisonError, TryLockError, TryLockResult, WaitTimeoutResult};
use std::time::Duration;

/// The order between one holder and the next, in an atomic that ThreadSanitizer sees.
#[derive(Debug, Default)]
struct HandOver(AtomicUsize);

impl HandOver {
    fn take(&self) -> Give<'_> {
        self.0.load(Ordering::Acquire);
        Give(self)
    }
}

/// Does the release when dropped. In a guard, this field comes before the one that unlocks.
#[derive(Debug)]
struct Give<'a>(&'a HandOver);

impl Drop for Give<'_> {
    fn drop(&mut self) {
        // Adds to the releases of earlier holders, as the readers of a lock must.
        self.0.0.fetch_add(1, Ordering::Release);
    }
}

fn map<A, B>(result: LockResult<A>, with: impl FnOnce(A) -> B) -> LockResult<B> {
    match result {
        Ok(guard) => Ok(with(guard)),
        Err(poisoned) => Err(PoisonError::new(with(poisoned.into_inner()))),
    }
}

/// A guard of the standard library. The fields drop in order: the release comes before the unlock.
#[derive(Debug)]
pub(crate) struct Guard<'a, G> {
    give: Give<'a>,
    guard: G,
}

impl<G: Deref> Deref for Guard<'_, G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Guard<'_, G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

pub(crate) type MutexGuard<'a, T> = Guard<'a, sync::MutexGuard<'a, T>>;
pub(crate) type RwLockReadGuard<'a, T> = Guard<'a, sync::RwLockReadGuard<'a, T>>;
pub(crate) type RwLockWriteGuard<'a, T> = Guard<'a, sync::RwLockWriteGuard<'a, T>>;

#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    hand_over: HandOver,
    lock: sync::Mutex<T>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { hand_over: HandOver(AtomicUsize::new(0)), lock: sync::Mutex::new(value) }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        map(self.lock.lock(), |guard| Guard { give: self.hand_over.take(), guard })
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match self.lock.try_lock() {
            Ok(guard) => Ok(Guard { give: self.hand_over.take(), guard }),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            Err(TryLockError::Poisoned(held)) => {
                let guard = held.into_inner();
                let guard = Guard { give: self.hand_over.take(), guard };
                Err(TryLockError::Poisoned(PoisonError::new(guard)))
            }
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct RwLock<T> {
    hand_over: HandOver,
    lock: sync::RwLock<T>,
}

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { hand_over: HandOver::default(), lock: sync::RwLock::new(value) }
    }

    pub(crate) fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        map(self.lock.read(), |guard| Guard { give: self.hand_over.take(), guard })
    }

    pub(crate) fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        map(self.lock.write(), |guard| Guard { give: self.hand_over.take(), guard })
    }
}

/// A cell that the first caller fills. Callers that come meanwhile wait for the mutex, not in the
/// cell. Later callers read the flag alone, so that no order arises between readers.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    filled: AtomicBool,
    filling: Mutex<()>,
    cell: sync::OnceLock<T>,
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self {
            filled: AtomicBool::new(false),
            filling: Mutex::new(()),
            cell: sync::OnceLock::new(),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.filled.load(Ordering::Acquire) { self.cell.get() } else { None }
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let _filling = self.filling.lock();
        let value = self.cell.get_or_init(make);
        self.filled.store(true, Ordering::Release);
        value
    }
}

/// Needs no atomic of its own: waking a thread orders nothing, taking the mutex again does.
#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<'a, T>(&self, held: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let Guard { give, guard } = held;
        let hand_over = give.0;
        drop(give);
        map(self.0.wait(guard), |guard| Guard { give: hand_over.take(), guard })
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        held: MutexGuard<'a, T>,
        patience: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let Guard { give, guard } = held;
        let hand_over = give.0;
        drop(give);
        map(self.0.wait_timeout(guard, patience), |(guard, result)| {
            (Guard { give: hand_over.take(), guard }, result)
        })
    }
}
