//! Owns the collection of words while rows are written.
//!
//! Heap beside the result: about the bytes of the text, all of it in arrays that return to the
//! system at once.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytemuck::{Pod, Zeroable};

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
    terms: MapVec<Known>,
    /// At the place of its hash, the number of a term plus one, and its hash in the upper half; 0
    /// in free places.
    table: MapVec<u64>,
    /// The terms that the row has that is being added.
    seen: MapVec<u32>,
    /// For each row the number of its terms. Then for each of these its number, twice, plus one if
    /// how often the row has it follows. Otherwise that is once.
    log: MapVec<u32>,
    /// The number of words of each row.
    lengths: MapVec<u32>,
    /// Bytes of all lists without their heads.
    list_bytes: usize,
    /// Most bytes of the result.
    most: usize,
    left_out: bool,
}

/// What is known of a term.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct Known {
    /// Where it ends in the names.
    end: u32,
    /// How many rows have it.
    documents: u32,
    /// The bytes of its list without the head.
    bytes: u32,
    /// The last row that has it.
    last: Row,
    /// How often the row has it that is being added.
    count: u32,
}

impl WordsBuilder {
    /// Places of the table of a new builder.
    const PLACES: usize = 64;

    pub(in crate::segment) fn new(analyzer: Analyzer) -> Self {
        Self {
            analyzer,
            hasher: RandomState::new(),
            names: MapVec::new(),
            terms: MapVec::new(),
            table: MapVec::zeroed(Self::PLACES),
            seen: MapVec::new(),
            log: MapVec::new(),
            lengths: MapVec::new(),
            list_bytes: 0,
            most: MOST_BYTES,
            left_out: false,
        }
    }

