//! Owns the check that a directory, or a file in it, is still this store's: it may have been moved
//! away or removed while the store was open, and another store made under its name, whose files are
//! called the same. Paths are all that a store has, so it looks before it makes or removes a file.

use std::io::ErrorKind;
use std::path::Path;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::at_path::read_header;
use crate::format::header::{FileHeader, HEADER_LEN, StoreId};
use crate::format::names::FileName;
use crate::map_vec::MapVec;

/// Whether this store's newest manifest is in the directory.
pub(super) fn is_ours(
    disk: &dyn Disk,
    dir: &Path,
    store: StoreId,
    generation: u64,
) -> Result<bool> {
    let path = dir.join(FileName::Manifest(generation).to_string());
    match header(disk, &path) {
        Ok(header) => Ok(header.store == store && header.file.0 == generation),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a sealed file is this store's, as far as can be seen.
pub(super) fn is_our_file(disk: &dyn Disk, path: &Path, store: StoreId) -> bool {
    header(disk, path).is_ok_and(|header| header.store == store)
}

fn header(disk: &dyn Disk, path: &Path) -> Result<FileHeader> {
    let file = disk.open(path)?;
    let bytes = MapVec::read_file(file.as_ref(), HEADER_LEN as u64)?;
    read_header(path, &bytes)
}
