//! Implements `Rows` for a sealed segment.

use roaring::RoaringBitmap;

use super::SealedSegment;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::{Attributes, Matcher};
use crate::format::DecodeError;
use crate::format::record::{self, History};
use crate::ids::{MemoryId, Seq};
use crate::memory::Uses;
use crate::segment::changed::Written;
use crate::segment::changes::Changes;
use crate::segment::expiry::Expiries;
use crate::segment::layout::{
    BLOOM, BODIES, BODY_OFFSETS, CREATED, EVENTS, EXPIRIES, FLAGS, HAS_EVENT, HAS_HISTORY, IDS,
    IMPORTANCES, NORMS, SEQS, VECTOR_CRCS, VECTORS,
};
use crate::segment::liveness::Liveness;
use crate::segment::postings::Field;
use crate::segment::row::{Row, RowBuffer, RowRef};
use crate::segment::rows::{Column, Rows, number_of_importance, number_of_time};
use crate::segment::words::{WordList, WordParts, each_piece};
use crate::segment::{bloom, select};
use crate::vector::kernel::Kernels;
use crate::words::Analyzer;

/// Returns the number of a stored moment.
fn time_number(value: &[u8; 8]) -> u64 {
    number_of_time(Timestamp::from_bits(u64::from_le_bytes(*value)))
}

impl Rows for SealedSegment {
    fn rows(&self) -> Row {
        self.rows
    }

    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>> {
        let RowBuffer { vector, body, .. } = buffer;
        Ok(RowRef { body: self.body_in(row, body)?, ..self.head(row, vector)? })
    }

    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]> {
        self.body_in(row, &mut buffer.body)
    }

    fn body_bytes(&self, row: Row) -> Result<usize> {
        let (start, end) = (self.number(BODY_OFFSETS, row)?, self.number(BODY_OFFSETS, row + 1)?);
        Ok(end.saturating_sub(start) as usize)
    }

    fn vector<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [f32]> {
        Ok(self.head(row, &mut buffer.vector)?.vector)
    }

    fn prefetch(&self, row: Row) {
        // The parts of a row that a rerank reads, each in another page.
        let vector = self.file.reads_map().then_some((VECTORS, self.dimension * 4));
        let columns = [(VECTOR_CRCS, 4), (IDS, 16), (SEQS, 8), (NORMS, 4)];
        for (kind, width) in vector.into_iter().chain(columns) {
            let bytes = self.file.bytes(kind).unwrap_or(&[]);
            let start = row as usize * width;
            (Kernels::detect().prefetch)(bytes.get(start..start + width).unwrap_or(&[]));
        }
    }

    fn id(&self, row: Row) -> Result<MemoryId> {
        Ok(MemoryId::from_u128(u128::from_le_bytes(self.column(IDS, row)?)))
    }

    fn seq(&self, row: Row) -> Result<Seq> {
        Ok(Seq(self.number(SEQS, row)?))
    }

    fn first_seq(&self, row: Row) -> Result<Seq> {
        let seq = self.seq(row)?;
        Ok(self.history(row)?.first_seq.unwrap_or(seq))
    }

    fn version(&self, row: Row) -> Result<Seq> {
        let seq = self.seq(row)?;
        Ok(self.history(row)?.version.map_or(seq, |version| version.max(seq)))
    }

    fn newest(&self, row: Row) -> Result<Seq> {
        let seq = self.seq(row)?;
        Ok(self.history(row)?.newest(seq))
    }

    fn uses(&self, row: Row) -> Result<Uses> {
        let mut buffer = RowBuffer::default();
        record::uses(self.body(row, &mut buffer)?).map_err(|e| self.damaged(row, e))
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn expires_at(&self, row: Row) -> Result<Timestamp> {
        self.time(EXPIRIES, row)
    }

    fn attributes<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<Attributes<'a>> {
        let body = self.body(row, buffer)?;
        record::attributes(self.id(row)?, body).map_err(|e| self.damaged(row, e))
    }

    fn damaged(&self, row: Row, error: DecodeError) -> Error {
        let start = self.number(BODY_OFFSETS, row).unwrap_or_default();
        self.file.corrupt_in(BODIES, start + error.offset, error.reason)
    }

    /// O(log rows): first the Bloom filter, then a binary search in the mapped ids.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>> {
        if self.rows == 0 || id < self.id(0)? || id > self.id(self.rows - 1)? {
            return Ok(Vec::new());
        }
        if !bloom::may_contain(self.file.checked(BLOOM)?, id) {
            return Ok(Vec::new());
        }
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle)?.cmp(&id) {
                std::cmp::Ordering::Equal => return Ok(vec![middle]),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(Vec::new())
    }

    fn select(&self, filter: &Matcher, read: &mut u64) -> Result<RoaringBitmap> {
        select::select(self, &Changes::default(), filter, read)
    }

    fn order(&self, by: Column, rows: &[Row], numbers: &mut Vec<Option<u64>>) -> Result<()> {
        let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else {
            return Ok(());
        };
        let at = |row: Row| (row - first) as usize;
        match by {
            Column::Created => {
                let values = self.values_between(CREATED, first, last)?;
                numbers.extend(rows.iter().map(|row| values.get(at(*row)).map(time_number)));
            }
            Column::Event => {
                let values = self.values_between(EVENTS, first, last)?;
                let flags: &[[u8; 1]] = self.values_between(FLAGS, first, last)?;
                numbers.extend(rows.iter().map(|row| {
                    let has = flags.get(at(*row)).is_some_and(|[flags]| flags & HAS_EVENT != 0);
                    values.get(at(*row)).filter(|_| has).map(time_number)
                }));
            }
            Column::Importance => {
                let values = self.values_between(IMPORTANCES, first, last)?;
                let number = |value: &[u8; 4]| number_of_importance(f32::from_le_bytes(*value));
                numbers.extend(rows.iter().map(|row| values.get(at(*row)).map(number)));
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
        self.each_name(of, prefix, visit).map(|()| true)
    }

    fn words(
        &self,
        analyzer: Analyzer,
        visit: &mut dyn FnMut(Row, &dyn WordList) -> Result<()>,
        read: &mut u64,
    ) -> Result<()> {
        match self.stored_words()? {
            Some(words) if words.is_by(analyzer) && words.rows() == self.rows => visit(0, &words),
            _ => each_piece(self, 0..self.rows, analyzer, visit, read),
        }
    }

    fn word_parts(&self, by: Analyzer) -> Result<Option<WordParts<'_>>> {
        self.words_by(by)
    }

    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>> {
        self.expiries.unexpired(now, || self.times(EXPIRIES))
    }
}

impl SealedSegment {
    /// Returns what the body of a row says of its history. Reads no body that says nothing.
    fn history(&self, row: Row) -> Result<History> {
        if self.flags(row)? & HAS_HISTORY == 0 {
            return Ok(History::default());
        }
        let mut buffer = RowBuffer::default();
        let history = record::history(self.body(row, &mut buffer)?);
        history.map_err(|e| self.file.corrupt_in(BODIES, e.offset, e.reason))
    }
}

impl Written for SealedSegment {
    fn select_changed(
        &self,
        filter: &Matcher,
        changes: &Changes,
        read: &mut u64,
    ) -> Result<RoaringBitmap> {
        select::select(self, changes, filter, read)
    }

    fn remembered(&self) -> Option<&Expiries> {
        Some(&self.expiries)
    }

    fn ends(&self) -> Result<Vec<Timestamp>> {
        Ok(self.times(EXPIRIES)?.collect())
    }
}
