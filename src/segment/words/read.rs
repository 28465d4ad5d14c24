//! Owns the reading of stored words. Their bytes are untrusted: every place is bounded before it is
//! read, and nothing is allocated by a number that they hold.

use std::ops::Range;

use super::build::Head;
use super::list::{Term, WordList, WordRows};
use super::{ENTRY, HEAD, LENGTH};
use crate::error::{Error, Result};
use crate::format::DecodeError;
use crate::format::cursor::Cursor;
use crate::segment::row::Row;
use crate::words::{Analyzer, MAX_WORD_BYTES};

const DAMAGED: &str = "a list of the words is damaged";

/// The bytes of words, on disk or in RAM.
pub(in crate::segment) trait Source {
    fn len(&self) -> usize;
    /// Returns the checked bytes of a range.
    fn read(&self, range: Range<usize>) -> Result<&[u8]>;
    /// Returns the error for damage.
    fn damage(&self, error: DecodeError) -> Error;
}

/// Words in RAM, made by this process.
#[derive(Clone, Copy, Debug)]
pub(in crate::segment) struct InRam<'a>(pub(in crate::segment) &'a [u8]);

impl Source for InRam<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, range: Range<usize>) -> Result<&[u8]> {
        self.0.get(range).ok_or_else(|| self.damage(DecodeError::new(0, "cut short")))
    }

    fn damage(&self, error: DecodeError) -> Error {
        Error::internal(format!("words in RAM: {} at {}", error.reason, error.offset))
    }
}

/// A term with its rows, as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    /// Where the list begins, for errors.
    at: usize,
    rows: WordRows<'a>,
}

/// The terms of words, one after the other. See [`Words::walk`].
#[derive(Debug)]
pub(super) struct Walk<'a, S> {
    words: &'a Words<S>,
    /// The entries that are left, all terms and all lists.
    entries: &'a [[u8; ENTRY]],
    names: &'a [u8],
    lists: &'a [u8],
    /// Where the last term and its list end.
    ends: (usize, usize),
    last: &'a [u8],
}

/// Stored words.
#[derive(Clone, Copy, Debug)]
pub(in crate::segment) struct Words<S> {
    source: S,
    head: Head,
    /// Where the dictionary, the terms and the lists begin.
    entries: usize,
    names: usize,
    lists: usize,
}

impl<S: Source> Words<S> {
    /// Reads the head of the words of this many rows.
    pub(in crate::segment) fn open(source: S, rows: Row) -> Result<Self> {
        let bytes = source.read(0..HEAD)?;
        let head = decode_head(bytes).map_err(|e| source.damage(e))?;
        let entries = HEAD.saturating_add((head.rows as usize).saturating_mul(LENGTH));
        let names = entries.saturating_add((head.terms as usize).saturating_mul(ENTRY));
        let lists = names.saturating_add(head.names as usize);
        // Without rows nothing else may be there: a segment whose words were left out.
        let empty = head.documents == 0 && head.terms == 0 && head.tokens == 0 && head.names == 0;
        let fits = head.rows == rows || (head.rows == 0 && empty);
        if !fits || head.documents > head.rows || lists > source.len() {
            let reason = "the head of the words does not fit the rows";
            return Err(source.damage(DecodeError::new(0, reason)));
        }
        Ok(Self { source, head, entries, names, lists })
    }

    /// Returns true if these words were made by these rules.
    pub(in crate::segment) fn is_by(&self, analyzer: Analyzer) -> bool {
        self.head.code == analyzer.code()
    }

    /// Returns what makes such words; `None` if this version has no such rules.
    pub(in crate::segment) fn analyzer(&self) -> Option<Analyzer> {
        Analyzer::of_code(self.head.code)
    }

    /// Returns the number of rows whose words are here: all, or none if they were left out.
    pub(in crate::segment) const fn rows(&self) -> Row {
        self.head.rows
    }

    pub(super) const fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn list_bytes(&self) -> usize {
        self.source.len() - self.lists
    }

