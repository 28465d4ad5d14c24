//! Owns the reading of a damaged `seg` file. It returns every row whose own checksums hold, even if
//! header, section table or columns are damaged. Layout: `format.md`, "Segment". For repair only:
//! `sealed` reads segments of a sound store.

use std::path::Path;

use super::row::{Row, RowRef};
use super::{bloom, layout};
use crate::disk::{Disk, Mapped};
use crate::error::{Error, Result};
use crate::format::crc32;
use crate::format::header::{FileHeader, FileKind, HEADER_LEN, HeaderError, StoreId};
use crate::format::names::FileName;
use crate::format::record;
use crate::format::table::{ALIGNMENT, SectionTable};
use crate::ids::{FileId, MemoryId, Seq};
use crate::section::check_known;

/// A segment file, parts of which may be damaged.
#[derive(Debug)]
pub(crate) struct SalvagedSegment {
    bytes: Mapped,
    layout: Layout,
    dimension: usize,
}

/// A row that cannot be read completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LostRow {
    /// Known if the vector's checksum holds.
    pub(crate) identity: Option<(MemoryId, Seq)>,
    pub(crate) reason: &'static str,
    /// The place in the file.
    pub(crate) offset: u64,
}

/// The offsets of the sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    vectors: usize,
    bodies: usize,
    ids: usize,
    seqs: usize,
    norms: usize,
    vector_crcs: usize,
    body_crcs: usize,
    offsets: usize,
}

impl SalvagedSegment {
    /// Opens a possibly damaged segment with this many rows. Fails if nothing of it can be read, or
    /// if it is another file.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        store: StoreId,
        file: FileId,
        rows: Row,
        dimension: usize,
    ) -> Result<Self> {
        let path = dir.join(FileName::Segment(file).to_string());
        let opened = disk.open(&path)?;
        if opened.len() < HEADER_LEN as u64 {
            return Err(Error::corrupt(path, opened.len(), "the file is cut short"));
        }
        let bytes = opened.map()?;
        // A header that does not decode says nothing about the rows. One that decodes may say that
        // this is another file, or that this version must not read it.
        match FileHeader::decode(&bytes) {
            Err(HeaderError::Decode(_)) => {}
            Err(HeaderError::TooNew(_)) => return Err(Error::corrupt(path, 10, "it is too new")),
            Ok(header) => {
                let ours = header.kind == FileKind::Segment
                    && header.store == store
                    && header.file == file;
                if !ours {
                    return Err(Error::corrupt(path, 0, "this is another file's content"));
                }
            }
        }
        let table = SectionTable::decode(&bytes).ok();
        if let Some(table) = &table {
            check_known(&path, table, FileKind::Segment)?;
        }
        let found = table.and_then(|table| Layout::of_table(&table));
        let layout = found.or_else(|| Layout::search(&bytes, rows as usize, dimension));
        let layout = layout.ok_or_else(|| {
            Error::corrupt(path, opened.len(), "the places of the rows cannot be made out")
        })?;
        Ok(Self { bytes, layout, dimension })
    }

    fn part<const N: usize>(&self, start: usize, row: Row) -> Option<[u8; N]> {
        let at = start.checked_add(row as usize * N)?;
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    /// Returns id, sequence number, norm and vector, if their checksum holds.
    fn head(&self, row: Row) -> Option<RowRef<'_>> {
        let at = &self.layout;
        let start = at.vectors.checked_add(row as usize * self.dimension * 4)?;
        let vector = self.bytes.get(start..start.checked_add(self.dimension * 4)?)?;
        let head = RowRef {
            id: MemoryId::from_u128(u128::from_le_bytes(self.part(at.ids, row)?)),
            seq: Seq(u64::from_le_bytes(self.part(at.seqs, row)?)),
            norm: f32::from_le_bytes(self.part(at.norms, row)?),
            vector: bytemuck::try_cast_slice(vector).ok()?,
            body: &[],
        };
        let crc = u32::from_le_bytes(self.part(at.vector_crcs, row)?);
        (crc == layout::vector_crc(&head)).then_some(head)
    }

    fn body(&self, id: MemoryId, row: Row) -> Option<&[u8]> {
        let at = &self.layout;
        let start = u64::from_le_bytes(self.part(at.offsets, row)?);
        let end = u64::from_le_bytes(self.part(at.offsets, row.checked_add(1)?)?);
        let place = |offset: u64| at.bodies.checked_add(usize::try_from(offset).ok()?);
        let body = self.bytes.get(place(start)?..place(end)?)?;
        let crc = u32::from_le_bytes(self.part(at.body_crcs, row)?);
        let whole = crc == crc32(&[&id.as_u128().to_le_bytes(), body]);
        (whole && record::attributes(id, body).is_ok()).then_some(body)
    }

    /// Returns a row, if all its checksums hold.
    pub(crate) fn row(&self, row: Row) -> std::result::Result<RowRef<'_>, LostRow> {
        let offset = (self.layout.vectors + row as usize * self.dimension * 4) as u64;
        let Some(head) = self.head(row) else {
            let reason = "the checksum of a row's vector does not match";
            return Err(LostRow { identity: None, reason, offset });
        };
        match self.body(head.id, row) {
            Some(body) => Ok(RowRef { body, ..head }),
            None => {
                let reason = "the checksum of a row's body does not match";
                Err(LostRow { identity: Some((head.id, head.seq)), reason, offset })
            }
        }
    }
}

