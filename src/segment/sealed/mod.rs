//! Owns `SealedSegment`: an open `seg` file. Layout: `format.md`, "Segment". Every value is checked
//! before it is returned: rows by their own checksums at each read, columns block by block at first
//! touch.

mod verify;

use std::ops::Range;
use std::path::Path;

use roaring::RoaringBitmap;

use super::expiry::Expiries;
use super::postings::{Field, Postings};
use super::{Liveness, Row, RowBuffer, RowRef, Rows, bloom, select};
use crate::clock::Timestamp;
use crate::disk::{Disk, Permit};
use crate::error::{Error, Result};
use crate::filter::{Attributes, Matcher};
use crate::format::header::{FileKind, StoreId};
use crate::format::names::FileName;
use crate::format::record;
use crate::format::{DecodeError, crc32};
use crate::ids::{FileId, MemoryId, Seq};
use crate::section::{Identity, SectionFile};
use crate::vector::kernel::Kernels;

pub(super) const DESCRIPTION: u32 = 1;
pub(super) const VECTORS: u32 = 2;
pub(super) const BODIES: u32 = 3;
pub(super) const IDS: u32 = 4;
pub(super) const BLOOM: u32 = 5;
pub(super) const SEQS: u32 = 6;
pub(super) const CREATED: u32 = 7;
pub(super) const EVENTS: u32 = 8;
pub(super) const EXPIRIES: u32 = 9;
pub(super) const IMPORTANCES: u32 = 10;
pub(super) const FLAGS: u32 = 11;
pub(super) const NORMS: u32 = 12;
pub(super) const VECTOR_CRCS: u32 = 13;
pub(super) const BODY_CRCS: u32 = 14;
pub(super) const BODY_OFFSETS: u32 = 15;
pub(super) const KEYS: u32 = 16;
pub(super) const POSTINGS: u32 = 17;

/// Where the first expiry is in the description, after rows and dimension.
pub(super) const FIRST_EXPIRY_AT: usize = 8;
/// Bit of `FLAGS`: the row is pinned.
pub(super) const PINNED: u8 = 1;
/// Bit of `FLAGS`: the row has an event time.
pub(super) const HAS_EVENT: u8 = 2;

/// An open sealed segment.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    pub(super) file: SectionFile,
    rows: Row,
    dimension: usize,
    expiries: Expiries,
}

/// Why postings could not be read.
enum Unread {
    File(Error),
    Decode(DecodeError),
}

impl Unread {
    fn error(self, file: &SectionFile) -> Error {
        match self {
            Self::File(error) => error,
            Self::Decode(e) => file.corrupt_in(POSTINGS, e.offset, e.reason),
        }
    }
}

