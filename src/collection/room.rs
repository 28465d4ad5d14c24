//! Owns the waiting of writers that are ahead of the worker that seals. Knows nothing of how memtables
//! are sealed; the budgets that writers wait for besides are `heap_budget` and `disk_budget`.

use std::time::Duration;

use crate::collection::commit::{MEMTABLE_BYTES, Prepared};
use crate::collection::engine::Engine;
use crate::error::{Budget, Error, Result};
use crate::format::op::OpKind;
use crate::segment::RowBuffer;
use crate::sync::{lock, wait_for};

/// Writers wait while a collection has more frozen memtables than this.
const MAX_FROZEN: usize = 8;
/// How long a writer waits for a seal before it looks again.
const WAIT: Duration = Duration::from_millis(20);

impl Engine {
    /// Waits until there is room in RAM for these writes, or refuses them.
    ///
    /// Writers outrun the worker that seals memtables; past a few frozen ones they are held back,
    /// so that RAM stays bounded (I13). Deletes are always admitted.
    pub(crate) fn wait_for_room(&self, writes: &[Prepared]) -> Result<()> {
        let added: u64 = writes.iter().map(Prepared::heap_bytes).sum();
        if added == 0 {
            return Ok(());
        }
        self.check_reserve(writes)?;
        self.wait_for_seals(writes)?;
        self.wait_for_compaction(writes)?;
        self.wait_for_disk(writes, added)?;
        self.wait_for_heap(writes, added)
    }

    /// Waits while a collection has too many frozen memtables, but not for ever: sealing may be
    /// failing, on a full disk for one.
    fn wait_for_seals(&self, writes: &[Prepared]) -> Result<()> {
        let frozen = |w: &Prepared| w.core.snapshot().memtables.len() > MAX_FROZEN;
        if !self.background || self.wait_while(|| writes.iter().any(frozen))? {
            return Ok(());
        }
        let needed = writes.iter().map(|w| w.core.mem_bytes()).max().unwrap_or_default();
        let limit = (MAX_FROZEN * MEMTABLE_BYTES) as u64;
        let budget = Budget::Memtables;
        Err(Error::OverBudget { budget, needed, limit, free: 0 })
    }

    /// Whether these writes leave more than there was: what they add is larger than what they replace and
    /// delete. Vectors and bodies count. O(writes), with a search for each id.
    pub(super) fn grows<'a>(&self, writes: impl Iterator<Item = &'a Prepared>) -> Result<bool> {
        let (mut added, mut taken) = (0, 0);
        for write in writes {
            let id = match &write.kind {
                OpKind::Insert { id, vector, body, .. } => {
                    added += vector.len() * 4 + body.len();
                    *id
                }
                OpKind::Delete { id } => *id,
                OpKind::DeleteWhere { .. } | OpKind::DeleteIds { .. } => continue,
            };
            let snapshot = write.core.snapshot();
            let place = snapshot.find(id)?;
            if let Some((rows, _, row)) = place.and_then(|place| snapshot.rows_at(place)) {
                let body = rows.body(row, &mut RowBuffer::default())?.len();
                taken += write.core.spec.dimension * 4 + body;
            }
        }
        Ok(added > taken)
    }

    /// Waits while more of a collection waits to be compacted than may.
    fn wait_for_compaction(&self, writes: &[Prepared]) -> Result<()> {
        let Some(limit) = self.compaction_debt_limit else {
            return Ok(());
        };
        let debt = || writes.iter().map(|w| w.core.debt()).max().unwrap_or_default();
        if debt() <= limit || (self.background && self.wait_while(|| debt() > limit)?) {
            return Ok(());
        }
        Err(Error::OverBudget { budget: Budget::CompactionDebt, needed: debt(), limit, free: 0 })
    }

    /// Wakes the row worker up and waits for as long as this holds and a writer has patience; tells whether
    /// it holds no more.
    pub(super) fn wait_while(&self, holds: impl Fn() -> bool) -> Result<bool> {
        let (mut waited, mut hurry) = (Duration::ZERO, None);
        // Held while looking: a seal that ends in between is not missed.
        let mut room = lock(&self.room);
        while holds() {
            if waited >= self.write_timeout {
                return Ok(false);
            }
            // The store is being closed: nobody makes room any more.
            if self.row_bell.is_stopping() {
                return Err(Error::Closed);
            }
            self.row_bell.ring();
            hurry.get_or_insert_with(|| self.pace.hurry());
            let (guard, is_late) = wait_for(&self.room_made, room, WAIT);
            room = guard;
            // Seals of other collections wake everyone and do not count.
            waited += if is_late { WAIT } else { Duration::ZERO };
            self.check_writable()?;
        }
        Ok(true)
    }

    /// Lets writers that wait for room look again.
    pub(crate) fn made_room(&self) {
        drop(lock(&self.room));
        self.room_made.notify_all();
    }
}
