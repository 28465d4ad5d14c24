//! Owns `SealedSegment`: an open `seg` file. Layout: `format.md`, "Segment". Every value is checked
//! before it is returned: rows by their own checksums at each read, columns block by block at the
//! first access.

mod rows;
mod verify;
mod words;

use std::ops::Range;
use std::path::Path;

use roaring::RoaringBitmap;

use super::expiry::Expiries;
use super::fields::{self, Answer, Fields};
use super::layout::{
    BODIES, BODY_CRCS, BODY_OFFSETS, DESCRIPTION, FIELDS, FIRST_EXPIRY_AT, FLAGS, IMPORTANCES,
    KEYS, NORMS, POSTINGS, VECTOR_CRCS, VECTORS, vector_crc,
};
use super::postings::{Field, Postings};
use super::row::{Row, RowRef};
use super::rows::Rows;
use crate::clock::Timestamp;
use crate::disk::{Disk, Permit};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::format::header::{FileKind, StoreId};
use crate::format::names::FileName;
use crate::format::{DecodeError, crc32};
use crate::ids::FileId;
use crate::section::{Identity, SectionFile};
use crate::vector::kernel::Kernels;

/// An open sealed segment.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    pub(super) file: SectionFile,
    rows: Row,
    dimension: usize,
    expiries: Expiries,
}

/// What the columns of fields of a segment cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldCosts {
    pub(crate) bytes: u64,
    /// How many bytes they may take; 0 in a segment that is older than they.
    pub(crate) limit: u64,
    /// How many columns were left out for that.
    pub(crate) left_out: u64,
}

/// The error of a read behind the end of a section.
const CUT: DecodeError = DecodeError::new(0, "the section is cut short");

/// The reason why postings or columns of fields could not be read.
enum Unread {
    File(Error),
    Decode(DecodeError),
}

/// Checked bytes of a section.
type Part<'a> = std::result::Result<&'a [u8], Unread>;

impl Unread {
    /// Returns the error for this section.
    fn error(self, file: &SectionFile, section: u32) -> Error {
        match self {
            Self::File(error) => error,
            Self::Decode(e) => file.corrupt_in(section, e.offset, e.reason),
        }
    }
}

impl From<DecodeError> for Unread {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl SealedSegment {
    /// Opens a segment of a collection with this dimension. With a permit, vectors and bodies are
    /// read from the open file instead of the map.
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

    /// Releases the resident pages of its file.
    pub(crate) fn release(&self) {
        self.file.release();
    }

    /// For a caller that reads vectors in order and has just read this row. Releases the pages
    /// before it, so that the file does not become resident.
    pub(crate) fn release_behind(&self, row: Row) {
        let start = row as usize * self.dimension;
        self.file.release_behind::<f32>(VECTORS, start..start + self.dimension);
    }

    /// Returns the number of mapped bytes.
    pub(crate) fn len(&self) -> u64 {
        self.file.len()
    }

    /// Returns the value of a row in a column of fixed-size values, after checking its block.
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

    /// Returns all values of a column of fixed-size values, one per row, after checking every
    /// block.
    pub(super) fn values<const N: usize>(&self, kind: u32) -> Result<&[[u8; N]]> {
        let (values, _) = self.file.checked(kind)?.as_chunks::<N>();
        values.get(..self.rows as usize).ok_or_else(|| self.missing(self.rows.saturating_sub(1)))
    }

    /// Returns the values of the rows from `first` to `last`, both included, in a column of
    /// fixed-size values, after checking their blocks.
    fn values_between<const N: usize>(
        &self,
        kind: u32,
        first: Row,
        last: Row,
    ) -> Result<&[[u8; N]]> {
        let bytes = first as usize * N..(last as usize + 1) * N;
        let (values, _) = self.file.checked_range(kind, bytes)?.as_chunks::<N>();
        Ok(values)
    }

    /// Returns a whole column of moments.
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

    /// Returns the rows that have one of these sorted names. For few names, only the blocks that
    /// lead to the rows are read.
    pub(super) fn named(&self, field: Field, names: &[impl AsRef<str>]) -> Result<RoaringBitmap> {
        self.posted(self.postings().rows_of_any(field, names))
    }

    /// Returns the rows that have a name which begins with this text.
    pub(super) fn named_from(&self, field: Field, prefix: &str) -> Result<RoaringBitmap> {
        self.posted(self.postings().rows_from(field, prefix))
    }

    fn posted(&self, rows: std::result::Result<RoaringBitmap, Unread>) -> Result<RoaringBitmap> {
        let mut rows = rows.map_err(|unread| unread.error(&self.file, POSTINGS))?;
        // Row numbers beyond the segment come from damage.
        rows.remove_range(self.rows..);
        Ok(rows)
    }

    /// Calls `visit` with each name of a field that begins with `prefix`, and its rows.
    fn each_name(
        &self,
        field: Field,
        prefix: &str,
        visit: &mut dyn FnMut(&str, RoaringBitmap),
    ) -> Result<()> {
        let each = self.postings().each(field, prefix, &mut |name, mut rows| {
            // Row numbers beyond the segment come from damage.
            rows.remove_range(self.rows..);
            visit(name, rows);
        });
        each.map_err(|unread| unread.error(&self.file, POSTINGS))
    }

    /// Returns what the columns of fields say about a filter that they may answer.
    pub(super) fn fields_answer(&self, filter: &Filter) -> Result<Answer> {
        let Some(fields) = self.fields() else {
            return Ok(Answer::Unknown);
        };
        let answer = fields::answer(&fields, self.rows, filter);
        answer.map_err(|unread| unread.error(&self.file, FIELDS))
    }

    /// Returns true if rows must be read to answer a filter without others inside.
    pub(super) fn needs_rows(&self, filter: &Filter) -> Result<bool> {
        match self.fields() {
            Some(fields) => fields::needs_rows(&fields, filter)
                .map_err(|unread| unread.error(&self.file, FIELDS)),
            None => Ok(fields::are_asked(filter)),
        }
    }

    /// Returns what the columns of fields cost.
    pub(crate) fn field_costs(&self) -> FieldCosts {
        let bytes = self.file.bytes(FIELDS).map_or(0, <[u8]>::len) as u64;
        let limit = if bytes == 0 { 0 } else { fields::limit(self.rows, self.dimension) };
        // Not checked: a wrong number here decides nothing.
        let head =
            Fields::new(|part| self.file.bytes(FIELDS).and_then(|all| all.get(part)).ok_or(CUT));
        FieldCosts { bytes, limit: limit as u64, left_out: head.left_out().unwrap_or(0) as u64 }
    }

    /// Returns the rows whose key has this hash.
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

    /// Returns all fields of a row except the body, checked.
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
        if crc != vector_crc(&head) {
            let offset = u64::from(row) * self.dimension as u64 * 4;
            let reason = format!("the checksum of row {row} does not match");
            return Err(self.file.corrupt_in(VECTORS, offset, reason));
        }
        // The checksum only proves that a writer wrote these bytes. No sound writer stores a vector
        // whose squared length overflows.
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

    fn postings<'a>(&'a self) -> Postings<impl Fn(Range<usize>) -> Part<'a>> {
        Postings::new(|part| self.file.checked_range(POSTINGS, part).map_err(Unread::File))
    }

    /// Returns the columns of fields; `None` in a segment that is older than they.
    fn fields<'a>(&'a self) -> Option<Fields<impl Fn(Range<usize>) -> Part<'a>>> {
        self.file.bytes(FIELDS)?;
        Some(Fields::new(|part| self.file.checked_range(FIELDS, part).map_err(Unread::File)))
    }
}
