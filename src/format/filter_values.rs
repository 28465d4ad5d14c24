//! Owns the bytes of the values in a filter: names, counts of lists, and tests of fields. `filter`
//! has the tree around them.

use super::DecodeError;
use super::cursor::Cursor;
use crate::clock::Timestamp;
use crate::fields::FieldValue;
use crate::filter::{FieldTest, MAX_FILTER_NODES};

/// Codes of what a field is tested for.
mod test {
    pub(super) const EXISTS: u8 = 0;
    pub(super) const EQ: u8 = 1;
    pub(super) const NE: u8 = 2;
    pub(super) const LT: u8 = 3;
    pub(super) const LE: u8 = 4;
    pub(super) const GT: u8 = 5;
    pub(super) const GE: u8 = 6;
    pub(super) const BETWEEN: u8 = 7;
    pub(super) const ONE_OF: u8 = 8;
    pub(super) const NONE_OF: u8 = 9;
    pub(super) const CONTAINS: u8 = 10;
    pub(super) const STARTS_WITH: u8 = 11;
}

/// Codes of a value that a field is compared with.
mod value {
    pub(super) const NULL: u8 = 0;
    pub(super) const BOOL: u8 = 1;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const UNSIGNED: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const TEXT: u8 = 5;
    pub(super) const TIME: u8 = 6;
}

/// Returns the length of [`put_test`]'s output in bytes. O(values).
pub(super) fn test_len(test: &FieldTest) -> usize {
    let listed =
        |values: &[FieldValue]| values.iter().map(value_len).fold(4, usize::saturating_add);
    let value = match test {
        FieldTest::Exists => 0,
        FieldTest::Eq(value)
        | FieldTest::Ne(value)
        | FieldTest::Lt(value)
        | FieldTest::Le(value)
        | FieldTest::Gt(value)
        | FieldTest::Ge(value)
        | FieldTest::Contains(value) => value_len(value),
        FieldTest::Between(from, to) => value_len(from).saturating_add(value_len(to)),
        FieldTest::OneOf(values) | FieldTest::NoneOf(values) => listed(values),
        FieldTest::StartsWith(text) => text.len().saturating_add(4),
    };
    value.saturating_add(1)
}

const fn value_len(value: &FieldValue) -> usize {
    match value {
        FieldValue::Null => 1,
        FieldValue::Bool(_) => 2,
        FieldValue::Integer(_)
        | FieldValue::Unsigned(_)
        | FieldValue::Float(_)
        | FieldValue::Time(_) => 9,
        FieldValue::Text(text) => text.len().saturating_add(5),
    }
}

/// Appends the test of a field.
pub(super) fn put_test(out: &mut Vec<u8>, of: &FieldTest) {
    let one = |out: &mut Vec<u8>, code: u8, value: &FieldValue| {
        out.push(code);
        put_value(out, value);
    };
    let listed = |out: &mut Vec<u8>, code: u8, values: &[FieldValue]| {
        put_count(out, code, values.len());
        values.iter().for_each(|value| put_value(out, value));
    };
    match of {
        FieldTest::Exists => out.push(test::EXISTS),
        FieldTest::Eq(value) => one(out, test::EQ, value),
        FieldTest::Ne(value) => one(out, test::NE, value),
        FieldTest::Lt(value) => one(out, test::LT, value),
        FieldTest::Le(value) => one(out, test::LE, value),
        FieldTest::Gt(value) => one(out, test::GT, value),
        FieldTest::Ge(value) => one(out, test::GE, value),
        FieldTest::Between(from, to) => {
            one(out, test::BETWEEN, from);
            put_value(out, to);
        }
        FieldTest::OneOf(values) => listed(out, test::ONE_OF, values),
        FieldTest::NoneOf(values) => listed(out, test::NONE_OF, values),
        FieldTest::Contains(value) => one(out, test::CONTAINS, value),
        FieldTest::StartsWith(text) => put_name(out, test::STARTS_WITH, text),
    }
}