impl From<DecodeError> for Unread {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// The hash that keys are found by; the same on every machine and in every version.
pub(super) fn key_hash(key: &str) -> u64 {
    // FNV-1a, 64 bits.
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl SealedSegment {
    /// Opens a segment of a collection with this dimension. With a permit, vectors and bodies are read from
    /// the open file and not from the map.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        store: StoreId,
        (file, len): (FileId, u64),
        dimension: usize,
        permit: Option<Permit>,
    ) -> Result<Self> {
        let identity =
            Identity { name: FileName::Segment(file), kind: FileKind::Segment, store, len };
        let file = SectionFile::open_to_read(disk, dir, &identity, permit)?;
        let description = file.checked(DESCRIPTION)?;
        let (Some(rows), Some(found), Some(expiry)) = (
            description.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes),
            description.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes),
            description.get(FIRST_EXPIRY_AT..16).and_then(|b| b.try_into().ok()),
        ) else {
            return Err(file.corrupt_in(DESCRIPTION, 0, "the description is cut short"));
        };
        let first_expiry = Timestamp::from_bits(u64::from_le_bytes(expiry));
        if found as usize != dimension {
            let reason = format!("the vectors have {found} dimensions, not {dimension}");
            return Err(file.corrupt_in(DESCRIPTION, 4, reason));
        }
        let vectors = file.bytes(VECTORS).map_or(0, <[u8]>::len);
        if vectors as u64 != u64::from(rows) * dimension as u64 * 4 {
            return Err(file.corrupt_in(VECTORS, 0, "the vectors do not fit the number of rows"));
        }
        Ok(Self { file, rows, dimension, expiries: Expiries::new(first_expiry) })
    }

    /// Lets the pages of its file go.
    pub(crate) fn release(&self) {
        self.file.release();
    }

    /// For whoever reads vectors in order, and this row last: lets go of pages behind it, so that the
    /// file does not become resident.
    pub(crate) fn release_behind(&self, row: Row) {
        let start = row as usize * self.dimension;
        self.file.release_behind::<f32>(VECTORS, start..start + self.dimension);
    }

    /// Bytes mapped.
    pub(crate) fn len(&self) -> u64 {
        self.file.len()
    }

    /// The value of a row in a column of fixed-size values; its block is checked.
    fn column<const N: usize>(&self, kind: u32, row: Row) -> Result<[u8; N]> {
        let start = row as usize * N;
        let bytes = self.file.checked_range(kind, start..start + N)?;
        bytes.try_into().map_err(|_| self.missing(row))
    }

    pub(super) fn number(&self, kind: u32, row: Row) -> Result<u64> {
        Ok(u64::from_le_bytes(self.column(kind, row)?))
    }

    fn time(&self, kind: u32, row: Row) -> Result<Timestamp> {
        self.number(kind, row).map(Timestamp::from_bits)
    }

    /// All values of a column of fixed-size values, one for each row; every block is checked.
    pub(super) fn values<const N: usize>(&self, kind: u32) -> Result<&[[u8; N]]> {
        let (values, _) = self.file.checked(kind)?.as_chunks::<N>();
        values.get(..self.rows as usize).ok_or_else(|| self.missing(self.rows.saturating_sub(1)))
    }

    /// A whole column of moments.
    pub(super) fn times(&self, kind: u32) -> Result<impl ExactSizeIterator<Item = Timestamp>> {
        let moment = |value: &[u8; 8]| Timestamp::from_bits(u64::from_le_bytes(*value));
        Ok(self.values(kind)?.iter().map(moment))
    }

    pub(super) fn all_importances(&self) -> Result<impl Iterator<Item = f32>> {
        Ok(self.values(IMPORTANCES)?.iter().map(|value| f32::from_le_bytes(*value)))
    }

    pub(super) fn all_flags(&self) -> Result<impl Iterator<Item = u8>> {
        Ok(self.values(FLAGS)?.iter().map(|value| u8::from_le_bytes(*value)))
    }

    pub(super) fn importance(&self, row: Row) -> Result<f32> {
        Ok(f32::from_le_bytes(self.column(IMPORTANCES, row)?))
    }

    pub(super) fn flags(&self, row: Row) -> Result<u8> {
        Ok(u8::from_le_bytes(self.column(FLAGS, row)?))
    }

    /// The rows that have one of these names, which are in order. Of a few names, only the blocks that
    /// lead to the rows are read.
    pub(super) fn named(&self, field: Field, names: &[impl AsRef<str>]) -> Result<RoaringBitmap> {
        let rows = Postings::new(|part| self.part_of_postings(part)).rows_of_any(field, names);
        let mut rows = rows.map_err(|unread| unread.error(&self.file))?;
        // What the list names beyond the segment cannot be.
        rows.remove_range(self.rows..);
        Ok(rows)
    }

    /// The rows whose key has this hash.
    pub(super) fn rows_by_key_hash(&self, hash: u64) -> Result<Vec<Row>> {
        let (entries, _) = self.file.checked(KEYS)?.as_chunks::<12>();
        let parts = |entry: &[u8; 12]| {
            let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
            let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            (hash, u32::from_le_bytes([i, j, k, l]))
        };
        let first = entries.partition_point(|entry| parts(entry).0 < hash);
        let same = entries.iter().skip(first).map(parts).take_while(|(h, _)| *h == hash);
        Ok(same.map(|(_, row)| row).collect())
    }

    fn missing(&self, row: Row) -> Error {
        self.file.corrupt(0, format!("row {row} is not in the segment"))
    }

    /// Everything but the body, checked.
    fn head<'a>(&'a self, row: Row, buffer: &'a mut Vec<f32>) -> Result<RowRef<'a>> {
        let start = row as usize * self.dimension;
        let head = RowRef {
            id: self.id(row)?,
            seq: self.seq(row)?,
            norm: f32::from_le_bytes(self.column(NORMS, row)?),
            vector: self.file.read(VECTORS, start..start + self.dimension, buffer)?,
            body: &[],
        };
        let crc = u32::from_le_bytes(self.column(VECTOR_CRCS, row)?);
        if crc != super::seal::vector_crc(&head) {
            let offset = u64::from(row) * self.dimension as u64 * 4;
            let reason = format!("the checksum of row {row} does not match");
            return Err(self.file.corrupt_in(VECTORS, offset, reason));
        }
        // The checksum only says that this is what somebody wrote.
        // No vector is stored whose squared length overflows.
        let finite = (Kernels::detect().dot_f32)(head.vector, head.vector).is_finite();
        if !head.norm.is_finite() || !finite {
            let offset = u64::from(row) * self.dimension as u64 * 4;
            let reason = format!("the vector of row {row} holds NaN or infinity");
            return Err(self.file.corrupt_in(VECTORS, offset, reason));
        }
        Ok(head)
    }

    fn body_in<'a>(&'a self, row: Row, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let (start, end) = (self.number(BODY_OFFSETS, row)?, self.number(BODY_OFFSETS, row + 1)?);
        let body = self.file.read(BODIES, start as usize..end as usize, buffer)?;
        let crc = u32::from_le_bytes(self.column(BODY_CRCS, row)?);
        if crc != crc32(&[&self.id(row)?.as_u128().to_le_bytes(), body]) {
            let reason = format!("the checksum of the body of row {row} does not match");
            return Err(self.file.corrupt_in(BODIES, start, reason));
        }
        Ok(body)
    }

    fn part_of_postings(&self, part: Range<usize>) -> std::result::Result<&[u8], Unread> {
        self.file.checked_range(POSTINGS, part).map_err(Unread::File)
    }
}

