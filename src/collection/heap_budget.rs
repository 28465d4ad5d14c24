//! Owns the budget of heap: memtables and graph builds. When an insert would pass it, the fattest
//! memtable is sealed, active or not. Sealing is the row worker's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::error::{Error, Result};

/// See the file.
#[derive(Debug)]
pub(crate) struct HeapBudget {
    limit: Option<u64>,
    /// Heap bytes that jobs take now, about.
    jobs: AtomicU64,
    /// An insert did not fit.
    pressed: AtomicBool,
}

/// Heap bytes that a job takes, until this is dropped.
#[derive(Debug)]
pub(crate) struct Holding<'a> {
    jobs: &'a AtomicU64,
    bytes: u64,
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.jobs.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl HeapBudget {
    pub(super) const fn new(limit: Option<u64>) -> Self {
        Self { limit, jobs: AtomicU64::new(0), pressed: AtomicBool::new(false) }
    }

    pub(crate) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// A job takes so many bytes.
    pub(crate) fn hold(&self, bytes: u64) -> Holding<'_> {
        self.jobs.fetch_add(bytes, Ordering::Relaxed);
        Holding { jobs: &self.jobs, bytes }
    }

    /// What jobs take now.
    pub(crate) fn held(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }
}

impl Engine {
    /// Whether the active memtable of this collection is to be sealed for an insert that did not fit: it
    /// is the fattest. Asked once for each such insert.
    pub(crate) fn takes_too_much_heap(&self, core: &Arc<Core>) -> bool {
        if !self.heap_budget.pressed.load(Ordering::Acquire) {
            return false;
        }
        let fattest = self.sealable().into_iter().max_by_key(|core| core.mem_bytes());
        let is_it = fattest.is_some_and(|fattest| Arc::ptr_eq(&fattest, core));
        is_it && self.heap_budget.pressed.swap(false, Ordering::AcqRel)
    }

    fn sealable(&self) -> Vec<Arc<Core>> {
        let mut cores = self.cores();
        cores.retain(|core| !core.is_volatile() && core.mem_bytes() > 0);
        cores
    }

    /// Waits until so many bytes of rows fit into the budget, as long as there are memtables to seal, or
    /// refuses them.
    pub(super) fn wait_for_heap(&self, added: u64) -> Result<()> {
        let Some(limit) = self.heap_budget.limit else {
            return Ok(());
        };
        let needed = || {
            let memtables = self.fold_cores(0, |bytes, core| bytes + core.mem_bytes());
            memtables + self.heap_budget.held() + added
        };
        let waits = || {
            if needed() <= limit {
                return false;
            }
            self.heap_budget.pressed.store(true, Ordering::Release);
            // Nothing else would make room.
            added + self.heap_budget.held() <= limit && !self.sealable().is_empty()
        };
        if self.background {
            self.wait_while(waits)?;
        } else {
            waits();
        }
        if needed() <= limit {
            return Ok(());
        }
        Err(Error::OverBudget { budget: "heap_budget", needed: needed(), limit })
    }
}
