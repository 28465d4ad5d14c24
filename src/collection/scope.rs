//! Owns `Scope`, the handle of one namespace of a collection.
//!
//! Invariant: whatever a caller gives to a scope, no memory of another namespace is returned or
//! changed. Reads are joined with the namespace here. Writes go through `Collection::apply_in`,
//! which gives every write of a batch the namespace as a condition.

use std::sync::Arc;

use crate::collection::batch::{Applied, Batch, Outcome};
use crate::collection::handle::Collection;
use crate::collection::update::{outcome, superseding};
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::MemoryId;
use crate::memory::{Lifetime, Memory, Patch};
use crate::options::Durability;
use crate::search::{Hit, Iter, Search, TextQuery, single};

/// A handle of one namespace of a collection: a user, an agent, a project. It behaves as a
/// collection of its own. It can neither see nor change a memory of another namespace, whatever
/// ids, keys, sessions, filters, patches or batches it is given. A cheap handle: clone it freely.
///
/// - What is inserted gets the namespace. A memory or a patch that names another one is
///   [`Error::InvalidOption`](crate::Error::InvalidOption).
/// - Ids belong to the collection. An insert under the id of a visible memory of another namespace
///   is [`Error::IdTaken`](crate::Error::IdTaken). For reads, updates and deletes there is no
///   memory with such an id. [`MemoryId::unique`] and [`Scope::keyed`] make ids that do not meet.
/// - Batches may name other collections. There they are limited to the same namespace.
/// - Every write of a batch counts by itself in [`Applied`].
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Error, Filter, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
/// let (alice, bob) = (notes.scope("user:alice"), notes.scope("user:bob"));
/// alice.insert(Memory::new(1, [0.0, 1.0]).session("1").text("likes tea"))?;
/// bob.insert(Memory::new(2, [0.1, 0.9]).session("1"))?;
/// assert!(matches!(bob.insert(Memory::new(1, [0.0, 1.0])), Err(Error::IdTaken { .. })));
/// assert_eq!(bob.delete_where(Filter::session("1"))?, 1);
/// assert!(bob.search(&[0.0, 1.0]).run()?.is_empty());
/// assert_eq!(alice.get(1)?.unwrap().text.as_deref(), Some("likes tea"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "tenant")]
#[doc(alias = "partition")]
#[doc(alias = "user")]
pub struct Scope {
    collection: Collection,
    namespace: Arc<str>,
}

impl Collection {
    /// Returns the handle of one namespace, which need not have a memory yet. O(1).
    ///
    /// The empty text is a namespace like others: that of memories with `namespace("")`. It is not
    /// the same as no namespace, so the scope sees no memory without one.
    #[doc(alias = "tenant")]
    #[doc(alias = "partition")]
    #[doc(alias = "user")]
    pub fn scope(&self, namespace: impl Into<String>) -> Scope {
        Scope { collection: self.clone(), namespace: namespace.into().into() }
    }
}

// The reads.
impl Scope {
    /// Returns the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the name of the collection.
    pub fn collection_name(&self) -> &str {
        self.collection.name()
    }

    /// Returns the memory with this id, as [`Collection::get`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::get`].
    pub fn get(&self, id: impl Into<MemoryId>) -> Result<Option<Memory>> {
        let found = self.collection.read(id.into())?;
        let found = found.filter(|memory| memory.namespace.as_deref() == Some(&*self.namespace));
        Ok(found.inspect(|memory| self.collection.note_read(memory)))
    }

    /// Returns the memory with this key, as [`Collection::get_by_key`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::get`].
    pub fn get_by_key(&self, key: &str) -> Result<Option<Memory>> {
        self.collection.newest_with_key(key, Some(&self.namespace))
    }

    /// Returns true if a memory with this id is visible, as [`Collection::contains`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::get`].
    pub fn contains(&self, id: impl Into<MemoryId>) -> Result<bool> {
        single::contains(&self.collection.present()?, id.into(), Some(&self.namespace))
    }

