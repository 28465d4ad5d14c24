#![doc = include_str!("format.md")]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects
    )
)]

pub(crate) mod at_path;
pub(crate) mod change;
pub(crate) mod codec;
pub(crate) mod cursor;
mod filter;
mod filter_values;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod manifest;
mod metadata;
pub(crate) mod names;
pub(crate) mod op;
pub(crate) mod record;
pub(crate) mod shape;
pub(crate) mod table;

/// The format that this version writes. A reader must support at least this one to read it.
pub const READ_VERSION: u16 = 4;
/// The format that this version writes. A writer must support at least this one to append to it.
pub const WRITE_VERSION: u16 = 4;

/// An error in decoded bytes. Modules above add the file's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// The position of the error, from the start of the decoded slice.
    pub(crate) offset: u64,
    /// The condition that is not met.
    pub(crate) reason: &'static str,
}

impl DecodeError {
    pub(crate) const fn new(offset: u64, reason: &'static str) -> Self {
        Self { offset, reason }
    }
}

/// Returns the CRC-32 (IEEE) of the concatenated pieces.
pub(crate) fn crc32(pieces: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize()
}
