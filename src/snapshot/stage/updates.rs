//! Owns the carrying out of the writes of a batch, with their conditions, and of updates: which
//! rows they change, and what is logged.

use roaring::RoaringBitmap;

use super::task::{Condition, Target, Task, Update, UpdateWith};
use super::{Effect, Stage};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::Matcher;
use crate::format::op::{Op, OpKind};
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::memory::{self, Change, End, Patch};
use crate::segment::{NewRow, RowBuffer};
use crate::snapshot::Place;
use crate::snapshot::keys::keyed;

/// Gives out the sequence numbers of a batch, ascending.
pub(crate) trait Sequence {
    /// Returns the next number, which stays free until it is taken.
    fn next(&self) -> Seq;
    fn take(&self, seq: Seq);
}

/// The answer of a condition.
enum Verdict {
    Go,
    Skip(Effect),
}

impl Stage {
    /// Carries out one write of a batch. Adds its records to `payload`, unless the collection is
    /// in-memory. Takes a sequence number for each record.
    pub(crate) fn carry_out(
        &mut self,
        task: Task,
        sequence: &dyn Sequence,
        payload: &mut Vec<u8>,
    ) -> Result<Effect> {
        let kind = match task {
            Task::Insert { row, only } => {
                if let Verdict::Skip(effect) = self.verdict(row.id, &only, true)? {
                    return Ok(effect);
                }
                return self.add(row, sequence, payload);
            }
            Task::Delete { id, only } => {
                if let Verdict::Skip(_) = self.verdict(id, &only, false)? {
                    return Ok(Effect::Deleted(0));
                }
                OpKind::Delete { id }
            }
            Task::DeleteWhere { filter, now } => OpKind::DeleteWhere { filter, now },
            Task::Update(update) => return self.update(update, sequence, payload),
            Task::Use(uses) => return self.add_uses(uses, sequence, payload),
        };
        let op = Op { collection: self.core.id, seq: sequence.next(), kind };
        let seq = op.seq;
        let (effect, changed) = self.write_delete(op, payload)?;
        if changed {
            sequence.take(seq);
        }
        Ok(effect)
    }

    /// Adds a row and logs it.
    fn add(
        &mut self,
        row: NewRow,
        sequence: &dyn Sequence,
        payload: &mut Vec<u8>,
    ) -> Result<Effect> {
        let NewRow { id, norm, vector, body, expires_at, .. } = row;
        if self.unique_keys {
            self.check_unique(id, &body)?;
        }
        let kind = OpKind::Insert { id, norm, vector, body };
        let op = Op { collection: self.core.id, seq: sequence.next(), kind };
        self.log(&op, payload);
        sequence.take(op.seq);
        self.apply(op, expires_at)
    }

    /// Returns the visible memory with this id.
    fn current(&mut self, id: MemoryId) -> Result<Option<Place>> {
        if self.pending_ids.contains_key(&id) {
            self.flush();
        }
        let Some(place) = self.find(id)? else { return Ok(None) };
        let visible = match self.next.rows_at(place) {
            Some((rows, _, row)) => rows.expires_at(row)? > self.now,
            None => false,
        };
        Ok(visible.then_some(place))
    }

    /// Returns true if the memory with this id is visible and, if a namespace is given, in it.
    pub(super) fn is_visible(&mut self, id: MemoryId, namespace: Option<&str>) -> Result<bool> {
        let Some(place) = self.current(id)? else { return Ok(false) };
        let Some((rows, _, row)) = self.next.rows_at(place) else { return Ok(false) };
        if namespace.is_none() {
            return Ok(true);
        }
        let mut buffer = RowBuffer::default();
        Ok(rows.attributes(row, &mut buffer)?.namespace == namespace)
    }

    /// Returns whether a write of the memory with this id is to be carried out. `is_insert` is true
    /// for a write that needs no memory with the id.
    fn verdict(&mut self, id: MemoryId, only: &Condition, is_insert: bool) -> Result<Verdict> {
        if only.is_none() {
            return Ok(Verdict::Go);
        }
        if let Some(other) = only.beside
            && !self.is_visible(other, only.namespace.as_deref())?
        {
            return Ok(Verdict::Skip(Effect::Missing));
        }
        let is_insert = is_insert && only.version.is_none();
        let place = self.current(id)?;
        let Some((rows, _, row)) = place.and_then(|place| self.next.rows_at(place)) else {
            return Ok(if is_insert { Verdict::Go } else { Verdict::Skip(Effect::Missing) });
        };
        // Whose memory it is comes first, so that a scope learns nothing of another namespace.
        if only.namespace.is_some() || only.key.is_some() {
            let mut buffer = RowBuffer::default();
            let of = rows.attributes(row, &mut buffer)?;
            let other = |wanted: &Option<String>, is: Option<&str>| {
                wanted.as_deref().is_some_and(|wanted| is != Some(wanted))
            };
            match (other(&only.namespace, of.namespace), is_insert) {
                (true, true) => return Err(Error::IdTaken { id }),
                (true, false) => return Ok(Verdict::Skip(Effect::Missing)),
                (false, _) => {}
            }
            if other(&only.key, of.key) {
                return Err(Error::IdTaken { id });
            }
        }
        if only.absent {
            return Ok(Verdict::Skip(Effect::Exists));
        }
        let other_version = only.version.map_or(Ok(false), |v| rows.version(row).map(|is| is != v));
        Ok(if other_version? { Verdict::Skip(Effect::Conflict) } else { Verdict::Go })
    }

