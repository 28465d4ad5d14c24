//! Owns the FastScan blocks: the signs of rows of 4 bits, in the layout of `kernel::blocks`, which
//! a scan of all rows reads. They repeat the signs in front of each row. Table look-ups add up four
//! coordinates of many rows at once in this layout. A search that jumps from row to row reads the
//! signs in front of the rows.

use super::rows::CodeRows;
use super::spec::CodeSpec;
use crate::map_vec::MapVec;
use crate::vector::kernel::batch::{Lanes, Terms};
use crate::vector::kernel::blocks::{Blocks, ROWS};

/// Blocks compared in one call.
pub(crate) const BATCH: usize = 8;

/// The signs of many rows, in FastScan blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FastScanBlocks<'a> {
    bytes: &'a [u8],
    rows: u32,
    stride: usize,
}

impl<'a> FastScanBlocks<'a> {
    /// Returns the blocks of `rows` rows; `None` if `bytes` has another length or the codes have no
    /// blocks.
    pub(crate) fn new(spec: CodeSpec, bytes: &'a [u8], rows: u32) -> Option<Self> {
        let stride = spec.block_bytes()?;
        let blocks = (rows as usize).div_ceil(ROWS);
        (bytes.len() == blocks * stride).then_some(Self { bytes, rows, stride })
    }

    /// Returns the number of rows.
    pub(crate) const fn rows(&self) -> u32 {
        self.rows
    }

    /// Returns the bytes from the block that begins with `row`, a multiple of [`ROWS`].
    pub(super) fn bytes_from(&self, row: u32) -> &'a [u8] {
        self.bytes.get(row as usize / ROWS * self.stride..).unwrap_or(&[])
    }
}

/// A query in the form that is compared with FastScan blocks.
#[derive(Clone, Debug)]
pub(crate) struct BlockSieve {
    tables: Vec<Lanes>,
    terms: Terms,
}

/// Added to every entry of a table, so that none is negative: an entry is the sum of four values of
/// at least -8.
const RAISED: i32 = 32;

impl BlockSieve {
    /// Returns the form of a query with these values of 4 bits. `terms` turns products into
    /// distances. The slack is that of `deviations` standard deviations.
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

    /// Returns the arguments of the kernel for these blocks.
    pub(super) fn blocks<'b>(&'b self, bytes: &'b [u8], bound: f32) -> Blocks<'b> {
        Blocks { bytes, tables: &self.tables, terms: self.terms, bound }
    }
}

impl CodeRows<'_> {
    /// Returns the FastScan blocks of all rows; `None` for codes without signs.
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
