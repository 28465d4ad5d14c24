//! Owns what all kernels of signs side by side share: what a block of rows looks like, and how the
//! sums of a block become one bit for each row.
//!
//! A block holds [`ROWS`] rows: their scales, their lengths, each as f32, and for every four
//! coordinates 16 bytes, of which byte `i` has the four signs of row `i` in its low half and those
//! of row `i + 16` in its high half. So one table look-up of a vector instruction adds up four
//! coordinates of many rows (André et al., "Cache locality is not enough: High-Performance Nearest
//! Neighbor Search with Product Quantization Fast Scan", VLDB 2015, section 4).

use super::batch::{Lanes, Terms};

/// Rows of a block.
pub(crate) const ROWS: usize = 32;

/// Bytes of scales and lengths.
pub(crate) const HEADS: usize = 2 * 4 * ROWS;

/// Most coordinates that 16 bits can add up, a multiple of 64: a table's entries are at most 60.
pub(crate) const MOST_COORDINATES: usize = 4352;

/// Blocks that are measured in one call, as far as they are whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks<'a> {
    pub(crate) bytes: &'a [u8],
    /// For every four coordinates 16 entries: what is added for each combination of their signs.
    /// Four such tables are one of these.
    pub(crate) tables: &'a [Lanes],
    /// Of products that are sums of table entries.
    pub(crate) terms: Terms,
    pub(crate) bound: f32,
}

impl Blocks<'_> {
    /// Bytes of a block with so many [`Lanes`] of tables.
    pub(crate) const fn stride(lanes: usize) -> usize {
        HEADS + 64 * lanes
    }
}

/// For each block of a call the rows that may be nearer than the bound, the first in the lowest
/// bit. `sums` adds up the tables' entries for the rows of a block, `below` tells which distances
/// are below a bound. Both become part of the caller, with the processor features that it may use.
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

/// Which distances are below a bound, the first in the lowest bit.
pub(super) fn below(distances: &[f32; ROWS], bound: f32) -> u32 {
    (0..ROWS).map(|i| u32::from(distances[i] < bound) << i).sum()
}
