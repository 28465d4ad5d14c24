//! Owns `List`, the builder of a list in an order, page by page. `order` has the orders, `cursor`
//! the position after a page, `window` how much of the newest is wanted, and `walk` finds a page.
//!
//! Everything in one page is of one snapshot and one moment. A position is a value and not an
//! offset, so writes between two pages move nothing.

mod cursor;
mod order;
mod walk;
mod window;

use std::fmt;

pub use cursor::Cursor;
pub use order::{Direction, Order};
pub use window::Window;

use crate::clock::Timestamp;
use crate::engine::moment::{Moment, View};
use crate::engine::{Engine, refresh};
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::memory::Memory;
use crate::search::hit::read_fields;
use crate::search::request::{Fields, MAX_RESULTS};
use crate::snapshot::state::CollectionState;
use walk::{Found, Walk};

/// How many memories are first looked at for a window of tokens.
const FIRST_LOOK: usize = 64;

/// A list in the making. Nothing happens before [`List::run`].
///
/// The default is the newest 100 memories of the collection, the newest first. Memories without the
/// order's attribute, such as an event time, come last in both directions. Ties are in the order of
/// [`Memory::seq`], in the same direction, so the memories of one batch keep their order.
///
/// # Pages
///
/// [`Page::next`] is the position after a page, for [`List::after`]. Writes between two pages move
/// nothing: no memory comes twice, and none is left out that was there all the time. A memory that
/// was replaced meanwhile is a new one, with a new sequence number. Where a memory's value in the
/// order changes between two pages, it may come twice or not at all: it moved past the position.
/// The times of a memory do not change; its importance and its key may.
///
/// # Cost
///
/// O(segments + matching rows + page), and O(rows / 64) for the bitmap of matching rows. Names in
/// filters are looked up, and of the matching rows only the column of the order is read. So a
/// session of 500 memories among a million takes well under a millisecond. Without a filter, one
/// column of all rows is read. By [`Order::Key`] the bodies of matching rows are read. In RAM they
/// are always. Text and vectors are read for the page only.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
/// for id in 1..=5 {
///     notes.insert(Memory::new(id, [0.0, 1.0]).session("s1"))?;
/// }
/// let (mut ids, mut after) = (Vec::new(), None);
/// loop {
///     let page = notes.list().session("s1").limit(2).after(after).run()?;
///     ids.extend(page.memories.iter().map(|memory| memory.id.as_u128()));
///     after = page.next;
///     if after.is_none() {
///         break;
///     }
/// }
/// assert_eq!(ids, [5, 4, 3, 2, 1]);
/// # Ok(()) }
/// ```
#[must_use = "a list does nothing until it is run"]
pub struct List<'a> {
    engine: &'a Engine,
    core: &'a CollectionState,
    view: View<'a>,
    filter: Filter,
    order: Order,
    direction: Direction,
    limit: usize,
    after: Option<Cursor>,
    fields: Fields,
}

/// Some memories of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The memories, in the order of the list.
    pub memories: Vec<Memory>,
    /// The position after the page; `None` if nothing followed at the moment of the list.
    pub next: Option<Cursor>,
}

impl IntoIterator for Page {
    type Item = Memory;
    type IntoIter = std::vec::IntoIter<Memory>;

    fn into_iter(self) -> Self::IntoIter {
        self.memories.into_iter()
    }
}

impl<'a> List<'a> {
    pub(crate) const fn new(engine: &'a Engine, core: &'a CollectionState, view: View<'a>) -> Self {
        Self {
            engine,
            core,
            view,
            filter: Filter::All,
            order: Order::Created,
            direction: Direction::Descending,
            limit: 100,
            after: None,
            fields: Fields::Payload,
        }
    }

