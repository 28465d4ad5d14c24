//! Owns the joining of words: of neighboring rows, and of rows that move to a new segment.
//!
//! Heap beside the result: about the bytes of the result, in arrays that return to the system at
//! once, and a few bytes for each part.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::build::{Head, MOST_POSTING, beginning, posting, varint};
use super::list::WordList;
use super::read::{Entry, InRam, Words};
use super::{ENTRY, HEAD, LENGTH};
use crate::error::Result;
use crate::map_vec::MapVec;
use crate::segment::row::Row;
use crate::words::Analyzer;

/// The stored words of all rows of a memtable or segment, in parts that follow each other.
#[derive(Debug)]
pub(crate) struct WordParts<'a>(pub(in crate::segment) Vec<Words<InRam<'a>>>);

/// Returns the words of parts that follow each other, all by the same rules; `None` if there is no
/// part. Equal to words that were built of all rows at once. O(postings + terms log parts).
pub(in crate::segment) fn merge(parts: &[Words<InRam<'_>>]) -> Result<Option<MapVec<u8>>> {
    let (mut firsts, mut rows) = (Vec::with_capacity(parts.len()), 0);
    for part in parts {
        firsts.push(rows);
        rows += part.rows();
    }
    join(parts, rows, |part, row| firsts[part] + row)
}

/// The number of a row that does not move: it is dead.
const STAYS: Row = Row::MAX;

/// Returns the words of a new segment whose rows come from these memtables or segments; `None` if
/// some of them have no words by these rules. `order` has the input of each new row, and its row
/// there. Equal to words that were built of the new rows at once: nothing of a row that stays is in
/// them. O(postings + terms log parts), and log rows for each posting of rows that change order.
pub(crate) fn moved_words(
    inputs: &[Option<WordParts<'_>>],
    order: impl Iterator<Item = (usize, Row)>,
) -> Result<Option<MapVec<u8>>> {
    let (mut parts, mut firsts, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let mut sum = 0;
    for input in inputs {
        let Some(WordParts(input)) = input else { return Ok(None) };
        starts.push(sum);
        for part in input {
            parts.push(*part);
            firsts.push(sum);
            sum += part.rows() as usize;
        }
    }
    let mut to = MapVec::<Row>::new();
    to.resize(sum, STAYS);
    let mut rows: Row = 0;
    for (input, row) in order {
        let place = starts.get(input).and_then(|start| to.get_mut(start + row as usize));
        if let Some(place) = place {
            *place = rows;
        }
        rows += 1;
    }
    let to = &to[..];
    join(&parts, rows, |part, row| to[firsts[part] + row as usize])
}

/// The next term of a part.
struct Next<'a> {
    beginning: u128,
    part: usize,
    entry: Entry<'a>,
}

impl<'a> Next<'a> {
    fn new(part: usize, entry: Entry<'a>) -> Self {
        Self { beginning: beginning(entry.name), part, entry }
    }

    fn is_of(&self, beginning: u128, name: &[u8]) -> bool {
        self.beginning == beginning && self.entry.name == name
    }
}

/// By name, then by part. The first is the greatest: it is the one that a heap gives out.
impl Ord for Next<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_name = other.beginning.cmp(&self.beginning);
        let by_name = by_name.then_with(|| other.entry.name.cmp(self.entry.name));
        by_name.then(other.part.cmp(&self.part))
    }
}

impl PartialOrd for Next<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next<'_> {}

