//! Owns the reading of stored columns of fields. `read` returns checked bytes of the section, so
//! that only the blocks that lead to the answer are read. Nothing is allocated for what is read.

use std::ops::Range;

use super::{COLUMN_HEAD, ENTRY, HEAD, MAX_PATHS};
use crate::fields::{Number, tag};
use crate::format::DecodeError;
use crate::format::cursor::Cursor;
use crate::segment::row::Row;

/// The stored columns of a segment.
#[derive(Clone, Copy, Debug)]
pub(in crate::segment) struct Fields<R> {
    read: R,
}

/// What a section says about a path.
#[derive(Clone, Debug)]
pub(super) enum Lookup {
    /// It has this column.
    Column(Column),
    /// No row has it.
    Nowhere,
    /// Its column was left out, or the section does not name all paths.
    FromRows,
}

/// The place of a column in the section.
#[derive(Clone, Debug)]
pub(super) struct Column {
    values: usize,
    rows: usize,
    /// Where the ends of keys, the ends of rows, the keys and the rows begin.
    key_ends: usize,
    row_ends: usize,
    keys: usize,
    rows_at: usize,
}

impl<'a, E: From<DecodeError>, R: Fn(Range<usize>) -> Result<&'a [u8], E>> Fields<R> {
    pub(in crate::segment) const fn new(read: R) -> Self {
        Self { read }
    }

