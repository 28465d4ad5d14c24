//! Owns the writes of a collection: it checks a batch, converts it to the logged form, and waits
//! until there is room for it. `engine::commit` carries it out.

use std::sync::Arc;

use crate::collection::batch::{Applied, Batch, Outcome, Updated, Write};
use crate::collection::handle::Collection;
use crate::collection::update::check_namespace;
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
        self.apply_in(batch, durability, None)
    }

    /// Carries out a batch, in a namespace if one is given: no memory of another one is touched, in
    /// whichever collection.
    pub(super) fn apply_in(
        &self,
        batch: Batch,
        durability: Durability,
        scope: Option<&str>,
    ) -> Result<Applied> {
        self.engine.dir.check_writable()?;
        let (writes, expired) = self.prepare(batch, scope)?;
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

    /// Checks a batch and converts it to the logged form. Of several unconditional writes to one id
    /// in a row, only the last is kept. Also returns how many memories were skipped because they
    /// have expired since they were read from a store.
    fn prepare(&self, batch: Batch, scope: Option<&str>) -> Result<(Vec<Prepared>, u64)> {
        let mut expired = 0;
        let mut writes: Vec<Option<Prepared>> = Vec::with_capacity(batch.len());
        let mut latest = std::collections::HashMap::new();
        for (target, write) in batch.writes {
            let target = target.as_ref().unwrap_or(self);
            if !Arc::ptr_eq(&target.life, &self.life) {
                return Err(Error::option("batch", "a collection is of another store"));
            }
            let Some((id, prepared)) = target.prepare_one(write, scope)? else {
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

    /// Returns the write in the form for a commit, and the id that it names if an earlier write to
    /// that id can be left out. `None` for a memory that has expired since it was read from a
    /// store.
    fn prepare_one(
        &self,
        write: Write,
        scope: Option<&str>,
    ) -> Result<Option<(Option<MemoryId>, Prepared)>> {
        let only = Condition { namespace: scope.map(str::to_owned), ..Condition::default() };
        let (memory, only, first_seq) = match write {
            Write::Insert(memory) => (memory, only, None),
            Write::InsertNew(memory) => (memory, Condition { absent: true, ..only }, None),
            Write::Supersede { old, memory } => {
                (memory, Condition { beside: Some(old), ..only }, None)
            }
            Write::Replace { memory, version } => {
                let first_seq = memory.origin.seq;
                (memory, Condition { version: Some(version), ..only }, first_seq)
            }
            Write::Delete(id) => return Ok(Some(self.prepared(Task::Delete { id, only }))),
            Write::DeleteWhere(filter) => {
                let now = self.engine.time.now();
                let filter = match (Matcher::to_delete(filter)?, scope) {
                    (filter, None) => filter,
                    (filter, scope) => Matcher::new(within(filter.filter().clone(), scope)?),
                };
                return Ok(Some(self.prepared(Task::DeleteWhere { filter, now })));
            }
            Write::Update(target, patch) => {
                let update = self.update_of(target, patch, scope)?;
                return Ok(Some(self.prepared(Task::Update(update))));
            }
        };
        let mut memory = *memory;
        if let Some(scope) = scope {
            let namespace = memory.namespace.get_or_insert_with(|| scope.to_owned());
            check_namespace(Some(namespace), Some(scope))?;
        }
        // An update may give a memory another key. Its version tells that it is still the same one.
        let key = memory.key_of_id().filter(|_| only.version.is_none()).map(str::to_owned);
        let Some(row) = self.row_of(memory, first_seq)? else { return Ok(None) };
        Ok(Some(self.prepared(Task::Insert { row, only: Condition { key, ..only } })))
    }

    /// Returns a task as a write, and the id that it names if an earlier write to that id can be
    /// left out: not if either may fail or do nothing.
    fn prepared(&self, task: Task) -> (Option<MemoryId>, Prepared) {
        let id = match &task {
            Task::Insert { row, only } if only.is_none() => Some(row.id),
            Task::Delete { id, only } if only.is_none() => Some(*id),
            _ => None,
        };
        // With unique keys, the earlier write may free the key that a write between them takes.
        let id = id.filter(|_| !self.core.options().unique_keys);
        (id, Prepared { core: Arc::clone(&self.core), task })
    }

    /// Returns the row of a memory; `None` if it has expired since it was read from a store. An
    /// update gives the sequence number of the insert, which the memory keeps.
    fn row_of(&self, mut memory: Memory, first_seq: Option<Seq>) -> Result<Option<NewRow>> {
        memory.drop_repeated_tags();
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
    fn update_of(&self, target: Updated, patch: Box<Patch>, scope: Option<&str>) -> Result<Update> {
        let now = self.engine.time.now();
        if let Some(namespace) = patch.new_namespace() {
            check_namespace(namespace, scope)?;
        }
        let only = Condition { namespace: scope.map(str::to_owned), ..Condition::default() };
        // Refused here, so that a bad patch is an error whether or not a memory matches.
        let mut memory = Memory::new(0u64, []);
        patch.apply(&mut memory)?;
        memory.check_limits()?;
        let end = patch.end().map_or(Ok(None), |lifetime| memory::end_of(lifetime, now))?;
        let change = patch.as_change();
        let target = match target {
            Updated::Id(id) => Target::Id(id, Condition { version: patch.version(), ..only }),
            Updated::IdBeside(id, other) => {
                Target::Id(id, Condition { beside: Some(other), ..only })
            }
            Updated::Where(filter) => {
                if patch.version().is_some() {
                    let reason = "a version is of one memory: update it by its id";
                    return Err(Error::option("if_version", reason));
                }
                filter.check()?;
                let filter = within(filter, scope)?;
                let rows = if change.is_some() { 0 } else { self.matching(&filter)? };
                Target::Where(Matcher::new(filter), rows)
            }
        };
        let with = match change {
            Some(change) => UpdateWith::Change(Change { expiry: end, ..change }),
            None => {
                let default_ttl = self.core.options().default_ttl;
                UpdateWith::Patch { patch: Arc::new(*patch), default_ttl }
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

/// Returns a filter that was checked, joined with the namespace of a scope.
fn within(filter: Filter, scope: Option<&str>) -> Result<Filter> {
    let Some(scope) = scope else {
        return Ok(filter);
    };
    let filter = filter.and(Filter::namespace(scope));
    filter.check_size()?;
    Ok(filter)
}
