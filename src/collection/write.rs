//! Owns the writes of a collection: checks a batch, brings it into the form that is logged, and
//! waits until there is room for it. How it is carried out is `engine::commit`.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::batch::{Applied, Batch, Outcome, Write};
use crate::collection::handle::Collection;
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::format::op::OpKind;
use crate::format::record;
use crate::ids::MemoryId;
use crate::memory::{self, Memory};
use crate::options::Durability;
use crate::snapshot::stage::{Effect, Prepared};
use crate::vector::metric::prepare;

impl Collection {
    /// Adds a memory. One with the same id is replaced, as in a map. A memory that a store gave
    /// back and that has expired since is passed over: [`Outcome::Expired`].
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::InvalidVector`], [`Error::LimitExceeded`] and
    /// [`Error::InvalidOption`] for what the memory itself says; [`Error::DiskFull`] and
    /// [`Error::Io`] if it could not be logged (nothing changed then); [`Error::CommitUnknown`] if
    /// the sync failed.
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

    /// Deletes a memory. Returns whether one was visible. It is gone for readers at once, and its
    /// bytes are reclaimed by compaction. An id that no memory has leaves no trace in the log.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Closed`], and what [`Collection::insert`] lists for a record
    /// that could not be logged or synced.
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

    /// Deletes every memory that matches, in one atomic step with one record in the log, and
    /// returns how many were visible. Memories inserted later with the same attributes are not
    /// affected. The record has the filter or the ids of what died, whichever is shorter. Where
    /// nothing matches there is none, and no name of the filter gets into a file.
    ///
    /// O(rows in RAM + rows that match + filter), and some steps for each segment; a filter on a
    /// range also looks at one column of all rows.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the filter holds for every memory and is not [`Filter::All`],
    /// and for what else [`Filter`] lists; [`Error::LimitExceeded`] if it is too deep or too large;
    /// what [`Collection::insert`] lists for a record that could not be logged or synced.
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

    /// Carries out a batch, all of it or nothing, with the collection's durability.
    ///
    /// # Errors
    ///
    /// As for [`Collection::insert`], and [`Error::LimitExceeded`] past
    /// [`Batch::MAX_BYTES`]: split it into smaller ones.
    #[doc(alias = "insert_many")]
    #[doc(alias = "write")]
    pub fn apply(&self, batch: Batch) -> Result<Applied> {
        self.apply_with(batch, self.core.options().durability)
    }

    /// Carries out a batch, all of it or nothing, with a durability of its own.
    /// [`Durability::Sync`] also makes every earlier write of the store durable.
    ///
    /// # Errors
    ///
    /// As for [`Collection::apply`].
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
            }
        }
        Ok(applied)
    }

    /// Makes every write to the store that was acknowledged before durable.
    ///
    /// # Errors
    ///
    /// [`Error::CommitUnknown`] if the sync failed, [`Error::Poisoned`] if an earlier one did.
    #[doc(alias = "flush")]
    pub fn sync(&self) -> Result<()> {
        self.engine.log.sync().map(drop)
    }

    /// Checks a batch and brings it into the form that is logged. An id that is named several times
    /// keeps the last write to it, between two `delete_where`. Also how many memories have expired
    /// since a store gave them back: these are passed over.
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

    /// The write ready for the commit, and the id that it names. `None` for a memory that has
    /// expired since a store gave it back.
    fn prepare_one(&self, write: Write) -> Result<Option<(Option<MemoryId>, Prepared)>> {
        let (id, kind, expires_at) = match write {
            Write::Delete(id) => (Some(id), OpKind::Delete { id }, Timestamp::MAX),
            Write::DeleteWhere(filter) => {
                let (filter, now) = (Matcher::to_delete(filter)?, self.engine.time.now());
                (None, OpKind::DeleteWhere { filter, now }, Timestamp::MAX)
            }
            Write::Insert(mut memory) => {
                memory.check_limits()?;
                let (spec, id, now) = (self.core.spec, memory.id, self.engine.time.now());
                let default_ttl = self.core.options().default_ttl;
                let Some(expiry) = memory::expiry(&memory, default_ttl, now)? else {
                    return Ok(None);
                };
                let norm = prepare(spec.metric, spec.dimension, Some(id), &mut memory.vector)?;
                let created_at = memory.created_at.unwrap_or(now);
                let expires_at = expiry.at;
                let body = record::encode_body(&memory, created_at, expiry);
                let kind = OpKind::Insert { id, norm, vector: memory.vector, body };
                (Some(id), kind, expires_at)
            }
        };
        Ok(Some((id, Prepared { core: Arc::clone(&self.core), kind, expires_at })))
    }
}
