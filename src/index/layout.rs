//! Owns the numbers that `idx` files are made of: sections and kinds of codes. Layout: `format.md`,
//! "Index".

use crate::options::Quantization;

pub(super) const DESCRIPTION: u32 = 1;
pub(super) const CODES: u32 = 2;
/// What beams found against a scan of the same codes, in files of format version 1: not what users
/// get.
pub(super) const OLD_EF_TABLE: u32 = 3;
/// The signs of the codes side by side, in an index that is scanned.
pub(super) const SIGNS: u32 = 4;
/// What the codes are made of, and how far off they are.
pub(super) const FRAME: u32 = 5;
/// What beams found against the truth.
pub(super) const EF_TABLE: u32 = 6;
/// The lists of level 0, `2 m` places each: one read finds a list.
pub(super) const LISTS: u32 = 16;
/// Nodes, offsets and neighbors of level l above it are sections `LISTS + 3 l`, `+ 1` and `+ 2`.
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
