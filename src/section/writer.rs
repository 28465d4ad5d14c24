//! Owns the writing of files made of sections, in one pass. The caller knows their meaning.

use std::path::Path;

use crate::disk::{AppendFile, Disk};
use crate::error::Result;
use crate::format::header::FileHeader;
use crate::format::names::FileName;
use crate::format::table::{ALIGNMENT, BLOCK_LEN, CHECKED, REQUIRED, SectionEntry, SectionTable};

/// Where the checksums of a section are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// In the table, one per block.
    Blocks,
    /// In the rows themselves.
    Rows,
}

/// Writes a sealed file, section after section.
pub(crate) struct SectionWriter {
    file: Box<dyn AppendFile>,
    len: u64,
    pub(super) table: SectionTable,
    /// Bytes that wait until a large write is worth it.
    buffer: Vec<u8>,
    /// Checksum of the current block, and the number of its bytes so far.
    block: Option<(crc32fast::Hasher, usize)>,
}

/// Bytes per write.
const BUFFER_LEN: usize = 64 << 10;

impl SectionWriter {
    /// Creates the file. A caller that does not finish it must remove it.
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        name: FileName,
        header: &FileHeader,
    ) -> Result<Self> {
        let file = disk.create(&dir.join(name.to_string()))?;
        let (table, block) = (SectionTable::default(), None);
        let mut writer = Self { file, len: 0, table, buffer: Vec::new(), block };
        writer.put(&header.encode())?;
        Ok(writer)
    }

    /// Begins a section and ends the one before it.
    pub(crate) fn begin(&mut self, kind: u32, check: Check) -> Result<()> {
        self.end_section();
        let padding = self.len.next_multiple_of(ALIGNMENT as u64) - self.len;
        self.put(&[0; ALIGNMENT][..padding as usize])?;
        let flags = match check {
            Check::Blocks => REQUIRED | CHECKED,
            Check::Rows => REQUIRED,
        };
        let first_block = self.table.block_crcs.len() as u32;
        let offset = self.len;
        self.table.entries.push(SectionEntry { kind, flags, offset, len: 0, first_block });
        if check == Check::Blocks {
            self.block = Some((crc32fast::Hasher::new(), 0));
        }
        Ok(())
    }

    /// Appends bytes to the section.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        if let Some(entry) = self.table.entries.last_mut() {
            entry.len += bytes.len() as u64;
        }
        self.put(bytes)?;
        while let Some((hasher, filled)) = &mut self.block {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_LEN - *filled));
            hasher.update(now);
            *filled += now.len();
            if *filled == BLOCK_LEN {
                let full = std::mem::take(hasher);
                *filled = 0;
                self.table.block_crcs.push(full.finalize());
            }
            bytes = later;
            if bytes.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Writes a whole section.
    pub(crate) fn section(&mut self, kind: u32, check: Check, bytes: &[u8]) -> Result<()> {
        self.begin(kind, check)?;
        self.write(bytes)
    }

    /// Writes the table and syncs the file. Returns the file's length. Syncing the directory is up
    /// to the caller.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.end_section();
        let table = self.table.encode();
        self.put(&table)?;
        self.file.append(&self.buffer)?;
        self.file.sync()?;
        Ok(self.len)
    }

    fn end_section(&mut self) {
        if let Some((hasher, filled)) = self.block.take()
            && filled > 0
        {
            self.table.block_crcs.push(hasher.finalize());
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = BUFFER_LEN - self.buffer.len();
            let (now, later) = rest.split_at(rest.len().min(room));
            self.buffer.extend_from_slice(now);
            if self.buffer.len() == BUFFER_LEN {
                self.file.append(&self.buffer)?;
                self.buffer.clear();
            }
            rest = later;
        }
        Ok(())
    }
}
