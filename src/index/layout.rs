//! Owns the numbers used in `idx` files: sections and kinds of codes. Layout: `format.md`, "Index".

use crate::options::Quantization;

pub(super) const DESCRIPTION: u32 = 1;
pub(super) const CODES: u32 = 2;
/// Recall of beams against a scan of the same codes, in files of format version 1. It is not the
/// recall that users get.
pub(super) const OLD_EF_TABLE: u32 = 3;
/// The sign bits of the codes in FastScan blocks, in an index without a graph.
pub(super) const SIGNS: u32 = 4;
/// The frame of the codes, and their error.
pub(super) const FRAME: u32 = 5;
/// Recall of beams against the true neighbors.
pub(super) const EF_TABLE: u32 = 6;
/// The lists of level 0, `2 m` places each: one read gets a list.
pub(super) const LISTS: u32 = 16;
/// Level `l` above level 0 has its nodes, offsets and neighbors in sections `LISTS + 3 l`, `+ 1`
/// and `+ 2`.
pub(super) const LEVELS: u32 = LISTS + 3;

/// The kinds of codes by their numbers in files.
pub(super) const KINDS: [(u32, Quantization); 5] = [
    (1, Quantization::Int8),
    (2, Quantization::None),
    (3, Quantization::Bits4),
    (4, Quantization::Bits2),
    (5, Quantization::Bits1),
];

pub(super) fn kind_of(codes: Quantization) -> u32 {
    KINDS.iter().find(|(_, kind)| *kind == codes).map_or(0, |(number, _)| *number)
}
