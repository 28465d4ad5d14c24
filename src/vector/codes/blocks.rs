//! Owns the signs of rows of 4 bits side by side, as a scan of all rows reads them: blocks of rows, in the
//! layout of `kernel::blocks`. They are the signs in front of each row once more, where tables can add up
//! four coordinates of many rows at once; a search that jumps from row to row reads those in front.

use super::bits::{self, HEAD};
use super::{CodeRows, CodeSpec, Query, QueryOver, Values};
use crate::map_vec::MapVec;
use crate::options::Quantization;
use crate::vector::kernel::batch::{Lanes, Terms};
use crate::vector::kernel::blocks::{Blocks, MOST_COORDINATES, ROWS};
use crate::vector::rotate::padded;

/// Blocks that are looked at in one call.
pub(crate) const AT_ONCE: usize = 8;

/// The signs of many rows side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignBlocks<'a> {
    bytes: &'a [u8],
    rows: u32,
    stride: usize,
}

impl<'a> SignBlocks<'a> {
    /// Those of so many rows; `None` if these bytes are not.
    pub(crate) fn new(spec: CodeSpec, bytes: &'a [u8], rows: u32) -> Option<Self> {
        let stride = spec.block_bytes()?;
        let blocks = (rows as usize).div_ceil(ROWS);
        (bytes.len() == blocks * stride).then_some(Self { bytes, rows, stride })
    }

    /// How many rows.
    pub(crate) const fn rows(&self) -> u32 {
        self.rows
    }
}

impl CodeSpec {
    /// Bytes of a block of signs side by side; `None` for codes that have none.
    pub(crate) fn block_bytes(&self) -> Option<usize> {
        let coordinates = padded(self.dimension);
        let has = self.codes == Quantization::Bits4 && coordinates <= MOST_COORDINATES;
        has.then(|| Blocks::stride(coordinates / 16))
    }

    /// Puts the signs of rows, at most [`ROWS`], into a block, in place of what `out` held. Where there are
    /// fewer, the others have length 0.
    pub(crate) fn encode_block(&self, rows: &[&[u8]], out: &mut Vec<u8>) {
        out.clear();
        let heads: Vec<(f32, f32)> = rows.iter().map(|row| bits::sign_terms(row)).collect();
        let head = |i: usize| heads.get(i).copied().unwrap_or_default();
        out.extend((0..ROWS).flat_map(|i| head(i).0.to_le_bytes()));
        out.extend((0..ROWS).flat_map(|i| head(i).1.to_le_bytes()));
        let four = |i: usize, at: usize| {
            let byte = rows.get(i).and_then(|row| row.get(HEAD + at / 2)).copied().unwrap_or(0);
            byte >> (4 * (at % 2)) & 0x0f
        };
        for at in 0..padded(self.dimension) / 4 {
            out.extend((0..ROWS / 2).map(|i| four(i, at) | four(i + ROWS / 2, at) << 4));
        }
    }
}

/// A query as signs side by side are compared with it.
#[derive(Clone, Debug)]
pub(crate) struct BlockSieve {
    tables: Vec<Lanes>,
    terms: Terms,
}

/// What every entry of a table is raised by, so that none is negative: four values of at least -8.
const RAISED: i32 = 32;

impl BlockSieve {
    /// For values of 4 bits of which `terms` makes distances, with the slack of so many deviations.
    pub(super) fn new(values: &[i8], terms: Terms, deviations: f32) -> Self {
        let mut tables = Vec::with_capacity(values.len().div_ceil(16));
        for sixteen in values.chunks(16) {
            let mut lanes = Lanes([RAISED as i8; 64]);
            for (table, four) in lanes.0.as_chunks_mut::<16>().0.iter_mut().zip(sixteen.chunks(4)) {
                for (bit, value) in four.iter().enumerate() {
                    let (known, new) = table.split_at_mut(1 << bit);
                    new.iter_mut().zip(known).for_each(|(new, known)| *new = *known + value);
                }
            }
            tables.push(lanes);
        }
        let raised = RAISED * 4 * tables.len() as i32;
        let (shift, slack) = (terms.shift - terms.factor * raised, deviations * terms.slack);
        Self { tables, terms: Terms { shift, slack, ..terms } }
    }
}

impl Query {
    /// The query as signs side by side are compared with it, off by so many standard deviations at most.
    /// `None` for codes that have none. O(dimension).
    pub(crate) fn block_sieve(&self, deviations: f32) -> Option<BlockSieve> {
        self.spec.block_bytes()?;
        match (&self.values, &self.sieve) {
            (Values::Bits4(values), Some(sieve)) => {
                Some(sieve.over_blocks(&values.values, deviations))
            }
            _ => None,
        }
    }
}

impl QueryOver<'_> {
    /// Adds the rows of the next [`AT_ONCE`] blocks that may be nearer than the bound to `nodes`, and asks
    /// for what [`Measure::distances`](super::Measure::distances) reads of them. `first` is a multiple of
    /// [`ROWS`].
    pub(crate) fn sift_blocks(
        &self,
        sieve: &BlockSieve,
        signs: &SignBlocks<'_>,
        first: u32,
        bound: f32,
        nodes: &mut Vec<u32>,
    ) {
        let start = nodes.len();
        let end = (first + (AT_ONCE * ROWS) as u32).min(signs.rows);
        if bound < f32::INFINITY {
            let bytes = signs.bytes.get(first as usize / ROWS * signs.stride..).unwrap_or(&[]);
            let mut near = [0u32; AT_ONCE];
            let BlockSieve { tables, terms } = sieve;
            let blocks = Blocks { bytes, tables, terms: *terms, bound };
            (self.query.kernels.blocks)(&blocks, &mut near);
            for (first, mut bits) in (first..end).step_by(ROWS).zip(near) {
                // The last block may have fewer rows.
                bits &= u32::MAX >> (ROWS as u32).saturating_sub(end - first);
                while bits != 0 {
                    nodes.push(first + bits.trailing_zeros());
                    bits &= bits - 1;
                }
            }
        } else {
            nodes.extend(first..end);
        }
        self.rows.ask(self.query.kernels, self.query.spec.part(), &nodes[start..]);
    }
}

impl CodeRows<'_> {
    /// The signs of all rows side by side; `None` for codes that have none.
    pub(crate) fn sign_blocks(&self) -> Option<MapVec<u8>> {
        let bytes = self.spec.block_bytes()?;
        let mut all = MapVec::with_capacity(self.len().div_ceil(ROWS) * bytes);
        let mut block = Vec::with_capacity(bytes);
        let rows: Vec<&[u8]> = self.rows().collect();
        for rows in rows.chunks(ROWS) {
            self.spec.encode_block(rows, &mut block);
            all.extend_from_slice(&block);
        }
        Some(all)
    }
}
