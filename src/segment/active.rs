//! Owns `Active`: the rows of a memtable, in RAM. A persistent value: `push` gives a new one that
//! shares its blocks with the old, so readers need no lock.
//!
//! Rows lie in blocks of contiguous vectors and codes. Blocks grow by the logarithmic method
//! (Bentley and Saxe, "Decomposable searching problems", J. Algorithms 1980): a push makes a small
//! block, and eight of a size become one of the next, so that a row is copied a few times at most
//! and a scan meets few blocks.

use std::slice;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::sealed::key_hash;
use super::{Liveness, Row, RowRef, Rows};
use crate::clock::Timestamp;
use crate::disk::Pages;
use crate::error::{Error, Result};
use crate::filter::{Attributes, Filter};
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::index::{Candidate, Scan};
use crate::vector::codes::{CodeBuffer, CodeSpec, Query, SignBlocks};
use crate::vector::kernel::blocks::ROWS;

/// So many blocks of about one size become one.
const FANOUT: usize = 8;
/// Blocks are not merged beyond this many rows.
const LARGEST: usize = 512;
/// Blocks of fewer rows are scanned row by row.
const SIDE_BY_SIDE: usize = 64;
/// Heap bytes of a row beside its vector, codes and body.
const ROW_OVERHEAD: usize = 120;

/// A row to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewRow {
    pub(crate) id: MemoryId,
    pub(crate) seq: Seq,
    pub(crate) norm: f32,
    /// In stored form.
    pub(crate) vector: Vec<f32>,
    pub(crate) body: Arc<[u8]>,
    pub(crate) expires_at: Timestamp,
}

#[derive(Clone, Debug)]
struct Head {
    id: MemoryId,
    seq: Seq,
    norm: f32,
    body: Arc<[u8]>,
    expires_at: Timestamp,
    /// Hashes of the names that rows are mostly selected by, so that those of others are passed over
    /// without decoding their bodies.
    namespace: u32,
    session: u32,
}

#[derive(Debug)]
struct Block {
    heads: Vec<Head>,
    vectors: Pages<f32>,
    codes: CodeBuffer,
    /// The signs of the codes side by side; nothing in a small block, or if codes have none.
    signs: Pages<u8>,
}

/// The rows of a memtable.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    spec: CodeSpec,
    /// Largest first, in row order.
    blocks: Vec<Arc<Block>>,
    /// First row of each block.
    starts: Vec<Row>,
    rows: Row,
    first_expiry: Timestamp,
    heap_bytes: usize,
}

impl Active {
    pub(crate) const fn new(spec: CodeSpec) -> Self {
        Self {
            spec,
            blocks: Vec::new(),
            starts: Vec::new(),
            rows: 0,
            first_expiry: Timestamp::MAX,
            heap_bytes: 0,
        }
    }

    /// These rows after those that are there.
    #[must_use]
    pub(crate) fn push(&self, rows: Vec<NewRow>) -> Self {
        let mut next = self.clone();
        let mut rows = rows.into_iter();
        loop {
            let some: Vec<NewRow> = rows.by_ref().take(LARGEST).collect();
            if some.is_empty() {
                return next;
            }
            next.push_block(some);
        }
    }

    fn push_block(&mut self, rows: Vec<NewRow>) {
        let mut block = Block::empty(self.spec, rows.len());
        for row in rows {
            self.heap_bytes += self.row_bytes(&row);
            self.first_expiry = self.first_expiry.min(row.expires_at);
            block.vectors.extend_from_slice(&row.vector);
            block.codes.push(&row.vector);
            let NewRow { id, seq, norm, body, expires_at, .. } = row;
            let of = record::attributes(id, &body).ok();
            let hash = |name: Option<&str>| name.map_or(0, name_hash);
            let namespace = hash(of.as_ref().and_then(|of| of.namespace));
            let session = hash(of.as_ref().and_then(|of| of.session));
            drop(of);
            block.heads.push(Head { id, seq, norm, body, expires_at, namespace, session });
        }
        block.put_side_by_side();
        self.starts.push(self.rows);
        self.rows += block.heads.len() as Row;
        self.blocks.push(Arc::new(block));
        while let Some(first) = self.mergeable() {
            let merged = Block::concat(self.spec, &self.blocks[first..]);
            self.blocks.truncate(first);
            self.starts.truncate(first + 1);
            self.blocks.push(Arc::new(merged));
        }
    }

