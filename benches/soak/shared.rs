//! Owns the state that the threads of a soak share: the open store, its clock, the model, and their
//! records. Also opens and closes the store. Locks are taken in this order: the store, the model,
//! the records.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use altiplano::{Clock, Collection, CollectionOptions, Event, Store, StoreOptions};

use crate::clock::SteppedClock;
use crate::model::Model;
use bench_tools::vectors::Vectors;

/// A run with more broken promises than this ends.
const BROKEN_AT_MOST: usize = 20;

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) store: Store,
    pub(crate) notes: Collection,
}

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) options: CollectionOptions,
    pub(crate) base: Vectors,
    pub(crate) queries: Vectors,
    pub(crate) clock: Arc<SteppedClock>,
    pub(crate) model: Mutex<Model>,
    /// `None` only if the store does not open again.
    pub(crate) open: RwLock<Option<Open>>,
    pub(crate) seen: Mutex<Seen>,
    pub(crate) told: Arc<Mutex<Told>>,
    broken: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// The threads' records of a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) plain: Vec<Duration>,
    pub(crate) filtered: Vec<Duration>,
    pub(crate) writes: Vec<Duration>,
    pub(crate) ops: u64,
    /// `None` if it was not measured.
    pub(crate) recall: Option<f64>,
    /// Means of the sampled queries.
    pub(crate) cost: Cost,
    pub(crate) steps: u64,
    pub(crate) bursts: u64,
    pub(crate) held: u64,
    pub(crate) reopened: Option<Reopened>,
}

/// The cost of a query by the store's own account.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) scanned: f64,
    pub(crate) evaluations: f64,
    pub(crate) reranked: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reopened {
    pub(crate) close: Duration,
    pub(crate) open: Duration,
    pub(crate) verify: Duration,
}

/// What the store reported to its listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) seals: u64,
    pub(crate) compactions: u64,
    pub(crate) indexes: u64,
    pub(crate) merged: u64,
    pub(crate) failures: Vec<String>,
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        options: CollectionOptions,
        (base, queries): (Vectors, Vectors),
        live: usize,
    ) -> Self {
        Self {
            dir,
            options,
            base,
            queries,
            clock: Arc::new(SteppedClock::new()),
            model: Mutex::new(Model::new(live)),
            open: RwLock::new(None),
            seen: Mutex::default(),
            told: Arc::default(),
            broken: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// Opens the store, with a listener.
    pub(crate) fn open_store(&self) -> Result<Open, String> {
        let told = Arc::clone(&self.told);
        let store = StoreOptions::new()
            .clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
            .on_event(move |event| note(&told, event))
            .open(&self.dir)
            .map_err(|e| format!("open: {e}"))?;
        let notes = store
            .collection("notes", self.options.clone())
            .map_err(|e| format!("collection: {e}"))?;
        Ok(Open { store, notes })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Option<Open>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Records that a promise was broken.
    pub(crate) fn broke(&self, what: String) {
        let mut broken = lock(&self.broken);
        broken.push(what);
        if broken.len() > BROKEN_AT_MOST {
            self.stop();
        }
    }

    pub(crate) fn broken(&self) -> Vec<String> {
        lock(&self.broken).clone()
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn note(told: &Mutex<Told>, event: &Event) {
    let mut told = lock(told);
    match event {
        Event::Sealed { .. } => told.seals += 1,
        Event::Compacted { .. } => told.compactions += 1,
        Event::Indexed { merged, .. } => {
            told.indexes += 1;
            told.merged += u64::from(*merged);
        }
        Event::BackgroundError { reason, .. } | Event::IndexDamaged { reason, .. } => {
            told.failures.push(reason.clone());
        }
        _ => {}
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
