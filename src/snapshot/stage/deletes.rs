//! Owns deletes: which rows die, and what the log has to say about it. A delete of which no row
//! dies changes nothing and is not logged: a name that nobody has stays out of every file.
//!
//! Invariant: the record of a delete does the same in a replay as the delete did, since both touch
//! only live rows that are older than it.

use roaring::RoaringBitmap;

use super::{Effect, Former, Stage};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::Matcher;
use crate::format::op::{Op, OpKind};
use crate::ids::{MemoryId, Seq};
use crate::segment::Rows;
use crate::snapshot::Place;

/// The rows that die of one delete.
struct Doomed {
    /// For each part of the snapshot: live rows that are older than the delete.
    parts: Vec<RoaringBitmap>,
    rows: u64,
    /// Those that had not expired.
    visible: u64,
}

impl Stage {
    /// Carries out one operation that is not logged yet and adds its record to `payload`, unless
    /// the collection is in-memory. Tells whether anything changed: otherwise there is no record,
    /// and the sequence number is free. `expires_at` is what the body of an insert says.
    pub(crate) fn write(
        &mut self,
        op: Op,
        expires_at: Timestamp,
        payload: &mut Vec<u8>,
    ) -> Result<(Effect, bool)> {
        let Op { collection, seq, kind } = op;
        let logged = !self.core.is_in_memory();
        let (effect, record) = match kind {
            OpKind::Delete { id } => {
                let (effect, died) = self.delete(id, seq)?;
                (effect, died.then_some(OpKind::Delete { id }))
            }
            OpKind::DeleteWhere { filter, now } => {
                let doomed = self.doomed(&filter, now, seq)?;
                let ids = || self.ids_of(&doomed);
                let record = OpKind::of_deleted(filter, now, doomed.rows, ids)?;
                (self.kill_all(doomed)?, record)
            }
            kind @ (OpKind::Insert { .. } | OpKind::DeleteIds { .. }) => {
                let op = Op { collection, seq, kind };
                if logged {
                    op.encode(payload);
                }
                return Ok((self.apply(op, expires_at)?, true));
            }
        };
        let Some(kind) = record else {
            return Ok((effect, false));
        };
        self.saw(seq);
        if logged {
            Op { collection, seq, kind }.encode(payload);
        }
        Ok((effect, true))
    }

    /// Marks the row with this id as dead; tells whether there was one that was older.
    pub(super) fn delete(&mut self, id: MemoryId, seq: Seq) -> Result<(Effect, bool)> {
        // Not always: a batch of inserts and deletes would become as many small blocks.
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

    /// All live rows that match and are older than `seq`; those that were visible at `now` are
    /// counted. What the filter takes, and O(rows that match).
    fn doomed(&mut self, filter: &Matcher, now: Timestamp, seq: Seq) -> Result<Doomed> {
        self.flush();
        // No row is younger than the newest operation that is here: a look at each, which would
        // read a page of a file for many, is for replays of what was carried out before.
        let all_older = self.next.visible < seq;
        let mut doomed = Doomed { parts: Vec::new(), rows: 0, visible: 0 };
        for (rows, live) in self.next.parts() {
            let mut dying = RoaringBitmap::new();
            for row in rows.select(filter)?.iter().filter(|row| live.is_live(*row)) {
                if all_older || rows.seq(row)? < seq {
                    dying.insert(row);
                }
            }
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

    fn ids_of(&self, doomed: &Doomed) -> Result<Vec<MemoryId>> {
        let parts = self.next.parts().zip(&doomed.parts);
        let ids = parts.flat_map(|((rows, _), dying)| dying.iter().map(|row| rows.id(row)));
        ids.collect()
    }

    /// A few bytes for each 4,096 rows of a segment with one, beside O(rows).
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
