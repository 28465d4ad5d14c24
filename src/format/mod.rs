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
pub(crate) mod codec;
pub(crate) mod cursor;
mod filter;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod manifest;
pub(crate) mod names;
pub(crate) mod op;
pub(crate) mod record;
pub(crate) mod shape;
pub(crate) mod table;

/// The format that this version writes: a reader needs at least this to read it.
pub const READ_VERSION: u16 = 2;
/// The format that this version writes: a writer needs at least this to add to it.
pub const WRITE_VERSION: u16 = 2;

/// Bytes that do not mean what they should. Upper modules add the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// Where, from the start of the decoded slice.
    pub(crate) offset: u64,
    /// What did not hold.
    pub(crate) reason: &'static str,
}

impl DecodeError {
    pub(crate) const fn new(offset: u64, reason: &'static str) -> Self {
        Self { offset, reason }
    }
}

/// CRC-32 (IEEE) of several pieces in a row.
pub(crate) fn crc32(pieces: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize()
}
