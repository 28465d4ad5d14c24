//! Owns `Filter`: plain, serialisable data that selects memories. `matcher` has the meaning of a
//! filter for one row, `field` has filters on metadata, `stored` builds them, `check` refuses
//! filters, and `constant` finds those that hold for every memory. `segment::select` answers a
//! filter for a segment without reading every row. Closures are not filters: see
//! `Search::filter_fn`.
//!
//! Invariants: nothing recurses into a filter before `Filter::check` has bounded its depth. Joins
//! of one kind are flat, whichever side they are built from.

mod check;
mod constant;
mod field;
mod field_ref;
mod interchange;
mod matcher;
mod nesting;
mod stored;

use std::time::Duration;

pub use field::{FieldFilter, FieldTest};
pub(crate) use field::{FieldQuery, FieldRule, Keys};
pub use field_ref::FieldRef;
pub(crate) use matcher::{Attributes, Matcher, holds};
pub(crate) use stored::border;

use crate::clock::Timestamp;
use crate::ids::MemoryId;

/// Deepest accepted nesting of `And`, `Or` and `Not`. A join inside a join of its own kind adds no
/// depth.
pub(crate) const MAX_FILTER_DEPTH: usize = 32;
/// Most nodes and listed values in one filter, together.
pub(crate) const MAX_FILTER_NODES: usize = 1 << 20;

/// Longest list before which an element is inserted; see [`Filter::and`].
const IN_ORDER: usize = 1024;

/// A condition that selects memories. Build one with the functions below, and join them with `&`,
/// `|` and `!`, or with the equivalent [`Filter::and`], [`Filter::or`] and [`Filter::not`].
///
/// A range of time is taken as the Rust range says: `a..b` leaves `b` out, `a..=b` takes it, and
/// [`Timestamp::MAX`] itself is in none. Ranges of importance and of tokens do the same. A memory
/// without the attribute asked for does not match, and matches the negation. Times before 1970 are
/// earlier than all others.
///
/// # What is refused
///
/// Every operation that takes a filter refuses two kinds of filters:
///
/// - With [`Error::InvalidOption`](crate::Error::InvalidOption): a range that ends before it
///   starts, an importance that is NaN, and a path or a value that [`Filter::field`] refuses.
/// - With [`Error::LimitExceeded`](crate::Error::LimitExceeded): more than 32 nested levels of
///   `And`, `Or` and `Not`, and more than 1,048,576 filters and listed values. Nested lists of one
///   kind are one level.
///
/// [`Collection::delete_where`](crate::Collection::delete_where) also refuses a filter that holds
/// for every memory, unless it is [`Filter::All`].
///
/// # In JSON
///
/// A filter is an object with the name of its kind: `{"Namespace": "user:42"}`. Ids are written as
/// strings, because JavaScript and many other readers round whole numbers from 2^53 on. Numbers are
/// accepted as well. Numbers that a field is compared with are numbers. An open end of a range is
/// `null` or left out. Joins of one kind are read back flat.
///
/// ```
/// use altiplano::{Filter, Timestamp};
/// let filter = Filter::namespace("user:42") & !Filter::kind("summary");
/// let since = Filter::created(Timestamp::from_millis(1_700_000_000_000)..);
/// let json = serde_json::to_string(&since).unwrap();
/// assert_eq!(json, r#"{"Created":{"from":"2023-11-14T22:13:20Z","to":null}}"#);
/// assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), since);
/// # let _ = filter;
/// ```
#[non_exhaustive]
pub enum Filter {
    /// Matches every memory.
    All,
    /// Matches memories in this namespace.
    Namespace(String),
    /// Matches memories of this session.
    Session(String),
    /// Matches memories of this kind.
    Kind(String),
    /// Matches memories with at least one of these tags.
    TagsAny(Vec<String>),
    /// Matches memories with all of these tags.
    TagsAll(Vec<String>),
    /// Matches memories with this key.
    Key(String),
    /// Matches memories made in `from..to`. See [`Filter::created`].
    #[non_exhaustive]
    Created {
        /// First moment, included.
        from: Timestamp,
        /// End, not included.
        to: Timestamp,
    },
    /// Matches memories whose event time is in `from..to`. See [`Filter::event_time`].
    #[non_exhaustive]
    EventTime {
        /// First moment, included.
        from: Timestamp,
        /// End, not included.
        to: Timestamp,
    },
    /// Matches memories with an importance in `from..=to`. See [`Filter::importance`].
    #[non_exhaustive]
    Importance {
        /// Smallest importance, included.
        from: f32,
        /// Largest importance, included.
        to: f32,
    },
    /// Matches pinned memories, or those that are not pinned.
    Pinned(bool),
    /// Matches memories with one of these ids.
    Ids(Vec<MemoryId>),
    /// Matches memories whose field passes a test. See [`Filter::field`].
    Field(FieldFilter),
    /// Matches memories whose fact holds at this moment. See [`Filter::valid_at`].
    ValidAt(Timestamp),
    /// Matches memories that another one replaced, or those that none did.
    Superseded(bool),
    /// Matches memories that were made from the one with this id.
    DerivedFrom(MemoryId),
    /// Matches memories with a session.
    HasSession,
    /// Matches memories that expire in `from..to`. See [`Filter::expires`].
    #[non_exhaustive]
    Expires {
        /// First moment, included.
        from: Timestamp,
        /// End, not included.
        to: Timestamp,
    },
    /// Matches memories whose number of tokens is in `from..to`. See [`Filter::tokens`].
    #[non_exhaustive]
    Tokens {
        /// Smallest number, included.
        from: u64,
        /// End, not included.
        to: u64,
    },
    /// Matches memories in this namespace and in those below it. See [`Filter::namespace_under`].
    NamespaceUnder(String),
    /// Matches if all of these filters match. An empty list matches every memory.
    And(Vec<Filter>),
    /// Matches if at least one of these filters matches. An empty list matches no memory.
    Or(Vec<Filter>),
    /// Matches if this filter does not match.
    Not(Box<Filter>),
}