impl Layout {
    /// Returns the layout that the section table describes.
    fn of_table(table: &SectionTable) -> Option<Self> {
        let of = |kind| table.entries.iter().find(|e| e.kind == kind).map(|e| e.offset as usize);
        Some(Self {
            vectors: of(layout::VECTORS)?,
            bodies: of(layout::BODIES)?,
            ids: of(layout::IDS)?,
            seqs: of(layout::SEQS)?,
            norms: of(layout::NORMS)?,
            vector_crcs: of(layout::VECTOR_CRCS)?,
            body_crcs: of(layout::BODY_CRCS)?,
            offsets: of(layout::BODY_OFFSETS)?,
        })
    }

    /// Finds the layout without a table. All sizes except that of the bodies follow from the number
    /// of rows, and the offsets of the bodies say where these end. O(bytes / 64).
    fn search(bytes: &[u8], rows: usize, dimension: usize) -> Option<Self> {
        let vectors = HEADER_LEN.next_multiple_of(ALIGNMENT);
        let bodies =
            vectors.checked_add(rows.checked_mul(dimension * 4)?)?.next_multiple_of(ALIGNMENT);
        let number = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
        };
        (bodies..bytes.len()).step_by(ALIGNMENT).find_map(|description| {
            let layout = Self::from_description(vectors, bodies, description, rows);
            let end = number(layout.offsets.checked_add(rows * 8)?)?;
            let meets = bodies
                .checked_add(usize::try_from(end).ok()?)?
                .checked_next_multiple_of(ALIGNMENT)?
                == description;
            (meets && number(layout.offsets)? == 0).then_some(layout)
        })
    }

    /// Returns the offsets of all columns, in the order in which `seal` writes them.
    fn from_description(vectors: usize, bodies: usize, description: usize, rows: usize) -> Self {
        let mut next = description;
        let mut section = |len: usize| {
            let at = next;
            next = (at + len).next_multiple_of(ALIGNMENT);
            at
        };
        let _description = section(layout::FIRST_EXPIRY_AT + 8);
        let ids = section(rows * 16);
        let _filter = section(bloom::bytes(rows));
        let seqs = section(rows * 8);
        let _created_events_expiries = [section(rows * 8), section(rows * 8), section(rows * 8)];
        let _importances_flags = [section(rows * 4), section(rows)];
        let norms = section(rows * 4);
        let vector_crcs = section(rows * 4);
        let body_crcs = section(rows * 4);
        let offsets = section((rows + 1) * 8);
        Self { vectors, bodies, ids, seqs, norms, vector_crcs, body_crcs, offsets }
    }
}
