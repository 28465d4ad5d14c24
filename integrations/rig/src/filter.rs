//! Owns how a filter of rig becomes one of Altiplano, which the store answers by its columns.
//!
//! Invariant: the filter of the store holds wherever that of rig does. Where it may hold for more,
//! `is_exact` is false, and `rig_core`'s own `Filter::satisfies` decides. The two differ in these:
//!
//! - rig compares a float with a whole number as floats, and Altiplano compares exactly;
//! - rig compares lists and objects by their parts, and in Altiplano they equal nothing;
//! - rig orders bools, and Altiplano does not;
//! - a key of rig is one name, and in Altiplano a path.

use altiplano::{FieldValue, Filter};
use rig_core::vector_store::request::Filter as RigFilter;
use serde_json::{Number, Value};

/// Whole numbers below this are floats exactly: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Bytes of a path that the store reads.
const MAX_PATH: usize = 1_024;

/// Changes between "and" and "or" that the store follows; a few less than it accepts.
const MAX_LEVELS: usize = 24;

/// A filter of rig in terms of the store.
pub(crate) struct Translated {
    pub(crate) filter: Filter,
    /// False if the filter may hold for documents for which that of rig does not.
    pub(crate) is_exact: bool,
}

impl Translated {
    fn exact(filter: Filter) -> Self {
        Self { filter, is_exact: true }
    }

    fn rough(filter: Filter) -> Self {
        Self { filter, is_exact: false }
    }

    fn nothing() -> Self {
        Self::exact(Filter::all().not())
    }

    fn join(self, other: Self, join: fn(Filter, Filter) -> Filter) -> Self {
        let is_exact = self.is_exact && other.is_exact;
        Self { filter: join(self.filter, other.filter), is_exact }
    }
}

/// Translates a filter.
pub(crate) fn translate(filter: &RigFilter<Value>) -> Translated {
    at_level(filter, 0, true)
}

/// Translates a part of a filter. `level` counts the changes between "and" and "or" above it.
fn at_level(filter: &RigFilter<Value>, level: usize, within_and: bool) -> Translated {
    let is_and = matches!(filter, RigFilter::And(..));
    let level = if is_and == within_and { level } else { level + 1 };
    if level > MAX_LEVELS {
        return Translated::rough(Filter::all());
    }
    match filter {
        RigFilter::And(a, b) => {
            at_level(a, level, true).join(at_level(b, level, true), Filter::and)
        }
        RigFilter::Or(a, b) => {
            at_level(a, level, false).join(at_level(b, level, false), Filter::or)
        }
        RigFilter::Eq(key, value) => leaf(key, |field| equal(field, value)),
        RigFilter::Gt(key, value) => leaf(key, |field| ordered(field, value, true)),
        RigFilter::Lt(key, value) => leaf(key, |field| ordered(field, value, false)),
    }
}

fn leaf(key: &str, test: impl FnOnce(&str) -> Translated) -> Translated {
    let path = path(key);
    if path.len() > MAX_PATH { Translated::rough(Filter::all()) } else { test(&path) }
}

/// Returns the path that names one key, whatever is in it.
fn path(key: &str) -> String {
    let mut path = String::with_capacity(key.len() + 4);
    path.push_str("[\"");
    for c in key.chars() {
        if matches!(c, '"' | '\\') {
            path.push('\\');
        }
        path.push(c);
    }
    path.push_str("\"]");
    path
}

fn equal(path: &str, value: &Value) -> Translated {
    let field = Filter::field(path);
    match value {
        Value::Null => Translated::exact(field.is_null()),
        Value::Bool(value) => Translated::exact(field.eq(*value)),
        Value::String(text) => Translated::exact(field.eq(text.as_str())),
        Value::Number(number) => match numbers(number) {
            Numbers::Exact(value) => Translated::exact(field.eq(value)),
            Numbers::Rounded(float) => {
                let (from, to) = (float.next_down(), float.next_up());
                let to = if to.is_finite() { to } else { float };
                let from = if from.is_finite() { from } else { float };
                Translated::rough(field.between(from, to))
            }
        },
        Value::Array(_) | Value::Object(_) => Translated::rough(field.exists()),
    }
}

/// Translates "greater" or "less".
fn ordered(path: &str, value: &Value, greater: bool) -> Translated {
    let field = Filter::field(path);
    let test = |value: FieldValue| if greater { field.gt(value) } else { field.lt(value) };
    match value {
        Value::String(text) => Translated::exact(test(text.as_str().into())),
        Value::Number(number) => match numbers(number) {
            Numbers::Exact(value) => Translated::exact(test(value)),
            // A number that is greater as a float is greater exactly, and so with less.
            Numbers::Rounded(_) => Translated::rough(test(field_value(number))),
        },
        // False is less than true.
        Value::Bool(value) if *value != greater => {
            Translated::exact(Filter::field(path).eq(greater))
        }
        _ => Translated::nothing(),
    }
}

enum Numbers {
    /// Both sides compare with it in the same way.
    Exact(FieldValue),
    /// rig may round what it is compared with, to this float.
    Rounded(f64),
}

fn numbers(number: &Number) -> Numbers {
    let float = number.as_f64().unwrap_or(0.0);
    if float.abs() < EXACT { Numbers::Exact(field_value(number)) } else { Numbers::Rounded(float) }
}

fn field_value(number: &Number) -> FieldValue {
    let whole = number.as_i64().map(FieldValue::from);
    let whole = whole.or_else(|| number.as_u64().map(FieldValue::from));
    whole.unwrap_or_else(|| FieldValue::from(number.as_f64().unwrap_or(0.0)))
}
