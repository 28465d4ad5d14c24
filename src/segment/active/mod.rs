//! Owns `Active`: the rows of a memtable, in RAM. It is a persistent value: `push` returns a new
//! one that shares its blocks with the old, so readers need no lock.
//!
//! Rows are stored in blocks of contiguous vectors, codes and bodies. That takes a few allocations
//! per block and none per row. Small allocations that live as long as a memtable, between
//! short-lived ones, leave holes that no allocator can use.
//!
//! Blocks grow by the logarithmic method (Bentley and Saxe, "Decomposable searching problems", J.
//! Algorithms 1980): a push makes a small block, and eight blocks of one size become one of the
//! next size. So a row is copied only a few times, and a scan meets few blocks.

mod block;
mod rows;

use std::sync::Arc;

use super::ids::{ENTRY_BYTES, Ids};
use super::row::{NewRow, Row, RowRef};
use super::words::row_bound;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::format::record;
use crate::ids::MemoryId;
use crate::index::{Candidate, Scan};
use crate::options::Quantization;
use crate::vector::codes::{CodeSpec, Queries};
use crate::vector::kernel::blocks::ROWS;
use crate::words::Analyzer;
pub(crate) use block::Coder;
use block::{Block, Head, name_hash, short_hash};

/// This many blocks of about one size are merged into one.
const FANOUT: usize = 8;
/// Blocks are not merged beyond about this many rows.
const LARGEST: usize = 512;
/// A block with this many bytes of bodies is full and is not merged: the copy would cost more than
/// scans gain by it. So a `u32` is enough for a place in the bodies.
const FULL_BYTES: usize = 1 << 20;
/// Heap bytes of a row beside its vector, codes and body: its head, its entry in `ids`, and an
/// entry in the writers' table of ids. That entry takes 33 bytes, and the table is 7/16 to 7/8
/// full.
const ROW_OVERHEAD: usize = size_of::<Head>() + ENTRY_BYTES + 56;

/// The rows of a memtable.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    spec: CodeSpec,
    /// Largest block first, in row order.
    blocks: Vec<Arc<Block>>,
    /// The first row of each block.
    starts: Vec<Row>,
    ids: Ids,
    rows: Row,
    first_expiry: Timestamp,
    heap_bytes: usize,
    coder: Option<Coder>,
    /// Makes the words of texts, if these are indexed.
    analyzer: Option<Analyzer>,
}

impl Active {
    /// Returns an empty memtable whose rows get these codes, in the collection's frame if it has
    /// one, and words if texts are indexed.
    pub(crate) const fn new(
        spec: CodeSpec,
        coder: Option<Coder>,
        analyzer: Option<Analyzer>,
    ) -> Self {
        Self {
            spec,
            coder,
            analyzer,
            blocks: Vec::new(),
            starts: Vec::new(),
            ids: Ids::new(),
            rows: 0,
            first_expiry: Timestamp::MAX,
            heap_bytes: 0,
        }
    }

    /// Returns a memtable of the same rows with these words. O(rows).
    #[must_use]
    pub(crate) fn with_words(&self, analyzer: Option<Analyzer>) -> Self {
        let rows = self.places().map(|(_, (block, at))| {
            let RowRef { id, seq, norm, vector, body } = block.row(at, self.spec.dimension);
            let (vector, body) = (vector.to_vec(), body.to_vec());
            NewRow { id, seq, norm, vector, body, expires_at: block.heads[at].expires_at() }
        });
        Self::new(self.spec, self.coder.clone(), analyzer).push(rows.collect())
    }

