//! Owns the identities: of memories (public), files, collections and operations (internal).
//! Knows nothing of what they name.

mod interchange;

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The identity of one memory inside a collection: 128 bits, chosen by the caller.
///
/// It is shown as a decimal number and read back from one. With `serde` it is a string of that number
/// in text formats such as JSON, since JavaScript and many other readers round whole numbers from 2^53
/// on; numbers are read as well. In binary formats it is a `u128`.
///
/// ```
/// use altiplano::MemoryId;
/// let id = MemoryId::from(7);
/// assert_eq!(id, MemoryId::from(7u128));
/// assert_eq!(id.as_u128(), 7);
/// assert_eq!(id.to_string().parse::<MemoryId>()?, id);
/// assert_eq!(serde_json::to_string(&id).unwrap(), "\"7\"");
/// # Ok::<(), altiplano::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl FromStr for MemoryId {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes: a whole number below 2^128, in decimal digits and
    /// nothing else. [`Error::InvalidOption`] for anything else.
    fn from_str(text: &str) -> Result<Self, Error> {
        // `parse` would take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.map(Self).ok_or_else(|| {
            Error::option("id", format!("{text:?} is not a whole number from 0 to 2^128 - 1"))
        })
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
