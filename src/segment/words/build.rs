//! Owns the collection of words while rows are written.
//!
//! Heap beside the result: about the bytes of the text, all of it in arrays that return to the
//! system at once.

use std::hash::{BuildHasher, RandomState};

use super::{ENTRY, HEAD, LENGTH, MOST_BYTES};
use crate::map_vec::MapVec;
use crate::segment::row::Row;
use crate::words::Analyzer;

/// Collects words. Rows come in ascending order.
#[derive(Debug)]
pub(in crate::segment) struct WordsBuilder {
    analyzer: Analyzer,
    hasher: RandomState,
    /// The terms, one after the other, in the order in which they were met.
    names: MapVec<u8>,
    /// Where each term ends.
    ends: MapVec<u32>,
    /// The number of a term plus one, at the place of its hash; 0 in free places.
    table: MapVec<u32>,
    /// How often the row that is being added has each term.
    counts: MapVec<u32>,
    /// The terms that the row has.
    seen: MapVec<u32>,
    /// For each row the number of its terms, then each term and how often the row has it.
    log: MapVec<u8>,
    /// The number of words of each row.
    lengths: MapVec<u32>,
    /// Most bytes of the result.
    most: usize,
    left_out: bool,
}

/// The terms in order, and what their lists take.
struct Layout {
    /// The numbers of the terms, in order.
    order: MapVec<u32>,
    /// How many rows have each term.
    documents: MapVec<u32>,
    /// The bytes of each list without its head.
    bytes: MapVec<u32>,
    total: u64,
}

impl WordsBuilder {
    /// Places of the table of a new builder.
    const PLACES: usize = 16;

    pub(in crate::segment) fn new(analyzer: Analyzer) -> Self {
        Self {
            analyzer,
            hasher: RandomState::new(),
            names: MapVec::new(),
            ends: MapVec::new(),
            table: MapVec::zeroed(Self::PLACES),
            counts: MapVec::new(),
            seen: MapVec::new(),
            log: MapVec::new(),
            lengths: MapVec::new(),
            most: MOST_BYTES,
            left_out: false,
        }
    }

    /// Leaves the words out if they would take more bytes.
    #[cfg(test)]
    pub(super) fn with_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Returns about how many bytes the words take.
    pub(super) fn bytes(&self) -> usize {
        self.names.len() + self.log.len() + self.ends.len() * ENTRY + self.lengths.len() * LENGTH
    }

    /// Adds a row with this text, if it has one.
    pub(in crate::segment) fn add(&mut self, text: Option<&str>) {
        if self.left_out {
            return;
        }
        let mut words = 0u32;
        let analyzer = self.analyzer;
        analyzer.words(text.unwrap_or_default(), &mut |word| {
            let term = self.term(word.as_bytes());
            if self.counts[term as usize] == 0 {
                self.seen.push(term);
            }
            self.counts[term as usize] += 1;
            words += 1;
        });
        self.lengths.push(words);
        put(&mut self.log, self.seen.len() as u64);
        for at in 0..self.seen.len() {
            let term = self.seen[at];
            put(&mut self.log, term.into());
            let count = std::mem::take(&mut self.counts[term as usize]);
            put(&mut self.log, count.into());
        }
        self.seen.clear();
        if self.names.len().max(self.log.len()) > self.most {
            self.leave_out();
        }
    }

    fn leave_out(&mut self) {
        *self = Self { left_out: true, ..Self::new(self.analyzer) };
    }

