//! Owns sealed files made of sections (`seg`, `del`, `idx`, `loc`). It writes them in one pass
//! (`writer`) and checks them where they are used. It knows the position and the checksum of the
//! bytes, not their meaning.
//!
//! Checks at open: the header, the exact length, the section table, and that every required section
//! is known. Checks at first touch: one CRC per 64 KiB block of a checked section, remembered in a
//! bitmap. A block that failed fails again. Sections that are not checked here (rows) carry
//! checksums of their own.
//!
//! A file is mapped. If it was opened with a permit, its descriptor stays open as well, and
//! [`SectionFile::read`] reads through the descriptor. The reason: pages that are read through the
//! map stay resident, with their neighbors.

mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use writer::{Check, SectionWriter};

use crate::disk::{Disk, Mapped, OpenFile, Permit};
use crate::error::{Error, Result};
use crate::format::at_path::{decode_error, read_header};
use crate::format::header::{FileHeader, FileKind, HEADER_LEN, StoreId};
use crate::format::names::FileName;
use crate::format::table::{BLOCK_LEN, SectionEntry, SectionTable, TAIL_LEN};

/// Bytes of a section that may be resident while all of it is verified.
const VERIFIED_AT_ONCE: usize = 1 << 20;

/// An open sealed file.
#[derive(Debug)]
pub(crate) struct SectionFile {
    path: PathBuf,
    bytes: Mapped,
    /// Where values are read from, if not from the map.
    open: Option<OpenFile>,
    table: SectionTable,
    /// One bit per block: set once the block passed its check.
    passed: Vec<AtomicU64>,
}

/// The expected identity of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) name: FileName,
    pub(crate) kind: FileKind,
    pub(crate) store: StoreId,
    pub(crate) len: u64,
}

