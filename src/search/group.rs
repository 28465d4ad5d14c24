//! Owns the attributes by which results are grouped. `answer` forms the groups.

use serde::Serialize;

use crate::filter::{Attributes, Filter};

/// The attribute by which [`Search::group_by`](crate::Search::group_by) groups results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum GroupBy {
    /// [`Memory::namespace`](crate::Memory::namespace).
    Namespace,
    /// [`Memory::session`](crate::Memory::session).
    Session,
    /// [`Memory::kind`](crate::Memory::kind).
    Kind,
    /// [`Memory::key`](crate::Memory::key).
    Key,
}

impl GroupBy {
    /// Returns the value of a row, if it has one.
    pub(super) const fn value<'a>(self, of: &Attributes<'a>) -> Option<&'a str> {
        match self {
            Self::Namespace => of.namespace,
            Self::Session => of.session,
            Self::Kind => of.kind,
            Self::Key => of.key,
        }
    }

    /// Returns the filter for the memories with this value.
    pub(super) fn filter(self, value: &str) -> Filter {
        match self {
            Self::Namespace => Filter::namespace(value),
            Self::Session => Filter::session(value),
            Self::Kind => Filter::kind(value),
            Self::Key => Filter::key(value),
        }
    }
}
