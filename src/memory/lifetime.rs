//! Owns how long a memory lives: the caller's choice, the stored end, and who set that end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::Seq;

/// How long a memory is visible: searches, reads and counts no longer find it afterwards.
///
/// A memory read from a store has [`Lifetime::Until`] or [`Lifetime::Forever`], whatever lifetime
/// it was inserted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Lifetime {
    /// For the [`default_ttl`](crate::CollectionOptions::default_ttl) of the collection; for ever
    /// if it has none.
    #[default]
    Default,
    /// For this long after the insert.
    Ttl(Duration),
    /// Until this moment.
    Until(Timestamp),
    /// For ever, whatever the collection's default is.
    Forever,
}

impl From<Duration> for Lifetime {
    fn from(ttl: Duration) -> Self {
        Self::Ttl(ttl)
    }
}

impl From<Timestamp> for Lifetime {
    fn from(end: Timestamp) -> Self {
        Self::Until(end)
    }
}

/// When a memory expires, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// `Timestamp::MAX` means never.
    pub(crate) at: Timestamp,
    /// Whether the end came from the collection's default, not from the memory.
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
    /// The store that the memory was read from.
    Stored,
    /// The store that the memory was read from, where a collection's default set it.
    StoredByDefault,
}

/// What a store knows of a memory that was read from it. Equality of memories ignores it, because
/// it is no part of their content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    /// The operation that inserted the memory.
    pub(crate) seq: Option<Seq>,
    /// The newest operation that wrote or changed it.
    pub(crate) version: Option<Seq>,
    /// The bytes of its row.
    pub(crate) bytes: Option<u64>,
    pub(crate) end: End,
}

impl Origin {
    /// The origin of a memory deserialized with `serde`: its end is treated like one read from a
    /// store.
    pub(super) const fn imported() -> Self {
        Self { seq: None, version: None, bytes: None, end: End::Stored }
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
