//! Owns the joining of the words of neighboring rows.

use super::build::{Head, posting, varint, write};
use super::list::{Term, WordList};
use super::read::{InRam, Words};
use super::{ENTRY, HEAD, LENGTH};
use crate::error::Result;
use crate::map_vec::MapVec;
use crate::segment::row::Row;

/// A term of one of the parts.
struct Piece<'a> {
    name: &'a [u8],
    part: usize,
    term: Term,
}

/// Returns the words of parts that follow each other, all by the same rules. Equal to words that
/// were built of all rows at once. O(bytes log parts).
pub(in crate::segment) fn merge(parts: &[Words<InRam<'_>>]) -> Result<MapVec<u8>> {
    let mut pieces = Vec::new();
    let mut head = Head::default();
    let mut firsts = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        firsts.push(head.rows);
        let of = part.head();
        head.code = of.code;
        head.rows += of.rows;
        head.documents += of.documents;
        head.tokens += of.tokens;
        for i in 0..of.terms as usize {
            pieces.push(Piece { name: part.name(i)?, part: at, term: part.term(i)? });
        }
    }
    // Each part is sorted already, which a stable sort makes use of.
    pieces.sort_by(|a, b| a.name.cmp(b.name).then(a.part.cmp(&b.part)));
    let (mut entries, mut names, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for same in pieces.chunk_by(|a, b| a.name == b.name) {
        let Some(first) = same.first() else { continue };
        names.extend_from_slice(first.name);
        let documents: u32 = same.iter().map(|piece| piece.term.documents).sum();
        let (bytes, len) = varint(documents.into());
        lists.extend_from_slice(&bytes[..len]);
        let mut last: Row = 0;
        for piece in same {
            for (row, count) in parts[piece.part].postings(&piece.term)? {
                let row = firsts[piece.part] + row;
                let (bytes, len) = posting(row - last, count);
                lists.extend_from_slice(&bytes[..len]);
                last = row;
            }
        }
        entries.extend_from_slice(&(names.len() as u32).to_le_bytes());
        entries.extend_from_slice(&(lists.len() as u32).to_le_bytes());
    }
    (head.terms, head.names) = ((entries.len() / ENTRY) as u32, names.len() as u32);
    let lengths = head.rows as usize * LENGTH;
    let mut out = MapVec::zeroed(HEAD + lengths + entries.len() + names.len() + lists.len());
    let mut at = 0;
    write(&mut out, &mut at, &head.encode());
    for part in parts {
        write(&mut out, &mut at, part.lengths()?.as_flattened());
    }
    for bytes in [entries, names, lists] {
        write(&mut out, &mut at, &bytes);
    }
    Ok(out)
}
