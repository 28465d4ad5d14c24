//! Owns `del` files: the dead rows of one segment as of a sequence number. Layout: `format.md`,
//! "Deletes".

use std::path::Path;

use roaring::RoaringBitmap;

use super::row::Row;
use crate::disk::Disk;
use crate::error::Result;
use crate::format::cursor::Cursor;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::section::{Check, Identity, SectionFile, SectionWriter};

const DESCRIPTION: u32 = 1;
const DEAD: u32 = 2;

/// Writes the dead rows of a segment and syncs the file. Returns its length.
pub(crate) fn write_deletes(
    disk: &dyn Disk,
    dir: &Path,
    header: &FileHeader,
    segment: FileId,
    rows: Row,
    dead: &RoaringBitmap,
) -> Result<u64> {
    let mut writer = SectionWriter::create(disk, dir, FileName::Deletes(header.file), header)?;
    let mut description = segment.0.to_le_bytes().to_vec();
    description.extend_from_slice(&rows.to_le_bytes());
    writer.section(DESCRIPTION, Check::Blocks, &description)?;
    let mut bytes = Vec::with_capacity(dead.serialized_size());
    // Writing to a vector cannot fail.
    let _ = dead.serialize_into(&mut bytes);
    writer.section(DEAD, Check::Blocks, &bytes)?;
    writer.finish()
}

/// Reads the dead rows of a segment with this many rows.
pub(crate) fn read_deletes(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    file: (FileId, u64),
    of: (FileId, Row),
) -> Result<RoaringBitmap> {
    read(disk, dir, store, file, of).map(|(_, dead)| dead)
}

/// Like [`read_deletes`], but checks every byte of the file.
pub(crate) fn verify_deletes(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    file: (FileId, u64),
    of: (FileId, Row),
) -> Result<RoaringBitmap> {
    let (file, dead) = read(disk, dir, store, file, of)?;
    file.verify()?;
    Ok(dead)
}

/// Reads a `del` file whose segment is unknown. Returns the segment, its number of rows and its
/// dead rows. Checks every byte.
pub(crate) fn salvage_deletes(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    file: FileId,
) -> Result<(FileId, Row, RoaringBitmap)> {
    let name = FileName::Deletes(file);
    let len = disk.open(&dir.join(name.to_string()))?.len();
    let identity = Identity { name, kind: FileKind::Deletes, store, len };
    let opened = SectionFile::open(disk, dir, &identity)?;
    let (segment, rows) = described(&opened)?;
    let dead = verify_deletes(disk, dir, store, (file, len), (segment, rows))?;
    Ok((segment, rows, dead))
}

/// Returns the segment to which the deletes belong, and its number of rows.
fn described(file: &SectionFile) -> Result<(FileId, Row)> {
    let error = |e: crate::format::DecodeError| file.corrupt_in(DESCRIPTION, e.offset, e.reason);
    let mut cursor = Cursor::new(file.checked(DESCRIPTION)?);
    Ok((FileId(cursor.u64().map_err(error)?), cursor.u32().map_err(error)?))
}

fn read(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    (file, len): (FileId, u64),
    (segment, rows): (FileId, Row),
) -> Result<(SectionFile, RoaringBitmap)> {
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
    Ok((file, dead))
}