    fn error(&self, at: usize, reason: &'static str) -> Error {
        self.source.damage(DecodeError::new(at as u64, reason))
    }

    /// Returns where term `i` and its list end; for `None` the start of both.
    fn end(&self, i: Option<usize>) -> Result<(usize, usize)> {
        let Some(i) = i else { return Ok((0, 0)) };
        let at = self.entries.saturating_add(i.saturating_mul(ENTRY));
        let mut cursor = Cursor::new(self.source.read(at..at.saturating_add(ENTRY))?);
        let ends = cursor.u32().and_then(|name| Ok((name, cursor.u32()?)));
        let (name, list) = ends.map_err(|e| self.source.damage(e))?;
        Ok((name as usize, list as usize))
    }

    /// Returns where term `i` and its list are.
    fn place(&self, i: usize) -> Result<[Range<usize>; 2]> {
        let (start, end) = (self.end(i.checked_sub(1))?, self.end(Some(i))?);
        let name = end.0.checked_sub(start.0).filter(|len| (1..=MAX_WORD_BYTES).contains(len));
        if name.is_none() || end.0 > self.head.names as usize || end.1 < start.1 {
            let at = self.entries.saturating_add(i.saturating_mul(ENTRY));
            return Err(self.error(at, "a term of the words is out of place"));
        }
        let (names, lists) = (self.names, self.lists);
        Ok([names + start.0..names + end.0, lists + start.1..lists.saturating_add(end.1)])
    }

    /// Returns the terms, in order. All bytes of the words are read and checked at once, and not
    /// again for each term. O(bytes).
    pub(super) fn walk(&self) -> Result<Walk<'_, S>> {
        Ok(Walk {
            words: self,
            entries: self.source.read(self.entries..self.names)?.as_chunks().0,
            names: self.source.read(self.names..self.lists)?,
            lists: self.source.read(self.lists..self.source.len())?,
            ends: (0, 0),
            last: &[],
        })
    }

    fn name(&self, i: usize) -> Result<&[u8]> {
        let [name, _] = self.place(i)?;
        self.source.read(name)
    }

    /// Returns the position of the first term that is not before `word`.
    fn first_from(&self, word: &[u8]) -> Result<usize> {
        let (mut low, mut high) = (0, self.head.terms as usize);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.name(middle)? < word {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Returns term `i`: how many rows have it, and where these are.
    fn term(&self, i: usize) -> Result<Term> {
        let [_, list] = self.place(i)?;
        // The number of rows takes five bytes at most.
        let head = self.source.read(list.start..list.end.min(list.start.saturating_add(5)))?;
        let mut cursor = Cursor::new(head);
        let documents = cursor.varint().map_err(|e| self.source.damage(e))?;
        let start = list.start.saturating_add(cursor.position());
        let (Ok(documents), Ok(start), Ok(end)) =
            (u32::try_from(documents), u32::try_from(start), u32::try_from(list.end))
        else {
            return Err(self.error(list.start, "a term of the words has too many rows"));
        };
        if documents == 0 || documents > self.head.documents {
            return Err(self.error(start as usize, "a term of the words is of no row"));
        }
        Ok(Term { documents, list: (start, end) })
    }

    /// Checks everything but that the words are those of the rows: order, places, sums. O(bytes).
    pub(in crate::segment) fn check(&self) -> Result<()> {
        let (mut tokens, mut documents) = (0u64, 0u32);
        for length in self.lengths()? {
            let length = u32::from_le_bytes(*length);
            tokens += u64::from(length);
            documents += u32::from(length > 0);
        }
        if (tokens, documents) != (self.head.tokens, self.head.documents) {
            return Err(self.error(0, "the lengths of the words do not say what the head says"));
        }
        let (mut counted, mut walk) = (0u64, self.walk()?);
        while let Some(entry) = walk.next()? {
            if std::str::from_utf8(entry.name).is_err() {
                return Err(self.error(entry.at, "a term of the words is not UTF-8"));
            }
            walk.each(&entry, |_, count| counted += u64::from(count))?;
        }
        if walk.ends != (walk.names.len(), walk.lists.len()) || counted != tokens {
            return Err(self.error(self.lists, "the lists of the words do not hold all words"));
        }
        Ok(())
    }

    /// Returns true if these are the same words, byte for byte.
    pub(in crate::segment) fn equals(&self, bytes: &[u8]) -> Result<bool> {
        Ok(self.source.len() == bytes.len() && self.source.read(0..bytes.len())? == bytes)
    }
}

impl<'a, S: Source> Walk<'a, S> {
    /// Returns the next term.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'a>>> {
        let Some((ends, rest)) = self.entries.split_first() else { return Ok(None) };
        let [a, b, c, d, e, f, g, h] = *ends;
        let name_end = u32::from_le_bytes([a, b, c, d]) as usize;
        let list_end = u32::from_le_bytes([e, f, g, h]) as usize;
        let (name, list) = (self.names.get(self.ends.0..name_end), self.ends.1);
        let name = name.filter(|name| name.len() <= MAX_WORD_BYTES && *name > self.last);
        let at = self.words.lists + list;
        let (Some(name), Some(list)) = (name, self.lists.get(list..list_end)) else {
            return Err(self.words.error(at, "a term of the words is out of place"));
        };
        let most = self.words.head.documents;
        let Some(rows) = WordRows::stored(list).filter(|rows| rows.documents() <= most) else {
            return Err(self.words.error(at, "a term of the words is of no row or too many"));
        };
        (self.entries, self.ends, self.last) = (rest, (name_end, list_end), name);
        Ok(Some(Entry { name, at, rows }))
    }

    /// Calls `visit` with each row of a term, ascending, and how often it has the term.
    #[inline]
    pub(super) fn each(&self, entry: &Entry<'_>, visit: impl FnMut(Row, u32)) -> Result<()> {
        match entry.rows.clone().each(self.words.head.rows, visit) {
            true => Ok(()),
            false => Err(self.words.error(entry.at, DAMAGED)),
        }
    }
}