    /// Leaves the words out if they would take more bytes.
    #[cfg(test)]
    pub(super) fn with_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Returns how many bytes the words take, without the heads of lists.
    pub(super) fn bytes(&self) -> usize {
        let (rows, terms) = (self.lengths.len(), self.terms.len());
        HEAD + rows * LENGTH + terms * ENTRY + self.names.len() + self.list_bytes
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
            let known = &mut self.terms[term as usize];
            known.count += 1;
            if known.count == 1 {
                self.seen.push(term);
            }
            words += 1;
        });
        let row = self.lengths.len() as Row;
        self.lengths.push(words);
        self.log.push(self.seen.len() as u32);
        let terms = &mut self.terms[..];
        for term in self.seen.iter() {
            let known = &mut terms[*term as usize];
            let count = std::mem::take(&mut known.count);
            let len = posting_len(row - known.last, count);
            known.last = row;
            known.documents += 1;
            known.bytes += len as u32;
            self.list_bytes += len;
            self.log.push(term << 1 | u32::from(count > 1));
            if count > 1 {
                self.log.push(count);
            }
        }
        self.seen.clear();
        if self.bytes() > self.most {
            self.leave_out();
        }
    }

    fn leave_out(&mut self) {
        *self = Self { left_out: true, ..Self::new(self.analyzer) };
    }

    fn name(&self, term: u32) -> &[u8] {
        let start = (term as usize).checked_sub(1).map_or(0, |before| self.terms[before].end);
        &self.names[start as usize..self.terms[term as usize].end as usize]
    }

    /// Returns the number of a term, which may be new.
    fn term(&mut self, word: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(word);
        let hash = hasher.finish() >> 32;
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let found = self.table[place];
            let Some(term) = (found as u32).checked_sub(1) else { break };
            if found >> 32 == hash && self.name(term) == word {
                return term;
            }
            place = (place + 1) & mask;
        }
        self.names.extend_from_slice(word);
        let term = self.terms.len() as u32;
        self.terms.push(Known { end: self.names.len() as u32, ..Known::default() });
        self.table[place] = hash << 32 | u64::from(term + 1);
        if self.terms.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        term
    }

    /// Doubles the table.
    fn grow(&mut self) {
        let mut table = MapVec::zeroed(self.table.len() * 2);
        let (places, mask) = (&mut table[..], self.table.len() * 2 - 1);
        for term in self.table.iter().filter(|term| **term != 0) {
            let mut place = (term >> 32) as usize & mask;
            while places[place] != 0 {
                place = (place + 1) & mask;
            }
            places[place] = *term;
        }
        self.table = table;
    }

    /// Returns the numbers of the terms, in order.
    fn order(&self) -> MapVec<u128> {
        let name = |term: u128| self.name(term as u32);
        // The number of a term takes the place of the last bytes.
        let start = |term: u32| beginning(self.name(term)) >> 32 << 32 | u128::from(term);
        let mut order: MapVec<u128> = (0..self.terms.len() as u32).map(start).collect();
        order.sort_unstable_by(|a, b| {
            (a >> 32).cmp(&(b >> 32)).then_with(|| name(*a).cmp(name(*b)))
        });
        order.iter_mut().for_each(|term| *term &= u128::from(u32::MAX));
        order
    }

    /// Returns the stored form.
    pub(in crate::segment) fn encode(mut self) -> MapVec<u8> {
        let head_len = |known: &Known| varint_len(known.documents.into());
        let mut total = self.bytes() + self.terms.iter().map(head_len).sum::<usize>();
        if total > self.most {
            self.leave_out();
            total = self.bytes();
        }
        let mut out = MapVec::<u8>::zeroed(total);
        let tokens: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        let documents = self.lengths.iter().filter(|length| **length > 0).count();
        let (rows, terms) = (self.lengths.len(), self.terms.len());
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
        // Where the next row of each term goes, and its last row.
        let mut next = MapVec::<[u32; 2]>::zeroed(terms);
        for term in self.order().iter().map(|term| *term as usize) {
            let known = self.terms[term];
            write(&mut out, &mut name_at, self.name(term as u32));
            list_at += varint(&mut out[list_at..], known.documents.into());
            next[term][0] = list_at as u32;
            list_at += known.bytes as usize;
            write(&mut out, &mut at, &((name_at - names) as u32).to_le_bytes());
            write(&mut out, &mut at, &((list_at - lists) as u32).to_le_bytes());
        }
        self.fill(&mut out, &mut next);
        out
    }

    /// Writes the rows of all terms, in the order of rows.
    fn fill(&self, out: &mut [u8], next: &mut [[u32; 2]]) {
        let mut log = self.log.iter().copied();
        for row in 0..self.lengths.len() as Row {
            for _ in 0..log.next().unwrap_or(0) {
                let term = log.next().unwrap_or(0);
                let count = if term & 1 == 0 { 1 } else { log.next().unwrap_or(1) };
                let [at, last] = &mut next[term as usize >> 1];
                *at += posting(&mut out[*at as usize..], row - *last, count) as u32;
                *last = row;
            }
        }
    }
}

/// Returns the first bytes of a term as a number that sorts as they do. Most terms are told apart
/// by it alone.
pub(super) fn beginning(name: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let len = name.len().min(16);
    bytes[..len].copy_from_slice(&name[..len]);
    u128::from_le_bytes(bytes).swap_bytes()
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
fn write(out: &mut [u8], at: &mut usize, bytes: &[u8]) {
    out[*at..*at + bytes.len()].copy_from_slice(bytes);
    *at += bytes.len();
}

/// Writes a number of 7 bits a byte, the lowest first (LEB128). Returns how many bytes it takes.
#[inline]
pub(super) fn varint(out: &mut [u8], mut number: u64) -> usize {
    let mut len = 0;
    while number >= 0x80 {
        out[len] = number as u8 | 0x80;
        number >>= 7;
        len += 1;
    }
    out[len] = number as u8;
    len + 1
}

/// Returns how many bytes a number takes.
const fn varint_len(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

/// Most bytes of a posting.
pub(super) const MOST_POSTING: usize = 10;

/// Writes a posting: the distance from the row before, with a bit that says whether a count greater
/// than 1 follows. Returns how many bytes it takes.
#[inline]
pub(super) fn posting(out: &mut [u8], distance: Row, count: u32) -> usize {
    let len = varint(out, u64::from(distance) << 1 | u64::from(count > 1));
    if count == 1 { len } else { len + varint(&mut out[len..], count.into()) }
}

/// Returns how many bytes a posting takes.
const fn posting_len(distance: Row, count: u32) -> usize {
    let len = varint_len((distance as u64) << 1);
    if count == 1 { len } else { len + varint_len(count as u64) }
}
