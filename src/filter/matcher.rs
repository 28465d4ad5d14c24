//! Owns `Matcher`: a filter prepared for many rows, and its meaning for one row. Lists are sorted
//! once, so a row costs O(log list), not O(list).
//!
//! Invariant: lists are sorted and name nothing twice; joins of one kind are flat.

use super::Filter;
use super::stored::is_under;
use crate::clock::Timestamp;
use crate::ids::MemoryId;

/// The attributes of a row that a filter can test, borrowed from wherever the row lives.
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
    /// `Timestamp::MAX` for a memory that never expires.
    pub(crate) expires_at: Timestamp,
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) valid_to: Option<Timestamp>,
    pub(crate) superseded: bool,
    /// Ids, little-endian.
    pub(crate) derived_from: &'a [[u8; 16]],
    pub(crate) tokens: Option<u32>,
    /// The metadata, if it is JSON text.
    pub(crate) json: Option<&'a [u8]>,
}

impl Attributes<'_> {
    /// Returns the attributes of a row that has nothing but its id and an importance.
    pub(crate) const fn new(id: MemoryId, importance: f32) -> Self {
        Self {
            id,
            namespace: None,
            session: None,
            kind: None,
            key: None,
            tags: Vec::new(),
            created_at: Timestamp::EPOCH,
            event_time: None,
            importance,
            pinned: false,
            expires_at: Timestamp::MAX,
            valid_from: None,
            valid_to: None,
            superseded: false,
            derived_from: &[],
            tokens: None,
            json: None,
        }
    }
}

/// A filter with its lists sorted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matcher(Filter);

impl Matcher {
    /// Prepares a filter. O(n log n) in the nodes and listed values, O(n) if lists are already
    /// sorted.
    pub(crate) fn new(filter: Filter) -> Self {
        Self(filter.rebuilt(|leaf| match leaf {
            Filter::TagsAny(names) | Filter::TagsAll(names) => {
                names.sort_unstable();
                names.dedup();
            }
            Filter::Ids(ids) => {
                ids.sort_unstable();
                ids.dedup();
            }
            _ => {}
        }))
    }

    /// Returns the filter, equivalent to the given one.
    pub(crate) const fn filter(&self) -> &Filter {
        &self.0
    }

    /// Returns filters whose conjunction is the filter.
    pub(crate) fn conditions(&self) -> &[Filter] {
        match &self.0 {
            Filter::And(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// Returns true if it is [`Filter::All`].
    pub(crate) const fn is_all(&self) -> bool {
        matches!(self.0, Filter::All)
    }

    /// Returns true if the filter holds for a row with these attributes.
    pub(crate) fn matches(&self, row: &Attributes<'_>) -> bool {
        self.matches_counted(row, &mut 0)
    }

    /// As [`Self::matches`]. Adds 1 to `read` if the row's metadata was parsed for it.
    pub(crate) fn matches_counted(&self, row: &Attributes<'_>, read: &mut u64) -> bool {
        holds(&self.0, row, read)
    }
}

/// Returns true if a part of a matcher holds for a row with these attributes. Adds 1 to `read` if
/// the row's metadata was parsed for it.
pub(crate) fn holds(filter: &Filter, row: &Attributes<'_>, read: &mut u64) -> bool {
    let mut parsed = false;
    let matches = matches(filter, row, &mut parsed);
    *read += u64::from(parsed);
    matches
}

/// Returns true if the filter reads nothing but attributes.
const fn is_cheap(filter: &Filter) -> bool {
    !matches!(filter, Filter::Field(_))
}

fn matches(filter: &Filter, row: &Attributes<'_>, parsed: &mut bool) -> bool {
    let listed = |names: &[String], tag: &str| names.binary_search_by(|n| (**n).cmp(tag)).is_ok();
    match filter {
        Filter::All => true,
        Filter::Namespace(name) => row.namespace == Some(name),
        Filter::Session(name) => row.session == Some(name),
        Filter::Kind(name) => row.kind == Some(name),
        Filter::TagsAny(names) => row.tags.iter().any(|tag| listed(names, tag)),
        // Each name is listed once, so a row with fewer tags cannot have them all.
        Filter::TagsAll(names) => {
            names.len() <= row.tags.len() && names.iter().all(|n| row.tags.contains(&n.as_str()))
        }
        Filter::Key(key) => row.key == Some(key),
        Filter::Created { from, to } => (*from..*to).contains(&row.created_at),
        Filter::EventTime { from, to } => {
            row.event_time.is_some_and(|at| (*from..*to).contains(&at))
        }
        Filter::Importance { from, to } => (*from..=*to).contains(&row.importance),
        Filter::Pinned(pinned) => row.pinned == *pinned,
        Filter::Ids(ids) => ids.binary_search(&row.id).is_ok(),
        Filter::Field(field) => {
            let (Some(json), Some(query)) = (row.json, field.query()) else {
                return false;
            };
            *parsed = true;
            query.holds(json)
        }
        Filter::ValidAt(at) => {
            row.valid_from.is_none_or(|from| from <= *at) && row.valid_to.is_none_or(|to| *at < to)
        }
        Filter::Superseded(superseded) => row.superseded == *superseded,
        Filter::DerivedFrom(id) => row.derived_from.contains(&id.as_u128().to_le_bytes()),
        Filter::HasSession => row.session.is_some(),
        Filter::Expires { from, to } => (*from..*to).contains(&row.expires_at),
        Filter::Tokens { from, to } => {
            row.tokens.is_some_and(|tokens| (*from..*to).contains(&u64::from(tokens)))
        }
        Filter::NamespaceUnder(name) => row.namespace.is_some_and(|own| is_under(own, name)),
        // What is cheap decides first.
        Filter::And(all) => {
            let mut of = |cheap: bool| {
                all.iter().filter(|f| is_cheap(f) == cheap).all(|f| matches(f, row, parsed))
            };
            of(true) && of(false)
        }
        Filter::Or(any) => {
            let mut of = |cheap: bool| {
                any.iter().filter(|f| is_cheap(f) == cheap).any(|f| matches(f, row, parsed))
            };
            of(true) || of(false)
        }
        Filter::Not(inner) => !matches(inner, row, parsed),
    }
}
