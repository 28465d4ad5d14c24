//! Owns `Filter`: plain, serialisable data that says which memories are meant. What a filter means
//! for one row is `matcher`, which filters are refused is `check`, and which hold for every memory
//! is `constant`. How a segment answers a filter without looking at every row is `segment::select`.
//! Closures are not filters: see `Search::filter_fn`.
//!
//! Invariants: nothing recurses into a filter before `Filter::check` has bounded its depth; joins
//! of one kind are flat, whichever side they are built from.

mod check;
mod constant;
mod interchange;
mod matcher;
mod nesting;

use std::time::Duration;

pub(crate) use matcher::{Attributes, Matcher};

use crate::clock::Timestamp;
use crate::ids::MemoryId;

/// Deepest nesting of `And`, `Or` and `Not` that is accepted. A join inside a join of its own kind
/// adds no depth.
pub(crate) const MAX_FILTER_DEPTH: usize = 32;
/// Most nodes and listed values in one filter.
pub(crate) const MAX_FILTER_NODES: usize = 1 << 20;

/// Longest list in front of which a join is put in order; see [`Filter::and`].
const IN_ORDER: usize = 1024;

/// Which memories are meant. Build one with the functions below and join them with `&`, `|` and
/// `!`, or with [`Filter::and`], [`Filter::or`] and [`Filter::not`], which do the same.
///
/// A range of time is taken as the Rust range says: `a..b` leaves `b` out, `a..=b` takes it, and [`Timestamp::MAX`] itself is in
/// none; a range of importance takes both ends. A memory without the attribute asked for does not
/// match, and matches the negation. Times before 1970 are earlier than all others.
///
/// # What is refused
///
/// Every verb that takes a filter refuses, with
/// [`Error::InvalidOption`](crate::Error::InvalidOption), a range that ends before it starts and an
/// importance that is NaN. It refuses, with [`Error::LimitExceeded`](crate::Error::LimitExceeded),
/// more than 32 levels of `And`, `Or` and `Not` inside one another, and more than 1,048,576 filters
/// and listed values. Lists of one kind are one level, however they are nested.
/// [`Collection::delete_where`](crate::Collection::delete_where) also refuses a filter that holds
/// for every memory, unless it is [`Filter::All`].
///
/// # In JSON
///
/// A filter is an object with the name of its kind: `{"Namespace": "user:42"}`. Ids are strings,
/// since JavaScript and many other readers round whole numbers from 2^53 on; numbers are read as
/// well. An open end of a range is `null`, or left out. Joins of one kind come back flat.
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
    /// Every memory.
    All,
    /// In this namespace.
    Namespace(String),
    /// Of this session.
    Session(String),
    /// Of this kind.
    Kind(String),
    /// With at least one of these tags.
    TagsAny(Vec<String>),
    /// With all of these tags.
    TagsAll(Vec<String>),
    /// With this key.
    Key(String),
    /// Made in `from..to`. See [`Filter::created`].
    #[non_exhaustive]
    Created {
        /// First moment, included.
        from: Timestamp,
        /// Last moment, not included.
        to: Timestamp,
    },
    /// Happened in `from..to`. See [`Filter::event_time`].
    #[non_exhaustive]
    EventTime {
        /// First moment, included.
        from: Timestamp,
        /// Last moment, not included.
        to: Timestamp,
    },
    /// Importance in `from..=to`. See [`Filter::importance`].
    #[non_exhaustive]
    Importance {
        /// Smallest, included.
        from: f32,
        /// Largest, included.
        to: f32,
    },
    /// Pinned or not.
    Pinned(bool),
    /// One of these ids.
    Ids(Vec<MemoryId>),
    /// All of these hold; true if there are none.
    And(Vec<Filter>),
    /// At least one of these holds; false if there are none.
    Or(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
}

impl Filter {
    /// In this namespace.
    pub fn namespace(name: impl Into<String>) -> Self {
        Self::Namespace(name.into())
    }

    /// Of this session.
    pub fn session(name: impl Into<String>) -> Self {
        Self::Session(name.into())
    }

    /// Of this kind.
    pub fn kind(name: impl Into<String>) -> Self {
        Self::Kind(name.into())
    }

    /// With this tag.
    pub fn tag(name: impl Into<String>) -> Self {
        Self::TagsAny(vec![name.into()])
    }

    /// With at least one of these tags; holds for no memory if there are none.
    pub fn tags_any<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::TagsAny(names.into_iter().map(Into::into).collect())
    }

    /// With all of these tags; holds for every memory if there are none.
    pub fn tags_all<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::TagsAll(names.into_iter().map(Into::into).collect())
    }

    /// With this key.
    pub fn key(key: impl Into<String>) -> Self {
        Self::Key(key.into())
    }

    /// Made in this range of time.
    pub fn created(range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        let (from, to) = half_open(&range);
        Self::Created { from, to }
    }

    /// Happened in this range of time.
    pub fn event_time(range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        let (from, to) = half_open(&range);
        Self::EventTime { from, to }
    }

    /// At least this important, 0 to 1.
    #[doc(alias = "min_importance")]
    pub const fn importance_at_least(from: f32) -> Self {
        Self::Importance { from, to: 1.0 }
    }

    /// Importance in this range, both ends included.
    ///
    /// ```
    /// use altiplano::Filter;
    /// assert_eq!(Filter::importance(0.5..=1.0), Filter::importance_at_least(0.5));
    /// ```
    pub const fn importance(range: std::ops::RangeInclusive<f32>) -> Self {
        Self::Importance { from: *range.start(), to: *range.end() }
    }

    /// Pinned, or not.
    pub const fn pinned(pinned: bool) -> Self {
        Self::Pinned(pinned)
    }

    /// Every memory: the same as [`Filter::All`].
    pub const fn all() -> Self {
        Self::All
    }

    /// With this id.
    pub fn id(id: impl Into<MemoryId>) -> Self {
        Self::Ids(vec![id.into()])
    }

    /// One of these ids.
    pub fn ids<I: Into<MemoryId>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Ids(ids.into_iter().map(Into::into).collect())
    }

    /// Both hold. The list stays flat from whichever side it is built.
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

    /// At least one holds. The list stays flat from whichever side it is built.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Or(joined(self, other, Self::or_list))
    }

    /// This does not hold. `!filter` is the same.
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

/// Both in one list, where `list` gives the list of a join of the kind asked for.
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
        // To put it in front moves the whole list. The order means nothing, and a fold from the
        // right would be quadratic.
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
