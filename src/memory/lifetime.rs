//! Owns how long a memory lives: what the caller says, what is stored, and where that came from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::Seq;

/// When a memory stops being visible.
///
/// A memory that a store gave back has [`Lifetime::Until`] or [`Lifetime::Forever`], whatever it
/// was inserted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Lifetime {
    /// As the collection's default says.
    #[default]
    Default,
    /// For this long after the insert.
    Ttl(Duration),
    /// Until this moment.
    Until(Timestamp),
    /// For ever, whatever the collection says.
    Forever,
}

/// When the life of a memory ends, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// `Timestamp::MAX` for never.
    pub(crate) at: Timestamp,
    /// The collection's default says so, and not the memory.
    pub(crate) by_default: bool,
}

impl From<Timestamp> for Expiry {
    fn from(at: Timestamp) -> Self {
        Self { at, by_default: false }
    }
}

/// Who set the end of a memory's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// The caller.
    #[default]
    Given,
    /// The store that gave the memory back.
    Stored,
    /// The same, and there it came from the default of a collection.
    StoredByDefault,
}

/// What a store knows of a memory that it gave back. It is no part of what the memory says, so two
/// memories are equal whatever theirs are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) seq: Option<Seq>,
    pub(crate) end: End,
}

impl Origin {
    /// Of a memory that was read with `serde`: its end is treated as one that a store gave back.
    pub(super) const fn imported() -> Self {
        Self { seq: None, end: End::Stored }
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
