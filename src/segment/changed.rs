//! Owns the reading of rows together with what was changed of them since they were written.
//!
//! Invariant: a changed row reads in every way as if it had been written with its changes.

use roaring::RoaringBitmap;

use super::changes::Changes;
use super::expiry::Expiries;
use super::liveness::Liveness;
use super::postings::Field;
use super::row::{Row, RowBuffer, RowRef};
use super::rows::{Column, Rows, number_of_importance};
use super::words::{WordList, WordParts};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::{Attributes, Matcher};
use crate::format::{DecodeError, record};
use crate::ids::{MemoryId, Seq};
use crate::memory::{Change, Uses};
use crate::words::Analyzer;

/// Rows with changes kept beside them.
pub(crate) trait ChangedRows: Send + Sync {
    /// The rows as they were written.
    type Written: Written;

    fn written(&self) -> &Self::Written;
    fn changes(&self) -> &Changes;
}

/// Rows as they were written.
pub(crate) trait Written: Rows {
    /// Returns the rows that match with these changes. Equal to [`Rows::select`] without changes.
    fn select_changed(
        &self,
        filter: &Matcher,
        changes: &Changes,
        read: &mut u64,
    ) -> Result<RoaringBitmap>;
    /// Returns what is remembered of the expiries.
    fn remembered(&self) -> Option<&Expiries> {
        None
    }
    /// Returns the end of every row, as it was written.
    fn ends(&self) -> Result<Vec<Timestamp>>;
}

/// Returns these changes with newer ones of these rows.
pub(crate) fn add_changes<W: Written>(
    written: &W,
    changes: &mut Changes,
    newer: impl IntoIterator<Item = (Row, Change)>,
) {
    changes.add(newer, written.remembered());
}

impl<T: ChangedRows> Rows for T {
    fn rows(&self) -> Row {
        self.written().rows()
    }

    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>> {
        let Some(change) = self.changes().get(row) else {
            return self.written().row(row, buffer);
        };
        let RowBuffer { body, written, .. } = buffer;
        let as_written = self.written().row(row, written.get_or_insert_default())?;
        *body = record::with_change(as_written.body, &change)
            .map_err(|e| self.written().damaged(row, e))?;
        Ok(RowRef { body, ..as_written })
    }

    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]> {
        let Some(change) = self.changes().get(row) else {
            return self.written().body(row, buffer);
        };
        let RowBuffer { body, written, .. } = buffer;
        let as_written = self.written().body(row, written.get_or_insert_default())?;
        *body =
            record::with_change(as_written, &change).map_err(|e| self.written().damaged(row, e))?;
        Ok(body)
    }

    fn body_bytes(&self, row: Row) -> Result<usize> {
        match self.changes().get(row) {
            None => self.written().body_bytes(row),
            Some(_) => Ok(self.body(row, &mut RowBuffer::default())?.len()),
        }
    }

    fn vector<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [f32]> {
        self.written().vector(row, buffer)
    }

    fn prefetch(&self, row: Row) {
        self.written().prefetch(row);
    }

    fn id(&self, row: Row) -> Result<MemoryId> {
        self.written().id(row)
    }

    fn seq(&self, row: Row) -> Result<Seq> {
        self.written().seq(row)
    }

    fn first_seq(&self, row: Row) -> Result<Seq> {
        self.written().first_seq(row)
    }

    fn version(&self, row: Row) -> Result<Seq> {
        match self.changes().get(row) {
            Some(change) if change.seq > Seq::ZERO => Ok(change.seq),
            _ => self.written().version(row),
        }
    }

    fn newest(&self, row: Row) -> Result<Seq> {
        match self.changes().get(row) {
            Some(change) => Ok(change.newest()),
            None => self.written().newest(row),
        }
    }

    fn uses(&self, row: Row) -> Result<Uses> {
        match self.changes().get(row).and_then(|change| change.uses) {
            Some(uses) => Ok(uses),
            None => self.written().uses(row),
        }
    }

    fn dimension(&self) -> usize {
        self.written().dimension()
    }

    fn damaged(&self, row: Row, error: DecodeError) -> Error {
        self.written().damaged(row, error)
    }

    fn expires_at(&self, row: Row) -> Result<Timestamp> {
        match self.changes().get(row).and_then(|change| change.expiry) {
            Some(expiry) => Ok(expiry.at),
            None => self.written().expires_at(row),
        }
    }

    fn attributes<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<Attributes<'a>> {
        let of = self.written().attributes(row, buffer)?;
        Ok(changed(of, self.changes().get(row)))
    }

    fn find(&self, id: MemoryId) -> Result<Vec<Row>> {
        self.written().find(id)
    }

    fn select(&self, filter: &Matcher, read: &mut u64) -> Result<RoaringBitmap> {
        self.written().select_changed(filter, self.changes(), read)
    }

    fn order(&self, by: Column, rows: &[Row], numbers: &mut Vec<Option<u64>>) -> Result<()> {
        let start = numbers.len();
        self.written().order(by, rows, numbers)?;
        if by == Column::Importance && !self.changes().is_empty() {
            for (row, number) in rows.iter().zip(numbers.iter_mut().skip(start)) {
                let change = self.changes().get(*row).and_then(|change| change.importance);
                *number = change.map(number_of_importance).or(*number);
            }
        }
        Ok(())
    }

    fn names(
        &self,
        of: Field,
        prefix: &str,
        visit: &mut dyn FnMut(&str, RoaringBitmap),
    ) -> Result<bool> {
        self.written().names(of, prefix, visit)
    }

    /// No change touches a text.
    fn words(
        &self,
        analyzer: Analyzer,
        visit: &mut dyn FnMut(Row, &dyn WordList) -> Result<()>,
        read: &mut u64,
    ) -> Result<()> {
        self.written().words(analyzer, visit, read)
    }

    fn word_parts(&self, by: Analyzer) -> Result<Option<WordParts<'_>>> {
        self.written().word_parts(by)
    }

    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>> {
        let (written, changes) = (self.written(), self.changes());
        let Some(first) = changes.first_end() else {
            return written.unexpired(now);
        };
        if let Some(expiries) = changes.expiries() {
            return expiries.unexpired(now, || {
                let mut ends = written.ends()?;
                for (row, change) in changes.iter() {
                    if let (Some(end), Some(expiry)) = (ends.get_mut(row as usize), change.expiry) {
                        *end = expiry.at;
                    }
                }
                Ok(ends.into_iter())
            });
        }
        let unexpired = written.unexpired(now)?;
        if unexpired.is_none() && now < first {
            return Ok(None);
        }
        let mut unexpired = unexpired.unwrap_or_else(|| Liveness::all_live(written.rows()));
        for (row, change) in changes.iter() {
            match change.expiry {
                Some(expiry) if expiry.at > now => drop(unexpired.revive(row)),
                Some(_) => drop(unexpired.kill(row)),
                None => {}
            }
        }
        Ok(Some(unexpired))
    }
}

/// Returns the attributes of a row with what was changed of it.
pub(super) fn changed<'a>(of: Attributes<'a>, change: Option<Change>) -> Attributes<'a> {
    let Some(change) = change else { return of };
    Attributes {
        expires_at: change.expiry.map_or(of.expires_at, |expiry| expiry.at),
        importance: change.importance.unwrap_or(of.importance),
        pinned: change.pinned.unwrap_or(of.pinned),
        ..of
    }
}
