//! Owns the heap budget, which covers memtables and graph builds. When an insert would exceed it,
//! the largest memtable is sealed, active or not, and in-memory collections are copied without
//! their dead rows. The row worker does the sealing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::engine::admission::added::{Added, HEADROOM_SHARE};
use crate::engine::admission::room::Room;
use crate::engine::collections::Collections;
use crate::engine::open_log::OpenLog;
use crate::engine::time::StoreTime;
use crate::error::{Budget, Error, Result};
use crate::segment::{Row, Rows};
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;
use crate::sync::lock;

/// The heap budget, and the heap that jobs take.
#[derive(Debug)]
pub(crate) struct HeapBudget {
    time: Arc<StoreTime>,
    collections: Arc<Collections>,
    log: Arc<OpenLog>,
    limit: Option<u64>,
    /// Estimated heap bytes that jobs take now.
    jobs: AtomicU64,
    /// An insert did not fit.
    pressed: AtomicBool,
}

/// Heap bytes reserved by a job, until this is dropped.
#[derive(Debug)]
pub(crate) struct HeapReservation<'a> {
    jobs: &'a AtomicU64,
    bytes: u64,
}

impl Drop for HeapReservation<'_> {
    fn drop(&mut self) {
        self.jobs.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl HeapBudget {
    pub(super) const fn new(
        time: Arc<StoreTime>,
        collections: Arc<Collections>,
        log: Arc<OpenLog>,
        limit: Option<u64>,
    ) -> Self {
        let (jobs, pressed) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { time, collections, log, limit, jobs, pressed }
    }

    pub(crate) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Reserves `bytes` for a job until the guard is dropped.
    pub(crate) fn hold(&self, bytes: u64) -> HeapReservation<'_> {
        self.jobs.fetch_add(bytes, Ordering::Relaxed);
        HeapReservation { jobs: &self.jobs, bytes }
    }

    /// Returns the estimated heap bytes that jobs take now.
    pub(crate) fn held(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Returns true if the active memtable of this collection must be sealed, because an insert did
    /// not fit and this memtable is the largest. Returns true at most once per refused insert.
    pub(crate) fn takes_too_much(&self, core: &CollectionState) -> bool {
        if !self.pressed.load(Ordering::Acquire) {
            return false;
        }
        let fattest = self.sealable().into_iter().max_by_key(|core| core.mem_bytes());
        let is_it = fattest.is_some_and(|fattest| fattest.id == core.id);
        is_it && self.pressed.swap(false, Ordering::AcqRel)
    }

    fn sealable(&self) -> Vec<Arc<CollectionState>> {
        let mut cores = self.collections.all();
        cores.retain(|core| !core.is_in_memory() && core.mem_bytes() > 0);
        cores
    }

    /// Waits until the added rows fit into the budget, as long as there are memtables to seal.
    /// Refuses the rows otherwise.
    pub(super) fn wait(&self, added: &Added<'_>, room: &Room) -> Result<()> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        // In-memory collections keep their rows in RAM, so their growth must leave headroom for
        // replacements.
        let in_memory = added.writes_of(true).next().is_some();
        let mut headroom = if in_memory { limit / HEADROOM_SHARE } else { 0 };
        let needed = |headroom| {
            let memtables = self.collections.fold(0, |bytes, core| bytes + core.mem_bytes());
            memtables + self.held() + added.bytes + headroom
        };
        if needed(headroom) <= limit {
            return Ok(());
        }
        if in_memory && !added.grows(true)? {
            headroom = 0;
        }
        if needed(headroom) > limit {
            self.shrink_in_memory()?;
        }
        let waits = || {
            if needed(headroom) <= limit {
                return false;
            }
            self.pressed.store(true, Ordering::Release);
            // Sealing is the only way to free heap here, so it must be able to succeed.
            added.bytes + self.held() <= limit && !self.sealable().is_empty()
        };
        room.wait_while(waits)?;
        let needed = needed(headroom);
        if needed <= limit {
            return Ok(());
        }
        // Deleting frees heap only in in-memory collections. All other rows are sealed.
        let kept = self
            .collections
            .fold(0, |bytes, core| bytes + if core.is_in_memory() { core.mem_bytes() } else { 0 });
        let free = if kept > 0 { needed - limit } else { 0 };
        Err(Error::OverBudget { budget: Budget::Heap, needed, limit, free })
    }

    /// Copies each in-memory collection that has dead rows, without these rows. O(their rows).
    fn shrink_in_memory(&self) -> Result<()> {
        let gone = self.time.plausible_now();
        for core in self.collections.all().into_iter().filter(|core| core.is_in_memory()) {
            let token = self.log.hold();
            let snapshot = core.snapshot();
            let Some(active) = snapshot.memtables.last().filter(|_| token.is_some()) else {
                continue;
            };
            let expired = active.live_expired(&active.live, gone)?;
            if u64::from(active.live.dead()) + expired == 0 {
                continue;
            }
            let unexpired = active.unexpired(gone)?;
            let stays = |row: &Row| unexpired.as_ref().is_none_or(|rows| rows.is_live(*row));
            let kept = active.take(active.live.iter().filter(stays))?;
            let mut next = Snapshot::clone(&snapshot);
            core.replace_active(&mut next, &mut lock(&core.tables), kept);
            core.publish(next);
        }
        Ok(())
    }
}
