//! Owns the interface of rows, in RAM or on disk.

use roaring::RoaringBitmap;

use super::liveness::Liveness;
use super::postings::Field;
use super::row::{Row, RowBuffer, RowRef};
use super::words::{WordList, WordParts};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::{Attributes, Matcher};
use crate::format::DecodeError;
use crate::ids::{MemoryId, Seq};
use crate::memory::Uses;
use crate::words::Analyzer;

/// An attribute of every row by whose number rows are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Created,
    Event,
    Importance,
}

/// Rows, in RAM or on disk. Data from disk is checked before it is returned.
pub(crate) trait Rows: Send + Sync {
    /// Returns the number of rows, dead ones included.
    fn rows(&self) -> Row;
    /// Returns a whole row.
    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>>;
    /// Returns the body of a row.
    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]>;
    /// Returns the length of the body of a row, in bytes.
    fn body_bytes(&self, row: Row) -> Result<usize>;
    /// Returns the vector of a row, in stored form.
    fn vector<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [f32]>;
    /// Prefetches the vector of a row that is read soon.
    fn prefetch(&self, _row: Row) {}
    fn id(&self, row: Row) -> Result<MemoryId>;
    /// Returns the sequence number of the operation that wrote the row.
    fn seq(&self, row: Row) -> Result<Seq>;
    /// Returns the sequence number of the insert that made the memory: [`Rows::seq`], unless an
    /// update wrote the row.
    fn first_seq(&self, row: Row) -> Result<Seq>;
    /// Returns the sequence number of the newest operation that wrote or changed the row otherwise
    /// than by uses.
    fn version(&self, row: Row) -> Result<Seq>;
    /// Returns the sequence number of the newest operation in the row, uses included. All older
    /// operations on it are in it as well.
    fn newest(&self, row: Row) -> Result<Seq>;
    /// Returns how often the memory was used.
    fn uses(&self, row: Row) -> Result<Uses>;
    /// Returns the number of coordinates of a vector.
    fn dimension(&self) -> usize;
    fn expires_at(&self, row: Row) -> Result<Timestamp>;
    fn attributes<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<Attributes<'a>>;
    /// Returns the error of a row whose body cannot be decoded: damage of its file, if it has one.
    fn damaged(&self, _row: Row, error: DecodeError) -> Error {
        Error::internal(format!("the body of a row: {}", error.reason))
    }
    /// Returns the rows with this id, newest first. The live one is always included; in RAM, older
    /// ones may be missing.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>>;
    /// Returns the rows that match, dead ones included. Adds to `read` the number of rows whose
    /// metadata was parsed for it.
    fn select(&self, filter: &Matcher, read: &mut u64) -> Result<RoaringBitmap>;
    /// Appends, for each of these ascending rows, a number that sorts as its value in the column;
    /// `None` for a row without one. The rows should lie near each other: what is between them may
    /// be read as well.
    fn order(&self, by: Column, rows: &[Row], numbers: &mut Vec<Option<u64>>) -> Result<()>;
    /// Calls `visit` with each name of this attribute that begins with `prefix`, and the rows that
    /// have it, dead ones included. Returns false, without a call, if the rows are not listed by
    /// name.
    fn names(
        &self,
        _of: Field,
        _prefix: &str,
        _visit: &mut dyn FnMut(&str, RoaringBitmap),
    ) -> Result<bool> {
        Ok(false)
    }
    /// Calls `visit` with the words of all rows, dead ones included, in pieces: the first row of
    /// each piece, and its words. Rows that have no words, or words by other rules, are read and
    /// their words made for this call. Their number is added to `read`.
    fn words(
        &self,
        analyzer: Analyzer,
        visit: &mut dyn FnMut(Row, &dyn WordList) -> Result<()>,
        read: &mut u64,
    ) -> Result<()>;
    /// Returns the words of all rows, dead ones included, as they are stored; `None` if some rows
    /// have none by these rules. O(1), or O(bytes) if they are on disk.
    fn word_parts(&self, by: Analyzer) -> Result<Option<WordParts<'_>>>;
    /// Returns the rows that have not expired at `now`, dead ones included; `None` if these are all
    /// rows.
    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>>;

    /// Returns how many of these live rows have expired at `now`. In addition to
    /// [`Rows::unexpired`] it takes O(rows / 64) while some but not all rows have expired, and O(1)
    /// otherwise.
    fn live_expired(&self, live: &Liveness, now: Timestamp) -> Result<u64> {
        let unexpired = self.unexpired(now)?;
        Ok(unexpired.map_or(0, |unexpired| u64::from(live.live() - live.live_in_both(&unexpired))))
    }
}

/// Returns a number that sorts as this moment.
pub(super) const fn number_of_time(at: Timestamp) -> u64 {
    at.as_millis().cast_unsigned() ^ (1 << 63)
}

/// Returns a number that sorts as this importance. Both zeros have the same number.
pub(super) fn number_of_importance(importance: f32) -> u64 {
    let bits = (importance + 0.0).to_bits();
    let negative = bits >> 31 == 1;
    u64::from(if negative { !bits } else { bits | 1 << 31 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_as_the_values_do() {
        let times = [i64::MIN, -5, -1, 0, 1, 1_700_000_000_000, i64::MAX];
        let times = times.map(|millis| number_of_time(Timestamp::from_millis(millis)));
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        let importances = [f32::NEG_INFINITY, -1.0, -0.1, 0.0, 1e-30, 0.5, 1.0, f32::INFINITY];
        let numbers = importances.map(number_of_importance);
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(number_of_importance(-0.0), number_of_importance(0.0));
    }
}