    /// Heap bytes that a row takes.
    pub(crate) fn row_bytes(&self, row: &NewRow) -> usize {
        let signs = self.spec.block_bytes().map_or(0, |bytes| bytes / ROWS);
        row.vector.len() * 4 + self.spec.row_bytes() + signs + row.body.len() + ROW_OVERHEAD
    }

    /// Where the blocks at the end that should be one begin.
    fn mergeable(&self) -> Option<usize> {
        let last = self.blocks.last()?.heads.len();
        let (mut first, mut sum) = (self.blocks.len(), 0);
        // The tail of blocks smaller than the next size above the last one.
        let size = last.next_power_of_two() * FANOUT;
        while first > 0 && self.blocks[first - 1].heads.len() < size {
            first -= 1;
            sum += self.blocks[first].heads.len();
        }
        let many = self.blocks.len() - first >= FANOUT;
        (many && sum <= LARGEST * 2).then_some(first)
    }

    fn locate(&self, row: Row) -> Result<(&Block, usize)> {
        let block = self.starts.partition_point(|start| *start <= row).checked_sub(1);
        let found = block.and_then(|b| {
            let at = (row - self.starts[b]) as usize;
            self.blocks.get(b).filter(|block| at < block.heads.len()).map(|block| (&**block, at))
        });
        found.ok_or_else(|| Error::option("row", format!("{row} is not in the memtable")))
    }

    /// Copies of these rows.
    pub(crate) fn take(&self, rows: impl Iterator<Item = Row>) -> Result<Vec<NewRow>> {
        let copy = |row: Row| {
            let (block, at) = self.locate(row)?;
            let Head { id, seq, norm, body, expires_at, .. } = &block.heads[at];
            let (id, seq, norm, expires_at) = (*id, *seq, *norm, *expires_at);
            let vector = block.vector(at, self.spec.dimension).to_vec();
            Ok(NewRow { id, seq, norm, vector, body: Arc::clone(body), expires_at })
        };
        rows.map(copy).collect()
    }

    /// Measures every row by code, in order. `offer` is called with each row nearer than the bound
    /// (as a node) and gives the new bound.
    pub(crate) fn scan(
        &self,
        query: &Query,
        mut bound: f32,
        mut offer: impl FnMut(Candidate) -> f32,
    ) {
        let mut scan = Scan::new(query);
        for (start, block) in self.starts.iter().zip(&self.blocks) {
            let signs = block.signs();
            scan.run(&block.codes.rows(), signs.as_ref(), *start, &mut bound, &mut offer);
        }
    }

    /// Every row's head, in order.
    fn heads(&self) -> impl Iterator<Item = (Row, &Head)> {
        (0..).zip(self.blocks.iter().flat_map(|block| &block.heads))
    }

    /// Vectors, codes, bodies and what is known of each row.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }
}

impl Head {
    fn attributes(&self) -> Result<Attributes<'_>> {
        record::attributes(self.id, &self.body)
            .map_err(|e| Error::option("body of a row in the memtable", e.reason))
    }
}

/// Tells names apart, mostly.
fn name_hash(name: &str) -> u32 {
    let hash = key_hash(name);
    (hash ^ (hash >> 32)) as u32
}

impl Block {
    fn empty(spec: CodeSpec, rows: usize) -> Self {
        Self {
            heads: Vec::with_capacity(rows),
            vectors: Pages::with_capacity(rows * spec.dimension),
            codes: CodeBuffer::new(spec, rows),
            signs: Pages::new(),
        }
    }

