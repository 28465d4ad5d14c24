//! Owns the updates of a collection: changes of memories that keep their vectors. `write` converts
//! them to the logged form.

use crate::collection::batch::{Applied, Batch, Outcome, Write};
use crate::collection::handle::Collection;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ids::{MemoryId, Seq};
use crate::memory::{Lifetime, Memory, Patch};

impl Collection {
    /// Changes a memory: reads it, calls `change` with it, and writes it back if nobody else wrote
    /// it meanwhile. Otherwise it begins again with the newer memory, so `change` may be called
    /// several times. Nothing happens if no memory with the id is visible: a deleted memory does
    /// not come back.
    ///
    /// The closure assigns to public fields (`memory.tokens = Some(5)`), calls
    /// [`Memory::set_field`] for the metadata, or replaces the memory (`*memory =
    /// memory.clone().tag("seen")`).
    ///
    /// The memory keeps its sequence number and its time of creation, and gets a new version. The
    /// lifetime stays unless `change` sets one. Its id must stay. A [`Patch`] does less work if the
    /// change does not depend on the memory.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if `change` sets another id, and the errors of
    /// [`Collection::insert`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Outcome, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).tokens(3).field("visits", 1))?;
    /// let outcome = notes.update(1, |memory| {
    ///     memory.tokens = memory.tokens.map(|n| n + 1);
    ///     let visits = memory.field_value("visits").and_then(|value| value.as_i64());
    ///     memory.set_field("visits", visits.unwrap_or(0) + 1);
    /// })?;
    /// assert_eq!(outcome, Outcome::Updated);
    /// let memory = notes.get(1)?.unwrap();
    /// assert_eq!((memory.tokens, memory.field_value("visits")), (Some(4), Some(2.into())));
    /// assert_eq!(notes.update(2, |memory| memory.pinned = true)?, Outcome::Missing);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "modify")]
    pub fn update(
        &self,
        id: impl Into<MemoryId>,
        mut change: impl FnMut(&mut Memory),
    ) -> Result<Outcome> {
        self.update_in(id.into(), None, &mut change)
    }

    /// Same as [`Collection::update`], in a namespace if one is given.
    pub(super) fn update_in(
        &self,
        id: MemoryId,
        scope: Option<&str>,
        change: &mut dyn FnMut(&mut Memory),
    ) -> Result<Outcome> {
        loop {
            let found = self.get(id)?;
            let found = found.filter(|m| scope.is_none_or(|s| m.namespace.as_deref() == Some(s)));
            let Some(mut memory) = found else { return Ok(Outcome::Missing) };
            let version = Seq(memory.version().unwrap_or_default());
            change(&mut memory);
            if memory.id != id {
                let reason = format!("an update of memory {id} sets it to {}", memory.id);
                return Err(Error::option("id", reason));
            }
            check_namespace(memory.namespace.as_deref(), scope)?;
            let write = Write::Replace { memory: Box::new(memory), version };
            let batch = Batch { writes: vec![(None, write)] };
            match outcome(self.apply_in(batch, self.core.options().durability, scope)?) {
                Outcome::Replaced | Outcome::Inserted => return Ok(Outcome::Updated),
                Outcome::Conflict => {}
                other => return Ok(other),
            }
        }
    }

    /// Changes a memory as a [`Patch`] says. Nothing happens if no memory with the id is visible:
    /// [`Outcome::Missing`]. A patch that asks for a version and finds another is
    /// [`Outcome::Conflict`].
    ///
    /// # Errors
    ///
    /// The errors of [`Collection::insert`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Outcome, Patch, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).tag("draft"))?;
    /// let read = notes.get(1)?.unwrap();
    /// let patch = Patch::new().importance(0.9).remove_tag("draft");
    /// let patch = patch.if_version(read.version().unwrap());
    /// assert_eq!(notes.patch(1, patch.clone())?, Outcome::Updated);
    /// assert_eq!(notes.patch(1, patch)?, Outcome::Conflict);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "set")]
    #[doc(alias = "set_field")]
    pub fn patch(&self, id: impl Into<MemoryId>, patch: Patch) -> Result<Outcome> {
        Ok(outcome(self.apply(Batch::new().patch(id, patch))?))
    }

    /// Changes every memory that matches as a [`Patch`] says, in one atomic step. Returns how many.
    ///
    /// O(rows that match) for a patch that writes rows; all of them must fit into one batch
    /// ([`Batch::MAX_BYTES`]).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for a filter or a patch that is refused, [`Error::LimitExceeded`]
    /// if the rows do not fit into one batch, and the errors of [`Collection::insert`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Filter, Memory, Metric, Patch, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).session("s1"))?;
    /// let done = Patch::new().tag("archived").importance(0.2);
    /// assert_eq!(notes.update_where(Filter::session("s1"), done)?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "patch_where")]
    pub fn update_where(&self, filter: Filter, patch: Patch) -> Result<u64> {
        Ok(self.apply(Batch::new().update_where(filter, patch))?.updated)
    }