impl Filter {
    /// Matches memories in this namespace.
    pub fn namespace(name: impl Into<String>) -> Self {
        Self::Namespace(name.into())
    }

    /// Matches memories of this session.
    pub fn session(name: impl Into<String>) -> Self {
        Self::Session(name.into())
    }

    /// Matches memories of this kind.
    pub fn kind(name: impl Into<String>) -> Self {
        Self::Kind(name.into())
    }

    /// Matches memories with this tag.
    pub fn tag(name: impl Into<String>) -> Self {
        Self::TagsAny(vec![name.into()])
    }

    /// Matches memories with at least one of these tags. An empty list matches no memory.
    pub fn tags_any<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::TagsAny(names.into_iter().map(Into::into).collect())
    }

    /// Matches memories with all of these tags. An empty list matches every memory.
    pub fn tags_all<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::TagsAll(names.into_iter().map(Into::into).collect())
    }

    /// Matches memories with this key.
    pub fn key(key: impl Into<String>) -> Self {
        Self::Key(key.into())
    }

    /// Matches memories made in this range of time.
    pub fn created(range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        let (from, to) = half_open(&range);
        Self::Created { from, to }
    }

    /// Matches memories whose event time is in this range.
    pub fn event_time(range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        let (from, to) = half_open(&range);
        Self::EventTime { from, to }
    }

    /// Matches memories that are at least this important, 0 to 1.
    #[doc(alias = "min_importance")]
    pub const fn importance_at_least(from: f32) -> Self {
        Self::Importance { from, to: 1.0 }
    }

    /// Matches memories with an importance in this range. An end that the Rust range leaves out is
    /// left out: `..0.3` ends at the largest `f32` below 0.3.
    ///
    /// ```
    /// use altiplano::Filter;
    /// assert_eq!(Filter::importance(0.5..=1.0), Filter::importance_at_least(0.5));
    /// assert_eq!(Filter::importance(..0.3), Filter::importance(..=0.3_f32.next_down()));
    /// ```
    pub fn importance(range: impl std::ops::RangeBounds<f32>) -> Self {
        use std::ops::Bound;
        // A range such as `0.3..0.3` contains nothing. No importance is 2.
        if let (Bound::Included(from), Bound::Excluded(to)) =
            (range.start_bound(), range.end_bound())
            && from == to
        {
            return Self::Importance { from: 2.0, to: 2.0 };
        }
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(from) => from.next_up(),
            Bound::Unbounded => f32::NEG_INFINITY,
        };
        let to = match range.end_bound() {
            Bound::Included(to) => *to,
            Bound::Excluded(to) => to.next_down(),
            Bound::Unbounded => f32::INFINITY,
        };
        Self::Importance { from, to }
    }

    /// Matches pinned memories, or with `false` those that are not pinned.
    pub const fn pinned(pinned: bool) -> Self {
        Self::Pinned(pinned)
    }

    /// Matches every memory: the same as [`Filter::All`].
    pub const fn all() -> Self {
        Self::All
    }

    /// Matches the memory with this id.
    pub fn id(id: impl Into<MemoryId>) -> Self {
        Self::Ids(vec![id.into()])
    }

    /// Matches memories with one of these ids.
    pub fn ids<I: Into<MemoryId>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Ids(ids.into_iter().map(Into::into).collect())
    }

    /// Matches if both filters match. The list stays flat from whichever side it is built.
    ///
    /// ```
    /// use altiplano::Filter;
    /// let [a, b, c] = ["a", "b", "c"].map(Filter::kind);
    /// let left = a.clone().and(b.clone()).and(c.clone());
    /// assert_eq!(left, a.and(b.and(c)));
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, other) => other,
            (this, Self::All) => this,
            (this, other) => Self::And(joined(this, other, Self::and_list)),
        }
    }

    /// Matches if at least one of both filters matches. The list stays flat from whichever side it
    /// is built.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Or(joined(self, other, Self::or_list))
    }

    /// Matches if this filter does not match. `!filter` is the same.
    #[must_use]
    #[doc(alias = "negate")]
    #[expect(
        clippy::should_implement_trait,
        reason = "the trait is implemented; this needs no import"
    )]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    const fn and_list(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::And(list) = self { Some(list) } else { None }
    }

    const fn or_list(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::Or(list) = self { Some(list) } else { None }
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Self::not(self)
    }
}