impl SectionFile {
    /// Opens and maps a file. Checks its header, length and section table.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, expected: &Identity) -> Result<Self> {
        Self::open_to_read(disk, dir, expected, None)
    }

    /// As [`SectionFile::open`]. With a permit, the file is kept open for [`SectionFile::read`].
    pub(crate) fn open_to_read(
        disk: &dyn Disk,
        dir: &Path,
        expected: &Identity,
        permit: Option<Permit>,
    ) -> Result<Self> {
        let path = dir.join(expected.name.to_string());
        let file = disk.open(&path)?;
        check_len(&path, file.len(), expected)?;
        let bytes = file.map()?;
        check_identity(&path, &read_header(&path, &bytes)?, expected)?;
        let table = SectionTable::decode(&bytes).map_err(|e| decode_error(&path, 0, e))?;
        check_known(&path, &table, expected.kind)?;
        let words = table.block_crcs.len().div_ceil(64);
        let passed = std::iter::repeat_with(AtomicU64::default).take(words).collect();
        let open = permit.map(|permit| OpenFile::new(file, permit));
        Ok(Self { path, bytes, open, table, passed })
    }

    /// Returns the content of a section without any check.
    pub(crate) fn bytes(&self, kind: u32) -> Option<&[u8]> {
        Some(self.content(self.entry(kind)?))
    }

    /// Returns the content of a section after checking every block.
    pub(crate) fn checked(&self, kind: u32) -> Result<&[u8]> {
        let entry = self.require(kind)?;
        self.check_blocks(entry, 0..entry.blocks())?;
        Ok(self.content(entry))
    }

    /// Returns a part of a section after checking the blocks that it lies in.
    pub(crate) fn checked_range(&self, kind: u32, range: Range<usize>) -> Result<&[u8]> {
        let entry = self.require(kind)?;
        let part = self.part(entry, range.clone())?;
        let blocks = range.start / BLOCK_LEN..range.end.div_ceil(BLOCK_LEN);
        self.check_blocks(entry, blocks.start as u64..blocks.end as u64)?;
        Ok(part)
    }

    /// Returns some values of a section without any check: from the map, or read into `buffer`.
    pub(crate) fn read<'a, T: bytemuck::Pod>(
        &'a self,
        kind: u32,
        values: Range<usize>,
        buffer: &'a mut Vec<T>,
    ) -> Result<&'a [T]> {
        let entry = self.require(kind)?;
        let bytes = values.start * size_of::<T>()..values.end * size_of::<T>();
        let mapped = self.part(entry, bytes.clone())?;
        let Some(open) = &self.open else {
            return bytemuck::try_cast_slice(mapped)
                .map_err(|_| self.corrupt(entry.offset, "the section is not aligned"));
        };
        buffer.resize(values.len(), bytemuck::Zeroable::zeroed());
        open.read_at(entry.offset + bytes.start as u64, bytemuck::cast_slice_mut(buffer))?;
        Ok(buffer)
    }

    /// Returns true if [`SectionFile::read`] reads from the map.
    pub(crate) const fn reads_map(&self) -> bool {
        self.open.is_none()
    }

    /// Checks every block of every checked section, and that nothing lies between sections.
    pub(crate) fn verify(&self) -> Result<()> {
        self.verify_but(&[])
    }

    /// As [`SectionFile::verify`], but skips the blocks of the sections in `skipped`.
    pub(crate) fn verify_but(&self, skipped: &[u32]) -> Result<()> {
        let mut end = HEADER_LEN as u64;
        for entry in &self.table.entries {
            let gap = self.bytes.get(end as usize..entry.offset as usize);
            if gap.is_some_and(|gap| gap.iter().any(|byte| *byte != 0)) {
                return Err(self.corrupt(end, "the padding before a section is not zero"));
            }
            if !skipped.contains(&entry.kind) {
                self.verify_blocks(entry)?;
            }
            end = entry.offset + entry.len;
        }
        Ok(())
    }

    /// Checks every block of a section, also those that passed before: bytes that were read then
    /// may be damaged now. Releases the pages on the way, so that the check of a large file does
    /// not make it resident.
    fn verify_blocks(&self, entry: &SectionEntry) -> Result<()> {
        for block in 0..entry.blocks() {
            self.check_block(entry, block)?;
            let start = block as usize * BLOCK_LEN;
            self.release_behind::<u8>(entry.kind, start..start + BLOCK_LEN);
        }
        Ok(())
    }

    /// Returns the error for damage at an offset in the file.
    pub(crate) fn corrupt(&self, offset: u64, reason: impl Into<String>) -> Error {
        Error::corrupt(&self.path, offset, reason)
    }

    /// Returns the error for damage in a section.
    pub(crate) fn corrupt_in(&self, kind: u32, offset: u64, reason: impl Into<String>) -> Error {
        let start = self.entry(kind).map_or(0, |e| e.offset);
        self.corrupt(start + offset, reason)
    }

    /// Returns the number of bytes mapped.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// For a caller that reads a section from its start and has just read `values`. At each whole
    /// multiple of [`VERIFIED_AT_ONCE`] it releases the pages behind, see [`Mapped::release`].
    pub(crate) fn release_behind<T>(&self, kind: u32, values: Range<usize>) {
        let whole = |value: usize| value * size_of::<T>() / VERIFIED_AT_ONCE * VERIFIED_AT_ONCE;
        let (from, to) = (whole(values.start), whole(values.end));
        if from < to
            && let Some(entry) = self.entry(kind)
        {
            let start = entry.offset as usize;
            self.bytes.release_range(start + from..start + to);
        }
    }

    /// Releases the pages, see [`Mapped::release`].
    pub(crate) fn release(&self) {
        self.bytes.release();
    }

    fn entry(&self, kind: u32) -> Option<&SectionEntry> {
        self.table.entries.iter().find(|e| e.kind == kind)
    }

    fn require(&self, kind: u32) -> Result<&SectionEntry> {
        self.entry(kind)
            .ok_or_else(|| self.corrupt(self.len(), format!("section {kind} is missing")))
    }

    /// Returns a part of a section, as it is mapped.
    fn part(&self, entry: &SectionEntry, bytes: Range<usize>) -> Result<&[u8]> {
        self.content(entry).get(bytes).ok_or_else(|| {
            self.corrupt(entry.offset + entry.len, "the section is shorter than its rows need")
        })
    }

    fn content(&self, entry: &SectionEntry) -> &[u8] {
        // The decoder of the table checked that the section lies within the file.
        self.bytes.get(entry.offset as usize..(entry.offset + entry.len) as usize).unwrap_or(&[])
    }

    /// Checks the blocks that have not passed yet.
    fn check_blocks(&self, entry: &SectionEntry, blocks: Range<u64>) -> Result<()> {
        for block in blocks.start..blocks.end.min(entry.blocks()) {
            let at = entry.first_block as usize + block as usize;
            let passed = self.passed.get(at / 64).map_or(0, |w| w.load(Ordering::Relaxed));
            if passed & (1 << (at % 64)) == 0 {
                self.check_block(entry, block)?;
            }
        }
        Ok(())
    }

    /// Checks a block, whether or not it passed before.
    fn check_block(&self, entry: &SectionEntry, block: u64) -> Result<()> {
        let at = entry.first_block as usize + block as usize;
        let (passed, bit) = (self.passed.get(at / 64), 1 << (at % 64));
        let start = block as usize * BLOCK_LEN;
        let content = self.content(entry);
        let end = (start + BLOCK_LEN).min(content.len());
        let bytes = content.get(start..end).unwrap_or(&[]);
        let whole = self.table.block_crcs.get(at) == Some(&crc32fast::hash(bytes));
        if let Some(word) = passed {
            match whole {
                true => word.fetch_or(bit, Ordering::Relaxed),
                false => word.fetch_and(!bit, Ordering::Relaxed),
            };
        }
        if whole {
            return Ok(());
        }
        let reason = "the block's checksum does not match";
        Err(self.corrupt(entry.offset + start as u64, reason))
    }
}