    /// Limits the list to memories that match. Several filters must all match.
    #[doc(alias = "where")]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = std::mem::replace(&mut self.filter, Filter::All).and(filter);
        self
    }

    /// Limits the list to memories of this namespace.
    pub fn namespace(self, name: impl Into<String>) -> Self {
        self.filter(Filter::namespace(name))
    }

    /// Limits the list to memories of this session. Sessions belong to the collection. If several
    /// users use the same session names, filter by namespace as well.
    pub fn session(self, name: impl Into<String>) -> Self {
        self.filter(Filter::session(name))
    }

    /// Limits the list to memories of this kind.
    pub fn kind(self, name: impl Into<String>) -> Self {
        self.filter(Filter::kind(name))
    }

    /// Limits the list to memories with this tag.
    pub fn tag(self, name: impl Into<String>) -> Self {
        self.filter(Filter::tag(name))
    }

    /// Limits the list to memories made in this range of time.
    pub fn created(self, range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        self.filter(Filter::created(range))
    }

    /// Sets the order. Default = [`Order::Created`], [`Direction::Descending`].
    #[doc(alias = "sort")]
    #[doc(alias = "order_by")]
    pub const fn order(mut self, order: Order, direction: Direction) -> Self {
        (self.order, self.direction) = (order, direction);
        self
    }

    /// Orders by time of creation, the newest first. This is the default.
    pub const fn newest_first(self) -> Self {
        self.order(Order::Created, Direction::Descending)
    }

    /// Orders by time of creation, the oldest first.
    pub const fn oldest_first(self) -> Self {
        self.order(Order::Created, Direction::Ascending)
    }

    /// Sets the number of memories of a page, at most 1,048,576. Default = 100. With 0, the page is
    /// empty and has no next one.
    #[doc(alias = "take")]
    pub const fn limit(mut self, n: usize) -> Self {
        self.limit = n;
        self
    }

    /// Continues after a page: see [`Page::next`]. `None` starts from the beginning.
    #[doc(alias = "cursor")]
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// Sets which fields of the memories are returned. Default = [`Fields::Payload`], without
    /// vectors.
    pub const fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Returns one page.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for a cursor of another store, collection or order, and for an
    /// invalid filter, as [`Filter`] lists. [`Error::LimitExceeded`] for a limit that is too large.
    /// [`Error::Corrupt`] if a row or column that is needed is damaged on disk.
    /// [`Error::Closed`] after a close. [`Error::SnapshotExpired`] if it is on a snapshot that is
    /// too old.
    pub fn run(self) -> Result<Page> {
        self.check(self.limit)?;
        let whose = (self.engine.dir.store(), self.core.id);
        if let Some(cursor) = &self.after {
            cursor.check(whose, (self.order, self.direction))?;
        }
        let at = self.view.moment(self.engine, self.core)?;
        let filter = Matcher::new(self.filter.clone());
        let walk = self.walk(&at, &filter);
        // One more tells whether anything follows.
        let most = if self.limit == 0 { 0 } else { self.limit + 1 };
        let mut found = walk.page(self.after.as_ref(), most)?;
        let is_more = found.len() > self.limit;
        found.truncate(self.limit);
        let read = |one| self.read(&at, one, self.fields);
        let memories = found.iter().map(read).collect::<Result<_>>()?;
        let next = found.last().filter(|_| is_more).map(|last| self.position(last));
        Ok(Page { memories, next })
    }

    /// Returns the newest memories that a window takes, in the order of their creation, the oldest
    /// first. The order, limit and cursor of the list have no effect.
    ///
    /// # Errors
    ///
    /// As for [`List::run`].
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store, Window};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// for (id, kind) in [(1, "turn"), (2, "summary"), (3, "turn"), (4, "turn")] {
    ///     notes.insert(Memory::new(id, [0.0, 1.0]).session("s1").kind(kind))?;
    /// }
    /// let turns = notes.list().session("s1").kind("turn").recent(Window::turns(2))?;
    /// assert_eq!(turns.iter().map(|turn| turn.id.as_u128()).collect::<Vec<_>>(), [3, 4]);
    /// # Ok(()) }
    /// ```
    pub fn recent(self, window: Window) -> Result<Vec<Memory>> {
        let list = self.newest_first();
        // How many fit into a number of tokens is known only once they are read, so they are looked
        // for in growing steps.
        let (turns, mut tokens_left, mut look) = match window {
            Window::Turns(turns) => (turns, u64::MAX, turns),
            Window::Tokens(tokens) => (usize::MAX, tokens, FIRST_LOOK),
        };
        list.check(0)?;
        let at = list.view.moment(list.engine, list.core)?;
        let filter = Matcher::new(list.filter.clone());
        let walk = list.walk(&at, &filter);
        let (mut memories, mut after) = (Vec::new(), None);
        'window: while memories.len() < turns {
            let found = walk.page(after.as_ref(), look)?;
            for one in &found {
                let memory = list.read_counted(&at, one, &mut tokens_left)?;
                let Some(memory) = memory else { break 'window };
                memories.push(memory);
            }
            let Some(last) = found.last().filter(|_| found.len() >= look) else { break };
            after = Some(list.position(last));
            look = look.saturating_mul(2);
        }
        memories.reverse();
        Ok(memories)
    }

    /// Refuses what cannot be listed.
    fn check(&self, limit: usize) -> Result<()> {
        if limit > MAX_RESULTS {
            let way_out = "ask for fewer, and for the next page after Page::next";
            return Err(Error::limit("limit", (limit, "memories"), MAX_RESULTS, way_out));
        }
        self.filter.check()
    }

    fn walk<'s>(&self, at: &'s Moment, filter: &'s Matcher) -> Walk<'s> {
        let (order, direction) = (self.order, self.direction);
        Walk { snapshot: &at.snapshot, now: at.now, filter, order, direction }
    }

    /// Returns the position after a memory.
    fn position(&self, last: &Found) -> Cursor {
        Cursor {
            store: self.engine.dir.store(),
            collection: self.core.id,
            order: self.order,
            direction: self.direction,
            seq: last.seq,
            value: last.value.clone(),
        }
    }

    fn read(&self, at: &Moment, one: &Found, fields: Fields) -> Result<Memory> {
        let Some((rows, _, row)) = at.snapshot.rows_at(one.place) else {
            return Err(Error::internal("a listed row is not in its snapshot"));
        };
        if !at.is_held && self.core.reads.span().is_some() {
            refresh::note_read(self.engine, self.core, rows.id(row)?, rows.expires_at(row)?);
        }
        read_fields(self.core.spec.metric, rows, row, fields)
    }

    /// Reads a memory and takes its tokens from `left`; `None` if it has more.
    fn read_counted(&self, at: &Moment, one: &Found, left: &mut u64) -> Result<Option<Memory>> {
        let memory = self.read(at, one, self.fields)?;
        let tokens = match self.fields {
            Fields::Payload | Fields::All => window::tokens_of(&memory),
            Fields::None | Fields::Attributes => {
                window::tokens_of(&self.read(at, one, Fields::Payload)?)
            }
        };
        let rest = left.checked_sub(tokens);
        *left = rest.unwrap_or_default();
        Ok(rest.map(|_| memory))
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("collection", &self.core.name())
            .field("filter", &self.filter)
            .field("order", &self.order)
            .field("direction", &self.direction)
            .field("limit", &self.limit)
            .field("after", &self.after)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
