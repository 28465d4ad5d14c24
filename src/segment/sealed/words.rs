//! Owns the words of a sealed segment: whether it has them, and their bytes.

use std::ops::Range;

use super::SealedSegment;
use crate::error::{Error, Result};
use crate::format::DecodeError;
use crate::map_vec::MapVec;
use crate::section::SectionFile;
use crate::segment::layout::WORDS;
use crate::segment::row::Row;
use crate::segment::words::{self, InRam, STAYS, Source, Words};
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

/// Returns the words of a new segment of `rows` rows that come from these segments, if all of them
/// have words by these rules. For each row of a segment, it takes its new number; rows without one
/// stay.
pub(crate) fn moved_words(
    segments: &[&SealedSegment],
    order: impl Iterator<Item = (usize, Row)>,
    analyzer: Analyzer,
) -> Result<Option<MapVec<u8>>> {
    let mut to: Vec<Vec<Row>> =
        segments.iter().map(|segment| vec![STAYS; segment.rows as usize]).collect();
    let mut rows: Row = 0;
    for (segment, row) in order {
        if let Some(place) = to.get_mut(segment).and_then(|to| to.get_mut(row as usize)) {
            *place = rows;
        }
        rows += 1;
    }
    let mut parts = Vec::with_capacity(segments.len());
    for (segment, to) in segments.iter().zip(&to) {
        if segment.file.bytes(WORDS).is_none() {
            return Ok(None);
        }
        // All of it is read, so all of it is checked at once, and not again for each term.
        let words = Words::open(InRam(segment.file.checked(WORDS)?), segment.rows)?;
        if !words.is_by(analyzer) || words.rows() != segment.rows {
            return Ok(None);
        }
        parts.push((words, &to[..]));
    }
    words::moved(&parts, rows).map(Some)
}

impl SealedSegment {
    /// Returns the words that were written with the rows; `None` if there are none.
    pub(super) fn stored_words(&self) -> Result<Option<Words<OnDisk<'_>>>> {
        match self.file.bytes(WORDS) {
            Some(_) => Words::open(OnDisk(&self.file), self.rows).map(Some),
            None => Ok(None),
        }
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