    /// Fails if a row that is to be added has the key of another visible memory of its namespace.
    fn check_unique(&mut self, id: MemoryId, body: &[u8]) -> Result<()> {
        let of = record::attributes(id, body)
            .map_err(|e| Error::internal(format!("the body of a new row: {}", e.reason)))?;
        let Some(key) = of.key else { return Ok(()) };
        self.flush();
        let found = keyed(&self.next, key, Some(of.namespace), self.now)?;
        match found.into_iter().find(|(_, other)| *other != id) {
            Some((_, id)) => Err(Error::KeyTaken { key: key.to_owned(), id }),
            None => Ok(()),
        }
    }

    fn update(
        &mut self,
        update: Update,
        sequence: &dyn Sequence,
        payload: &mut Vec<u8>,
    ) -> Result<Effect> {
        match (update.target, update.with) {
            (Target::Id(id, only), with) => {
                if let Verdict::Skip(effect) = self.verdict(id, &only, false)? {
                    return Ok(effect);
                }
                match with {
                    UpdateWith::Change(_) if self.current(id)?.is_none() => Ok(Effect::Missing),
                    UpdateWith::Change(change) if change.is_empty() => Ok(Effect::Updated(1)),
                    UpdateWith::Change(change) => self.change_one(id, change, sequence, payload),
                    UpdateWith::Patch { patch, default_ttl } => {
                        let Some(row) = self.patched(id, &patch, default_ttl)? else {
                            return Ok(Effect::Missing);
                        };
                        self.add(row, sequence, payload)?;
                        Ok(Effect::Updated(1))
                    }
                }
            }
            (Target::Where(filter, _), UpdateWith::Change(change)) => {
                self.change_matching(filter, change, sequence, payload)
            }
            (Target::Where(filter, _), UpdateWith::Patch { patch, default_ttl }) => {
                let mut updated = 0;
                let parts = self.visible(&filter, self.now, Seq(u64::MAX))?;
                for id in self.ids_of(&parts)? {
                    if let Some(row) = self.patched(id, &patch, default_ttl)? {
                        self.add(row, sequence, payload)?;
                        updated += 1;
                    }
                }
                Ok(Effect::Updated(updated))
            }
        }
    }

    fn change_matching(
        &mut self,
        filter: Matcher,
        change: Change,
        sequence: &dyn Sequence,
        payload: &mut Vec<u8>,
    ) -> Result<Effect> {
        let (now, seq) = (self.now, sequence.next());
        let parts = self.visible(&filter, now, seq)?;
        let rows = parts.iter().map(RoaringBitmap::len).sum();
        if rows == 0 || change.is_empty() {
            return Ok(Effect::Updated(rows));
        }
        let change = Change { seq, ..change };
        let kind = OpKind::of_changed(filter, now, change, rows, || self.ids_of(&parts))?;
        self.log(&Op { collection: self.core.id, seq, kind }, payload);
        sequence.take(seq);
        let effect = self.change_all(&parts, change);
        self.saw(seq);
        effect
    }

    fn change_one(
        &mut self,
        id: MemoryId,
        change: Change,
        sequence: &dyn Sequence,
        payload: &mut Vec<u8>,
    ) -> Result<Effect> {
        let seq = sequence.next();
        let kind = OpKind::ChangeIds { ids: vec![id], change: Change { seq, ..change } };
        let op = Op { collection: self.core.id, seq, kind };
        self.log(&op, payload);
        sequence.take(seq);
        self.apply(op, Timestamp::MAX)
    }

    /// Returns the row that takes the place of the visible one with this id; `None` if there is
    /// none, or if the patch ends its life in the past.
    fn patched(
        &mut self,
        id: MemoryId,
        patch: &Patch,
        default_ttl: Option<std::time::Duration>,
    ) -> Result<Option<NewRow>> {
        let Some(place) = self.current(id)? else { return Ok(None) };
        let Some((rows, _, row)) = self.next.rows_at(place) else { return Ok(None) };
        let mut buffer = RowBuffer::default();
        let found = rows.row(row, &mut buffer)?;
        let damaged = |e: crate::format::DecodeError| Error::Metadata {
            reason: format!("memory {id}: {}", e.reason),
        };
        let mut memory = record::decode_memory(id, Vec::new(), found.body).map_err(damaged)?;
        let first_seq = memory.origin.seq.unwrap_or(found.seq);
        patch.apply(&mut memory)?;
        memory.check_limits().map_err(|error| match error {
            Error::InvalidOption { name, reason } => {
                Error::option(name, format!("memory {id}: {reason}"))
            }
            other => other,
        })?;
        if memory.origin.end == End::Given && memory.expiry().is_some_and(|at| at <= self.now) {
            let reason =
                format!("{} is not after now, {}", memory.expiry().unwrap_or(self.now), self.now);
            return Err(Error::option("expires_at", reason));
        }
        let Some(expiry) = memory::expiry(&memory, default_ttl, self.now)? else {
            return Ok(None);
        };
        let created_at = memory.created_at.unwrap_or(self.now);
        let mut body = record::encode_body(&memory, created_at, expiry);
        record::add_first_seq(&mut body, first_seq);
        let (vector, norm) = (found.vector.to_vec(), found.norm);
        Ok(Some(NewRow { id, seq: Seq::ZERO, norm, vector, body, expires_at: expiry.at }))
    }
}
