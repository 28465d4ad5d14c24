//! Owns the repair of checksums: afterwards every checksum matches, whatever was changed in a file,
//! as in a forged file. Lengths and counts stay as they are, except the manifest's own length,
//! which any change of its size would invalidate.

use std::ops::Range;

use crate::format::crc32;
use crate::format::frame::{FRAME_HEAD_LEN, frame_len};
use crate::format::header::{FileKind, HEADER_LEN};
use crate::format::manifest::checksum;
use crate::format::table::{BLOCK_LEN, SectionEntry, SectionTable, TAIL_LEN};

/// The sections of a segment that the checksums of rows cover. Layout: `format.md`, "Segment".
mod section {
    pub(super) const DESCRIPTION: u32 = 1;
    pub(super) const VECTORS: u32 = 2;
    pub(super) const BODIES: u32 = 3;
    pub(super) const IDS: u32 = 4;
    pub(super) const SEQS: u32 = 6;
    pub(super) const NORMS: u32 = 12;
    pub(super) const VECTOR_CRCS: u32 = 13;
    pub(super) const BODY_CRCS: u32 = 14;
    pub(super) const BODY_OFFSETS: u32 = 15;
}

/// Corrects every checksum that can be found.
pub(super) fn repair(kind: FileKind, bytes: &mut [u8]) {
    match kind {
        FileKind::Log => frames(bytes),
        FileKind::Manifest => manifest(bytes),
        FileKind::Segment => {
            rows(bytes);
            blocks(bytes);
        }
        FileKind::Deletes | FileKind::Index | FileKind::Locator => blocks(bytes),
    }
    if let Some(header) = bytes.get(..HEADER_LEN - 4) {
        let crc = crc32(&[header]);
        put(bytes, HEADER_LEN - 4, crc);
    }
}

fn put(bytes: &mut [u8], at: usize, crc: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn wide(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn manifest(bytes: &mut [u8]) {
    const BODY: usize = HEADER_LEN + 16;
    let (Some(start), Some(body)) = (bytes.first_chunk::<{ HEADER_LEN + 2 }>(), bytes.get(BODY..))
    else {
        return;
    };
    let ([.., low, high], mut salt) = (start, [0; 16]);
    salt.copy_from_slice(&start[40..56]);
    let crc = checksum(u16::from_le_bytes([*low, *high]), salt, body);
    let len = body.len() as u32;
    put(bytes, HEADER_LEN + 4, len);
    put(bytes, HEADER_LEN + 8, crc);
}

fn frames(bytes: &mut [u8]) {
    let Some(identity) = bytes.get(32..56) else { return };
    let (file, salt) = (identity[..8].to_vec(), identity[8..].to_vec());
    let mut at = HEADER_LEN;
    while let Some(len) = wide(bytes, at + 8) {
        let offset = (at as u64).to_le_bytes();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let payload = at + FRAME_HEAD_LEN;
        if let Some(payload) = bytes.get(payload..payload.saturating_add(len)) {
            let crc = crc32(&[&salt, &file, &offset, payload]);
            put(bytes, at + FRAME_HEAD_LEN - 8, crc);
        }
        if let Some(head) = bytes.get(at..at + FRAME_HEAD_LEN - 4) {
            let crc = crc32(&[&salt, &file, &offset, head]);
            put(bytes, at + FRAME_HEAD_LEN - 4, crc);
        }
        if len > bytes.len() {
            return;
        }
        at += frame_len(len);
    }
}

/// Returns the start of the table, if the tail leads to one.
fn table_start(bytes: &[u8]) -> Option<usize> {
    let end = bytes.len().checked_sub(TAIL_LEN)?;
    let len = number(bytes, end)? as usize;
    end.checked_sub(len).filter(|start| *start >= HEADER_LEN)
}

fn seal_table(bytes: &mut [u8]) -> Option<(usize, SectionTable)> {
    let (start, end) = (table_start(bytes)?, bytes.len() - TAIL_LEN);
    let crc = crc32(&[bytes.get(start..end + 4)?]);
    put(bytes, end + 4, crc);
    Some((start, SectionTable::decode(bytes).ok()?))
}

fn blocks(bytes: &mut [u8]) {
    let Some((start, table)) = seal_table(bytes) else { return };
    let crcs = start + 8 + 32 * table.entries.len();
    for entry in &table.entries {
        for block in 0..entry.blocks() as usize {
            let content = place(entry);
            let from = content.start + block * BLOCK_LEN;
            let to = content.end.min(from + BLOCK_LEN);
            let crc = crc32(&[bytes.get(from..to).unwrap_or(&[])]);
            put(bytes, crcs + 4 * (entry.first_block as usize + block), crc);
        }
    }
    seal_table(bytes);
}

fn place(entry: &SectionEntry) -> Range<usize> {
    entry.offset as usize..(entry.offset + entry.len) as usize
}

/// Corrects the checksums of rows, which are content of a segment's sections.
fn rows(bytes: &mut [u8]) {
    let Some((_, table)) = seal_table(bytes) else { return };
    let section = |kind| table.entries.iter().find(|e| e.kind == kind).map(place);
    let Some(description) = section(section::DESCRIPTION) else { return };
    let dimension = number(bytes, description.start + 4).unwrap_or_default() as usize;
    let rows = section(section::VECTOR_CRCS).map_or(0, |s| s.len() / 4);
    for row in 0..rows {
        // Returns this row's value in a column of this width, as far as it is there.
        let value = |kind, width: usize| {
            let section = section(kind)?;
            let at = section.start.checked_add(row.checked_mul(width)?)?;
            Some(at..at.checked_add(width)?).filter(|range| range.end <= section.end)
        };
        let get = |kind, width| bytes.get(value(kind, width)?);
        let crc = (|| {
            let (id, seq) = (get(section::IDS, 16)?, get(section::SEQS, 8)?);
            let norm = get(section::NORMS, 4)?;
            Some(crc32(&[id, seq, norm, get(section::VECTORS, dimension.checked_mul(4)?)?]))
        })();
        let body = (|| {
            let at = value(section::BODY_OFFSETS, 8)?.start;
            let (start, end) = (wide(bytes, at)?, wide(bytes, at + 8)?);
            let bodies = bytes.get(section(section::BODIES)?)?;
            let body = bodies.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
            Some(crc32(&[get(section::IDS, 16)?, body]))
        })();
        let places = (value(section::VECTOR_CRCS, 4), value(section::BODY_CRCS, 4));
        if let (Some(crc), Some(place)) = (crc, places.0) {
            put(bytes, place.start, crc);
        }
        if let (Some(crc), Some(place)) = (body, places.1) {
            put(bytes, place.start, crc);
        }
    }
}
