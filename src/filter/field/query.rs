//! Owns the meaning of a filter on a field: which texts of metadata it holds for, and the ranges of
//! keys by which a column answers the same. Keys are those of `fields::Scalar`.

use std::cmp::Ordering;
use std::ops::Range;

use super::test::{Fault, FieldTest};
use crate::fields::{FieldValue, Number, Path, Scalar, tag, text_key, visit};

/// A filter on a field, prepared for many rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldQuery {
    pub(crate) path: Path,
    /// True if the filter holds where there is a value and none passes.
    pub(crate) negative: bool,
    pub(crate) rule: FieldRule,
}

/// What a value must be like to pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldRule {
    Exists,
    Keys(Keys),
    /// Its key lies in this range, which is of one type.
    Range(Range<Vec<u8>>),
    /// It is a time, and the key of its milliseconds lies in this range.
    TimeRange(Range<Vec<u8>>),
    /// It is a list with an element of these keys, or a text with this part.
    Contains {
        keys: Keys,
        part: Option<String>,
    },
}

/// Keys to be equal to, sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys {
    /// Keys of values.
    pub(crate) plain: Vec<Vec<u8>>,
    /// Keys of the milliseconds of times.
    pub(crate) times: Vec<Vec<u8>>,
}

impl FieldQuery {
    pub(super) fn new(path: &str, test: &FieldTest) -> Result<Self, Fault> {
        let path = Path::parse(path).map_err(Fault::Path)?;
        let rule = FieldRule::new(test)?;
        let negative = matches!(test, FieldTest::Ne(_) | FieldTest::NoneOf(_));
        Ok(Self { path, negative, rule })
    }

    /// Returns true if the filter holds for this JSON text. O(text).
    pub(crate) fn holds(&self, json: &[u8]) -> bool {
        let elements = matches!(self.rule, FieldRule::Contains { .. });
        let found = visit(json, &self.path, elements, &mut |value, element| {
            self.rule.passes(value, element)
        });
        match (&self.rule, self.negative) {
            (FieldRule::Exists, _) => found.exists,
            (_, true) => found.exists && !found.passes,
            (_, false) => found.passes,
        }
    }
}

impl FieldRule {
    fn new(test: &FieldTest) -> Result<Self, Fault> {
        let bounded = |value: &FieldValue, range: Range<Vec<u8>>| match value {
            FieldValue::Time(_) => Self::TimeRange(range),
            _ => Self::Range(range),
        };
        Ok(match test {
            FieldTest::Exists => Self::Exists,
            FieldTest::Eq(value) | FieldTest::Ne(value) => {
                Self::Keys(Keys::of(std::slice::from_ref(value))?)
            }
            FieldTest::OneOf(values) | FieldTest::NoneOf(values) => Self::Keys(Keys::of(values)?),
            FieldTest::Lt(to) => bounded(to, least(to)?..to.key()),
            FieldTest::Le(to) => bounded(to, least(to)?..after(to.key())),
            FieldTest::Gt(from) => bounded(from, after(ordered(from)?)..beyond(from)),
            FieldTest::Ge(from) => bounded(from, ordered(from)?..beyond(from)),
            FieldTest::Between(from, to) => {
                let range = ordered(from)?..after(ordered(to)?);
                let time = |value: &FieldValue| matches!(value, FieldValue::Time(_));
                if from.tag() != to.tag() || time(from) != time(to) {
                    let reason = "a range whose ends are of different types has no value";
                    return Err(Fault::Test(format!("{reason}: {from} and {to}")));
                }
                if range.start >= range.end {
                    let reason = format!("a range starts at {from} and ends before that, at {to}");
                    return Err(Fault::Test(reason));
                }
                bounded(from, range)
            }
            FieldTest::Contains(value) => {
                let part =
                    if let FieldValue::Text(text) = value { Some(text.clone()) } else { None };
                Self::Contains { keys: Keys::of(std::slice::from_ref(value))?, part }
            }
            FieldTest::StartsWith(text) => {
                let from = text_key(text);
                // No UTF-8 has the byte 0xFF, so the last byte can grow.
                let mut to = from.clone();
                to.last_mut().into_iter().for_each(|last| *last += 1);
                Self::Range(from..to)
            }
        })
    }

    /// Returns true if a value passes: one at the path, or an element of a list at the path.
    fn passes(&self, value: &Scalar<'_>, element: bool) -> bool {
        match self {
            Self::Exists => false,
            Self::Keys(keys) => keys.have(value),
            Self::Range(range) => value.with_key(|tag, bytes| is_in(range, tag, bytes)),
            Self::TimeRange(range) => {
                value.as_time().is_some_and(|at| is_in(range, tag::NUMBER, &at.bytes()))
            }
            Self::Contains { keys, .. } if element => keys.have(value),
            Self::Contains { part, .. } => match (value, part) {
                (Scalar::Text(text), Some(part)) => text.contains(part.as_str()),
                _ => false,
            },
        }
    }
}

impl Keys {
    fn of(values: &[FieldValue]) -> Result<Self, Fault> {
        let mut keys = Self::default();
        for value in values {
            not_nan(value)?;
            match value {
                FieldValue::Time(_) => keys.times.push(value.key()),
                _ => keys.plain.push(value.key()),
            }
        }
        for list in [&mut keys.plain, &mut keys.times] {
            list.sort_unstable();
            list.dedup();
        }
        Ok(keys)
    }

    fn have(&self, value: &Scalar<'_>) -> bool {
        let among = |keys: &[Vec<u8>], tag: u8, bytes: &[u8]| {
            keys.binary_search_by(|key| compare(key, tag, bytes)).is_ok()
        };
        if value.with_key(|tag, bytes| among(&self.plain, tag, bytes)) {
            return true;
        }
        let time = if self.times.is_empty() { None } else { value.as_time() };
        time.is_some_and(|at: Number| among(&self.times, tag::NUMBER, &at.bytes()))
    }
}

/// Compares a key with one that is given as its type and its other bytes.
fn compare(key: &[u8], tag: u8, bytes: &[u8]) -> Ordering {
    let (first, rest) = key.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
    (first, rest).cmp(&(tag, bytes))
}

fn is_in(range: &Range<Vec<u8>>, tag: u8, bytes: &[u8]) -> bool {
    compare(&range.start, tag, bytes).is_le() && compare(&range.end, tag, bytes).is_gt()
}

/// Returns the key of a value that has an order.
fn ordered(value: &FieldValue) -> Result<Vec<u8>, Fault> {
    not_nan(value)?;
    match value {
        FieldValue::Null | FieldValue::Bool(_) => {
            let reason = "has no order; only numbers, texts and times do";
            Err(Fault::Test(format!("{value} {reason}")))
        }
        _ => Ok(value.key()),
    }
}

fn not_nan(value: &FieldValue) -> Result<(), Fault> {
    match value.is_nan() {
        true => Err(Fault::Test("the value is NaN, which equals nothing and has no order".into())),
        false => Ok(()),
    }
}

/// Returns the least key of the type of this value.
fn least(value: &FieldValue) -> Result<Vec<u8>, Fault> {
    ordered(value).map(|_| vec![value.tag()])
}

/// Returns the least key that is greater than all keys of the type of this value.
fn beyond(value: &FieldValue) -> Vec<u8> {
    vec![value.tag() + 1]
}

/// Returns the next key.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