    /// Returns this memtable with these rows appended.
    #[must_use]
    pub(crate) fn push(&self, rows: Vec<NewRow>) -> Self {
        let mut next = self.clone();
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |row: &&NewRow| {
                let full = bytes >= FULL_BYTES;
                bytes += row.body.len();
                !full
            };
            let (some, others) = rest.split_at(rest.iter().take(LARGEST).take_while(fits).count());
            next.push_block(some);
            rest = others;
        }
        next
    }

    fn push_block(&mut self, rows: &[NewRow]) {
        let bodies = rows.iter().map(|row| row.body.len()).sum();
        let mut block = Block::empty(self.spec, rows.len(), bodies);
        for row in rows {
            self.heap_bytes += self.bytes_without_words(row);
            self.first_expiry = self.first_expiry.min(row.expires_at);
            block.vectors.extend_from_slice(&row.vector);
            block.bodies.extend_from_slice(&row.body);
            let of = record::attributes(row.id, &row.body).ok();
            let short = |name: Option<&str>| name.map_or(0, short_hash);
            block.heads.push(Head {
                id: row.id.as_u128(),
                seq: row.seq.0,
                expires_at: row.expires_at.as_millis(),
                norm: row.norm,
                body_end: block.bodies.len() as u32,
                namespace: of.as_ref().and_then(|of| of.namespace).map_or(0, name_hash),
                session: short(of.as_ref().and_then(|of| of.session)),
                key: short(of.as_ref().and_then(|of| of.key)),
            });
        }
        let first = self.rows;
        self.starts.push(first);
        self.rows += block.rows() as Row;
        block.encode(self.spec, &mut self.coder, u64::from(self.rows), &[]);
        self.index(&mut block, &[]);
        self.blocks.push(Arc::new(block));
        let mut ids = std::mem::take(&mut self.ids);
        ids.push(first, rows.iter().map(|row| row.id), |row| self.id_of(row));
        self.ids = ids;
        while let Some(first) = self.mergeable() {
            let mut merged = Block::concat(self.spec, &self.blocks[first..]);
            let before = self.blocks.split_off(first);
            merged.encode(self.spec, &mut self.coder, u64::from(self.rows), &before);
            self.index(&mut merged, &before);
            self.starts.truncate(first + 1);
            self.blocks.push(Arc::new(merged));
        }
    }

    /// Makes the words of a block, if texts are indexed. `before` are the blocks whose place it
    /// takes.
    fn index(&mut self, block: &mut Block, before: &[Arc<Block>]) {
        if let Some(analyzer) = self.analyzer {
            block.index(analyzer, before);
            let gone: usize = before.iter().map(|block| block.words.len()).sum();
            self.heap_bytes = self.heap_bytes + block.words.len() - gone;
        }
    }

    /// Returns the number of rows of each block.
    #[cfg(test)]
    pub(crate) fn block_rows(&self) -> Vec<usize> {
        self.blocks.iter().map(|block| block.rows()).collect()
    }

    /// Returns how many heap bytes a row takes at most. Without a text index it takes as many.
    pub(crate) fn row_bytes(&self, row: &NewRow) -> usize {
        let text = || record::text_of(&row.body).ok().flatten().map_or(0, str::len);
        self.bytes_without_words(row) + self.analyzer.map_or(0, |_| row_bound(text()))
    }

    fn bytes_without_words(&self, row: &NewRow) -> usize {
        let spec = self.coder.as_ref().map_or(self.spec, |(frame, _)| frame.spec);
        let codes = if spec.codes == Quantization::None { 0 } else { spec.row_bytes() };
        let signs = spec.block_bytes().map_or(0, |bytes| bytes / ROWS);
        row.vector.len() * 4 + codes + signs + row.body.len() + ROW_OVERHEAD
    }

    /// Returns the first of the last blocks, if these should be merged into one.
    fn mergeable(&self) -> Option<usize> {
        let last = self.blocks.last()?.rows();
        let (mut first, mut sum) = (self.blocks.len(), 0);
        // The last blocks that are smaller than `FANOUT` times the last block, rounded up.
        let size = last.next_power_of_two() * FANOUT;
        while let Some(before) = first.checked_sub(1) {
            let block = &self.blocks[before];
            if block.rows() >= size || block.bodies.len() >= FULL_BYTES {
                break;
            }
            first = before;
            sum += block.rows();
        }
        let many = self.blocks.len() - first >= FANOUT;
        (many && sum <= LARGEST * 2).then_some(first)
    }

    fn id_of(&self, row: Row) -> Option<MemoryId> {
        self.locate(row).ok().map(|(block, at)| MemoryId::from_u128(block.heads[at].id))
    }

    fn locate(&self, row: Row) -> Result<(&Block, usize)> {
        let block = self.starts.partition_point(|start| *start <= row).checked_sub(1);
        let found = block.and_then(|b| {
            let at = (row - self.starts[b]) as usize;
            self.blocks.get(b).filter(|block| at < block.rows()).map(|block| (&**block, at))
        });
        found.ok_or_else(|| Error::internal(format!("row {row} is not in the memtable")))
    }

    /// Measures every row in order, by its code if it has one. Calls `offer` with each row that may
    /// be nearer than the bound: its distance, the largest error of that, and the row. `offer`
    /// returns the new bound.
    pub(crate) fn scan(
        &self,
        queries: &mut Queries,
        mut bound: f32,
        mut offer: impl FnMut(f32, f32, Row) -> f32,
    ) {
        for (&start, block) in self.starts.iter().zip(&self.blocks) {
            let (Some(codes), Some((frame, fit))) = (&block.codes, &self.coder) else {
                let exact = queries.exact();
                for at in 0..block.rows() {
                    let distance = exact.distance(block.vector(at, self.spec.dimension));
                    if distance < bound {
                        bound = offer(distance, 0.0, start + at as Row);
                    }
                }
                continue;
            };
            let query = queries.coded(frame);
            let (codes, signs, error) = (codes.rows(), block.signs(), query.error(fit));
            let most = error * fit.longest;
            let mut scan = Scan::new(query, fit.look);
            let mut by_code = bound + most;
            scan.run(&codes, signs.as_ref(), 0, &mut by_code, |Candidate { distance, node }| {
                bound = offer(distance, error * codes.length(node), start + node);
                bound + most
            });
        }
    }

    /// Returns every row in order, with its block and its position there.
    fn places(&self) -> impl Iterator<Item = (Row, (&Block, usize))> {
        let of = |block| std::iter::repeat(block).zip(0..Block::rows(block));
        (0..).zip(self.blocks.iter().flat_map(move |block| of(&**block)))
    }

    /// Returns the bytes of vectors and bodies.
    pub(crate) fn data_bytes(&self) -> u64 {
        let bodies: u64 = self.blocks.iter().map(|block| block.bodies.len() as u64).sum();
        u64::from(self.rows) * self.spec.dimension as u64 * 4 + bodies
    }

    /// Returns the bytes of vectors, codes, bodies, words and heads of rows.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }
}
