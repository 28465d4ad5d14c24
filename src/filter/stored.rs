//! Owns the functions that build filters on fields of metadata and on attributes beside names, time
//! and importance.

use std::ops::{Bound, RangeBounds};

use super::{FieldRef, Filter, half_open};
use crate::clock::Timestamp;
use crate::ids::MemoryId;

/// The end of a range of tokens that has none: more than a memory can have.
pub(super) const TOKENS_END: u64 = 1 << 32;

impl Filter {
    /// Starts a filter on a field of metadata that is a JSON object: [`Memory::metadata_json`] or
    /// [`Memory::field`]. The next call says what a value of the field must be like. Other metadata
    /// has no fields.
    ///
    /// ```
    /// use altiplano::Filter;
    /// let filter = Filter::field("source").eq("email") & Filter::field("year").ge(2024);
    /// let json = serde_json::to_string(&Filter::field("source").eq("email")).unwrap();
    /// assert_eq!(json, r#"{"Field":{"path":"source","test":{"Eq":"email"}}}"#);
    /// # let _ = filter;
    /// ```
    ///
    /// # Paths
    ///
    /// | path | names |
    /// |---|---|
    /// | `a` | the value of the key `a` |
    /// | `a.b` | the value of `b` in the object `a` |
    /// | `tags[*]` | every element of the list `tags` |
    /// | `tags[0]` | the first element of the list `tags` |
    /// | `a["x.y"]`, `["x.y"]` | the value of the key `x.y`; `\"` and `\\` stand for `"` and `\` |
    ///
    /// A key with a dot, a bracket, a quote or a backslash must be in quotes, and so must an empty
    /// one. If an object has a key twice, the last one counts.
    ///
    /// Every call that names a field takes such a path. [`Memory::field`], [`Patch::field`] and the
    /// calls that remove fields take keys alone; [`Memory::field_value`] also takes positions.
    ///
    /// [`Patch::field`]: crate::Patch::field
    /// [`Memory::field_value`]: crate::Memory::field_value
    ///
    /// # Meaning
    ///
    /// A test holds if at least one value at the path passes it. `ne` and `none_of` hold if there
    /// is a value and none is equal. All tests are false where there is no value, and `!` is the
    /// complement: `!Filter::field("a").eq(1)` also matches memories without the field.
    ///
    /// | `a` is | `1`, `1.0` | `5` | `true`, `"1"` | `null` | `{}`, `[]`, `[1]` | missing |
    /// |---|---|---|---|---|---|---|
    /// | `eq(1)` | yes | no | no | no | no | no |
    /// | `ne(1)` | no | yes | yes | yes | yes | no |
    /// | `!eq(1)` | no | yes | yes | yes | yes | yes |
    /// | `lt(2)` | yes | no | no | no | no | no |
    /// | `one_of([1])` | yes | no | no | no | no | no |
    /// | `none_of([1])` | no | yes | yes | yes | yes | no |
    /// | `eq(FieldValue::Null)` | no | no | no | yes | no | no |
    /// | `exists()` | yes | yes | yes | yes | yes | no |
    ///
    /// - Numbers compare as numbers and exactly: 64-bit integers are not rounded to floats. Numbers
    ///   outside of 64 bits are the nearest float. A bool is no number.
    /// - Texts compare by their bytes.
    /// - Null equals null. Objects and lists equal nothing.
    /// - An order between two types is false: `lt`, `le`, `gt`, `ge` and `between`.
    /// - `contains` holds for a list with an element that is equal, and for a text with this part.
    ///   `starts_with` holds for texts.
    /// - A [`Timestamp`] says that the field is a time. Then a text is read as RFC 3339 and a
    ///   number as milliseconds since 1970. Other texts do not match.
    ///
    /// The page [asking](crate::guide::asking) has recipes, and what other filters cost.
    ///
    /// # Cost
    ///
    /// A segment has a column for each path that occurs, so a range of values is found by a binary
    /// search. Columns take at most a quarter of the bytes of the vectors, and at least 64 KiB. The
    /// largest are left out beyond that, and only 4,096 paths have one. There, in memory, and for
    /// positions such as `a[0]`, the metadata of the rows is parsed:
    /// [`Explanation::fields_from_rows`] counts them. [`CollectionStats::field_bytes`] and
    /// [`CollectionStats::field_columns_left_out`] show the columns.
    ///
    /// # What is refused
    ///
    /// [`Error::InvalidOption`] for a path that cannot be read, for NaN, for an order with null or
    /// a bool, and for a range that ends before it starts or has ends of two types.
    /// [`Error::LimitExceeded`] for a path of more than [`Memory::MAX_NAME_BYTES`].
    ///
    /// [`Memory::metadata_json`]: crate::Memory::metadata_json
    /// [`Memory::field`]: crate::Memory::field
    /// [`Memory::MAX_NAME_BYTES`]: crate::Memory::MAX_NAME_BYTES
    /// [`Explanation::fields_from_rows`]: crate::Explanation::fields_from_rows
    /// [`CollectionStats::field_bytes`]: crate::CollectionStats::field_bytes
    /// [`CollectionStats::field_columns_left_out`]: crate::CollectionStats::field_columns_left_out
    /// [`Error::InvalidOption`]: crate::Error::InvalidOption
    /// [`Error::LimitExceeded`]: crate::Error::LimitExceeded
    #[doc(alias = "where")]
    #[doc(alias = "metadata")]
    pub fn field(path: impl Into<String>) -> FieldRef {
        FieldRef::new(path)
    }