impl std::ops::BitAnd for Filter {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}

impl std::ops::BitOr for Filter {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

/// Returns both filters in one list. `list` returns the list of a filter if it is a join of the
/// wanted kind.
fn joined(
    mut left: Filter,
    mut right: Filter,
    list: impl Fn(&mut Filter) -> Option<&mut Vec<Filter>>,
) -> Vec<Filter> {
    let taken = |filter: &mut Filter| list(filter).map(std::mem::take);
    match (taken(&mut left), taken(&mut right)) {
        (Some(mut left), Some(mut right)) => {
            left.append(&mut right);
            left
        }
        (Some(mut left), None) => {
            left.push(right);
            left
        }
        // Inserting at the front moves the whole list, so a fold from the right would be quadratic.
        // The order has no meaning, so the filter is appended.
        (None, Some(mut right)) if right.len() >= IN_ORDER => {
            right.push(left);
            right
        }
        (None, Some(mut right)) => {
            right.insert(0, left);
            right
        }
        (None, None) => vec![left, right],
    }
}

fn half_open(range: &impl std::ops::RangeBounds<Timestamp>) -> (Timestamp, Timestamp) {
    use std::ops::Bound;
    let after = |t: Timestamp| t + Duration::from_millis(1);
    let from = match range.start_bound() {
        Bound::Included(t) => *t,
        Bound::Excluded(t) => after(*t),
        Bound::Unbounded => Timestamp::MIN,
    };
    let to = match range.end_bound() {
        Bound::Included(t) => after(*t),
        Bound::Excluded(t) => *t,
        Bound::Unbounded => Timestamp::MAX,
    };
    (from, to)
}
