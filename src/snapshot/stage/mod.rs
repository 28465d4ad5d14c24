//! Owns the effect of operations on a collection, worked out on a private copy of its snapshot.
//! Nothing is visible before it is published, and a failed operation leaves no trace. The same code
//! serves live writes and the replay of the log.
//!
//! Invariant: an operation with sequence number s affects only rows with a smaller number, which
//! makes replay idempotent.

mod changes;
mod deletes;
mod task;
mod updates;
mod uses;

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Filter, Matcher};
use crate::format::op::{Op, OpKind};
use crate::ids::{FileId, MemoryId, Seq};
use crate::sabotage::broken;
use crate::segment::{Liveness, NewRow, Row, Rows};
use crate::snapshot::state::{CollectionState, WriterTables};
use crate::snapshot::{Place, Snapshot};
use crate::sync::lock;
pub(crate) use task::{Condition, Prepared, Target, Task, Update, UpdateWith};
pub(crate) use updates::Sequence;

/// A memtable is frozen when its heap reaches this many bytes, however few its rows.
pub(crate) const MEMTABLE_BYTES: usize = 8 << 20;

/// An in-memory memtable is not copied to remove fewer dead rows than this.
const SHRINK_ROWS: u32 = 256;

/// The effect of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Inserted,
    Replaced,
    /// The number of visible memories that were deleted.
    Deleted(u64),
    /// The number of visible memories that were updated.
    Updated(u64),
    /// Nothing happened, because a memory with the id is visible.
    Exists,
    /// Nothing happened, because no memory with the id is visible.
    Missing,
    /// Nothing happened, because the memory has another version.
    Conflict,
}

/// What happened to the live row with an id when a newer operation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Former {
    /// There was no such row.
    None,
    /// The row died, and had expired before.
    Expired,
    /// The row died, and was visible until then.
    Visible,
    /// The row stays, because it is not older: the operation was carried out before.
    Stays,
}

/// A change to an id table, kept for a rollback: table, id, former row.
type TableChange = (usize, MemoryId, Option<Row>);

/// The next snapshot of a collection while it is being made. A stage that is dropped unpublished
/// leaves no trace.
pub(crate) struct Stage {
    core: Arc<CollectionState>,
    /// Taken from the collection while the stage lives.
    tables: WriterTables,
    next: Snapshot,
    /// Rows that are not in the memtable yet, each id once. They become one block of the memtable.
    pending: Vec<NewRow>,
    pending_ids: HashMap<MemoryId, usize>,
    pending_bytes: usize,
    /// The number of rows at which a memtable is full.
    memtable_rows: usize,
    /// True if no two visible memories of a namespace may have one key.
    unique_keys: bool,
    undo: Vec<TableChange>,
    /// Rows that expired by this time do not count as visible.
    now: Timestamp,
    /// True if it repeats operations of the log. Segments may then hold newer changes.
    replays: bool,
}

/// A state of a stage to roll back to.
pub(crate) struct Checkpoint {
    next: Snapshot,
    changes: usize,
}

impl Stage {
    /// Begins from the snapshot that readers see. The caller holds the commit token.
    pub(crate) fn begin(core: &Arc<CollectionState>, now: Timestamp) -> Self {
        let tables = std::mem::take(&mut *lock(&core.tables));
        let next = Snapshot::clone(&core.snapshot());
        let core = Arc::clone(core);
        let (pending, pending_ids, pending_bytes, undo) = Default::default();
        let options = core.options();
        let (memtable_rows, unique_keys) = (options.memtable_rows as usize, options.unique_keys);
        Self {
            core,
            tables,
            next,
            pending,
            pending_ids,
            pending_bytes,
            memtable_rows,
            unique_keys,
            undo,
            now,
            replays: false,
        }
    }

    /// As [`Stage::begin`], to repeat operations of the log.
    pub(crate) fn replay(core: &Arc<CollectionState>, now: Timestamp) -> Self {
        let mut stage = Self::begin(core, now);
        stage.replays = true;
        stage
    }

    /// Returns the current state, for a rollback.
    pub(crate) fn checkpoint(&mut self) -> Checkpoint {
        self.flush();
        Checkpoint { next: self.next.clone(), changes: self.undo.len() }
    }

    /// Rolls back to a state.
    pub(crate) fn roll_back(&mut self, to: Checkpoint) {
        self.pending.clear();
        self.pending_ids.clear();
        self.pending_bytes = 0;
        self.next = to.next;
        self.undo_to(to.changes);
    }