    /// Returns the number of visible memories. O(memories of the namespace + rows in RAM), and some
    /// steps per segment.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::len`].
    #[doc(alias = "count")]
    pub fn len(&self) -> Result<u64> {
        self.collection.count(self.filter())
    }

    /// Returns true if no memory is visible.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Iterates over every visible memory, as [`Collection::iter`].
    pub fn iter(&self) -> Iter {
        self.scan(Filter::All)
    }

    /// Iterates over every visible memory that matches, as [`Collection::scan`].
    #[doc(alias = "list")]
    pub fn scan(&self, filter: Filter) -> Iter {
        self.collection.scan(filter.and(self.filter()))
    }

    /// Creates a search for the memories nearest to `query`, as [`Collection::search`]. Closures of
    /// [`Search::filter_fn`] see only memories of the namespace.
    #[doc(alias = "query")]
    pub fn search<'a>(&'a self, query: &'a [f32]) -> Search<'a> {
        self.collection.search(query).filter(self.filter())
    }

    /// Creates a search by words, as [`Collection::search_text`]. Only memories of the namespace
    /// are found. How rare a word is counts in the whole collection.
    pub fn search_text(&self, query: impl Into<TextQuery>) -> Search<'_> {
        self.collection.search_text(query).filter(self.filter())
    }

    /// Answers many queries in parallel, as [`Collection::search_batch`].
    ///
    /// # Errors
    ///
    /// The same as for [`Search::run`]: the first error of any query.
    pub fn search_batch<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        configure: impl Fn(Search<'_>) -> Search<'_> + Sync,
    ) -> Result<Vec<Vec<Hit>>> {
        self.collection.search_batch(queries, |search| configure(search.filter(self.filter())))
    }

    pub(super) const fn collection(&self) -> &Collection {
        &self.collection
    }

    pub(super) fn filter(&self) -> Filter {
        Filter::namespace(&*self.namespace)
    }
}

// The writes.
impl Scope {
    /// Returns a memory of the namespace whose id is made of the namespace and the key:
    /// [`Memory::keyed_in`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    /// let user = notes.scope("user:42");
    /// user.insert(user.keyed("name", [0.0, 1.0]).text("Ada"))?;
    /// assert_eq!(user.get_by_key("name")?.unwrap().text.as_deref(), Some("Ada"));
    /// # Ok(()) }
    /// ```
    pub fn keyed(&self, key: impl Into<String>, vector: impl Into<Vec<f32>>) -> Memory {
        Memory::keyed_in(&*self.namespace, key, vector)
    }

