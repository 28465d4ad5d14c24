//! Owns deletes: which rows die, and what is logged. A delete that kills no row changes nothing and
//! is not logged, so an id that no memory has stays out of every file.
//!
//! Invariant: replaying the record of a delete has the same effect as the delete itself, because
//! both affect only live rows that are older than it.

use roaring::RoaringBitmap;

use super::{Effect, Former, Stage};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::Matcher;
use crate::format::op::{Op, OpKind};
use crate::ids::{MemoryId, Seq};
use crate::segment::Rows;
use crate::snapshot::Place;

/// The rows that one delete kills.
struct Doomed {
    /// For each part of the snapshot, the live rows that are older than the delete.
    parts: Vec<RoaringBitmap>,
    rows: u64,
    /// How many of the rows had not expired.
    visible: u64,
}

impl Stage {
    /// Carries out a delete that is not logged yet. Adds its record to `payload`, unless the
    /// collection is in-memory. The flag in the result is true if anything changed. Otherwise there
    /// is no record, and the sequence number is free.
    pub(super) fn write_delete(&mut self, op: Op, payload: &mut Vec<u8>) -> Result<(Effect, bool)> {
        let Op { collection, seq, kind } = op;
        let (effect, record) = match kind {
            OpKind::Delete { id } => {
                let (effect, died) = self.delete(id, seq)?;
                (effect, died.then_some(OpKind::Delete { id }))
            }
            OpKind::DeleteWhere { filter, now } => {
                let doomed = self.doomed(&filter, now, seq)?;
                let ids = || self.ids_of(&doomed.parts);
                let record = OpKind::of_deleted(filter, now, doomed.rows, ids)?;
                (self.kill_all(doomed)?, record)
            }
            _ => return Err(Error::internal("this operation is no delete")),
        };
        let Some(kind) = record else {
            return Ok((effect, false));
        };
        self.saw(seq);
        self.log(&Op { collection, seq, kind }, payload);
        Ok((effect, true))
    }

    /// Marks the row with this id as dead if it is older than `seq`. Returns the effect, and true
    /// if a row died.
    pub(super) fn delete(&mut self, id: MemoryId, seq: Seq) -> Result<(Effect, bool)> {
        // Flushed only if needed: otherwise a batch that mixes inserts and deletes would become
        // many small blocks.
        if self.pending_ids.contains_key(&id) {
            self.flush();
        }
        let former = self.kill(id, seq)?;
        let died = matches!(former, Former::Expired | Former::Visible);
        Ok((Effect::Deleted(u64::from(former == Former::Visible)), died))
    }

    /// Marks all live rows that match and are older than `seq` as dead.
    pub(super) fn delete_where(
        &mut self,
        filter: &Matcher,
        now: Timestamp,
        seq: Seq,
    ) -> Result<Effect> {
        let doomed = self.doomed(filter, now, seq)?;
        self.kill_all(doomed)
    }

    /// Returns all live rows that match and are older than `seq`, and counts those that were
    /// visible at `now`. Costs the evaluation of the filter plus O(rows that match).
    fn doomed(&mut self, filter: &Matcher, now: Timestamp, seq: Seq) -> Result<Doomed> {
        let parts = self.older(filter, seq)?;
        let mut doomed = Doomed { parts: Vec::with_capacity(parts.len()), rows: 0, visible: 0 };
        for ((rows, _), dying) in self.next.parts().zip(parts) {
            doomed.rows += dying.len();
            doomed.visible += match rows.unexpired(now)? {
                None => dying.len(),
                Some(unexpired) => {
                    dying.iter().filter(|row| unexpired.is_live(*row)).count() as u64
                }
            };
            doomed.parts.push(dying);
        }
        Ok(doomed)
    }

    /// Kills the rows. O(rows), plus a few bytes per 4,096 rows of each affected segment.
    fn kill_all(&mut self, doomed: Doomed) -> Result<Effect> {
        let mut parts = doomed.parts.into_iter();
        for (part, rows) in (0..self.next.memtables.len()).zip(parts.by_ref()) {
            for row in &rows {
                let id = self.next.memtables[part].rows.id(row)?;
                self.kill_at(Place::Memtable(part as u32, row), id);
            }
        }
        for (part, rows) in self.next.segments.iter_mut().zip(parts) {
            part.live.kill_all(&rows);
        }
        Ok(Effect::Deleted(doomed.visible))
    }
}