fn put_value(out: &mut Vec<u8>, of: &FieldValue) {
    let number = |out: &mut Vec<u8>, code: u8, bits: u64| {
        out.push(code);
        out.extend_from_slice(&bits.to_le_bytes());
    };
    match of {
        FieldValue::Null => out.push(value::NULL),
        FieldValue::Bool(of) => out.extend_from_slice(&[value::BOOL, u8::from(*of)]),
        FieldValue::Integer(of) => number(out, value::INTEGER, of.cast_unsigned()),
        FieldValue::Unsigned(of) => number(out, value::UNSIGNED, *of),
        FieldValue::Float(of) => number(out, value::FLOAT, of.to_bits()),
        FieldValue::Text(text) => put_name(out, value::TEXT, text),
        FieldValue::Time(at) => number(out, value::TIME, at.to_bits()),
    }
}

/// Appends a code and a count.
pub(super) fn put_count(out: &mut Vec<u8>, code: u8, count: usize) {
    out.push(code);
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

/// Appends a code and a name.
pub(super) fn put_name(out: &mut Vec<u8>, code: u8, name: &str) {
    put_count(out, code, name.len());
    out.extend_from_slice(name.as_bytes());
}

/// Reads the test of a field.
pub(super) fn read_test(cursor: &mut Cursor<'_>) -> Result<FieldTest, DecodeError> {
    let start = cursor.position();
    Ok(match cursor.u8()? {
        test::EXISTS => FieldTest::Exists,
        test::EQ => FieldTest::Eq(read_value(cursor)?),
        test::NE => FieldTest::Ne(read_value(cursor)?),
        test::LT => FieldTest::Lt(read_value(cursor)?),
        test::LE => FieldTest::Le(read_value(cursor)?),
        test::GT => FieldTest::Gt(read_value(cursor)?),
        test::GE => FieldTest::Ge(read_value(cursor)?),
        test::BETWEEN => FieldTest::Between(read_value(cursor)?, read_value(cursor)?),
        test::ONE_OF => FieldTest::OneOf(read_values(cursor)?),
        test::NONE_OF => FieldTest::NoneOf(read_values(cursor)?),
        test::CONTAINS => FieldTest::Contains(read_value(cursor)?),
        test::STARTS_WITH => FieldTest::StartsWith(read_name(cursor)?),
        _ => return Err(DecodeError::new(start as u64, "unknown kind of test of a field")),
    })
}

fn read_values(cursor: &mut Cursor<'_>) -> Result<Vec<FieldValue>, DecodeError> {
    let count = cursor.length()?;
    // A value takes more heap than bytes.
    if count > MAX_FILTER_NODES {
        return Err(cursor.error("a filter is too large"));
    }
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(read_value(cursor)?);
    }
    Ok(values)
}

fn read_value(cursor: &mut Cursor<'_>) -> Result<FieldValue, DecodeError> {
    let start = cursor.position();
    Ok(match cursor.u8()? {
        value::NULL => FieldValue::Null,
        value::BOOL => FieldValue::Bool(read_flag(cursor)?),
        value::INTEGER => FieldValue::Integer(cursor.u64()?.cast_signed()),
        value::UNSIGNED => FieldValue::Unsigned(cursor.u64()?),
        value::FLOAT => FieldValue::Float(f64::from_bits(cursor.u64()?)),
        value::TEXT => FieldValue::Text(read_name(cursor)?),
        value::TIME => FieldValue::Time(Timestamp::from_bits(cursor.u64()?)),
        _ => return Err(DecodeError::new(start as u64, "unknown kind of value of a field")),
    })
}

/// Reads a name.
pub(super) fn read_name(cursor: &mut Cursor<'_>) -> Result<String, DecodeError> {
    let len = cursor.length()?;
    let bytes = cursor.bytes(len)?;
    let name = std::str::from_utf8(bytes).map_err(|_| cursor.error("a name is not UTF-8"))?;
    Ok(name.to_owned())
}

/// Reads a flag.
pub(super) fn read_flag(cursor: &mut Cursor<'_>) -> Result<bool, DecodeError> {
    match cursor.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(cursor.error("a flag is neither 0 nor 1")),
    }
}