    /// Adds a memory, as [`Collection::insert`].
    ///
    /// # Errors
    ///
    /// [`Error::IdTaken`](crate::Error::IdTaken) if a memory of another namespace has the id,
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) if the memory names another namespace,
    /// and the errors of [`Collection::insert`].
    #[doc(alias = "add")]
    #[doc(alias = "put")]
    #[doc(alias = "upsert")]
    pub fn insert(&self, memory: Memory) -> Result<Outcome> {
        Ok(outcome(self.apply(Batch::new().insert(memory))?))
    }

    /// Adds a memory, unless one of the namespace with its id is visible, as
    /// [`Collection::insert_new`].
    ///
    /// # Errors
    ///
    /// The same as for [`Scope::insert`].
    pub fn insert_new(&self, memory: Memory) -> Result<Outcome> {
        Ok(outcome(self.apply(Batch::new().insert_new(memory))?))
    }

    /// Deletes a memory, as [`Collection::delete`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::delete`].
    #[doc(alias = "remove")]
    pub fn delete(&self, id: impl Into<MemoryId>) -> Result<bool> {
        Ok(self.apply(Batch::new().delete(id))?.deleted > 0)
    }

    /// Deletes every memory of the namespace that matches, as [`Collection::delete_where`]. With
    /// [`Filter::All`] it deletes all of them, in this collection.
    /// [`Store::forget`](crate::Store::forget) does so in all collections, and out of every file.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::delete_where`].
    #[doc(alias = "clear")]
    #[doc(alias = "forget")]
    pub fn delete_where(&self, filter: Filter) -> Result<u64> {
        Ok(self.apply(Batch::new().delete_where(filter))?.deleted)
    }

    /// Deletes every memory of the namespace with this key, as [`Collection::delete_by_key`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::delete_where`].
    pub fn delete_by_key(&self, key: &str) -> Result<u64> {
        self.delete_where(Filter::key(key))
    }

    /// Changes a memory by a closure, as [`Collection::update`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) if `change` sets another id or another
    /// namespace, and the errors of [`Collection::update`].
    #[doc(alias = "modify")]
    pub fn update(
        &self,
        id: impl Into<MemoryId>,
        mut change: impl FnMut(&mut Memory),
    ) -> Result<Outcome> {
        self.collection.update_in(id.into(), Some(&self.namespace), &mut change)
    }

    /// Changes a memory as a [`Patch`] says, as [`Collection::patch`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) if the patch sets another namespace or
    /// removes it, and the errors of [`Collection::patch`].
    #[doc(alias = "set")]
    pub fn patch(&self, id: impl Into<MemoryId>, patch: Patch) -> Result<Outcome> {
        Ok(outcome(self.apply(Batch::new().patch(id, patch))?))
    }

    /// Changes every memory of the namespace that matches, as [`Collection::update_where`].
    ///
    /// # Errors
    ///
    /// The errors of [`Scope::patch`] and [`Collection::update_where`].
    #[doc(alias = "patch_where")]
    pub fn update_where(&self, filter: Filter, patch: Patch) -> Result<u64> {
        Ok(self.apply(Batch::new().update_where(filter, patch))?.updated)
    }

    /// Gives a memory another lifetime, as [`Collection::touch`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::touch`].
    #[doc(alias = "expire")]
    #[doc(alias = "persist")]
    pub fn touch(&self, id: impl Into<MemoryId>, lifetime: impl Into<Lifetime>) -> Result<bool> {
        Ok(self.patch(id, Patch::new().lifetime(lifetime))? == Outcome::Updated)
    }

    /// Gives every memory of the namespace that matches another lifetime, as
    /// [`Collection::touch_where`].
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::touch_where`].
    pub fn touch_where(&self, filter: Filter, lifetime: impl Into<Lifetime>) -> Result<u64> {
        self.update_where(filter, Patch::new().lifetime(lifetime))
    }

    /// Adds a memory that takes the place of an older fact of the namespace, as
    /// [`Collection::supersede`]. Nothing is written if the old one is not visible in the
    /// namespace: [`Outcome::Missing`].
    ///
    /// # Errors
    ///
    /// The errors of [`Scope::insert`] and [`Collection::supersede`].
    pub fn supersede(&self, old: impl Into<MemoryId>, new: Memory) -> Result<Outcome> {
        Ok(outcome(self.apply(superseding(old.into(), new)?)?))
    }

    /// Notes that these memories were used now, as [`Collection::note_uses`]. Ids that no memory of
    /// the namespace has are ignored.
    #[doc(alias = "access")]
    pub fn note_uses<I: Into<MemoryId>>(&self, ids: impl IntoIterator<Item = I>) {
        self.collection.note_uses_in(ids, Some(&self.namespace));
    }

    /// Carries out a batch in the namespace, as [`Collection::apply`].
    ///
    /// # Errors
    ///
    /// The errors of [`Scope::insert`] and [`Collection::apply`].
    #[doc(alias = "insert_many")]
    #[doc(alias = "write")]
    pub fn apply(&self, batch: Batch) -> Result<Applied> {
        self.apply_with(batch, self.collection.core.options().durability)
    }

    /// Carries out a batch in the namespace with its own durability, as [`Collection::apply_with`].
    ///
    /// # Errors
    ///
    /// The same as for [`Scope::apply`].
    pub fn apply_with(&self, batch: Batch, durability: Durability) -> Result<Applied> {
        self.collection.apply_in(batch, durability, Some(&self.namespace))
    }
}

impl IntoIterator for &Scope {
    type Item = Result<Memory>;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}
