//! Owns `Batch`, several writes that become visible and durable together, and what they did:
//! `Applied` counts it for a batch, `Outcome` says it for one write. Plain data. `engine::commit`
//! carries a batch out.

use std::fmt;

use serde::Serialize;

use crate::collection::handle::Collection;
use crate::filter::Filter;
use crate::format::frame::MAX_PAYLOAD_BYTES;
use crate::format::{op, record};
use crate::ids::{MemoryId, Seq};
use crate::memory::{Memory, Patch};

/// What a write of one memory did: [`Collection::insert`], [`insert_new`](Collection::insert_new),
/// [`patch`](Collection::patch), [`update`](Collection::update) and
/// [`supersede`](Collection::supersede).
///
/// A write that found nothing to do is no error. If that matters, compare the outcome or `match` on
/// it.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Metric, Outcome, Patch, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
/// let shown = match notes.patch(7, Patch::new().importance(0.9))? {
///     Outcome::Updated => "noted".to_owned(),
///     other => other.to_string(),
/// };
/// assert_eq!(shown, "nothing written: no memory with the id is visible");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Outcome {
    /// No memory with this id was visible before.
    Inserted,
    /// A memory with this id was visible and was replaced.
    Replaced,
    /// A memory was updated.
    Updated,
    /// No memory with this id is visible. Nothing was written.
    Missing,
    /// A memory with this id is visible, and only a new one was to be written. It stays as it is.
    Exists,
    /// The memory has another version than the one asked for. It stays as it is.
    Conflict,
    /// The memory was read from a store and its lifetime has ended since. Nothing was written. A
    /// memory with the same id stays as it was.
    Expired,
}

impl fmt::Display for Outcome {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Inserted => "inserted",
            Self::Replaced => "replaced",
            Self::Updated => "updated",
            Self::Missing => "nothing written: no memory with the id is visible",
            Self::Exists => "nothing written: a memory with the id exists",
            Self::Conflict => "nothing written: the memory has another version",
            Self::Expired => "nothing written: the memory has expired",
        })
    }
}

/// The counts of what a batch did. An id that the batch names several times counts once, for its
/// last write. Counting starts again after a `delete_where`. Writes under a condition count each by
/// itself: updates, inserts of new memories only and of keyed ones, and all writes through a scope
/// or to a collection with unique keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Applied {
    /// Inserts of new ids.
    pub inserted: u64,
    /// Inserts that replaced a visible memory.
    pub replaced: u64,
    /// Visible memories that were deleted.
    pub deleted: u64,
    /// Inserts of memories that were read from a store and whose lifetimes have ended since. They
    /// were skipped, as if they were not in the batch.
    pub expired: u64,
    /// Visible memories that were updated.
    pub updated: u64,
    /// Updates of ids that no memory has.
    pub missing: u64,
    /// Inserts of new memories only, whose id a memory has.
    pub existing: u64,
    /// Updates of memories that had another version.
    pub conflicts: u64,
}

impl fmt::Display for Applied {
    /// One line with the counts that are not 0.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{Batch, CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// let batch: Batch = (1..4_u64).map(|id| Memory::new(id, [0.0, 1.0])).collect();
    /// assert_eq!(notes.apply(batch)?.to_string(), "3 inserted");
    /// assert_eq!(notes.apply(Batch::new())?.to_string(), "nothing changed");
    /// # Ok(()) }
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inserted, replaced, deleted, expired, updated, missing, existing, conflicts } =
            *self;
        let counts = [
            (inserted, "inserted"),
            (replaced, "replaced"),
            (updated, "updated"),
            (deleted, "deleted"),
            (missing, "missing"),
            (existing, "skipped because they exist"),
            (conflicts, "skipped because their versions differ"),
            (expired, "skipped because they have expired"),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        if parts.is_empty() { f.pad("nothing changed") } else { f.pad(&parts.join(", ")) }
    }
}

