//! Owns what an insert waits for: memtables that wait to be sealed, dead bytes that wait to be
//! compacted, the budgets of disk and of heap, the ballast for a full disk. Deletes are always
//! admitted. Knows nothing of how the row worker makes room.

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
use crate::engine::bells::Wakeups;
use crate::engine::collections::Collections;
use crate::engine::open_log::OpenLog;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::engine::reserve::Reserve;
use crate::engine::time::StoreTime;
use crate::error::{Budget, Error, Result};
use crate::options::StoreOptions;
use crate::snapshot::stage::{MEMTABLE_BYTES, Prepared};

/// Writers wait while a collection has more frozen memtables than this.
const MAX_FROZEN: usize = 8;

/// What an insert waits for.
#[derive(Debug)]
pub(crate) struct Admission {
    reserve: Arc<Reserve>,
    disk: DiskBudget,
    heap: HeapBudget,
    /// Most bytes of a collection that may wait to be compacted while it takes inserts.
    compaction_debt_limit: Option<u64>,
    room: Room,
}

/// The parts of an engine that admission looks at.
pub(super) struct AdmissionParts<'a> {
    pub(super) dir: &'a Arc<StoreDir>,
    pub(super) time: &'a Arc<StoreTime>,
    pub(super) collections: &'a Arc<Collections>,
    pub(super) progress: &'a Arc<Progress>,
    pub(super) reserve: &'a Arc<Reserve>,
    pub(super) log: &'a Arc<OpenLog>,
    pub(super) bells: &'a Arc<Wakeups>,
    pub(super) pace: &'a Arc<Pace>,
    /// Whether anybody makes room while a writer waits.
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
            Arc::clone(parts.bells),
            Arc::clone(parts.pace),
            options.write_timeout,
            parts.has_workers,
        );
        let reserve = Arc::clone(parts.reserve);
        Self { reserve, disk, heap, compaction_debt_limit: options.compaction_debt_limit, room }
    }

    /// The budget of disk.
    pub(crate) const fn disk(&self) -> &DiskBudget {
        &self.disk
    }

    /// The budget of heap.
    pub(crate) const fn heap(&self) -> &HeapBudget {
        &self.heap
    }

    /// Waits until there is room for these writes, or refuses them.
    ///
    /// Writers outrun the worker that seals memtables; past a few frozen ones they are held back,
    /// so that RAM stays bounded (I13). Deletes are always admitted.
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

    /// Waits while a collection has too many frozen memtables, but not for ever: sealing may be
    /// failing, on a full disk for one.
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

    /// Waits while more of a collection waits to be compacted than may.
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

    /// Measures the files again, after something gave bytes back or tried to. `idle` says that
    /// there was nothing to try, since before the question `asked`.
    pub(crate) fn maintain_disk(&self, idle: bool, asked: u64) -> Result<()> {
        if self.disk.limit().is_some() {
            self.disk.tend(idle, asked, self.room.has_workers())?;
            self.space_freed();
        }
        Ok(())
    }

    /// Lets writers that wait for room look again.
    pub(crate) fn space_freed(&self) {
        self.room.made();
    }
}
