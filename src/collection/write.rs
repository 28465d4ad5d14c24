//! Owns the writes of a collection: it checks a batch, converts it to the logged form, and waits
//! until there is room for it. `engine::commit` carries it out.

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