    /// Undoes every change to the id tables after the first `changes`.
    fn undo_to(&mut self, changes: usize) {
        for (table, id, former) in self.undo.drain(changes.min(self.undo.len())..).rev() {
            let Some(table) = self.tables.ids.get_mut(table) else {
                continue;
            };
            match former {
                Some(row) => table.rows.insert(id, row),
                None => table.rows.remove(&id),
            };
        }
    }

    /// Carries out one operation. `expires_at` is the expiry in the body of an insert.
    pub(crate) fn apply(&mut self, op: Op, expires_at: Timestamp) -> Result<Effect> {
        let seq = op.seq;
        let effect = match op.kind {
            OpKind::Insert { id, norm, vector, body } => {
                match self.insert(NewRow { id, seq, norm, vector, body, expires_at })? {
                    Former::Stays => return Ok(Effect::Inserted),
                    Former::Visible => Effect::Replaced,
                    Former::None | Former::Expired => Effect::Inserted,
                }
            }
            OpKind::Delete { id } => self.delete(id, seq)?.0,
            OpKind::DeleteWhere { filter, now } => self.delete_where(&filter, now, seq)?,
            OpKind::DeleteIds { ids } => {
                self.delete_where(&Matcher::new(Filter::Ids(ids)), self.now, seq)?
            }
            OpKind::ChangeIds { ids, change } => self.change_ids(&ids, change)?,
            OpKind::ChangeWhere { filter, now, change } => {
                self.change_where(&filter, now, change)?
            }
        };
        self.saw(seq);
        Ok(effect)
    }

    /// Notes that an operation was carried out.
    fn saw(&mut self, seq: Seq) {
        self.next.visible = self.next.visible.max(seq);
        if let Some(active) = self.next.memtables.last_mut() {
            active.last_seq = active.last_seq.max(seq);
        }
    }

    /// Adds a row and replaces the row with the same id, unless that row is not older.
    fn insert(&mut self, new: NewRow) -> Result<Former> {
        let bytes = |row: &NewRow| self.next.memtables.last().map_or(0, |m| m.rows.row_bytes(row));
        let added = bytes(&new);
        // A batch has each id once, but a replay runs through many batches. A row that is replaced
        // while it is pending is never added to the memtable.
        if let Some(before) = self.pending_ids.get(&new.id).and_then(|at| self.pending.get_mut(*at))
        {
            if before.seq >= new.seq {
                return Ok(Former::Stays);
            }
            self.pending_bytes = (self.pending_bytes + added).saturating_sub(bytes(before));
            let visible = before.expires_at > self.now;
            *before = new;
            return Ok(if visible { Former::Visible } else { Former::Expired });
        }
        let former = self.kill(new.id, new.seq)?;
        if former != Former::Stays {
            self.pending_bytes += added;
            self.pending_ids.insert(new.id, self.pending.len());
            self.pending.push(new);
        }
        Ok(former)
    }

    /// Appends the pending rows to the active memtable.
    fn flush(&mut self) {
        let rows = std::mem::take(&mut self.pending);
        self.pending_ids.clear();
        self.pending_bytes = 0;
        let table = self.tables.ids.len().saturating_sub(1);
        let (Some(active), Some(ids)) =
            (self.next.memtables.last_mut(), self.tables.ids.last_mut())
        else {
            return;
        };
        for (row, new) in (active.rows.rows()..).zip(&rows) {
            self.undo.push((table, new.id, ids.rows.insert(new.id, row)));
        }
        if !rows.is_empty() {
            active.live.extend(rows.len() as Row);
            active.rows = active.rows.push(rows);
        }
    }

    /// Marks the live row with this id as dead, if it is older than `seq`.
    fn kill(&mut self, id: MemoryId, seq: Seq) -> Result<Former> {
        let Some(place) = self.find(id)? else {
            return Ok(Former::None);
        };
        let Some((rows, _, row)) = self.next.rows_at(place) else {
            return Ok(Former::None);
        };
        if rows.seq(row)? >= seq {
            return Ok(Former::Stays);
        }
        let visible = rows.expires_at(row)? > self.now;
        self.kill_at(place, id);
        Ok(if visible { Former::Visible } else { Former::Expired })
    }

    /// Returns the live row with this id. Memtables are searched by their id tables, newest first,
    /// then segments.
    fn find(&self, id: MemoryId) -> Result<Option<Place>> {
        for (part, table) in self.tables.ids.iter().enumerate().rev() {
            if let Some(row) = table.rows.get(&id) {
                return Ok(Some(Place::Memtable(part as u32, *row)));
            }
        }
        for (part, segment) in self.next.segments.iter().enumerate().rev() {
            let found = segment.sealed.segment.find(id)?;
            if let Some(row) = found.into_iter().find(|row| segment.live.is_live(*row)) {
                return Ok(Some(Place::Segment(part as u32, row)));
            }
        }
        Ok(None)
    }