    /// Makes the signs of the codes side by side, if that pays.
    fn put_side_by_side(&mut self) {
        if self.heads.len() >= SIDE_BY_SIDE {
            self.signs = self.codes.rows().sign_blocks().unwrap_or_default();
        }
    }

    fn signs(&self) -> Option<SignBlocks<'_>> {
        let rows = self.codes.rows();
        SignBlocks::new(rows.spec, &self.signs, rows.len() as u32)
    }

    fn concat(spec: CodeSpec, blocks: &[Arc<Self>]) -> Self {
        let mut all = Self::empty(spec, blocks.iter().map(|b| b.heads.len()).sum());
        for block in blocks {
            all.heads.extend_from_slice(&block.heads);
            all.vectors.extend_from_slice(&block.vectors);
            block.codes.rows().rows().for_each(|row| all.codes.push_row(row));
        }
        all.put_side_by_side();
        all
    }

    fn vector(&self, at: usize, dimension: usize) -> &[f32] {
        &self.vectors[at * dimension..(at + 1) * dimension]
    }
}

impl Rows for Active {
    fn rows(&self) -> Row {
        self.rows
    }

    fn row(&self, row: Row) -> Result<RowRef<'_>> {
        let (block, at) = self.locate(row)?;
        let Head { id, seq, norm, body, .. } = &block.heads[at];
        let vector = block.vector(at, self.spec.dimension);
        Ok(RowRef { id: *id, seq: *seq, norm: *norm, vector, body })
    }

    fn vector(&self, row: Row) -> Result<&[f32]> {
        let (block, at) = self.locate(row)?;
        Ok(block.vector(at, self.spec.dimension))
    }

    fn id(&self, row: Row) -> Result<MemoryId> {
        let (block, at) = self.locate(row)?;
        Ok(block.heads[at].id)
    }

    fn seq(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        Ok(block.heads[at].seq)
    }

    fn expires_at(&self, row: Row) -> Result<Timestamp> {
        let (block, at) = self.locate(row)?;
        Ok(block.heads[at].expires_at)
    }

    fn attributes(&self, row: Row) -> Result<Attributes<'_>> {
        let (block, at) = self.locate(row)?;
        block.heads[at].attributes()
    }

    /// O(rows): a memtable is small, and writers have a table of their own.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        for (start, block) in self.starts.iter().zip(&self.blocks).rev() {
            let rows = (*start..).zip(&block.heads).filter(|(_, head)| head.id == id);
            let mut rows: Vec<Row> = rows.map(|(row, _)| row).collect();
            rows.reverse();
            found.append(&mut rows);
        }
        Ok(found)
    }

    /// O(rows), and the bodies of those that have the namespace and session asked for.
    fn select(&self, filter: &Filter) -> Result<RoaringBitmap> {
        let mut rows = RoaringBitmap::new();
        let (mut namespace, mut session) = (None, None);
        for part in if let Filter::And(all) = filter { &all[..] } else { slice::from_ref(filter) } {
            match part {
                Filter::Namespace(name) => namespace = Some(name_hash(name)),
                Filter::Session(name) => session = Some(name_hash(name)),
                _ => {}
            }
        }
        for (row, head) in self.heads() {
            let may = namespace.is_none_or(|hash| head.namespace == hash)
                && session.is_none_or(|hash| head.session == hash);
            if may && filter.matches(&head.attributes()?) {
                rows.insert(row);
            }
        }
        Ok(rows)
    }

    /// O(rows) once something has expired.
    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>> {
        if now < self.first_expiry {
            return Ok(None);
        }
        let mut unexpired = Liveness::all_live(self.rows);
        for (row, head) in self.heads() {
            if head.expires_at <= now {
                unexpired.kill(row);
            }
        }
        Ok(Some(unexpired))
    }
}
