//! Owns the words of a sealed segment: whether it has them, and their bytes.

use std::ops::Range;

use super::SealedSegment;
use crate::error::{Error, Result};
use crate::format::DecodeError;
use crate::section::SectionFile;
use crate::segment::layout::WORDS;
use crate::segment::words::{InRam, Source, WordParts, Words};
use crate::words::Analyzer;

/// The words of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnDisk<'a>(&'a SectionFile);

impl Source for OnDisk<'_> {
    fn len(&self) -> usize {
        self.0.bytes(WORDS).map_or(0, <[u8]>::len)
    }

    fn read(&self, range: Range<usize>) -> Result<&[u8]> {
        self.0.checked_range(WORDS, range)
    }

    fn damage(&self, error: DecodeError) -> Error {
        self.0.corrupt_in(WORDS, error.offset, error.reason)
    }
}

impl SealedSegment {
    /// Returns the words that were written with the rows; `None` if there are none.
    pub(super) fn stored_words(&self) -> Result<Option<Words<OnDisk<'_>>>> {
        match self.file.bytes(WORDS) {
            Some(_) => Words::open(OnDisk(&self.file), self.rows).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the words that were written with the rows, if they are by these rules and of all
    /// rows. Every byte of them is checked.
    pub(super) fn words_by(&self, by: Analyzer) -> Result<Option<WordParts<'_>>> {
        let words = self.file.bytes(WORDS).map(|_| self.file.checked(WORDS)).transpose()?;
        let words = words.map(|bytes| Words::open(InRam(bytes), self.rows)).transpose()?;
        WordParts::of(std::iter::once(Ok((words, self.rows))), by)
    }

    /// Returns the bytes of the words.
    pub(crate) fn word_bytes(&self) -> u64 {
        OnDisk(&self.file).len() as u64
    }

    /// Returns true if the words are what a segment that is written now would have. Words that were
    /// left out would be left out again.
    pub(crate) fn has_words_by(&self, analyzer: Option<Analyzer>) -> Result<bool> {
        let words = self.stored_words()?;
        Ok(match (&words, analyzer) {
            (Some(words), Some(analyzer)) => words.is_by(analyzer),
            (words, analyzer) => words.is_none() == analyzer.is_none(),
        })
    }
}
