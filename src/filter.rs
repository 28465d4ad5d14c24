//! Owns `Filter`: plain, serialisable data that says which memories are meant, and its meaning for
//! one row (`Filter::matches`). How a segment answers it without looking at every row is
//! `segment::select`. Closures are not filters: see `Search::filter_fn`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::MemoryId;

/// Deepest nesting of `And`, `Or` and `Not` that is accepted.
pub(crate) const MAX_FILTER_DEPTH: usize = 32;
/// Most nodes and listed values in one filter.
pub(crate) const MAX_FILTER_NODES: usize = 1 << 20;

/// Which memories are meant. Build one with the functions below and join them with
/// [`Filter::and`], [`Filter::or`] and [`Filter::negate`].
///
/// A range of time takes its start and leaves out its end, and [`Timestamp::MAX`] itself is in none; a
/// range of importance takes both ends. A memory without the attribute asked for does not match, and
/// matches the negation. Times before 1970 are earlier than all others.
///
/// ```
/// use altiplano::Filter;
/// let filter = Filter::namespace("user:42").and(Filter::kind("summary").negate());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Made in `from..to`.
    Created {
        /// First moment, included.
        from: Timestamp,
        /// Last moment, not included.
        to: Timestamp,
    },
    /// Happened in `from..to`.
    EventTime {
        /// First moment, included.
        from: Timestamp,
        /// Last moment, not included.
        to: Timestamp,
    },
    /// Importance in `from..=to`.
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

    /// With at least one of these tags.
    pub fn tags_any<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::TagsAny(names.into_iter().map(Into::into).collect())
    }

    /// With all of these tags.
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

    /// At least this important.
    pub const fn importance_at_least(from: f32) -> Self {
        Self::Importance { from, to: 1.0 }
    }

    /// One of these ids.
    pub fn ids<I: Into<MemoryId>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Ids(ids.into_iter().map(Into::into).collect())
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, other) => other,
            (this, Self::All) => this,
            (Self::And(mut all), other) => {
                all.push(other);
                Self::And(all)
            }
            (this, other) => Self::And(vec![this, other]),
        }
    }

    /// At least one holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut any) => {
                any.push(other);
                Self::Or(any)
            }
            this => Self::Or(vec![this, other]),
        }
    }

    /// This does not hold.
    #[must_use]
    pub fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Refuses filters that are too deep or too large to evaluate in bounded space.
    pub(crate) fn check(&self) -> Result<()> {
        fn walk(filter: &Filter, depth: usize, nodes: &mut usize) -> Result<()> {
            *nodes += 1;
            if depth > MAX_FILTER_DEPTH {
                return Err(limit(
                    "the nesting of the filter",
                    (depth, "levels"),
                    MAX_FILTER_DEPTH,
                ));
            }
            match filter {
                Filter::And(list) | Filter::Or(list) => {
                    list.iter().try_for_each(|f| walk(f, depth + 1, nodes))?;
                }
                Filter::Not(inner) => walk(inner, depth + 1, nodes)?,
                Filter::TagsAny(names) | Filter::TagsAll(names) => *nodes += names.len(),
                Filter::Ids(ids) => *nodes += ids.len(),
                _ => {}
            }
            if *nodes > MAX_FILTER_NODES {
                return Err(limit("the filter", (*nodes, "parts and values"), MAX_FILTER_NODES));
            }
            Ok(())
        }
        walk(self, 0, &mut 0)
    }

    /// Whether the row with these attributes is meant.
    pub(crate) fn matches(&self, row: &Attributes<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(name) => row.namespace == Some(name),
            Self::Session(name) => row.session == Some(name),
            Self::Kind(name) => row.kind == Some(name),
            Self::TagsAny(names) => names.iter().any(|n| row.tags.contains(&n.as_str())),
            Self::TagsAll(names) => names.iter().all(|n| row.tags.contains(&n.as_str())),
            Self::Key(key) => row.key == Some(key),
            Self::Created { from, to } => (*from..*to).contains(&row.created_at),
            Self::EventTime { from, to } => {
                row.event_time.is_some_and(|at| (*from..*to).contains(&at))
            }
            Self::Importance { from, to } => (*from..=*to).contains(&row.importance),
            Self::Pinned(pinned) => row.pinned == *pinned,
            Self::Ids(ids) => ids.contains(&row.id),
            Self::And(all) => all.iter().all(|f| f.matches(row)),
            Self::Or(any) => any.iter().any(|f| f.matches(row)),
            Self::Not(inner) => !inner.matches(row),
        }
    }
}

/// What a filter can ask of a row, borrowed from wherever the row lives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attributes<'a> {
    pub(crate) id: MemoryId,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) tags: Vec<&'a str>,
    pub(crate) created_at: Timestamp,
    pub(crate) event_time: Option<Timestamp>,
    pub(crate) importance: f32,
    pub(crate) pinned: bool,
    /// `Timestamp::MAX` for a memory that never expires. Not asked by filters, but wherever rows
    /// are looked at.
    pub(crate) expires_at: Timestamp,
}

fn limit(what: &'static str, got: (usize, &'static str), limit: usize) -> Error {
    Error::limit(what, got, limit, "split it into several filters")
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