impl Rows for SealedSegment {
    fn rows(&self) -> Row {
        self.rows
    }

    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>> {
        let RowBuffer { vector, body } = buffer;
        Ok(RowRef { body: self.body_in(row, body)?, ..self.head(row, vector)? })
    }

    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]> {
        self.body_in(row, &mut buffer.body)
    }

    fn vector<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [f32]> {
        Ok(self.head(row, &mut buffer.vector)?.vector)
    }

    fn prefetch(&self, row: Row) {
        // What a rerank reads of a row, each in another page.
        let vector = self.file.reads_map().then_some((VECTORS, self.dimension * 4));
        let columns = [(VECTOR_CRCS, 4), (IDS, 16), (SEQS, 8), (NORMS, 4)];
        for (kind, width) in vector.into_iter().chain(columns) {
            let bytes = self.file.bytes(kind).unwrap_or(&[]);
            let start = row as usize * width;
            (Kernels::detect().prefetch)(bytes.get(start..start + width).unwrap_or(&[]));
        }
    }

    fn id(&self, row: Row) -> Result<MemoryId> {
        Ok(MemoryId::from_u128(u128::from_le_bytes(self.column(IDS, row)?)))
    }

    fn seq(&self, row: Row) -> Result<Seq> {
        Ok(Seq(self.number(SEQS, row)?))
    }

    fn expires_at(&self, row: Row) -> Result<Timestamp> {
        self.time(EXPIRIES, row)
    }

    fn attributes<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<Attributes<'a>> {
        record::attributes(self.id(row)?, self.body(row, buffer)?).map_err(|e| {
            let start = self.number(BODY_OFFSETS, row).unwrap_or_default();
            self.file.corrupt_in(BODIES, start + e.offset, e.reason)
        })
    }

    /// O(log rows): the filter first, then binary search in the mapped ids.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>> {
        if self.rows == 0 || id < self.id(0)? || id > self.id(self.rows - 1)? {
            return Ok(Vec::new());
        }
        if !bloom::may_contain(self.file.checked(BLOOM)?, id) {
            return Ok(Vec::new());
        }
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle)?.cmp(&id) {
                std::cmp::Ordering::Equal => return Ok(vec![middle]),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(Vec::new())
    }

    fn select(&self, filter: &Matcher) -> Result<RoaringBitmap> {
        select::select(self, filter)
    }

    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>> {
        self.expiries.unexpired(now, || self.times(EXPIRIES))
    }
}