fn decode_head(bytes: &[u8]) -> Result<Head, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let (code, rows, documents) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let (terms, tokens, names) = (cursor.u32()?, cursor.u64()?, cursor.u32()?);
    if cursor.u32()? != 0 {
        return Err(cursor.error("reserved bytes of the words are not zero"));
    }
    Ok(Head { code, rows, documents, terms, tokens, names })
}

impl<S: Source> WordList for Words<S> {
    fn lengths(&self) -> Result<&[[u8; 4]]> {
        Ok(self.source.read(HEAD..self.entries)?.as_chunks().0)
    }

    fn documents(&self) -> u32 {
        self.head.documents
    }

    fn tokens(&self) -> u64 {
        self.head.tokens
    }

    fn find(&self, word: &str) -> Result<Option<Term>> {
        let at = self.first_from(word.as_bytes())?;
        if at < self.head.terms as usize && self.name(at)? == word.as_bytes() {
            return self.term(at).map(Some);
        }
        Ok(None)
    }

    fn each_from(&self, prefix: &str, visit: &mut dyn FnMut(&str, Term) -> bool) -> Result<()> {
        for i in self.first_from(prefix.as_bytes())?..self.head.terms as usize {
            let name = self.name(i)?;
            if !name.starts_with(prefix.as_bytes()) {
                break;
            }
            let Ok(name) = std::str::from_utf8(name) else {
                return Err(self.error(self.names, "a term of the words is not UTF-8"));
            };
            if !visit(name, self.term(i)?) {
                break;
            }
        }
        Ok(())
    }

    fn postings(&self, term: &Term) -> Result<WordRows<'_>> {
        let (start, end) = (term.list.0 as usize, term.list.1 as usize);
        let rows = WordRows::new(self.source.read(start..end)?, term.documents);
        if !rows.is_sound(self.head.rows) {
            return Err(self.error(start, DAMAGED));
        }
        Ok(rows)
    }
}