/// Returns the words of `rows` rows that come from these parts, all by the same rules; `None` if
/// there is no part. `to` returns the new number of a row of a part; of rows that are left out, one
/// that is not below `rows`.
fn join(
    parts: &[Words<InRam<'_>>],
    rows: Row,
    to: impl Fn(usize, Row) -> Row,
) -> Result<Option<MapVec<u8>>> {
    let Some(first) = parts.first() else { return Ok(None) };
    let mut terms = Terms::new(Head { code: first.head().code, rows, ..Head::default() }, parts);
    let (mut walks, mut heap) = (Vec::with_capacity(parts.len()), BinaryHeap::new());
    for (part, words) in parts.iter().enumerate() {
        for (row, length) in (0..).zip(words.lengths()?) {
            terms.length(to(part, row), *length);
        }
        let mut walk = words.walk()?;
        heap.extend(walk.next()?.map(|entry| Next::new(part, entry)));
        walks.push(walk);
    }
    let mut found = MapVec::<[u32; 2]>::new();
    while let Some(next) = heap.peek() {
        let (beginning, name) = (next.beginning, next.entry.name);
        found.clear();
        while let Some(mut next) = heap.peek_mut().filter(|next| next.is_of(beginning, name)) {
            let part = next.part;
            walks[part].each(&next.entry, |row, count| {
                let to = to(part, row);
                if to < rows {
                    found.push([to, count]);
                }
            })?;
            match walks[part].next()? {
                Some(entry) => *next = Next::new(part, entry),
                None => drop(PeekMut::pop(next)),
            }
        }
        if !found.is_sorted() {
            found.sort_unstable();
        }
        terms.add(name, &found);
    }
    Ok(Some(terms.encode()))
}

/// Terms in order, with their lists, as they are stored.
struct Terms {
    head: Head,
    lengths: MapVec<[u8; LENGTH]>,
    entries: MapVec<[u8; ENTRY]>,
    names: MapVec<u8>,
    lists: MapVec<u8>,
}

/// Bytes of a list that are collected before they are appended.
const CHUNK: usize = 128;

impl Terms {
    /// Returns no terms yet. There is room for all terms of these parts.
    fn new(head: Head, parts: &[Words<InRam<'_>>]) -> Self {
        let sum = |of: fn(&Words<InRam<'_>>) -> usize| parts.iter().map(of).sum::<usize>();
        Self {
            head,
            lengths: MapVec::zeroed(head.rows as usize),
            entries: MapVec::with_capacity(sum(|part| part.head().terms as usize)),
            names: MapVec::with_capacity(sum(|part| part.head().names as usize)),
            lists: MapVec::with_capacity(sum(|part| part.list_bytes())),
        }
    }

    /// Sets the number of words of a row, if there is such a row.
    fn length(&mut self, row: Row, length: [u8; LENGTH]) {
        if let Some(place) = self.lengths.get_mut(row as usize) {
            *place = length;
            let length = u32::from_le_bytes(length);
            self.head.documents += u32::from(length > 0);
            self.head.tokens += u64::from(length);
        }
    }

    /// Adds a term with its rows, ascending, and how often each has it; a term of no row is left
    /// out.
    fn add(&mut self, name: &[u8], rows: &[[u32; 2]]) {
        if rows.is_empty() {
            return;
        }
        self.names.extend_from_slice(name);
        let mut bytes = [0; CHUNK + MOST_POSTING];
        let mut len = varint(&mut bytes, rows.len() as u64);
        let mut last: Row = 0;
        for [row, count] in rows {
            len += posting(&mut bytes[len..], row - last, *count);
            last = *row;
            if len >= CHUNK {
                self.lists.extend_from_slice(&bytes[..len]);
                len = 0;
            }
        }
        self.lists.extend_from_slice(&bytes[..len]);
        let mut entry = [0; ENTRY];
        entry[..4].copy_from_slice(&(self.names.len() as u32).to_le_bytes());
        entry[4..].copy_from_slice(&(self.lists.len() as u32).to_le_bytes());
        self.entries.push(entry);
    }

    /// Returns the stored form.
    fn encode(self) -> MapVec<u8> {
        let Self { mut head, lengths, entries, names, lists } = self;
        (head.terms, head.names) = (entries.len() as u32, names.len() as u32);
        let parts = [lengths.as_flattened(), entries.as_flattened(), &names, &lists];
        let rest: usize = parts.iter().map(|part| part.len()).sum();
        let mut out = MapVec::with_capacity(HEAD + rest);
        out.extend_from_slice(&head.encode());
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out
    }
}

impl<'a> WordParts<'a> {
    /// Returns these parts if each has words by these rules of as many rows as it should.
    pub(in crate::segment) fn of(
        parts: impl Iterator<Item = Result<(Option<Words<InRam<'a>>>, Row)>>,
        by: Analyzer,
    ) -> Result<Option<Self>> {
        let mut all = Vec::new();
        for part in parts {
            let (words, rows) = part?;
            match words.filter(|words| words.is_by(by) && words.rows() == rows) {
                Some(words) => all.push(words),
                None => return Ok(None),
            }
        }
        Ok(Some(Self(all)))
    }
}