/// Checks the header, length and section table of a file, and reads nothing else of it.
pub(crate) fn probe(disk: &dyn Disk, dir: &Path, expected: &Identity) -> Result<()> {
    let path = dir.join(expected.name.to_string());
    let file = disk.open(&path)?;
    check_len(&path, file.len(), expected)?;
    let mut header = [0; HEADER_LEN];
    file.read_at(0, &mut header)?;
    check_identity(&path, &read_header(&path, &header)?, expected)?;
    let mut tail = [0; TAIL_LEN];
    file.read_at(expected.len - TAIL_LEN as u64, &mut tail)?;
    let table = SectionTable::table_len(&tail).map_err(|e| decode_error(&path, 0, e))?;
    let start = expected.len.saturating_sub(TAIL_LEN as u64 + u64::from(table));
    let mut end = vec![0; (expected.len - start) as usize];
    file.read_at(start, &mut end)?;
    let table =
        SectionTable::decode_end(&end, start as usize).map_err(|e| decode_error(&path, 0, e))?;
    check_known(&path, &table, expected.kind)
}

/// Refuses a file with a required section that this version does not know.
pub(crate) fn check_known(path: &Path, table: &SectionTable, kind: FileKind) -> Result<()> {
    match table.unknown(kind) {
        None => Ok(()),
        Some(entry) => {
            let reason = format!("this version does not know section {}", entry.kind);
            Err(Error::corrupt(path, entry.offset, reason))
        }
    }
}

fn check_len(path: &Path, len: u64, expected: &Identity) -> Result<()> {
    if len != expected.len {
        let reason = format!("the file has {len} bytes, not {}", expected.len);
        return Err(Error::corrupt(path, len.min(expected.len), reason));
    }
    if len < (HEADER_LEN + TAIL_LEN) as u64 {
        return Err(Error::corrupt(path, 0, "the file is too short for its header"));
    }
    Ok(())
}

fn check_identity(path: &Path, header: &FileHeader, expected: &Identity) -> Result<()> {
    let same = header.kind == expected.kind
        && header.store == expected.store
        && Some(header.file) == expected.name.file();
    if same { Ok(()) } else { Err(Error::corrupt(path, 0, "this is another file's content")) }
}

#[cfg(test)]
mod tests;
