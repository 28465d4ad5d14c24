//! Owns what a search asks of words.

use crate::error::Result;
use crate::segment::row::Row;

/// The words of some consecutive rows. Rows are numbered from the first of them.
pub(crate) trait WordList {
    /// Returns the number of words of each row, as little-endian `u32`. A row without a word is no
    /// document.
    fn lengths(&self) -> Result<&[[u8; 4]]>;
    /// Returns the number of rows with at least one word.
    fn documents(&self) -> u32;
    /// Returns the number of words of all rows.
    fn tokens(&self) -> u64;
    /// Returns where the rows of a word are; `None` if no row has it. O(log words).
    fn find(&self, word: &str) -> Result<Option<Term>>;
    /// Calls `visit` with each word that begins with `prefix`, ascending, until it returns false.
    /// O(log words + words visited).
    fn each_from(&self, prefix: &str, visit: &mut dyn FnMut(&str, Term) -> bool) -> Result<()>;
    /// Returns the rows that have a word, ascending, and how often each has it. O(rows found).
    fn postings(&self, term: &Term) -> Result<WordRows<'_>>;
}

/// A word of some rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// How many rows have the word.
    pub(crate) documents: u32,
    /// Where its list begins and ends.
    pub(super) list: (u32, u32),
}

/// The rows of a word. The bytes of the list were checked when it was made.
#[derive(Clone, Debug)]
pub(crate) struct WordRows<'a> {
    bytes: &'a [u8],
    row: Row,
    left: u32,
}

impl<'a> WordRows<'a> {
    /// Returns the rows of a list of this many.
    pub(super) const fn new(bytes: &'a [u8], documents: u32) -> Self {
        Self { bytes, row: 0, left: documents }
    }

    /// Returns the rows of a list that begins with their number; `None` if that is none, or no
    /// number of rows.
    pub(super) fn stored(bytes: &'a [u8]) -> Option<Self> {
        let mut list = Self::new(bytes, 0);
        list.left = u32::try_from(list.number()?).ok().filter(|documents| *documents > 0)?;
        Some(list)
    }

    /// Returns how many rows are left, as the list says.
    pub(super) const fn documents(&self) -> u32 {
        self.left
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        let mut number = u64::from(*first & 0x7f);
        let mut more = *first >= 0x80;
        let mut shift = 7;
        while more {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            if shift > 35 {
                return None;
            }
            number |= u64::from(*byte & 0x7f) << shift;
            (more, shift) = (*byte >= 0x80, shift + 7);
        }
        Some(number)
    }

    /// Returns true if the list holds ascending rows before `rows`, as many as it says, and nothing
    /// behind them.
    pub(super) fn is_sound(&self, rows: Row) -> bool {
        self.clone().each(rows, |_, _| ())
    }

    /// Calls `visit` with each row and how often it has the word, as long as the list is sound.
    /// Returns what [`WordRows::is_sound`] returns.
    #[inline]
    pub(super) fn each(mut self, rows: Row, mut visit: impl FnMut(Row, u32)) -> bool {
        let mut next = 0;
        while self.left > 0 {
            match self.next() {
                Some((row, count)) if row >= next && row < rows && count > 0 => {
                    visit(row, count);
                    next = row + 1;
                }
                _ => return false,
            }
        }
        self.bytes.is_empty()
    }
}

impl Iterator for WordRows<'_> {
    /// A row, and how often it has the word.
    type Item = (Row, u32);

    #[inline]
    fn next(&mut self) -> Option<(Row, u32)> {
        self.left = self.left.checked_sub(1)?;
        let number = self.number()?;
        self.row = self.row.checked_add(u32::try_from(number >> 1).ok()?)?;
        let count = if number & 1 == 0 { 1 } else { u32::try_from(self.number()?).ok()? };
        Some((self.row, count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}