/// Several writes, all or none. They become durable together, and a reader of a collection sees all
/// of the batch's writes to it, or none. A batch has at most [`Batch::MAX_BYTES`].
///
/// The writes are carried out in the order in which they were added, and their sequence numbers
/// ascend in that order ([`Memory::seq`]).
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{Batch, CollectionOptions, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
/// let facts = store.collection("facts", CollectionOptions::new(2, Metric::L2))?;
/// let batch = Batch::new()
///     .insert(Memory::new(1, [0.0, 1.0]))
///     .delete(2)
///     .insert_into(&facts, Memory::new(1, [1.0, 0.0]));
/// let applied = notes.apply(batch)?;
/// assert_eq!(applied.inserted, 2);
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[must_use = "a batch does nothing until it is applied"]
pub struct Batch {
    pub(crate) writes: Vec<(Option<Collection>, Write)>,
}

/// One write.
#[derive(Debug)]
pub(crate) enum Write {
    Insert(Box<Memory>),
    Delete(MemoryId),
    DeleteWhere(Filter),
    /// Adds a memory if none with its id is visible.
    InsertNew(Box<Memory>),
    /// Adds a memory that takes the place of an older fact, if that is visible.
    Supersede {
        old: MemoryId,
        memory: Box<Memory>,
    },
    /// Replaces a memory by an update of it, if it still has this version.
    Replace {
        memory: Box<Memory>,
        version: Seq,
    },
    Update(Updated, Box<Patch>),
}

/// What a patch is applied to.
#[derive(Debug)]
pub(crate) enum Updated {
    Id(MemoryId),
    /// The first, if the second is visible.
    IdBeside(MemoryId, MemoryId),
    Where(Filter),
}

impl Write {
    fn bytes(&self) -> usize {
        op::MAX_HEAD_BYTES.saturating_add(match self {
            Self::Insert(memory)
            | Self::InsertNew(memory)
            | Self::Supersede { memory, .. }
            | Self::Replace { memory, .. } => {
                record::body_bound(memory).saturating_add(memory.vector.len().saturating_mul(4))
            }
            Self::Delete(_) => 0,
            Self::DeleteWhere(filter) => op::filter_bytes(filter),
            Self::Update(target, patch) => {
                let filter = match target {
                    Updated::Id(_) | Updated::IdBeside(..) => 0,
                    Updated::Where(filter) => op::filter_bytes(filter),
                };
                patch.bytes().saturating_add(filter)
            }
        })
    }
}

impl Batch {
    /// Maximum bytes of one batch in the log: 64 MiB. [`Batch::bytes`] measures a batch.
    pub const MAX_BYTES: usize = MAX_PAYLOAD_BYTES;

    /// Creates an empty batch. Applying it does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an insert into the collection that the batch is applied to.
    pub fn insert(mut self, memory: Memory) -> Self {
        self.writes.push((None, Write::Insert(Box::new(memory))));
        self
    }

    /// Adds a delete in the collection that the batch is applied to.
    pub fn delete(mut self, id: impl Into<MemoryId>) -> Self {
        self.writes.push((None, Write::Delete(id.into())));
        self
    }

    /// Adds a delete of all memories that match, in the collection that the batch is applied to.
    pub fn delete_where(mut self, filter: Filter) -> Self {
        self.writes.push((None, Write::DeleteWhere(filter)));
        self
    }

    /// Adds an insert that does nothing if a memory with the id is visible.
    pub fn insert_new(mut self, memory: Memory) -> Self {
        self.writes.push((None, Write::InsertNew(Box::new(memory))));
        self
    }

    /// Adds an insert of a memory that takes the place of an older fact, which stays and names the
    /// new one. Does nothing if the old one is not visible; [`Applied::missing`] counts both then.
    pub fn supersede(mut self, old: impl Into<MemoryId>, new: Memory) -> Self {
        let (old, id) = (old.into(), new.id);
        self.writes.push((None, Write::Supersede { old, memory: Box::new(new) }));
        let patch = Patch::new().superseded_by(id);
        self.writes.push((None, Write::Update(Updated::IdBeside(old, id), Box::new(patch))));
        self
    }

    /// Adds an update of a memory. It does nothing if no memory with the id is visible.
    pub fn patch(mut self, id: impl Into<MemoryId>, patch: Patch) -> Self {
        self.writes.push((None, Write::Update(Updated::Id(id.into()), Box::new(patch))));
        self
    }

    /// Adds an update of all memories that match.
    pub fn update_where(mut self, filter: Filter, patch: Patch) -> Self {
        self.writes.push((None, Write::Update(Updated::Where(filter), Box::new(patch))));
        self
    }

    /// Adds an insert into another collection of the same store.
    pub fn insert_into(mut self, collection: &Collection, memory: Memory) -> Self {
        self.writes.push((Some(collection.clone()), Write::Insert(Box::new(memory))));
        self
    }

    /// Adds a delete in another collection of the same store.
    pub fn delete_from(mut self, collection: &Collection, id: impl Into<MemoryId>) -> Self {
        self.writes.push((Some(collection.clone()), Write::Delete(id.into())));
        self
    }

    /// Adds a delete of all memories that match, in another collection of the same store.
    pub fn delete_where_from(mut self, collection: &Collection, filter: Filter) -> Self {
        self.writes.push((Some(collection.clone()), Write::DeleteWhere(filter)));
        self
    }

    /// Adds an update of a memory in another collection of the same store.
    pub fn patch_in(
        mut self,
        collection: &Collection,
        id: impl Into<MemoryId>,
        patch: Patch,
    ) -> Self {
        let write = Write::Update(Updated::Id(id.into()), Box::new(patch));
        self.writes.push((Some(collection.clone()), write));
        self
    }

    /// Adds an update of all memories that match, in another collection of the same store.
    pub fn update_where_in(
        mut self,
        collection: &Collection,
        filter: Filter,
        patch: Patch,
    ) -> Self {
        let write = Write::Update(Updated::Where(filter), Box::new(patch));
        self.writes.push((Some(collection.clone()), write));
        self
    }

    /// Returns the number of writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Returns an upper bound of the bytes that the batch takes in the log. A batch with at most
    /// [`Batch::MAX_BYTES`] is never refused for its size. The bound is about 200 bytes per insert
    /// too high. O(writes).
    ///
    /// ```
    /// use altiplano::{Batch, Memory};
    /// let batch = Batch::new().insert(Memory::new(1, vec![0.5; 384]).text("likes tea"));
    /// assert!(batch.bytes() < 2_000 && batch.bytes() <= Batch::MAX_BYTES);
    /// ```
    pub fn bytes(&self) -> usize {
        self.writes.iter().map(|(_, write)| write.bytes()).fold(0, usize::saturating_add)
    }

    /// Returns true if the batch has no writes.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

impl Extend<Memory> for Batch {
    /// Adds an insert for each memory.
    fn extend<I: IntoIterator<Item = Memory>>(&mut self, memories: I) {
        self.writes.extend(memories.into_iter().map(|m| (None, Write::Insert(Box::new(m)))));
    }
}

impl FromIterator<Memory> for Batch {
    fn from_iter<I: IntoIterator<Item = Memory>>(memories: I) -> Self {
        let mut batch = Self::new();
        batch.extend(memories);
        batch
    }
}
