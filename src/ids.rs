//! Owns the identities: of memories (public), files, collections and operations (internal).
//! Knows nothing of what they name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The identity of one memory inside a collection: 128 bits, chosen by the caller.
///
/// ```
/// use altiplano::MemoryId;
/// assert_eq!(MemoryId::from(7u64), MemoryId::from(7u128));
/// assert_eq!(MemoryId::from(7u64).as_u128(), 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemoryId(u128);

impl MemoryId {
    /// The id as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl From<u128> for MemoryId {
    fn from(id: u128) -> Self {
        Self(id)
    }
}

impl From<u64> for MemoryId {
    fn from(id: u64) -> Self {
        Self(u128::from(id))
    }
}

#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for MemoryId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.as_u128())
    }
}

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryId({})", self.0)
    }
}

/// The number of a file in a store. Never reused (`next_file` in the manifest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct FileId(pub(crate) u64);

/// The number of a collection. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct CollectionId(pub(crate) u32);

/// The place of one operation in the history of a store: 1 for the first, 0 for "before all".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Seq(pub(crate) u64);

impl Seq {
    pub(crate) const ZERO: Self = Self(0);
    /// Files that hold a larger one are damaged: counting on from it would overflow.
    pub(crate) const MAX: Self = Self(u64::MAX / 2);
}
