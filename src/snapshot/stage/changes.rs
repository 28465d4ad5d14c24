//! Owns changes of attributes that are kept beside the rows.
//!
//! Invariant: replaying the record of a change has the same effect as the change itself. Both
//! affect only live rows whose newest operation is older. A filter cannot match other rows at a
//! replay: a row that has changed since is skipped, and one that had expired by then stays as it
//! is.

use roaring::RoaringBitmap;

use super::{Effect, Stage};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::Matcher;
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::memory::{Change, Expiry};
use crate::sabotage::broken;
use crate::segment::{Row, RowBuffer, Rows};
use crate::snapshot::Place;

impl Stage {
    /// Changes the rows with these ids.
    pub(super) fn change_ids(&mut self, ids: &[MemoryId], change: Change) -> Result<Effect> {
        let mut changed = 0;
        for id in ids {
            if self.pending_ids.contains_key(id) {
                self.flush();
            }
            let Some(place) = self.find(*id)? else { continue };
            let Some((rows, _, row)) = self.next.rows_at(place) else { continue };
            let mut is_older = rows.newest(row)? < change.seq;
            broken!(CountUsesTwice => is_older = rows.version(row)? < change.seq);
            if is_older {
                let change = settled(rows, row, change)?;
                self.change_at(place, [(row, change)]);
                changed += 1;
            }
        }
        Ok(Effect::Updated(changed))
    }

    /// Changes the rows that match and were visible at `now`.
    pub(super) fn change_where(
        &mut self,
        filter: &Matcher,
        now: Timestamp,
        change: Change,
    ) -> Result<Effect> {
        let parts = self.visible(filter, now, change.seq)?;
        self.change_all(&parts, change)
    }

    /// Returns, for each part of the snapshot, the live rows that match, were visible at `now`, and
    /// whose newest change is older than `seq`.
    pub(super) fn visible(
        &mut self,
        filter: &Matcher,
        now: Timestamp,
        seq: Seq,
    ) -> Result<Vec<RoaringBitmap>> {
        let mut parts = self.older(filter, seq)?;
        for ((rows, _), some) in self.next.parts().zip(&mut parts) {
            if let Some(unexpired) = rows.unexpired(now)? {
                *some = some.iter().filter(|row| unexpired.is_live(*row)).collect();
            }
        }
        Ok(parts)
    }

    /// Changes all of these rows of each part.
    pub(super) fn change_all(&mut self, parts: &[RoaringBitmap], change: Change) -> Result<Effect> {
        let mut changes: Vec<Vec<(Row, Change)>> = Vec::with_capacity(parts.len());
        for ((rows, _), some) in self.next.parts().zip(parts) {
            let settled = some.iter().map(|row| Ok((row, settled(rows, row, change)?)));
            changes.push(settled.collect::<Result<_>>()?);
        }
        let mut changed = 0;
        for (part, changes) in changes.into_iter().enumerate() {
            changed += changes.len() as u64;
            if !changes.is_empty() {
                self.change_at(self.next.place(part, 0), changes);
            }
        }
        Ok(Effect::Updated(changed))
    }

    /// Changes rows of the part at `place`.
    fn change_at(&mut self, place: Place, changes: impl IntoIterator<Item = (Row, Change)>) {
        match place {
            Place::Memtable(part, _) => self.next.memtables[part as usize].change(changes),
            Place::Segment(part, _) => self.next.segments[part as usize].change(changes),
        }
    }
}

/// Returns the change of one row. Added uses become all uses. A memory that becomes pinned loses an
/// end that its collection's default gave it.
fn settled(rows: &dyn Rows, row: Row, change: Change) -> Result<Change> {
    let change = match change.uses {
        Some(_) => change.of_row(rows.uses(row)?),
        None => change,
    };
    if change.pinned != Some(true) || change.expiry.is_some() {
        return Ok(change);
    }
    let mut buffer = RowBuffer::default();
    let by_default =
        record::ends_by_default(rows.body(row, &mut buffer)?).map_err(|e| rows.damaged(row, e))?;
    let never = Expiry::from(Timestamp::MAX);
    Ok(Change { expiry: by_default.then_some(never), ..change })
}
