//! Owns the budget of heap: memtables and graph builds. When an insert would pass it, the fattest
//! memtable is sealed, active or not, and in-memory collections are copied without their dead rows.
//! Sealing is the row worker's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::collection::commit::Prepared;
use crate::collection::core::Core;
use crate::collection::disk_budget::HEADROOM_SHARE;
use crate::collection::engine::Engine;
use crate::collection::snapshot::Snapshot;
use crate::error::{Budget, Error, Result};
use crate::segment::{Row, Rows};
use crate::sync::lock;

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
        cores.retain(|core| !core.is_in_memory() && core.mem_bytes() > 0);
        cores
    }

    /// Waits until so many bytes of rows fit into the budget, as long as there are memtables to seal, or
    /// refuses them.
    pub(super) fn wait_for_heap(&self, writes: &[Prepared], added: u64) -> Result<()> {
        let Some(limit) = self.heap_budget.limit else {
            return Ok(());
        };
        // What grows in RAM for good leaves room for what only changes there.
        let in_memory = writes.iter().any(|w| w.core.is_in_memory());
        let mut headroom = if in_memory { limit / HEADROOM_SHARE } else { 0 };
        let needed = |headroom| {
            let memtables = self.fold_cores(0, |bytes, core| bytes + core.mem_bytes());
            memtables + self.heap_budget.held() + added + headroom
        };
        if needed(headroom) <= limit {
            return Ok(());
        }
        if in_memory && !self.grows(writes.iter().filter(|w| w.core.is_in_memory()))? {
            headroom = 0;
        }
        if needed(headroom) > limit {
            self.shrink_in_memory()?;
        }
        let waits = || {
            if needed(headroom) <= limit {
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
        let needed = needed(headroom);
        if needed <= limit {
            return Ok(());
        }
        // Only what lives in RAM for good can be deleted there: the rest is to be sealed.
        let kept = self.fold_cores(0, |bytes, core| {
            bytes + if core.is_in_memory() { core.mem_bytes() } else { 0 }
        });
        let free = if kept > 0 { needed - limit } else { 0 };
        Err(Error::OverBudget { budget: Budget::Heap, needed, limit, free })
    }

    /// Copies the in-memory collections that have dead rows without these. O(their rows).
    fn shrink_in_memory(&self) -> Result<()> {
        let gone = self.plausible_now();
        for core in self.cores().into_iter().filter(|core| core.is_in_memory()) {
            let token = self.committer.hold();
            let snapshot = core.snapshot();
            let Some(active) = snapshot.memtables.last().filter(|_| token.is_some()) else {
                continue;
            };
            let expired = active.rows.live_expired(&active.live, gone)?;
            if u64::from(active.live.dead()) + expired == 0 {
                continue;
            }
            let unexpired = active.rows.unexpired(gone)?;
            let stays = |row: &Row| unexpired.as_ref().is_none_or(|rows| rows.is_live(*row));
            let kept = active.rows.take(active.live.iter().filter(stays))?;
            let mut next = Snapshot::clone(&snapshot);
            core.replace_active(&mut next, &mut lock(&core.tables), kept);
            core.publish(next);
        }
        Ok(())
    }
}
