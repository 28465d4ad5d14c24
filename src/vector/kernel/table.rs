//! Owns the table of kernels: the functions of one instruction set.

use super::batch::{Batch, Lanes, Part, Rows};
use super::blocks::Blocks;

/// The functions of one instruction set that measure distances. Both slices of a call have the same
/// length; if not, the longer one is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernels {
    /// The name of the instruction set.
    pub(crate) name: &'static str,
    /// Dot product.
    pub(crate) dot_f32: fn(&[f32], &[f32]) -> f32,
    /// Squared Euclidean distance.
    pub(crate) l2_f32: fn(&[f32], &[f32]) -> f32,
    /// Squared Euclidean distance of the first vector from the second one, times a factor. The
    /// factor is applied without rounding, so that nearly equal vectors have the right distance.
    pub(crate) l2_scaled_f32: fn(&[f32], &[f32], f32) -> f32,
    /// Prefetches the cache lines of a row that is measured soon.
    pub(crate) prefetch: fn(&[u8]),
    /// Prefetches a part of many rows.
    pub(crate) ask: fn(&Rows<'_>, Part, &[u32]),
    /// Distances of int8 rows from int8 values, which are as long as the rows.
    pub(crate) int8: fn(&Batch<'_>, &[i8], &mut [f32]),
    /// Distances of rows of 4, 2 or 1 bits from int8 values, which are in the order in which rows
    /// are unpacked: see `codes::bits`.
    pub(crate) bits4: BitsFromInt8,
    pub(crate) bits2: BitsFromInt8,
    pub(crate) bits1: BitsFromInt8,
    /// Distances of rows of one bit from values of `PLANES` bits, split into bit planes. Each 64
    /// bytes of the rows have one vector with the lowest bits of the values, one with the next
    /// bits, and so on. A product is a weighted count of the bits that a row shares with each
    /// plane.
    pub(crate) planes: BitsFromInt8,
    /// Distances of rows of 4, 2 or 1 bits from the values of such a row, with the scale for pairs.
    pub(crate) bits4_pairs: BitsFromBits,
    pub(crate) bits2_pairs: BitsFromBits,
    pub(crate) bits1_pairs: BitsFromBits,
    /// The rows of FastScan blocks that may be nearer than a bound.
    pub(crate) blocks: fn(&Blocks<'_>, &mut [u32]),
}

pub(crate) type BitsFromInt8 = fn(&Batch<'_>, &[Lanes], &mut [f32]);
pub(crate) type BitsFromBits = fn(&Batch<'_>, &[u8], &mut [f32]);
