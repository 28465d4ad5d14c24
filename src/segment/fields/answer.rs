//! Owns the answers of columns to filters: the rows for which a filter on a field, or on a stored
//! attribute, holds. `None` stands for "from the rows".

use std::ops::Range;

use roaring::RoaringBitmap;

use super::column::{Column, Fields, Lookup};
use super::name;
use crate::fields::{FieldValue, Scalar, id_key, tag};
use crate::filter::{FieldQuery, FieldRule, Filter, Keys};
use crate::format::DecodeError;
use crate::segment::row::Row;

/// What columns say about a filter.
#[derive(Debug, PartialEq)]
pub(in crate::segment) enum Answer {
    /// The filter holds for these rows and no others.
    Rows(RoaringBitmap),
    /// The filter holds for no row but these, and the rows must say for which.
    Among(RoaringBitmap),
    /// The rows must say it.
    Unknown,
}

/// Returns true for a filter that columns of fields may answer.
pub(in crate::segment) const fn are_asked(filter: &Filter) -> bool {
    matches!(
        filter,
        Filter::Field(_)
            | Filter::ValidAt(_)
            | Filter::Superseded(_)
            | Filter::DerivedFrom(_)
            | Filter::Tokens { .. }
    )
}

/// Returns true if columns cannot say for which rows this filter holds. `false` for filters that
/// are not answered here.
pub(in crate::segment) fn needs_rows<'a, E, R>(
    fields: &Fields<R>,
    filter: &Filter,
) -> Result<bool, E>
where
    E: From<DecodeError>,
    R: Fn(Range<usize>) -> Result<&'a [u8], E>,
{
    let from_rows =
        |name: &str| -> Result<bool, E> { Ok(matches!(fields.find(name)?, Lookup::FromRows)) };
    match filter {
        Filter::Field(field) => match field.query().map(|query| query.path.columns()) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(names)) => Ok(!names.exact || from_rows(&names.own)?),
        },
        Filter::ValidAt(_) => Ok(from_rows(name::VALID_FROM)? || from_rows(name::VALID_TO)?),
        Filter::Superseded(_) => from_rows(name::SUPERSEDED),
        Filter::DerivedFrom(_) => from_rows(name::DERIVED_FROM),
        Filter::Tokens { .. } => from_rows(name::TOKENS),
        _ => Ok(false),
    }
}

/// Returns what the columns of a segment of this many rows say about a filter on a field or on a
/// stored attribute.
pub(in crate::segment) fn answer<'a, E, R>(
    fields: &Fields<R>,
    rows: Row,
    filter: &Filter,
) -> Result<Answer, E>
where
    E: From<DecodeError>,
    R: Fn(Range<usize>) -> Result<&'a [u8], E>,
{
    let asked = Asked { fields, rows };
    let holds = match filter {
        Filter::Field(field) => match field.query() {
            Some(query) => return asked.field(query),
            None => Some(RoaringBitmap::new()),
        },
        Filter::ValidAt(at) => asked.valid_at(number(at.as_millis()))?,
        Filter::Superseded(superseded) => asked
            .all(name::SUPERSEDED)?
            .map(|rows| if *superseded { rows } else { asked.every() - rows }),
        Filter::DerivedFrom(id) => {
            let key = id_key(id.as_u128());
            asked.between(name::DERIVED_FROM, &only(&key))?
        }
        Filter::Tokens { from, to } => {
            let key = |tokens: &u64| FieldValue::from(*tokens).key();
            asked.between(name::TOKENS, &(key(from)..key(to)))?
        }
        _ => None,
    };
    Ok(holds.map_or(Answer::Unknown, Answer::Rows))
}

struct Asked<'f, R> {
    fields: &'f Fields<R>,
    rows: Row,
}