    fn bytes(&self, at: usize, len: usize) -> Result<&'a [u8], E> {
        (self.read)(at..at.saturating_add(len))
    }

    fn number(&self, at: usize) -> Result<usize, E> {
        Ok(Cursor::new(self.bytes(at, 4)?).u32()? as usize)
    }

    /// Returns how many columns were left out.
    pub(in crate::segment) fn left_out(&self) -> Result<usize, E> {
        self.number(8)
    }

    /// Returns the places of a name and of its column.
    fn entry(&self, i: usize) -> Result<[Range<usize>; 2], E> {
        let at = i.saturating_mul(ENTRY).saturating_add(HEAD);
        let mut cursor = Cursor::new(self.bytes(at, ENTRY)?);
        let mut place = || -> Result<Range<usize>, DecodeError> {
            let (start, len) = (cursor.u32()? as usize, cursor.u32()? as usize);
            Ok(start..start.saturating_add(len))
        };
        Ok([place()?, place()?])
    }

    /// Looks a path up. O(log paths).
    pub(super) fn find(&self, path: &str) -> Result<Lookup, E> {
        let (mut low, mut high) = (0, self.number(0)?.min(MAX_PATHS));
        while low < high {
            let middle = low + (high - low) / 2;
            let [name, column] = self.entry(middle)?;
            match (self.read)(name)?.cmp(path.as_bytes()) {
                std::cmp::Ordering::Equal if column.is_empty() => return Ok(Lookup::FromRows),
                std::cmp::Ordering::Equal => return self.column(column).map(Lookup::Column),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(if self.number(4)? == 0 { Lookup::Nowhere } else { Lookup::FromRows })
    }

    fn column(&self, place: Range<usize>) -> Result<Column, E> {
        let mut head = Cursor::new(self.bytes(place.start, COLUMN_HEAD)?);
        let (values, rows) = (head.u32()? as usize, head.u32()? as usize);
        let key_ends = place.start.saturating_add(COLUMN_HEAD);
        let row_ends = key_ends.saturating_add(values.saturating_mul(4));
        let keys = row_ends.saturating_add(values.saturating_mul(4));
        let rows_at = place.end.checked_sub(rows.saturating_mul(4)).filter(|at| *at >= keys);
        let rows_at = rows_at.ok_or_else(|| {
            DecodeError::new(place.start as u64, "a column of a field is shorter than its rows")
        })?;
        Ok(Column { values, rows, key_ends, row_ends, keys, rows_at })
    }

    /// Returns the end of a value's part, in an array of ends at `ends`; 0 for the end before all.
    fn end(&self, ends: usize, values: usize) -> Result<usize, E> {
        match values.checked_sub(1) {
            None => Ok(0),
            Some(last) => self.number(ends.saturating_add(last.saturating_mul(4))),
        }
    }

    /// Returns the key of the value at a position.
    pub(super) fn key(&self, of: &Column, value: usize) -> Result<&'a [u8], E> {
        let start = self.end(of.key_ends, value)?;
        let end = self.end(of.key_ends, value.saturating_add(1))?;
        let len = end.checked_sub(start).filter(|_| end <= of.rows_at - of.keys);
        let len = len.ok_or_else(|| {
            DecodeError::new(of.key_ends as u64, "the values of a field are out of order")
        })?;
        self.bytes(of.keys.saturating_add(start), len)
    }

    /// Calls `each` with the positions and keys of these values. O(keys), with one read for all.
    pub(super) fn keys(
        &self,
        of: &Column,
        values: Range<usize>,
        mut each: impl FnMut(usize, &'a [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = self.end(of.key_ends, values.start)?;
        let ends = of.key_ends.saturating_add(values.start.saturating_mul(4));
        let ends = self.bytes(ends, values.len().saturating_mul(4))?.as_chunks::<4>().0;
        let all = self.bytes(of.keys, of.rows_at.saturating_sub(of.keys))?;
        let mut start = first;
        for (value, end) in values.zip(ends) {
            let end = u32::from_le_bytes(*end) as usize;
            let key = all.get(start..end).ok_or_else(|| {
                DecodeError::new(of.key_ends as u64, "the values of a field are out of order")
            })?;
            each(value, key)?;
            start = end;
        }
        Ok(())
    }

    /// Returns the first position whose key is not less than `key`. O(log values).
    pub(super) fn position(&self, of: &Column, key: &[u8]) -> Result<usize, E> {
        let (mut low, mut high) = (0, of.values);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(of, middle)? < key {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Returns the rows of the values at these positions: for each value its rows, ascending.
    pub(super) fn rows(&self, of: &Column, values: Range<usize>) -> Result<&'a [[u8; 4]], E> {
        let start = self.end(of.row_ends, values.start)?;
        let end = self.end(of.row_ends, values.end.max(values.start))?;
        let len = end.checked_sub(start).filter(|_| end <= of.rows);
        let len = len.ok_or_else(|| {
            DecodeError::new(of.row_ends as u64, "the rows of a field are out of order")
        })?;
        let at = of.rows_at.saturating_add(start.saturating_mul(4));
        Ok(self.bytes(at, len.saturating_mul(4))?.as_chunks().0)
    }

    /// Returns the rows that have the path.
    pub(super) fn all_rows(&self, of: &Column) -> Result<&'a [[u8; 4]], E> {
        self.rows(of, 0..of.values)
    }

    /// Checks the whole section for a segment of this many rows. O(section).
    pub(in crate::segment) fn check(&self, rows: Row, len: usize) -> Result<(), E> {
        let fault = |at: usize, reason| Err(E::from(DecodeError::new(at as u64, reason)));
        let (count, incomplete) = (self.number(0)?, self.number(4)?);
        if count > MAX_PATHS || incomplete > 1 || self.number(12)? != 0 {
            return fault(0, "the head of the fields cannot be");
        }
        let (mut end, mut last, mut left_out) = (HEAD + count * ENTRY, None, 0);
        for i in 0..count {
            let [name, column] = self.entry(i)?;
            if name.start != end || column.start != name.end {
                return fault(name.start, "the columns of fields are out of order");
            }
            end = column.end;
            let name = (self.read)(name)?;
            if std::str::from_utf8(name).is_err() || last.is_some_and(|last| last >= name) {
                return fault(column.start, "the paths of fields are out of order or no text");
            }
            last = Some(name);
            match column.is_empty() {
                true => left_out += 1,
                false => self.check_column(column, rows)?,
            }
        }
        match end == len && left_out == self.left_out()? {
            true => Ok(()),
            false => fault(end, "the fields do not end where they do"),
        }
    }

    fn check_column(&self, place: Range<usize>, rows: Row) -> Result<(), E> {
        let fault = |reason| Err(E::from(DecodeError::new(place.start as u64, reason)));
        let column = self.column(place.clone())?;
        let mut before = None;
        self.keys(&column, 0..column.values, |value, key| {
            if !is_key(key) || before.is_some_and(|before| before >= key) {
                return fault("the values of a field are out of order or no values");
            }
            before = Some(key);
            let list = self.rows(&column, value..value + 1)?;
            let list = || list.iter().map(|row| Row::from_le_bytes(*row));
            if list().next().is_none() || !list().is_sorted_by(|a, b| a < b) {
                return fault("the rows of a field are out of order");
            }
            if list().next_back().is_some_and(|row| row >= rows) {
                return fault("a field is of a row that is not there");
            }
            Ok(())
        })?;
        let keys = self.end(column.key_ends, column.values)?;
        let whole = self.end(column.row_ends, column.values)? == column.rows
            && column.keys.saturating_add(keys) == column.rows_at;
        if whole { Ok(()) } else { fault("a column of a field has a wrong length") }
    }
}

/// Returns true if these bytes are a key of a value.
fn is_key(key: &[u8]) -> bool {
    match key.split_first() {
        Some((&tag::CONTAINER | &tag::NULL, rest)) => rest.is_empty(),
        Some((&tag::BOOL, rest)) => matches!(rest, [0 | 1]),
        Some((&tag::NUMBER, rest)) => rest.len() == Number::BYTES,
        Some((&tag::TEXT, rest)) => std::str::from_utf8(rest).is_ok(),
        Some((&tag::ID, rest)) => rest.len() == 16,
        _ => false,
    }
}
