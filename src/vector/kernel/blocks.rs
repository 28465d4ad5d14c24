//! Owns the common part of all kernels of FastScan blocks. It has the layout of a block, and the
//! step from the sums of a block to one bit per row.
//!
//! A block holds [`ROWS`] rows: their scales, their lengths, each as f32, and 16 bytes for every
//! four coordinates. Byte `i` of these has the four signs of row `i` in its low half and those of
//! row `i + 16` in its high half. So one table look-up of a vector instruction adds up four
//! coordinates of many rows (André et al., "Cache locality is not enough: High-Performance Nearest
//! Neighbor Search with Product Quantization Fast Scan", VLDB 2015, section 4).

use super::batch::{Lanes, Terms};

/// Rows in a block.
pub(crate) const ROWS: usize = 32;

/// Bytes of scales and lengths in a block.
pub(crate) const HEADS: usize = 2 * 4 * ROWS;

/// Most coordinates whose sum fits 16 bits, a multiple of 64: a table's entries are at most 60.
pub(crate) const MOST_COORDINATES: usize = 4352;

/// Blocks compared in one call; an incomplete last block is skipped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks<'a> {
    pub(crate) bytes: &'a [u8],
    /// A table of 16 entries for every four coordinates: the sum for each combination of their
    /// signs. Each [`Lanes`] holds four tables.
    pub(crate) tables: &'a [Lanes],
    /// The coefficients for products that are sums of table entries.
    pub(crate) terms: Terms,
    pub(crate) bound: f32,
}

impl Blocks<'_> {
    /// Returns the bytes of a block whose tables take `lanes` [`Lanes`].
    pub(crate) const fn stride(lanes: usize) -> usize {
        HEADS + 64 * lanes
    }
}

/// Computes for each block the rows that may be nearer than the bound, the first row in the lowest
/// bit. `sums` adds up the tables' entries for the rows of a block. `below` returns which distances
/// are below a bound. Both are inlined into the caller and may use its processor features.
#[inline(always)]
pub(super) fn sift(
    blocks: &Blocks<'_>,
    out: &mut [u32],
    sums: impl Fn(&[u8], &[Lanes]) -> [u16; ROWS],
    below: impl Fn(&[f32; ROWS], f32) -> u32,
) {
    let Blocks { bytes, tables, terms, bound } = *blocks;
    for (block, out) in bytes.chunks_exact(Blocks::stride(tables.len())).zip(out) {
        let (heads, signs) = block.split_at(HEADS);
        let sums = sums(signs, tables);
        let (scales, lengths) = heads.split_at(4 * ROWS);
        let (scales, lengths) = (scales.as_chunks::<4>().0, lengths.as_chunks::<4>().0);
        let mut distances = [0.0; ROWS];
        for (i, (scale, length)) in scales.iter().zip(lengths).enumerate().take(ROWS) {
            let (scale, length) = (f32::from_le_bytes(*scale), f32::from_le_bytes(*length));
            let product = (i32::from(sums[i]) * terms.factor + terms.shift) as f32;
            let near = terms.bias + terms.squared * length * length - terms.slack * length;
            distances[i] = near + terms.weight * scale * product;
        }
        *out = below(&distances, bound);
    }
}

/// Returns which distances are below a bound, the first in the lowest bit.
pub(super) fn below(distances: &[f32; ROWS], bound: f32) -> u32 {
    (0..ROWS).map(|i| u32::from(distances[i] < bound) << i).sum()
}
