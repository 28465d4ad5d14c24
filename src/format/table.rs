//! Owns the table at the end of a file made of sections (`seg`, `del`, `idx`, `loc`). It lists
//! where each section lies and the checksum of each of its blocks. Layout: `format.md`, "Section
//! table".

use super::cursor::Cursor;
use super::header::{FileKind, HEADER_LEN};
use super::{DecodeError, crc32};

/// Bytes covered by one checksum.
pub(crate) const BLOCK_LEN: usize = 64 << 10;
/// Sections begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 64;
/// Bytes after the table: its length, its checksum and the magic.
pub(crate) const TAIL_LEN: usize = 16;
const MAGIC: [u8; 8] = *b"ALTITAIL";
const ENTRY_LEN: usize = 32;
/// Largest number of sections in a file.
const MAX_SECTIONS: usize = 256;

/// Flag: a reader that does not know the section must refuse the file.
pub(crate) const REQUIRED: u32 = 1;
/// Flag: the section's blocks have checksums in the table.
pub(crate) const CHECKED: u32 = 2;

/// One section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionEntry {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Position of the first block's checksum in the table.
    pub(crate) first_block: u32,
}

impl SectionEntry {
    /// Returns the number of blocks that have a checksum.
    pub(crate) const fn blocks(&self) -> u64 {
        if self.flags & CHECKED == 0 { 0 } else { self.len.div_ceil(BLOCK_LEN as u64) }
    }
}

/// All sections of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SectionTable {
    pub(crate) entries: Vec<SectionEntry>,
    pub(crate) block_crcs: Vec<u32>,
}

impl SectionTable {
    /// Encodes the table and the tail, which follow the last section.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.block_crcs.len() as u32).to_le_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&entry.kind.to_le_bytes());
            out.extend_from_slice(&entry.flags.to_le_bytes());
            out.extend_from_slice(&entry.offset.to_le_bytes());
            out.extend_from_slice(&entry.len.to_le_bytes());
            out.extend_from_slice(&entry.first_block.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
        }
        self.block_crcs.iter().for_each(|crc| out.extend_from_slice(&crc.to_le_bytes()));
        let len = (out.len() as u32).to_le_bytes();
        let crc = crc32(&[&out, &len]);
        out.extend_from_slice(&len);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        out
    }

    /// Decodes the table of a whole file.
    pub(crate) fn decode(file: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_end(file, 0)
    }

    /// Returns the length of the table in bytes, without the tail. `tail` is the last [`TAIL_LEN`]
    /// bytes of a file.
    pub(crate) fn table_len(tail: &[u8]) -> Result<u32, DecodeError> {
        Cursor::new(tail).u32()
    }

    /// Decodes the table from the last bytes of a file, which begin at offset `base`.
    pub(crate) fn decode_end(file: &[u8], base: usize) -> Result<Self, DecodeError> {
        let end = file.len().saturating_sub(TAIL_LEN);
        let mut tail = Cursor::new(file.get(end..).unwrap_or_default());
        let (len, crc) = (tail.u32()?, tail.u32()?);
        let end_of = |reason| DecodeError::new(base.saturating_add(end) as u64, reason);
        if tail.array::<8>()? != MAGIC {
            return Err(end_of("the file's tail is missing"));
        }
        let start = end
            .checked_sub(len as usize)
            .filter(|start| base.saturating_add(*start) >= HEADER_LEN)
            .ok_or(end_of("the section table passes the file"))?;
        let bytes = file.get(start..end).unwrap_or_default();
        let start = base.saturating_add(start);
        if crc != crc32(&[bytes, &len.to_le_bytes()]) {
            let reason = "the section table's checksum does not match";
            return Err(DecodeError::new(start as u64, reason));
        }
        let mut cursor = Cursor::new(bytes);
        let (sections, blocks) = (cursor.u32()? as usize, cursor.u32()? as usize);
        let expected = sections
            .checked_mul(ENTRY_LEN)
            .and_then(|n| n.checked_add(blocks.checked_mul(4)?))
            .filter(|n| *n == cursor.remaining() && sections <= MAX_SECTIONS);
        if expected.is_none() {
            return Err(DecodeError::new(start as u64, "the section table's counts are wrong"));
        }
        let mut table = Self::default();
        for _ in 0..sections {
            let entry = SectionEntry {
                kind: cursor.u32()?,
                flags: cursor.u32()?,
                offset: cursor.u64()?,
                len: cursor.u64()?,
                first_block: cursor.u32()?,
            };
            cursor.bytes(4)?;
            check_entry(&entry, start as u64, blocks as u64)
                .and_then(|()| check_order(&table.entries, &entry))
                .map_err(|reason| DecodeError::new(start as u64, reason))?;
            table.entries.push(entry);
        }
        while !cursor.is_empty() {
            table.block_crcs.push(cursor.u32()?);
        }
        Ok(table)
    }

    /// Returns a section that is required and unknown. A reader must refuse a file that has one.
    pub(crate) fn unknown(&self, file: FileKind) -> Option<&SectionEntry> {
        let required = |entry: &&SectionEntry| entry.flags & REQUIRED != 0;
        self.entries.iter().filter(required).find(|entry| !is_known(file, entry.kind))
    }
}

