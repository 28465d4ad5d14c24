//! Owns the reasons for which an insert waits: memtables to be sealed, dead bytes to be compacted,
//! the disk and heap budgets, and the ballast for a full disk. Deletes are always admitted. Knows
//! nothing of how the row worker frees space.

mod added;
pub(crate) mod disk;
mod heap;
mod room;

use std::sync::Arc;

use crate::dir::StoreDir;
use crate::engine::admission::added::Added;
use crate::engine::admission::disk::DiskBudget;
use crate::engine::admission::heap::HeapBudget;
use crate::engine::admission::room::Room;
use crate::engine::collections::Collections;
use crate::engine::open_log::OpenLog;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::engine::reserve::Reserve;
use crate::engine::time::StoreTime;
use crate::engine::wakeups::Wakeups;
use crate::error::{Budget, Error, Result};
use crate::options::StoreOptions;
use crate::snapshot::stage::{MEMTABLE_BYTES, Prepared};

/// Writers wait while a collection has more memtables than this, frozen ones and the active one.
const MAX_FROZEN: usize = 8;

/// Decides when an insert may proceed.
#[derive(Debug)]
pub(crate) struct Admission {
    reserve: Arc<Reserve>,
    disk: DiskBudget,
    heap: HeapBudget,
    /// Maximum bytes of a collection that may wait to be compacted while it takes inserts.
    compaction_debt_limit: Option<u64>,
    room: Room,
}

/// The parts of an engine that admission uses.
pub(super) struct AdmissionParts<'a> {
    pub(super) dir: &'a Arc<StoreDir>,
    pub(super) time: &'a Arc<StoreTime>,
    pub(super) collections: &'a Arc<Collections>,
    pub(super) progress: &'a Arc<Progress>,
    pub(super) reserve: &'a Arc<Reserve>,
    pub(super) log: &'a Arc<OpenLog>,
    pub(super) wakeups: &'a Arc<Wakeups>,
    pub(super) pace: &'a Arc<Pace>,
    /// True if a worker frees space while a writer waits.
    pub(super) has_workers: bool,
}

impl Admission {
    pub(super) fn new(parts: &AdmissionParts<'_>, options: &StoreOptions) -> Self {
        let disk = DiskBudget::new(
            Arc::clone(parts.dir),
            Arc::clone(parts.collections),
            Arc::clone(parts.progress),
            Arc::clone(parts.reserve),
            options.disk_budget,
        );
        let heap = HeapBudget::new(
            Arc::clone(parts.time),
            Arc::clone(parts.collections),
            Arc::clone(parts.log),
            options.heap_budget,
        );
        let room = Room::new(
            Arc::clone(parts.dir),
            Arc::clone(parts.wakeups),
            Arc::clone(parts.pace),
            options.write_timeout,
            parts.has_workers,
        );
        let reserve = Arc::clone(parts.reserve);
        Self { reserve, disk, heap, compaction_debt_limit: options.compaction_debt_limit, room }
    }

    /// The disk budget.
    pub(crate) const fn disk(&self) -> &DiskBudget {
        &self.disk
    }

    /// The heap budget.
    pub(crate) const fn heap(&self) -> &HeapBudget {
        &self.heap
    }

    /// Waits until there is room for these writes, or refuses them.
    ///
    /// Writers outrun the worker that seals memtables. Past [`MAX_FROZEN`] memtables they are held
    /// back, so that RAM stays bounded (I13). Deletes are always admitted.
    pub(crate) fn admit(&self, writes: &[Prepared]) -> Result<()> {
        let added = Added::of(writes);
        if added.bytes == 0 {
            return Ok(());
        }
        self.reserve.admit(added.logged)?;
        self.wait_for_seals(writes)?;
        self.wait_for_compaction(writes)?;
        self.disk.wait(&added, &self.room)?;
        self.heap.wait(&added, &self.room)
    }

    /// Waits while a collection has too many frozen memtables. The wait is bounded, because sealing
    /// may fail, for example on a full disk.
    fn wait_for_seals(&self, writes: &[Prepared]) -> Result<()> {
        let frozen = |w: &Prepared| w.core.snapshot().memtables.len() > MAX_FROZEN;
        if !self.room.has_workers() || self.room.wait_while(|| writes.iter().any(frozen))? {
            return Ok(());
        }
        let needed = writes.iter().map(|w| w.core.mem_bytes()).max().unwrap_or_default();
        let limit = (MAX_FROZEN * MEMTABLE_BYTES) as u64;
        let budget = Budget::Memtables;
        Err(Error::OverBudget { budget, needed, limit, free: 0 })
    }

    /// Waits while the compaction debt of a collection exceeds the limit.
    fn wait_for_compaction(&self, writes: &[Prepared]) -> Result<()> {
        let Some(limit) = self.compaction_debt_limit else {
            return Ok(());
        };
        let debt = || writes.iter().map(|w| w.core.debt()).max().unwrap_or_default();
        if debt() <= limit || self.room.wait_while(|| debt() > limit)? {
            return Ok(());
        }
        Err(Error::OverBudget { budget: Budget::CompactionDebt, needed: debt(), limit, free: 0 })
    }

    /// Measures the files again, after a job freed bytes or tried to. `idle` is true if there was
    /// nothing to try for the requests up to `asked`.
    pub(crate) fn maintain_disk(&self, idle: bool, asked: u64) -> Result<()> {
        if self.disk.limit().is_some() {
            self.disk.tend(idle, asked, self.room.has_workers())?;
            self.space_freed();
        }
        Ok(())
    }

    /// Wakes the writers that wait for room, so that they check again.
    pub(crate) fn space_freed(&self) {
        self.room.made();
    }
}