impl<'a, E: From<DecodeError>, R: Fn(Range<usize>) -> Result<&'a [u8], E>> Asked<'_, R> {
    fn every(&self) -> RoaringBitmap {
        let mut rows = RoaringBitmap::new();
        rows.insert_range(0..self.rows);
        rows
    }

    fn field(&self, query: &FieldQuery) -> Result<Answer, E> {
        let Some(names) = query.path.columns() else {
            return Ok(Answer::Unknown);
        };
        let passes = match &query.rule {
            FieldRule::Exists => self.all(&names.own)?,
            FieldRule::Keys(keys) => self.keys(&names.own, keys)?,
            FieldRule::Range(range) => self.between(&names.own, range)?,
            FieldRule::TimeRange(range) => {
                let within = |at: &[u8]| *range.start <= *at && *at < *range.end;
                self.times(&names.own, within, std::slice::from_ref(range))?
            }
            FieldRule::Contains { keys, part } => {
                let of_lists = match &names.elements {
                    Some(elements) => self.keys(elements, keys)?,
                    None => None,
                };
                let of_texts = match part {
                    Some(part) => self.texts(&names.own, |text| text.contains(part.as_str()))?,
                    None => Some(RoaringBitmap::new()),
                };
                of_lists.zip(of_texts).map(|(a, b)| a | b)
            }
        };
        Ok(match passes {
            Some(rows) if !query.negative && names.exact => Answer::Rows(rows),
            // Positions have no columns of their own. What passes at one passes at any.
            Some(rows) if !query.negative => Answer::Among(rows),
            passes => match (self.all(&names.own)?, passes) {
                (Some(exists), Some(rows)) if names.exact => Answer::Rows(exists - rows),
                (Some(exists), _) => Answer::Among(exists),
                (None, _) => Answer::Unknown,
            },
        })
    }

    /// Calls `with` with the column of a path. `None` if it was left out.
    fn column(
        &self,
        path: &str,
        with: impl FnOnce(&Column, &mut Rows) -> Result<(), E>,
    ) -> Result<Option<RoaringBitmap>, E> {
        let mut rows = Rows::new(self.rows);
        match self.fields.find(path)? {
            Lookup::FromRows => return Ok(None),
            Lookup::Nowhere => {}
            Lookup::Column(column) => with(&column, &mut rows)?,
        }
        Ok(Some(rows.finish()))
    }

    /// Returns the rows that have the path.
    fn all(&self, path: &str) -> Result<Option<RoaringBitmap>, E> {
        self.column(path, |column, rows| {
            rows.add(self.fields.all_rows(column)?);
            Ok(())
        })
    }

    /// Returns the rows with a key in this range.
    fn between(&self, path: &str, range: &Range<Vec<u8>>) -> Result<Option<RoaringBitmap>, E> {
        self.column(path, |column, rows| self.add_between(column, rows, range))
    }

    fn add_between(
        &self,
        column: &Column,
        rows: &mut Rows,
        range: &Range<Vec<u8>>,
    ) -> Result<(), E> {
        let from = self.fields.position(column, &range.start)?;
        let to = self.fields.position(column, &range.end)?;
        if from < to {
            rows.add(self.fields.rows(column, from..to)?);
        }
        Ok(())
    }

    /// Returns the rows with one of these keys.
    fn keys(&self, path: &str, keys: &Keys) -> Result<Option<RoaringBitmap>, E> {
        let plain = self.column(path, |column, rows| {
            keys.plain.iter().try_for_each(|key| self.add_between(column, rows, &only(key)))
        })?;
        if keys.times.is_empty() {
            return Ok(plain);
        }
        let numbers: Vec<_> = keys.times.iter().map(|key| only(key)).collect();
        let at_times = |at: &[u8]| keys.times.binary_search_by(|key| (**key).cmp(at)).is_ok();
        let times = self.times(path, at_times, &numbers)?;
        Ok(plain.zip(times).map(|(a, b)| a | b))
    }

    /// Returns the rows with a time: a number in one of these ranges, or a text whose number
    /// passes.
    fn times(
        &self,
        path: &str,
        passes: impl Fn(&[u8]) -> bool,
        numbers: &[Range<Vec<u8>>],
    ) -> Result<Option<RoaringBitmap>, E> {
        let of_numbers = self.column(path, |column, rows| {
            numbers.iter().try_for_each(|range| self.add_between(column, rows, range))
        })?;
        let of_texts = self.texts(path, |text| {
            let time = Scalar::Text(text.into()).as_time();
            time.is_some_and(|at| passes(&Scalar::Number(at).key()))
        })?;
        Ok(of_numbers.zip(of_texts).map(|(a, b)| a | b))
    }

    /// Returns the rows with a text that passes. O(texts).
    fn texts(&self, path: &str, passes: impl Fn(&str) -> bool) -> Result<Option<RoaringBitmap>, E> {
        self.column(path, |column, rows| {
            let from = self.fields.position(column, &[tag::TEXT])?;
            let to = self.fields.position(column, &[tag::TEXT + 1])?;
            if from >= to {
                return Ok(());
            }
            self.fields.keys(column, from..to, |value, key| {
                let text = std::str::from_utf8(key.get(1..).unwrap_or_default());
                if text.is_ok_and(&passes) {
                    rows.add(self.fields.rows(column, value..value + 1)?);
                }
                Ok(())
            })
        })
    }

    fn valid_at(&self, at: Vec<u8>) -> Result<Option<RoaringBitmap>, E> {
        let later = after(&at)..vec![tag::NUMBER + 1];
        let ended = vec![tag::NUMBER]..after(&at);
        let begins_later = self.between(name::VALID_FROM, &later)?;
        let has_ended = self.between(name::VALID_TO, &ended)?;
        Ok(begins_later.zip(has_ended).map(|(a, b)| self.every() - a - b))
    }
}

fn number(value: i64) -> Vec<u8> {
    FieldValue::Integer(value).key()
}

/// Returns the range of one key.
fn only(key: &[u8]) -> Range<Vec<u8>> {
    key.to_vec()..after(key)
}

/// Returns the next key.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Rows that are added in any order. Few are kept as they are, many as one bit each.
struct Rows {
    limit: Row,
    few: Vec<Row>,
    bits: Vec<u8>,
}

impl Rows {
    /// From one row in this many on, setting bits takes less time than sorting.
    const FEW: usize = 64;

    const fn new(limit: Row) -> Self {
        Self { limit, few: Vec::new(), bits: Vec::new() }
    }

    /// Adds rows. Rows beyond the segment come from damage.
    fn add(&mut self, rows: &[[u8; 4]]) {
        let limit = self.limit;
        let rows = rows.iter().map(|row| Row::from_le_bytes(*row)).filter(|row| *row < limit);
        if self.bits.is_empty() {
            let before = self.few.len();
            let most = limit as usize / Self::FEW;
            self.few.extend(rows.clone().take((most + 1).saturating_sub(before)));
            if self.few.len() <= most {
                return;
            }
            self.few.truncate(before);
            self.bits.resize((limit as usize).div_ceil(8), 0);
        }
        for row in std::mem::take(&mut self.few).into_iter().chain(rows) {
            self.bits[row as usize / 8] |= 1 << (row % 8);
        }
    }

    fn finish(mut self) -> RoaringBitmap {
        if !self.bits.is_empty() {
            return RoaringBitmap::from_lsb0_bytes(0, &self.bits);
        }
        self.few.sort_unstable();
        self.few.into_iter().collect()
    }
}
