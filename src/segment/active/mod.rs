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

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::changed::{Written, changed};
use super::changes::Changes;
use super::ids::{ENTRY_BYTES, Ids};
use super::liveness::Liveness;
use super::row::{NewRow, Row, RowBuffer, RowRef};
use super::rows::{Column, Rows, number_of_importance, number_of_time};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::{Attributes, Filter, Matcher};
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::index::{Candidate, Scan};
use crate::options::Quantization;
use crate::vector::codes::{CodeSpec, Queries};
use crate::vector::kernel::blocks::ROWS;
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
}

impl Active {
    /// Returns an empty memtable whose rows get these codes, in the collection's frame if it has
    /// one.
    pub(crate) const fn new(spec: CodeSpec, coder: Option<Coder>) -> Self {
        Self {
            spec,
            coder,
            blocks: Vec::new(),
            starts: Vec::new(),
            ids: Ids::new(),
            rows: 0,
            first_expiry: Timestamp::MAX,
            heap_bytes: 0,
        }
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
            self.heap_bytes += self.row_bytes(row);
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
        self.blocks.push(Arc::new(block));
        let mut ids = std::mem::take(&mut self.ids);
        ids.push(first, rows.iter().map(|row| row.id), |row| self.id(row).ok());
        self.ids = ids;
        while let Some(first) = self.mergeable() {
            let mut merged = Block::concat(self.spec, &self.blocks[first..]);
            let before = self.blocks.split_off(first);
            merged.encode(self.spec, &mut self.coder, u64::from(self.rows), &before);
            self.starts.truncate(first + 1);
            self.blocks.push(Arc::new(merged));
        }
    }

    /// Returns the number of rows of each block.
    #[cfg(test)]
    pub(crate) fn block_rows(&self) -> Vec<usize> {
        self.blocks.iter().map(|block| block.rows()).collect()
    }

    /// Returns the heap bytes that a row takes.
    pub(crate) fn row_bytes(&self, row: &NewRow) -> usize {
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

    /// Returns the bytes of vectors, codes, bodies and heads of rows.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }
}

impl Rows for Active {
    fn rows(&self) -> Row {
        self.rows
    }

    fn row<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<RowRef<'a>> {
        let (block, at) = self.locate(row)?;
        Ok(block.row(at, self.spec.dimension))
    }

    fn body<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<&'a [u8]> {
        let (block, at) = self.locate(row)?;
        Ok(block.body(at))
    }

    fn vector<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<&'a [f32]> {
        let (block, at) = self.locate(row)?;
        Ok(block.vector(at, self.spec.dimension))
    }

    fn id(&self, row: Row) -> Result<MemoryId> {
        let (block, at) = self.locate(row)?;
        Ok(MemoryId::from_u128(block.heads[at].id))
    }

    fn seq(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        Ok(Seq(block.heads[at].seq))
    }

    fn first_seq(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        let first = record::history(block.body(at)).ok().and_then(|history| history.first_seq);
        Ok(first.unwrap_or(Seq(block.heads[at].seq)))
    }

    fn version(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        let seq = Seq(block.heads[at].seq);
        let history = record::history(block.body(at));
        let version = history.ok().and_then(|history| history.version);
        Ok(version.map_or(seq, |version| version.max(seq)))
    }

    fn expires_at(&self, row: Row) -> Result<Timestamp> {
        let (block, at) = self.locate(row)?;
        Ok(block.heads[at].expires_at())
    }

    fn attributes<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<Attributes<'a>> {
        let (block, at) = self.locate(row)?;
        block.attributes(at)
    }

    /// O(log² rows): see `ids`.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>> {
        let has_it = |row: &Row| self.id(*row).is_ok_and(|of| of == id);
        Ok(self.ids.candidates(id).filter(has_it).collect())
    }

    fn select(&self, filter: &Matcher, read: &mut u64) -> Result<RoaringBitmap> {
        self.select_changed(filter, &Changes::default(), read)
    }

    /// Decodes the bodies of these rows.
    fn order(&self, by: Column, rows: &[Row], numbers: &mut Vec<Option<u64>>) -> Result<()> {
        for row in rows {
            let (block, at) = self.locate(*row)?;
            let of = block.attributes(at)?;
            numbers.push(match by {
                Column::Created => Some(number_of_time(of.created_at)),
                Column::Event => of.event_time.map(number_of_time),
                Column::Importance => Some(number_of_importance(of.importance)),
            });
        }
        Ok(())
    }

    /// O(rows) once something has expired.
    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>> {
        if now < self.first_expiry {
            return Ok(None);
        }
        let mut unexpired = Liveness::all_live(self.rows);
        for (row, (block, at)) in self.places() {
            if block.heads[at].expires_at() <= now {
                unexpired.kill(row);
            }
        }
        Ok(Some(unexpired))
    }
}

impl Written for Active {
    /// O(rows), plus decoding the bodies of rows with the wanted namespace, session, key and id.
    fn select_changed(
        &self,
        filter: &Matcher,
        changes: &Changes,
        read: &mut u64,
    ) -> Result<RoaringBitmap> {
        let mut rows = RoaringBitmap::new();
        let (mut namespace, mut session, mut key, mut listed) = (None, None, None, None);
        for condition in filter.conditions() {
            match condition {
                Filter::Namespace(name) => namespace = Some(name_hash(name)),
                Filter::Session(name) => session = Some(short_hash(name)),
                Filter::Key(name) => key = Some(short_hash(name)),
                Filter::Ids(ids) => listed = Some(ids),
                _ => {}
            }
        }
        for (row, (block, at)) in self.places() {
            let head = &block.heads[at];
            let may = namespace.is_none_or(|hash| head.namespace == hash)
                && session.is_none_or(|hash| head.session == hash)
                && key.is_none_or(|hash| head.key == hash)
                && listed
                    .is_none_or(|ids| ids.binary_search(&MemoryId::from_u128(head.id)).is_ok());
            if may
                && filter.matches_counted(&changed(block.attributes(at)?, changes.get(row)), read)
            {
                rows.insert(row);
            }
        }
        Ok(rows)
    }

    fn ends(&self) -> Result<Vec<Timestamp>> {
        Ok(self.places().map(|(_, (block, at))| block.heads[at].expires_at()).collect())
    }
}
