//! Owns the writes of a collection: it checks a batch, converts it to the logged form, and waits
//! until there is room for it. `engine::commit` carries it out.

use std::sync::Arc;

use crate::collection::batch::{Applied, Batch, Outcome, Updated, Write};
use crate::collection::handle::Collection;
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::memory::{self, Change, Memory, Patch};
use crate::options::Durability;
use crate::segment::NewRow;
use crate::snapshot::stage::{Condition, Effect, Prepared, Target, Task, Update, UpdateWith};
use crate::vector::metric::prepare;

impl Collection {
    /// Adds a memory. Replaces a memory with the same id, as in a map. A memory that was read from
    /// a store and has expired since is skipped: [`Outcome::Expired`].
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::InvalidVector`], [`Error::LimitExceeded`] and
    /// [`Error::InvalidOption`] for an invalid memory. [`Error::DiskFull`] and [`Error::Io`] if it
    /// could not be logged; nothing changed then. [`Error::CommitUnknown`] if the sync failed.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Outcome, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// assert_eq!(notes.insert(Memory::new(1, [0.0, 1.0]))?, Outcome::Inserted);
    /// assert_eq!(notes.insert(Memory::new(1, [1.0, 0.0]))?, Outcome::Replaced);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "add")]
    #[doc(alias = "put")]
    #[doc(alias = "upsert")]
    pub fn insert(&self, memory: Memory) -> Result<Outcome> {
        let applied = self.apply(Batch::new().insert(memory))?;
        Ok(match applied {
            Applied { expired: 1.., .. } => Outcome::Expired,
            Applied { replaced: 1.., .. } => Outcome::Replaced,
            _ => Outcome::Inserted,
        })
    }

    /// Deletes a memory. Returns true if one was visible. Readers no longer see it, and compaction
    /// reclaims its bytes. Deleting an id that no memory has leaves no trace in the log.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Closed`], and the errors of [`Collection::insert`] for a
    /// record that could not be logged or synced.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]))?;
    /// assert!(notes.delete(1)?);
    /// assert!(!notes.delete(1)?);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "remove")]
    pub fn delete(&self, id: impl Into<MemoryId>) -> Result<bool> {
        Ok(self.apply(Batch::new().delete(id))?.deleted > 0)
    }

    /// Deletes every memory that matches, in one atomic step with one record in the log. Returns
    /// how many were visible. Memories that are inserted later with the same attributes are not
    /// affected. The record holds the filter or the ids of the dead memories, whichever is shorter.
    /// If nothing matches there is no record, and no name in the filter gets into a file.
    ///
    /// O(rows in RAM + rows that match + filter), and some steps per segment. A filter on a range
    /// also reads one column of all rows.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the filter matches every memory and is not [`Filter::All`], and
    /// for the other cases that [`Filter`] lists. [`Error::LimitExceeded`] if it is too deep or too
    /// large. The errors of [`Collection::insert`] for a record that could not be logged or synced.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).namespace("user:42"))?;
    /// assert_eq!(notes.delete_where(Filter::namespace("user:42"))?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "clear")]
    #[doc(alias = "forget")]
    pub fn delete_where(&self, filter: Filter) -> Result<u64> {
        Ok(self.apply(Batch::new().delete_where(filter))?.deleted)
    }

    /// Carries out a batch, as a whole or not at all, with the collection's durability.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::insert`], and [`Error::LimitExceeded`] past
    /// [`Batch::MAX_BYTES`]: split the batch into smaller ones.
    #[doc(alias = "insert_many")]
    #[doc(alias = "write")]
    pub fn apply(&self, batch: Batch) -> Result<Applied> {
        self.apply_with(batch, self.core.options().durability)
    }

    /// Carries out a batch, as a whole or not at all, with its own durability. [`Durability::Sync`]
    /// also makes every earlier write of the store durable.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::apply`].
    pub fn apply_with(&self, batch: Batch, durability: Durability) -> Result<Applied> {
        self.engine.dir.check_writable()?;
        let (writes, expired) = self.prepare(batch)?;
        self.engine.admission.admit(&writes)?;
        let mut applied = Applied { expired, ..Applied::default() };
        for effect in self.engine.committer.commit(writes, durability)? {
            match effect {
                Effect::Inserted => applied.inserted += 1,
                Effect::Replaced => applied.replaced += 1,
                Effect::Deleted(count) => applied.deleted += count,
                Effect::Updated(count) => applied.updated += count,
                Effect::Exists => applied.existing += 1,
                Effect::Missing => applied.missing += 1,
                Effect::Conflict => applied.conflicts += 1,
            }
        }
        Ok(applied)
    }

    /// Waits until every write to the store that was acknowledged before the call survives a power
    /// cut. The same as [`Store::sync`](crate::Store::sync): all collections of a store share one
    /// log. Needed only after writes under [`Durability::Buffered`]; other writes have waited
    /// already.
    ///
    /// # Errors
    ///
    /// The same as for [`Store::sync`](crate::Store::sync).
    #[doc(alias = "flush")]
    pub fn sync(&self) -> Result<()> {
        self.engine.log.sync().map(drop)
    }

    /// Checks a batch and converts it to the logged form. Of several writes to one id between two
    /// `delete_where`, only the last is kept. Also returns how many memories were skipped because
    /// they have expired since they were read from a store.
    fn prepare(&self, batch: Batch) -> Result<(Vec<Prepared>, u64)> {
        let mut expired = 0;
        let mut writes: Vec<Option<Prepared>> = Vec::with_capacity(batch.len());
        let mut latest = std::collections::HashMap::new();
        for (target, write) in batch.writes {
            let target = target.as_ref().unwrap_or(self);
            if !Arc::ptr_eq(&target.life, &self.life) {
                return Err(Error::option("batch", "a collection is of another store"));
            }
            let Some((id, prepared)) = target.prepare_one(write)? else {
                expired += 1;
                continue;
            };
            match id {
                Some(id) => {
                    if let Some(before) = latest.insert((target.core.id, id), writes.len()) {
                        writes[before] = None;
                    }
                }
                None => latest.clear(),
            }
            writes.push(Some(prepared));
        }
        Ok((writes.into_iter().flatten().collect(), expired))
    }

    /// Returns the write in the form for a commit, and the id that it names. `None` for a memory
    /// that has expired since it was read from a store.
    fn prepare_one(&self, write: Write) -> Result<Option<(Option<MemoryId>, Prepared)>> {
        let (id, task) = match write {
            Write::Delete(id) => (Some(id), Task::Delete { id, only: Condition::default() }),
            Write::DeleteWhere(filter) => {
                let (filter, now) = (Matcher::to_delete(filter)?, self.engine.time.now());
                (None, Task::DeleteWhere { filter, now })
            }
            Write::Insert(memory) => {
                let id = memory.id;
                let Some(row) = self.row_of(*memory, None)? else { return Ok(None) };
                (Some(id), Task::Insert { row, only: Condition::default() })
            }
            Write::InsertNew(memory) => {
                let only = Condition { absent: true, ..Condition::default() };
                let Some(row) = self.row_of(*memory, None)? else { return Ok(None) };
                (None, Task::Insert { row, only })
            }
            Write::Supersede { old, memory } => {
                let only = Condition { beside: Some(old), ..Condition::default() };
                let Some(row) = self.row_of(*memory, None)? else { return Ok(None) };
                (None, Task::Insert { row, only })
            }
            Write::Replace { memory, version } => {
                let only = Condition { version: Some(version), ..Condition::default() };
                let first = memory.origin.seq;
                let Some(row) = self.row_of(*memory, first)? else { return Ok(None) };
                (None, Task::Insert { row, only })
            }
            Write::Update(target, patch) => (None, Task::Update(self.update_of(target, patch)?)),
        };
        Ok(Some((id, Prepared { core: Arc::clone(&self.core), task })))
    }

    /// Returns the row of a memory; `None` if it has expired since it was read from a store. An
    /// update gives the sequence number of the insert, which the memory keeps.
    fn row_of(&self, mut memory: Memory, first_seq: Option<Seq>) -> Result<Option<NewRow>> {
        memory.check_limits()?;
        let (spec, id, now) = (self.core.spec, memory.id, self.engine.time.now());
        let default_ttl = self.core.options().default_ttl;
        let Some(expiry) = memory::expiry(&memory, default_ttl, now)? else {
            return Ok(None);
        };
        let norm = prepare(spec.metric, spec.dimension, Some(id), &mut memory.vector)?;
        let created_at = memory.created_at.unwrap_or(now);
        let mut body = record::encode_body(&memory, created_at, expiry);
        if let Some(seq) = first_seq {
            record::add_first_seq(&mut body, seq);
        }
        let (vector, expires_at) = (memory.vector, expiry.at);
        Ok(Some(NewRow { id, seq: Seq::ZERO, norm, vector, body, expires_at }))
    }

    /// Returns an update in the form for a commit.
    fn update_of(&self, target: Updated, patch: Patch) -> Result<Update> {
        let now = self.engine.time.now();
        // Refused here, so that a bad patch is an error whether or not a memory matches.
        let mut memory = Memory::new(0u64, []);
        patch.apply(&mut memory)?;
        memory.check_limits()?;
        let end = patch.end().map_or(Ok(None), |lifetime| memory::end_of(lifetime, now))?;
        let target = match target {
            Updated::Id(id) => {
                let only = Condition { version: patch.version(), ..Condition::default() };
                Target::Id(id, only)
            }
            Updated::IdBeside(id, other) => {
                Target::Id(id, Condition { beside: Some(other), ..Condition::default() })
            }
            Updated::Where(filter) => {
                if patch.version().is_some() {
                    let reason = "a version is of one memory: update it by its id";
                    return Err(Error::option("if_version", reason));
                }
                filter.check()?;
                let rows = if patch.as_change().is_some() { 0 } else { self.matching(&filter)? };
                Target::Where(Matcher::new(filter), rows)
            }
        };
        let with = match patch.as_change() {
            Some(change) => UpdateWith::Change(Change { expiry: end, ..change }),
            None => {
                let default_ttl = self.core.options().default_ttl;
                UpdateWith::Patch { patch: Arc::new(patch), default_ttl }
            }
        };
        Ok(Update { target, with })
    }

    /// Returns how many memories match, visible or not.
    fn matching(&self, filter: &Filter) -> Result<u64> {
        let (snapshot, filter) = (self.core.snapshot(), Matcher::new(filter.clone()));
        let parts = snapshot.parts().map(|(rows, _)| Ok(rows.select(&filter, &mut 0)?.len()));
        parts.sum()
    }
}