    /// Matches memories whose fact holds at this moment: `valid_from <= at < valid_to`. An end that
    /// is not set is open, so a memory without both holds always.
    pub fn valid_at(at: impl Into<Timestamp>) -> Self {
        Self::ValidAt(at.into())
    }

    /// Matches memories that another one replaced ([`Memory::superseded_by`]), or with `false`
    /// those that none did.
    ///
    /// [`Memory::superseded_by`]: crate::Memory::superseded_by
    pub const fn superseded(superseded: bool) -> Self {
        Self::Superseded(superseded)
    }

    /// Matches memories that were made from the one with this id ([`Memory::derived_from`]).
    ///
    /// [`Memory::derived_from`]: crate::Memory::derived_from
    pub fn derived_from(id: impl Into<MemoryId>) -> Self {
        Self::DerivedFrom(id.into())
    }

    /// Matches memories with a session.
    pub const fn has_session() -> Self {
        Self::HasSession
    }

    /// Matches memories that expire in this range of time. A memory that never expires is in none.
    pub fn expires(range: impl RangeBounds<Timestamp>) -> Self {
        let (from, to) = half_open(&range);
        Self::Expires { from, to }
    }

    /// Matches memories whose number of tokens ([`Memory::tokens`]) is in this range. A memory
    /// without one is in none.
    ///
    /// ```
    /// use altiplano::Filter;
    /// assert_eq!(Filter::tokens(5..10), Filter::tokens(5..=9));
    /// ```
    ///
    /// [`Memory::tokens`]: crate::Memory::tokens
    pub fn tokens(range: impl RangeBounds<u32>) -> Self {
        let from = match range.start_bound() {
            Bound::Included(from) => u64::from(*from),
            Bound::Excluded(from) => u64::from(*from) + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(to) => u64::from(*to) + 1,
            Bound::Excluded(to) => u64::from(*to),
            Bound::Unbounded => TOKENS_END,
        };
        Self::Tokens { from, to }
    }

    /// Matches memories in this namespace and in those below it, with `/` as the border. `user:42`
    /// and `user:42/` mean the same: `user:42` itself and `user:42/notes`, but not `user:421`.
    #[doc(alias = "namespace_prefix")]
    pub fn namespace_under(name: impl Into<String>) -> Self {
        Self::NamespaceUnder(name.into())
    }
}

/// Returns the namespace that [`Filter::NamespaceUnder`] names.
pub(crate) fn border(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}

/// Returns true if `own` is the namespace `name`, or below it.
pub(super) fn is_under(own: &str, name: &str) -> bool {
    own.strip_prefix(border(name)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
