//! Owns the definitions that the writer, the reader and the salvager of `seg` files share: numbers
//! of sections, flags, hashes and checksums of rows. Layout: `format.md`, "Segment".

use super::row::RowRef;
use crate::format::crc32;

pub(super) const DESCRIPTION: u32 = 1;
pub(super) const VECTORS: u32 = 2;
pub(super) const BODIES: u32 = 3;
pub(super) const IDS: u32 = 4;
pub(super) const BLOOM: u32 = 5;
pub(super) const SEQS: u32 = 6;
pub(super) const CREATED: u32 = 7;
pub(super) const EVENTS: u32 = 8;
pub(super) const EXPIRIES: u32 = 9;
pub(super) const IMPORTANCES: u32 = 10;
pub(super) const FLAGS: u32 = 11;
pub(super) const NORMS: u32 = 12;
pub(super) const VECTOR_CRCS: u32 = 13;
pub(super) const BODY_CRCS: u32 = 14;
pub(super) const BODY_OFFSETS: u32 = 15;
pub(super) const KEYS: u32 = 16;
pub(super) const POSTINGS: u32 = 17;
pub(super) const FIELDS: u32 = 18;
pub(super) const WORDS: u32 = 19;

/// Offset of the first expiry in the description, after rows and dimension.
pub(super) const FIRST_EXPIRY_AT: usize = 8;
/// Bit of `FLAGS`: the row is pinned.
pub(super) const PINNED: u8 = 1;
/// Bit of `FLAGS`: the row has an event time.
pub(super) const HAS_EVENT: u8 = 2;
/// Bit of `FLAGS`: the body says something of its history (fields 20, 21 and 24).
pub(super) const HAS_HISTORY: u8 = 4;

/// Returns the hash of a key, by which it is found. Must be the same on every machine and in every
/// version.
pub(super) fn key_hash(key: &str) -> u64 {
    // FNV-1a, 64 bits.
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Returns the checksum of the fields that a search returns of a row without its body.
pub(super) fn vector_crc(row: &RowRef<'_>) -> u32 {
    crc32(&[
        &row.id.as_u128().to_le_bytes(),
        &row.seq.0.to_le_bytes(),
        &row.norm.to_le_bytes(),
        bytemuck::cast_slice(row.vector),
    ])
}