/// Returns true if this version knows the section in a file of this kind.
fn is_known(file: FileKind, kind: u32) -> bool {
    match file {
        FileKind::Segment => matches!(kind, 1..=19),
        FileKind::Deletes => matches!(kind, 1..=3),
        // At most 32 levels with three sections each.
        FileKind::Index => matches!(kind, 1..=6 | 16..=111),
        FileKind::Locator => matches!(kind, 1..=5),
        FileKind::Manifest | FileKind::Log => false,
    }
}

fn check_entry(entry: &SectionEntry, end: u64, blocks: u64) -> Result<(), &'static str> {
    let last = entry.offset.checked_add(entry.len).ok_or("a section's length overflows")?;
    if entry.offset < HEADER_LEN as u64
        || last > end
        || !entry.offset.is_multiple_of(ALIGNMENT as u64)
    {
        return Err("a section passes the file or is not aligned");
    }
    let last = u64::from(entry.first_block).saturating_add(entry.blocks());
    if last > blocks {
        return Err("a section has more blocks than checksums");
    }
    Ok(())
}

/// Checks that sections follow each other, and so do their checksums. Shared bytes would be checked
/// as one section and read as the other.
fn check_order(before: &[SectionEntry], entry: &SectionEntry) -> Result<(), &'static str> {
    if before.iter().any(|other| other.kind == entry.kind) {
        return Err("a section is there twice");
    }
    let (end, block) = before.last().map_or((0, 0), |last| {
        let blocks = u64::from(last.first_block).saturating_add(last.blocks());
        (last.offset.saturating_add(last.len), blocks)
    });
    if entry.offset < end || u64::from(entry.first_block) != block {
        return Err("sections or their checksums overlap");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (SectionTable, Vec<u8>) {
        let entry = SectionEntry {
            kind: 3,
            flags: REQUIRED | CHECKED,
            offset: 128,
            len: 5,
            first_block: 0,
        };
        let table = SectionTable { entries: vec![entry], block_crcs: vec![0xAABB_CCDD] };
        let mut bytes = vec![0; 128 + 64];
        bytes.extend(table.encode());
        (table, bytes)
    }

    #[test]
    fn golden_bytes() {
        let (table, bytes) = file();
        let mut expected = vec![1, 0, 0, 0, 1, 0, 0, 0]; // sections, blocks
        expected.extend([3, 0, 0, 0, 3, 0, 0, 0]); // kind, flags
        expected.extend([128, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]); // offset, len
        expected.extend([0, 0, 0, 0, 0, 0, 0, 0]); // first_block, reserved
        expected.extend([0xDD, 0xCC, 0xBB, 0xAA]); // checksum of the one block
        expected.extend([44, 0, 0, 0]); // bytes of the table
        assert_eq!(bytes[192..240], expected);
        assert_eq!(bytes[244..], MAGIC);
        assert_eq!(SectionTable::decode(&bytes), Ok(table));
    }

    #[test]
    fn sections_that_share_bytes_or_checksums_are_refused() {
        let (table, _) = file();
        let first = table.entries[0];
        let next = |kind, offset, first_block| {
            let entry = SectionEntry { kind, offset, first_block, ..first };
            let table =
                SectionTable { entries: vec![first, entry], block_crcs: vec![0xAABB_CCDD, 1] };
            let mut bytes = vec![0; 128 + 128];
            bytes.extend(table.encode());
            SectionTable::decode(&bytes)
        };
        assert!(next(4, 192, 1).is_ok());
        assert!(next(3, 192, 1).is_err(), "one kind twice");
        assert!(next(4, 128, 1).is_err(), "the same bytes");
        assert!(next(4, 192, 0).is_err(), "the same checksum");
    }

    #[test]
    fn counts_that_are_not_those_of_the_table_are_refused() {
        let with = |sections: u32, blocks: u32| {
            let (_, mut bytes) = file();
            bytes[192..196].copy_from_slice(&sections.to_le_bytes());
            bytes[196..200].copy_from_slice(&blocks.to_le_bytes());
            let crc = crc32(&[&bytes[192..236], &44u32.to_le_bytes()]);
            bytes[240..244].copy_from_slice(&crc.to_le_bytes());
            SectionTable::decode(&bytes).map_err(|e| e.reason)
        };
        assert!(with(1, 1).is_ok());
        for (sections, blocks) in [(1, 2), (1, 0), (0, 10), (0, 1), (2, 1), (u32::MAX, u32::MAX)] {
            let refused = with(sections, blocks);
            assert_eq!(
                refused,
                Err("the section table's counts are wrong"),
                "{sections}, {blocks}"
            );
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let (_, bytes) = file();
        for i in 192 * 8..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[i / 8] ^= 1 << (i % 8);
            assert!(SectionTable::decode(&damaged).is_err(), "bit {i}");
        }
        for len in 0..bytes.len() {
            assert!(SectionTable::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn a_section_outside_of_the_file_or_between_two_alignments_is_refused() {
        let with = |offset, len| {
            let entry = SectionEntry { kind: 3, flags: REQUIRED, offset, len, first_block: 0 };
            let mut bytes = vec![0; 192];
            bytes.extend(SectionTable { entries: vec![entry], ..Default::default() }.encode());
            SectionTable::decode(&bytes).is_ok()
        };
        assert!(with(128, 64));
        assert!(!with(64, 64), "in the header");
        assert!(!with(128, 65), "in the table");
        assert!(!with(136, 8), "not aligned");
        assert!(!with(u64::MAX - 63, 64), "past the end of numbers");
    }
}
