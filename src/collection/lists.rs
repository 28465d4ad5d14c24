//! Owns the lists and counts of a collection, which need no query.

use crate::collection::handle::Collection;
use crate::engine::moment::View;
use crate::error::Result;
use crate::filter::Filter;
use crate::memory::Memory;
use crate::search::list::{List, Window};
use crate::search::names::{self, NameCount};
use crate::segment::Field;

impl Collection {
    /// Creates a list of memories in an order, page by page: by default the newest 100, the newest
    /// first. It sees the collection as of the moment when it runs.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Direction, Memory, Metric, Order, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).namespace("user:42").importance(0.9))?;
    /// notes.insert(Memory::new(2, [1.0, 0.0]).namespace("user:42").importance(0.2))?;
    /// let list = notes.list().namespace("user:42");
    /// let page = list.order(Order::Importance, Direction::Descending).limit(20).run()?;
    /// assert_eq!(page.memories.iter().map(|m| m.id.as_u128()).collect::<Vec<_>>(), [1, 2]);
    /// assert!(page.next.is_none());
    /// # Ok(()) }
    /// ```
    pub fn list(&self) -> List<'_> {
        List::new(&self.engine, &self.core, View::Present)
    }

    /// Returns the newest memories of a session that a window takes, in the order of their
    /// creation, the oldest first: what an agent reads again before it goes on. Vectors are not
    /// read. Use [`List::recent`] to filter by namespace or kind as well.
    ///
    /// O(segments + memories of the session), and O(rows / 64).
    ///
    /// # Errors
    ///
    /// The same as for [`List::run`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store, Window};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// for (id, text) in [(1, "hello"), (2, "how are you?"), (3, "fine")] {
    ///     notes.insert(Memory::new(id, [0.0, 1.0]).session("s1").text(text).tokens(3))?;
    /// }
    /// let texts = |window| -> altiplano::Result<Vec<String>> {
    ///     Ok(notes.recent("s1", window)?.into_iter().filter_map(|turn| turn.text).collect())
    /// };
    /// assert_eq!(texts(Window::turns(2))?, ["how are you?", "fine"]);
    /// assert_eq!(texts(Window::tokens(8))?, ["how are you?", "fine"]);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "history")]
    #[doc(alias = "last")]
    pub fn recent(&self, session: impl Into<String>, window: Window) -> Result<Vec<Memory>> {
        self.list().session(session).recent(window)
    }

    /// Returns the number of visible memories that match. O(segments + matching rows), and O(rows /
    /// 64) per segment. A filter on a range reads one column. Memories in RAM are looked at one by
    /// one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) and
    /// [`Error::LimitExceeded`](crate::Error::LimitExceeded) for an invalid filter, as [`Filter`]
    /// lists. [`Error::Corrupt`](crate::Error::Corrupt) if bytes that are needed are damaged on
    /// disk, [`Error::Closed`](crate::Error::Closed) after a close.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).namespace("user:42"))?;
    /// notes.insert(Memory::new(2, [0.0, 1.0]).namespace("user:7"))?;
    /// assert_eq!(notes.count(Filter::namespace("user:42"))?, 1);
    /// # Ok(()) }
    /// ```
    pub fn count(&self, filter: Filter) -> Result<u64> {
        names::count(&self.present()?, filter)
    }

    /// Returns the namespaces at `prefix` and below it, with the number of visible memories of
    /// each, sorted by name.
    ///
    /// A namespace is taken as labels with `/` between them. `prefix` ends at the border of a
    /// label, so `user:4` does not take `user:42`, and a `/` at its end has no effect. An empty one
    /// takes all. Of the labels below the prefix, `depth` are kept, and namespaces that are then
    /// the same count together. `usize::MAX` keeps all labels. Memories without a namespace do not
    /// count.
    ///
    /// O(namespaces below the prefix and their rows). Memories in RAM are looked at one by one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) if bytes that are needed are damaged on disk,
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// for (id, namespace) in [(1, "user:42/chat/1"), (2, "user:42/chat/2"), (3, "user:7/chat")] {
    ///     notes.insert(Memory::new(id, [0.0, 1.0]).namespace(namespace))?;
    /// }
    /// let users = notes.namespaces("", 1)?;
    /// assert_eq!((&*users[0].name, users[0].memories), ("user:42", 2));
    /// let below = notes.namespaces("user:42/", 1)?;
    /// assert_eq!((below.len(), &*below[0].name, below[0].memories), (1, "user:42/chat", 2));
    /// # Ok(()) }
    /// ```
    pub fn namespaces(&self, prefix: &str, depth: usize) -> Result<Vec<NameCount>> {
        names::namespaces(&self.present()?, prefix, depth)
    }

    /// Returns the sessions of a namespace, or with `None` those of the collection, with the number
    /// of visible memories of each, sorted by name. Memories without a session do not count.
    ///
    /// O(sessions and their rows), or O(rows of the namespace) if these are few. Memories in RAM
    /// are looked at one by one.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::namespaces`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).namespace("user:42").session("monday"))?;
    /// notes.insert(Memory::new(2, [0.0, 1.0]).namespace("user:7").session("friday"))?;
    /// assert_eq!(notes.sessions(None)?.len(), 2);
    /// let sessions = notes.sessions("user:42")?;
    /// assert_eq!((sessions.len(), &*sessions[0].name), (1, "monday"));
    /// # Ok(()) }
    /// ```
    pub fn sessions<'n>(&self, namespace: impl Into<Option<&'n str>>) -> Result<Vec<NameCount>> {
        self.all_names(Field::Session, namespace.into().map_or(Filter::All, Filter::namespace))
    }

    /// Returns the tags with the number of visible memories that have each, sorted by name.
    ///
    /// O(tags and their rows). Memories in RAM are looked at one by one.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::namespaces`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).tag("food").tag("travel"))?;
    /// notes.insert(Memory::new(2, [0.0, 1.0]).tag("food"))?;
    /// let tags = notes.tags()?;
    /// assert_eq!((&*tags[0].name, tags[0].memories), ("food", 2));
    /// # Ok(()) }
    /// ```
    pub fn tags(&self) -> Result<Vec<NameCount>> {
        self.all_names(Field::Tag, Filter::All)
    }

    /// Returns the kinds with the number of visible memories of each, sorted by name. Memories
    /// without a kind do not count.
    ///
    /// O(kinds and their rows). Memories in RAM are looked at one by one.
    ///
    /// # Errors
    ///
    /// The same as for [`Collection::namespaces`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.0, 1.0]).kind("summary"))?;
    /// assert_eq!((&*notes.kinds()?[0].name, notes.kinds()?[0].memories), ("summary", 1));
    /// # Ok(()) }
    /// ```
    pub fn kinds(&self) -> Result<Vec<NameCount>> {
        self.all_names(Field::Kind, Filter::All)
    }

    pub(super) fn all_names(&self, of: Field, filter: Filter) -> Result<Vec<NameCount>> {
        names::all(&self.present()?, of, filter)
    }
}
