//! Owns the joining of words: of neighboring rows, and of rows that move to a new segment.

use std::cmp::Ordering;

use super::build::{Head, beginning, posting, varint, write};
use super::list::{Term, WordList};
use super::read::{InRam, Words};
use super::{ENTRY, HEAD, LENGTH};
use crate::error::Result;
use crate::map_vec::MapVec;
use crate::segment::row::Row;

/// A term of one of the parts.
struct Piece<'a> {
    beginning: u64,
    name: &'a [u8],
    part: usize,
    term: Term,
}

impl<'a> Piece<'a> {
    fn new(name: &'a [u8], part: usize, term: Term) -> Self {
        Self { beginning: beginning(name), name, part, term }
    }
}

/// Compares by name, then by part.
fn in_order(a: &Piece<'_>, b: &Piece<'_>) -> Ordering {
    let by_name = a.beginning.cmp(&b.beginning).then_with(|| a.name.cmp(b.name));
    by_name.then(a.part.cmp(&b.part))
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
            pieces.push(Piece::new(part.name(i)?, at, part.term(i)?));
        }
    }
    // Each part is sorted already, which a stable sort makes use of.
    pieces.sort_by(in_order);
    let mut terms = Terms::default();
    for same in pieces.chunk_by(|a, b| a.name == b.name) {
        let Some(first) = same.first() else { continue };
        let documents: u32 = same.iter().map(|piece| piece.term.documents).sum();
        terms.begin(first.name, documents);
        let mut last: Row = 0;
        for piece in same {
            for (row, count) in parts[piece.part].postings(&piece.term)? {
                let row = firsts[piece.part] + row;
                terms.posting(row - last, count);
                last = row;
            }
        }
        terms.end();
    }
    let lengths = parts.iter().map(|part| part.lengths().map(<[_]>::as_flattened));
    let lengths = lengths.collect::<Result<Vec<_>>>()?;
    Ok(terms.encode(head, &lengths))
}

/// The row of a segment that does not move: it is dead.
pub(in crate::segment) const STAYS: Row = Row::MAX;

/// Returns the words of a new segment of `rows` rows that come from these words, all by the same
/// rules. For each row of a part, it takes its new number, or [`STAYS`]. Within a part, numbers
/// ascend. Equal to words that were built of the new rows at once: nothing of a row that stays is
/// in them. O(postings + terms log terms).
pub(in crate::segment) fn moved(
    parts: &[(Words<InRam<'_>>, &[Row])],
    rows: Row,
) -> Result<MapVec<u8>> {
    let mut head = Head { rows, ..Head::default() };
    let mut lengths = vec![[0u8; LENGTH]; rows as usize];
    let mut pieces = Vec::new();
    for (at, (words, to)) in parts.iter().enumerate() {
        head.code = words.head().code;
        for (length, to) in words.lengths()?.iter().zip(*to) {
            if let Some(place) = lengths.get_mut(*to as usize) {
                *place = *length;
            }
        }
        for i in 0..words.head().terms as usize {
            pieces.push(Piece::new(words.name(i)?, at, words.term(i)?));
        }
    }
    for length in &lengths {
        let length = u32::from_le_bytes(*length);
        head.documents += u32::from(length > 0);
        head.tokens += u64::from(length);
    }
    pieces.sort_by(in_order);
    let (mut terms, mut found) = (Terms::default(), Vec::new());
    for same in pieces.chunk_by(|a, b| a.name == b.name) {
        found.clear();
        for piece in same {
            let (words, to) = &parts[piece.part];
            let moved = words.postings(&piece.term)?.filter_map(|(row, count)| {
                let to = *to.get(row as usize)?;
                (to < rows).then_some((to, count))
            });
            found.extend(moved);
        }
        let Some(first) = same.first().filter(|_| !found.is_empty()) else { continue };
        if same.len() > 1 {
            found.sort_unstable();
        }
        terms.begin(first.name, found.len() as u32);
        let mut last: Row = 0;
        for (row, count) in &found {
            terms.posting(*row - last, *count);
            last = *row;
        }
        terms.end();
    }
    Ok(terms.encode(head, &[lengths.as_flattened()]))
}

/// Terms in order, with their lists, as they are stored.
#[derive(Default)]
struct Terms {
    entries: Vec<u8>,
    names: Vec<u8>,
    lists: Vec<u8>,
}

impl Terms {
    /// Begins a term that this number of rows have.
    fn begin(&mut self, name: &[u8], documents: u32) {
        self.names.extend_from_slice(name);
        let (bytes, len) = varint(documents.into());
        self.lists.extend_from_slice(&bytes[..len]);
    }

    fn posting(&mut self, delta: Row, count: u32) {
        let (bytes, len) = posting(delta, count);
        self.lists.extend_from_slice(&bytes[..len]);
    }

    fn end(&mut self) {
        self.entries.extend_from_slice(&(self.names.len() as u32).to_le_bytes());
        self.entries.extend_from_slice(&(self.lists.len() as u32).to_le_bytes());
    }

    /// Returns the stored form, with the lengths of rows in some pieces.
    fn encode(self, mut head: Head, lengths: &[&[u8]]) -> MapVec<u8> {
        let Self { entries, names, lists } = self;
        (head.terms, head.names) = ((entries.len() / ENTRY) as u32, names.len() as u32);
        let rows = head.rows as usize * LENGTH;
        let mut out = MapVec::zeroed(HEAD + rows + entries.len() + names.len() + lists.len());
        let mut at = 0;
        write(&mut out, &mut at, &head.encode());
        for bytes in lengths.iter().copied().chain([&entries[..], &names, &lists]) {
            write(&mut out, &mut at, bytes);
        }
        out
    }
}