    /// Adds a memory, unless one with its id is visible: [`Outcome::Exists`].
    ///
    /// # Errors
    ///
    /// The errors of [`Collection::insert`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Outcome, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// assert_eq!(notes.insert_new(Memory::new(1, [0.0, 1.0]))?, Outcome::Inserted);
    /// assert_eq!(notes.insert_new(Memory::new(1, [1.0, 0.0]))?, Outcome::Exists);
    /// # Ok(()) }
    /// ```
    pub fn insert_new(&self, memory: Memory) -> Result<Outcome> {
        Ok(outcome(self.apply(Batch::new().insert_new(memory))?))
    }

    /// Gives a memory another lifetime: a [`Duration`](std::time::Duration) from now, a moment, or
    /// a [`Lifetime`]. Writes less than 100 bytes to the log and no row. Returns false if no memory
    /// with the id is visible.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for a lifetime that has ended, and the errors of
    /// [`Collection::delete`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Lifetime, Memory, Metric, Store};
    /// # use std::time::Duration;
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).ttl(Duration::from_secs(60)))?;
    /// assert!(notes.touch(1, Duration::from_secs(30 * 86_400))?);
    /// assert!(notes.touch(1, Lifetime::Forever)?);
    /// assert_eq!(notes.get(1)?.unwrap().expiry(), None);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "expire")]
    #[doc(alias = "persist")]
    pub fn touch(&self, id: impl Into<MemoryId>, lifetime: impl Into<Lifetime>) -> Result<bool> {
        Ok(self.patch(id, Patch::new().lifetime(lifetime))? == Outcome::Updated)
    }

    /// Gives every memory that matches another lifetime: see [`Collection::touch`]. Returns how
    /// many. The record in the log holds the filter or the ids, whichever is shorter.
    ///
    /// # Errors
    ///
    /// The errors of [`Collection::touch`], and those of [`Collection::delete_where`] for an
    /// invalid filter.
    pub fn touch_where(&self, filter: Filter, lifetime: impl Into<Lifetime>) -> Result<u64> {
        self.update_where(filter, Patch::new().lifetime(lifetime))
    }

    /// Adds a memory that takes the place of an older fact, if that is still there. If the old one
    /// is not visible, **nothing is written**, the new memory neither: [`Outcome::Missing`].
    /// Compare the outcome, and insert the new memory if it shall be kept all the same.
    ///
    /// Both are one step: the old memory stays and names the new one as [`Memory::superseded_by`].
    ///
    /// # Errors
    ///
    /// The errors of [`Collection::insert`]; [`Error::InvalidOption`] if both have the same id.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Outcome, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).text("lives in Lima"))?;
    /// let moved = Memory::new(2, [0.1, 1.0]).text("lives in Cusco");
    /// assert_eq!(notes.supersede(1, moved)?, Outcome::Inserted);
    /// assert_eq!(notes.get(1)?.unwrap().superseded_by, Some(2.into()));
    ///
    /// let later = Memory::new(3, [0.2, 1.0]).text("lives in Quito");
    /// if notes.supersede(9, later.clone())? == Outcome::Missing {
    ///     notes.insert(later)?;
    /// }
    /// # assert!(notes.contains(3)?);
    /// # Ok(()) }
    /// ```
    pub fn supersede(&self, old: impl Into<MemoryId>, new: Memory) -> Result<Outcome> {
        Ok(outcome(self.apply(superseding(old.into(), new)?)?))
    }
}

/// Returns the batch that adds a memory in place of an older fact.
pub(super) fn superseding(old: MemoryId, new: Memory) -> Result<Batch> {
    let id = new.id;
    if old == id {
        return Err(Error::option("superseded_by", format!("memory {id} by itself")));
    }
    Ok(Batch::new().supersede(old, new))
}

/// Fails if a memory that is written through a scope is to be in another namespace.
pub(super) fn check_namespace(wanted: Option<&str>, scope: Option<&str>) -> Result<()> {
    let Some(scope) = scope.filter(|scope| wanted != Some(scope)) else {
        return Ok(());
    };
    let wanted = wanted.map_or("none".to_owned(), |name| format!("{name:?}"));
    let reason = format!("{wanted} in a write through the scope of {scope:?}; leave it out");
    Err(Error::option("namespace", reason))
}

/// Returns the outcome of a batch of one write.
pub(super) fn outcome(applied: Applied) -> Outcome {
    match applied {
        Applied { expired: 1.., .. } => Outcome::Expired,
        Applied { missing: 1.., .. } => Outcome::Missing,
        Applied { existing: 1.., .. } => Outcome::Exists,
        Applied { conflicts: 1.., .. } => Outcome::Conflict,
        Applied { replaced: 1.., .. } => Outcome::Replaced,
        Applied { inserted: 1.., .. } => Outcome::Inserted,
        _ => Outcome::Updated,
    }
}
