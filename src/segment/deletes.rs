//! Owns `del` files: the dead and the changed rows of one segment as of a sequence number. Layout:
//! `format.md`, "Deletes".

use std::path::Path;

use roaring::RoaringBitmap;

use super::row::Row;
use crate::disk::Disk;
use crate::error::Result;
use crate::format::DecodeError;
use crate::format::change::{decode_change, encode_change};
use crate::format::cursor::Cursor;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::names::FileName;
use crate::ids::{FileId, Seq};
use crate::memory::Change;
use crate::section::{Check, Identity, SectionFile, SectionWriter};

const DESCRIPTION: u32 = 1;
const DEAD: u32 = 2;
const CHANGED: u32 = 3;

/// What a `del` file says of the rows of its segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeadAndChanged {
    pub(crate) dead: RoaringBitmap,
    /// In ascending order of rows, each row once.
    pub(crate) changed: Vec<(Row, Change)>,
}

/// Writes the dead and changed rows of a segment and syncs the file. Returns its length.
pub(crate) fn write_deletes(
    disk: &dyn Disk,
    dir: &Path,
    header: &FileHeader,
    (segment, rows): (FileId, Row),
    dead: &RoaringBitmap,
    changed: impl Iterator<Item = (Row, Change)>,
) -> Result<u64> {
    let mut writer = SectionWriter::create(disk, dir, FileName::Deletes(header.file), header)?;
    let mut description = segment.0.to_le_bytes().to_vec();
    description.extend_from_slice(&rows.to_le_bytes());
    writer.section(DESCRIPTION, Check::Blocks, &description)?;
    let mut bytes = Vec::with_capacity(dead.serialized_size());
    // Writing to a vector cannot fail.
    let _ = dead.serialize_into(&mut bytes);
    writer.section(DEAD, Check::Blocks, &bytes)?;
    let bytes = encode_changed(changed);
    if !bytes.is_empty() {
        writer.section(CHANGED, Check::Blocks, &bytes)?;
    }
    writer.finish()
}

fn encode_changed(changed: impl Iterator<Item = (Row, Change)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (row, change) in changed {
        bytes.extend_from_slice(&row.to_le_bytes());
        bytes.extend_from_slice(&change.seq.0.to_le_bytes());
        encode_change(&mut bytes, &change);
    }
    bytes
}

/// Decodes the changed rows of a segment with this many rows.
fn decode_changed(bytes: &[u8], rows: Row) -> std::result::Result<Vec<(Row, Change)>, DecodeError> {
    let (mut cursor, mut changed) = (Cursor::new(bytes), Vec::<(Row, Change)>::new());
    while !cursor.is_empty() {
        let row = cursor.u32()?;
        if row >= rows || changed.last().is_some_and(|(before, _)| *before >= row) {
            return Err(cursor.error("the changed rows are out of order"));
        }
        let seq = Seq(cursor.u64()?);
        if seq > Seq::MAX {
            return Err(cursor.error("the sequence number of a change is out of range"));
        }
        changed.push((row, decode_change(&mut cursor, seq)?));
    }
    Ok(changed)
}

/// Reads the dead and changed rows of a segment with this many rows.
pub(crate) fn read_deletes(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    file: (FileId, u64),
    of: (FileId, Row),
) -> Result<DeadAndChanged> {
    read(disk, dir, store, file, of).map(|(_, found)| found)
}

/// Like [`read_deletes`], but checks every byte of the file.
pub(crate) fn verify_deletes(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    file: (FileId, u64),
    of: (FileId, Row),
) -> Result<DeadAndChanged> {
    let (file, found) = read(disk, dir, store, file, of)?;
    file.verify()?;
    Ok(found)
}

/// Reads a `del` file whose segment is unknown. Returns the segment, its number of rows, and its
/// dead and changed rows. Checks every byte.
pub(crate) fn salvage_deletes(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    file: FileId,
) -> Result<(FileId, Row, DeadAndChanged)> {
    let name = FileName::Deletes(file);
    let len = disk.open(&dir.join(name.to_string()))?.len();
    let identity = Identity { name, kind: FileKind::Deletes, store, len };
    let opened = SectionFile::open(disk, dir, &identity)?;
    let (segment, rows) = described(&opened)?;
    let found = verify_deletes(disk, dir, store, (file, len), (segment, rows))?;
    Ok((segment, rows, found))
}

/// Returns the segment to which the deletes belong, and its number of rows.
fn described(file: &SectionFile) -> Result<(FileId, Row)> {
    let error = |e: DecodeError| file.corrupt_in(DESCRIPTION, e.offset, e.reason);
    let mut cursor = Cursor::new(file.checked(DESCRIPTION)?);
    Ok((FileId(cursor.u64().map_err(error)?), cursor.u32().map_err(error)?))
}

fn read(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    (file, len): (FileId, u64),
    (segment, rows): (FileId, Row),
) -> Result<(SectionFile, DeadAndChanged)> {
    let identity = Identity { name: FileName::Deletes(file), kind: FileKind::Deletes, store, len };
    let file = SectionFile::open(disk, dir, &identity)?;
    if described(&file)? != (segment, rows) {
        return Err(file.corrupt_in(DESCRIPTION, 0, "these are the deletes of another segment"));
    }
    let bytes = file.checked(DEAD)?;
    let dead = RoaringBitmap::deserialize_from(bytes)
        .map_err(|e| file.corrupt_in(DEAD, 0, format!("the bitmap cannot be decoded: {e}")))?;
    if dead.max().is_some_and(|row| row >= rows) {
        return Err(file.corrupt_in(DEAD, 0, "a row is dead that is not there"));
    }
    let changed = match file.bytes(CHANGED) {
        None => Vec::new(),
        Some(_) => decode_changed(file.checked(CHANGED)?, rows)
            .map_err(|e| file.corrupt_in(CHANGED, e.offset, e.reason))?,
    };
    Ok((file, DeadAndChanged { dead, changed }))
}
