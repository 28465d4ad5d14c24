//! Owns the identities: of memories (public), and of files, collections and operations (internal).
//! `unique` makes new ids of memories, and `keyed` makes them of keys. Knows nothing of the things
//! they name.

mod interchange;
mod keyed;
mod unique;

use std::fmt;
use std::str::FromStr;

use crate::value_error::ValueError;

/// The identity of one memory inside a collection: 128 bits, chosen by the caller. A caller without
/// numbers of its own makes new ids with [`MemoryId::unique`], or makes them of its keys with
/// [`MemoryId::from_key`].
///
/// It is displayed as a decimal number, up to 39 digits long. [`MemoryId::to_uuid_string`] is the
/// form for people and other systems, and both forms are parsed. With `serde` it is a string of
/// that number in text formats such as JSON. The reason is that JavaScript and many other readers
/// round whole numbers from 2^53 on. Numbers are accepted as well. In binary formats it is a
/// `u128`.
///
/// ```
/// use altiplano::MemoryId;
/// let id = MemoryId::from(7);
/// assert_eq!(id, MemoryId::from_u128(7));
/// assert_eq!(u64::try_from(id)?, 7);
/// assert_eq!(id.to_string().parse::<MemoryId>()?, id);
/// assert_eq!(id.to_uuid_string().parse::<MemoryId>()?, id);
/// assert_eq!(serde_json::to_string(&id).unwrap(), "\"7\"");
/// # Ok::<(), altiplano::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryId(u128);

impl MemoryId {
    /// Returns the id with these 128 bits. Use `From<u64>` for smaller numbers, after `u64::from`
    /// or `as u64` for other types. No other integer type converts, so that a plain literal, as in
    /// `Memory::new(7, vector)`, has only one meaning: with two, the compiler would take it for an
    /// `i32`.
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }

    /// Returns the id in the form of a UUID: 32 hexadecimal digits in five groups. That is shorter
    /// than the decimal number of [`MemoryId::unique`], and such an id is a UUID of version 7.
    ///
    /// ```
    /// use altiplano::MemoryId;
    /// let id = MemoryId::from_u128(0x017F_22E2_79B0_7CC3_98C4_DC0C_0C07_398F);
    /// assert_eq!(id.to_uuid_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    /// assert_eq!("017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse::<MemoryId>()?, id);
    /// # Ok::<(), altiplano::Error>(())
    /// ```
    pub fn to_uuid_string(self) -> String {
        let part = |shift: u32, digits: u32| (self.0 >> shift) & ((1 << (4 * digits)) - 1);
        let [a, b, c] = [part(96, 8), part(80, 4), part(64, 4)];
        format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", part(48, 4), part(0, 12))
    }

    /// Returns the id as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl From<u64> for MemoryId {
    fn from(id: u64) -> Self {
        Self(u128::from(id))
    }
}

impl From<MemoryId> for u128 {
    fn from(id: MemoryId) -> Self {
        id.0
    }
}

impl TryFrom<MemoryId> for u64 {
    type Error = ValueError;

    /// Returns [`ValueError`] for an id that needs more than 64 bits.
    fn try_from(id: MemoryId) -> Result<Self, ValueError> {
        Self::try_from(id.0)
            .map_err(|_| ValueError::new("id", format!("{id} needs more than 64 bits")))
    }
}

#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for MemoryId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.as_u128())
    }
}

#[cfg(feature = "uuid")]
impl From<MemoryId> for uuid::Uuid {
    fn from(id: MemoryId) -> Self {
        Self::from_u128(id.0)
    }
}

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for MemoryId {
    type Err = ValueError;

    /// Parses the output of [`Display`](fmt::Display), a whole number below 2^128 in decimal digits
    /// only, and that of [`MemoryId::to_uuid_string`], with digits of either case. Returns
    /// [`ValueError`] for anything else.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        // `parse` would accept a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { from_uuid(text) };
        number.map(Self).ok_or_else(|| {
            let allowed = "a whole number from 0 to 2^128 - 1 and not a UUID";
            ValueError::new("id", format!("{text:?} is not {allowed}"))
        })
    }
}

/// Returns the number of a UUID in the form with four hyphens.
fn from_uuid(text: &str) -> Option<u128> {
    let mut number = 0;
    for (at, byte) in text.bytes().enumerate() {
        number = match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => number,
            (8 | 13 | 18 | 23 | 36.., _) => return None,
            _ => number << 4 | u128::from(char::from(byte).to_digit(16)?),
        };
    }
    (text.len() == 36).then_some(number)
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

/// The place of one operation in the history of a store: 1 for the first, 0 for "before all
/// operations".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Seq(pub(crate) u64);

impl Seq {
    pub(crate) const ZERO: Self = Self(0);
    /// A file that holds a larger number is damaged: counting on from it could overflow.
    pub(crate) const MAX: Self = Self(u64::MAX / 2);
}