    /// Returns, for each part of the snapshot, the live rows that match and whose newest change is
    /// older than `seq`. Costs the evaluation of the filter plus O(rows that match).
    fn older(&mut self, filter: &Matcher, seq: Seq) -> Result<Vec<RoaringBitmap>> {
        self.flush();
        // No row is newer than the newest operation in the snapshot. So versions are compared only
        // by a replay, whose segments may hold changes that are later than everything that they
        // cover. The comparison may read a page of a file per row. A row that was changed later
        // survived this operation.
        let mut all_older = !self.replays && self.next.visible < seq;
        broken!(ReplayOverLaterChanges => all_older = self.next.visible < seq);
        let of_part = |(rows, live): (&dyn Rows, &Liveness)| {
            let mut older = RoaringBitmap::new();
            for row in rows.select(filter, &mut 0)?.iter().filter(|row| live.is_live(*row)) {
                if all_older || rows.newest(row)? < seq {
                    older.insert(row);
                }
            }
            Ok(older)
        };
        self.next.parts().map(of_part).collect()
    }

    /// Returns the ids of these rows of each part.
    fn ids_of(&self, parts: &[RoaringBitmap]) -> Result<Vec<MemoryId>> {
        let parts = self.next.parts().zip(parts);
        parts.flat_map(|((rows, _), some)| some.iter().map(|row| rows.id(row))).collect()
    }

    /// Adds an operation to the records of a batch, unless the collection is in-memory.
    fn log(&self, op: &Op, payload: &mut Vec<u8>) {
        if !self.core.is_in_memory() {
            op.encode(payload);
        }
    }

    fn kill_at(&mut self, place: Place, id: MemoryId) {
        match place {
            Place::Memtable(part, row) => {
                let part = part as usize;
                self.next.memtables[part].live.kill(row);
                let former = self.tables.ids[part].rows.remove(&id);
                self.undo.push((part, id, former));
            }
            Place::Segment(part, row) => {
                self.next.segments[part as usize].live.kill(row);
            }
        }
    }

    /// Publishes the result to readers. Rows that expired by `gone` may be destroyed.
    pub(crate) fn publish(mut self, gone: Timestamp) {
        self.flush();
        self.undo.clear();
        if self.core.is_in_memory() {
            self.shrink_in_memory(gone);
        }
        self.core.publish(std::mem::take(&mut self.next));
    }

    /// Returns true if the active memtable has reached its limit of rows or heap bytes.
    pub(crate) fn is_full(&self) -> bool {
        // A replay asks after every operation, so this must not flush: every row would become a
        // block.
        !self.core.is_in_memory()
            && self.next.memtables.last().is_some_and(|active| {
                active.rows.rows() as usize + self.pending.len() >= self.memtable_rows
                    || active.rows.heap_bytes() + self.pending_bytes >= MEMTABLE_BYTES
            })
    }

    /// Returns true if workers check the collection from time to time. They do not check a small
    /// one, which has no segments.
    pub(crate) fn is_looked_at(&self) -> bool {
        !self.next.segments.is_empty()
    }

    /// Starts a new memtable, as replay does when one is full.
    pub(crate) fn freeze(&mut self, log_file: FileId) {
        self.flush();
        self.core.push_memtable(&mut self.next, &mut self.tables, log_file);
    }

    /// Copies the memtable of an in-memory collection without its dead rows if more than half of
    /// its rows are dead, because no compactor does so. Expired rows are counted only now and then,
    /// because counting is O(rows).
    fn shrink_in_memory(&mut self, gone: Timestamp) {
        let before = self.core.snapshot();
        let before = before.memtables.last().map_or(0, |m| m.rows.rows());
        let Some(active) = self.next.memtables.last() else {
            return;
        };
        let mut dead = active.live.dead();
        if active.rows.rows() / SHRINK_ROWS != before / SHRINK_ROWS {
            dead += active.live_expired(&active.live, gone).unwrap_or_default() as u32;
        }
        if dead < SHRINK_ROWS || dead <= active.rows.rows() - dead {
            return;
        }
        let stays = |row: &Row| active.expires_at(*row).is_ok_and(|at| at > gone);
        if let Ok(kept) = active.take(active.live.iter().filter(stays)) {
            self.core.replace_active(&mut self.next, &mut self.tables, kept);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.undo_to(0);
        *lock(&self.core.tables) = std::mem::take(&mut self.tables);
    }
}