    fn name(&self, term: u32) -> &[u8] {
        let start = (term as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[start as usize..self.ends[term as usize] as usize]
    }

    /// Returns the number of a term, which may be new.
    fn term(&mut self, word: &[u8]) -> u32 {
        let mask = self.table.len() - 1;
        let mut place = self.hasher.hash_one(word) as usize & mask;
        while let Some(term) = self.table[place].checked_sub(1) {
            if self.name(term) == word {
                return term;
            }
            place = (place + 1) & mask;
        }
        self.names.extend_from_slice(word);
        let term = self.ends.len() as u32;
        self.ends.push(self.names.len() as u32);
        self.counts.push(0);
        self.table[place] = term + 1;
        if self.ends.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        term
    }

    /// Doubles the table.
    fn grow(&mut self) {
        let mut table = MapVec::zeroed(self.table.len() * 2);
        let mask = table.len() - 1;
        for term in 0..self.ends.len() as u32 {
            let mut place = self.hasher.hash_one(self.name(term)) as usize & mask;
            while table[place] != 0 {
                place = (place + 1) & mask;
            }
            table[place] = term + 1;
        }
        self.table = table;
    }

    /// Calls `visit` with each posting, in the order of rows: term, row, how often.
    fn each(&self, visit: &mut dyn FnMut(usize, Row, u32)) {
        let mut at = 0;
        for row in 0..self.lengths.len() as Row {
            for _ in 0..take(&self.log, &mut at) {
                let term = take(&self.log, &mut at) as usize;
                visit(term, row, take(&self.log, &mut at) as u32);
            }
        }
    }

    fn layout(&self) -> Layout {
        let terms = self.ends.len();
        let name = |entry: &[u64; 2]| self.name(entry[1] as u32);
        let mut sorted: MapVec<[u64; 2]> =
            (0..terms as u32).map(|term| [beginning(self.name(term)), term.into()]).collect();
        sorted.sort_unstable_by(|a, b| a[0].cmp(&b[0]).then_with(|| name(a).cmp(name(b))));
        let order: MapVec<u32> = sorted.iter().map(|entry| entry[1] as u32).collect();
        let (mut documents, mut bytes) = (MapVec::<u32>::zeroed(terms), MapVec::zeroed(terms));
        let mut last = MapVec::<Row>::zeroed(terms);
        let mut total = (HEAD + self.lengths.len() * LENGTH + terms * ENTRY) as u64;
        total += self.names.len() as u64;
        self.each(&mut |term, row, count| {
            let len = posting(row - last[term], count).1;
            last[term] = row;
            documents[term] += 1u32;
            bytes[term] += len as u32;
            total += len as u64;
        });
        total += documents.iter().map(|count| varint((*count).into()).1 as u64).sum::<u64>();
        Layout { order, documents, bytes, total }
    }

    /// Returns the stored form.
    pub(in crate::segment) fn encode(mut self) -> MapVec<u8> {
        let mut layout = self.layout();
        if layout.total > self.most as u64 {
            self.leave_out();
            layout = self.layout();
        }
        let mut out = MapVec::<u8>::zeroed(layout.total as usize);
        let tokens: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        let documents = self.lengths.iter().filter(|length| **length > 0).count();
        let (rows, terms) = (self.lengths.len(), self.ends.len());
        let head = Head {
            code: self.analyzer.code(),
            rows: rows as u32,
            documents: documents as u32,
            terms: terms as u32,
            tokens,
            names: self.names.len() as u32,
        };
        out[..HEAD].copy_from_slice(&head.encode());
        let mut at = HEAD;
        for length in self.lengths.iter() {
            write(&mut out, &mut at, &length.to_le_bytes());
        }
        let mut name_at = at + terms * ENTRY;
        let (names, lists) = (name_at, name_at + self.names.len());
        let mut list_at = lists;
        // Where the next row of each term goes.
        let mut next = MapVec::<u32>::zeroed(terms);
        for term in layout.order.iter().map(|term| *term as usize) {
            write(&mut out, &mut name_at, self.name(term as u32));
            let (count, len) = varint(layout.documents[term].into());
            write(&mut out, &mut list_at, &count[..len]);
            next[term] = list_at as u32;
            list_at += layout.bytes[term] as usize;
            write(&mut out, &mut at, &((name_at - names) as u32).to_le_bytes());
            write(&mut out, &mut at, &((list_at - lists) as u32).to_le_bytes());
        }
        let mut last = MapVec::<Row>::zeroed(terms);
        self.each(&mut |term, row, count| {
            let (bytes, len) = posting(row - last[term], count);
            last[term] = row;
            let mut at = next[term] as usize;
            write(&mut out, &mut at, &bytes[..len]);
            next[term] = at as u32;
        });
        out
    }
}

/// Returns the first bytes of a term as a number that sorts as they do. Most terms are told apart
/// by it alone.
pub(super) fn beginning(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = name.len().min(8);
    bytes[..len].copy_from_slice(&name[..len]);
    u64::from_le_bytes(bytes).swap_bytes()
}

/// The numbers before the lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The rules by which the words were made.
    pub(super) code: u32,
    /// The number of rows; 0 also if the words of a segment were left out.
    pub(super) rows: Row,
    pub(super) documents: u32,
    pub(super) terms: u32,
    pub(super) tokens: u64,
    /// Bytes of all terms.
    pub(super) names: u32,
}

impl Head {
    pub(super) fn encode(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        let numbers = [self.code, self.rows, self.documents, self.terms];
        for (to, number) in out.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        out[16..24].copy_from_slice(&self.tokens.to_le_bytes());
        out[24..28].copy_from_slice(&self.names.to_le_bytes());
        out
    }
}

/// Writes bytes at `at` and moves it behind them.
pub(super) fn write(out: &mut [u8], at: &mut usize, bytes: &[u8]) {
    out[*at..*at + bytes.len()].copy_from_slice(bytes);
    *at += bytes.len();
}

/// Returns a number of 7 bits a byte, the lowest first (LEB128), and how many bytes it takes.
pub(super) fn varint(mut number: u64) -> ([u8; 10], usize) {
    let (mut bytes, mut len) = ([0; 10], 0);
    while number >= 0x80 {
        bytes[len] = number as u8 | 0x80;
        number >>= 7;
        len += 1;
    }
    bytes[len] = number as u8;
    (bytes, len + 1)
}

/// Returns a posting and how many bytes it takes: the distance from the row before, with a bit that
/// says whether a count greater than 1 follows.
pub(super) fn posting(distance: Row, count: u32) -> ([u8; 20], usize) {
    let mut out = [0; 20];
    let (bytes, mut len) = varint(u64::from(distance) << 1 | u64::from(count > 1));
    out[..len].copy_from_slice(&bytes[..len]);
    if count > 1 {
        let (bytes, more) = varint(count.into());
        out[len..len + more].copy_from_slice(&bytes[..more]);
        len += more;
    }
    (out, len)
}

fn put(out: &mut MapVec<u8>, number: u64) {
    match varint(number) {
        ([byte, ..], 1) => out.push(byte),
        (bytes, len) => out.extend_from_slice(&bytes[..len]),
    }
}

/// Reads a number that [`put`] wrote.
fn take(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some(byte) = bytes.get(*at) {
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            break;
        }
    }
    number
}
