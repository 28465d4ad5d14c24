//! Owns a plain evaluator: what a test of a field means, written a second time over
//! `serde_json::Value`.

use std::cmp::Ordering;

use altiplano::{FieldTest, FieldValue, Timestamp};
use serde_json::Value;

/// A step of a path.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(&'static str),
    Any,
    At(usize),
}

/// Returns the path as it is written.
pub(super) fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if key.is_empty() || key.contains(['.', '"', '\\', '[', ']']) => {
                let key = key.replace('\\', "\\\\").replace('"', "\\\"");
                text.push_str(&format!("[\"{key}\"]"));
            }
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Any => text.push_str("[*]"),
            Step::At(position) => text.push_str(&format!("[{position}]")),
        }
    }
    text
}

fn values_at<'a>(value: &'a Value, path: &[Step]) -> Vec<&'a Value> {
    let Some((step, rest)) = path.split_first() else {
        return vec![value];
    };
    match (step, value) {
        (Step::Key(key), Value::Object(map)) => {
            map.get(*key).map_or(vec![], |value| values_at(value, rest))
        }
        (Step::Any, Value::Array(list)) => list.iter().flat_map(|v| values_at(v, rest)).collect(),
        (Step::At(i), Value::Array(list)) => list.get(*i).map_or(vec![], |v| values_at(v, rest)),
        _ => vec![],
    }
}

/// A number, kept as exactly as it is.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i128),
    Float(f64),
}

fn number_of(value: &Value) -> Option<Number> {
    let number = value.as_number()?;
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    Some(whole.map_or_else(|| Number::Float(number.as_f64().unwrap()), Number::Whole))
}

fn compare(a: Number, b: Number) -> Ordering {
    match (a, b) {
        (Number::Whole(a), Number::Whole(b)) => a.cmp(&b),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b).unwrap(),
        (Number::Float(_), Number::Whole(_)) => compare(b, a).reverse(),
        (Number::Whole(a), Number::Float(b)) => {
            // Beyond these floats, no whole number of 64 bits is left.
            if b >= 2f64.powi(65) {
                return Ordering::Less;
            }
            if b <= -(2f64.powi(65)) {
                return Ordering::Greater;
            }
            let floor = b.floor();
            a.cmp(&(floor as i128)).then(if b > floor { Ordering::Less } else { Ordering::Equal })
        }
    }
}

/// Returns how a stored value compares with one that is asked for; `None` if they have no order.
/// The flag is false for values that have equality only.
fn compared(value: &Value, asked: &FieldValue) -> Option<(Ordering, bool)> {
    let number = |asked: Number| number_of(value).map(|value| (compare(value, asked), true));
    match asked {
        FieldValue::Null => value.is_null().then_some((Ordering::Equal, false)),
        FieldValue::Bool(asked) => value.as_bool().map(|value| (value.cmp(asked), false)),
        FieldValue::Integer(asked) => number(Number::Whole((*asked).into())),
        FieldValue::Unsigned(asked) => number(Number::Whole((*asked).into())),
        FieldValue::Float(asked) => number(Number::Float(*asked)),
        FieldValue::Text(asked) => {
            value.as_str().map(|value| (value.as_bytes().cmp(asked.as_bytes()), true))
        }
        FieldValue::Time(asked) => match value.as_str() {
            Some(text) => text.parse::<Timestamp>().ok().map(|at| (at.cmp(asked), true)),
            None => number(Number::Whole(asked.as_millis().into())),
        },
        other => panic!("{other:?} is not in the tests"),
    }
}

fn equals(value: &Value, asked: &FieldValue) -> bool {
    matches!(compared(value, asked), Some((Ordering::Equal, _)))
}

/// Returns true if the test holds for the object `json` at this path.
pub(super) fn holds(json: &Value, path: &[Step], test: &FieldTest) -> bool {
    if !json.is_object() {
        return false;
    }
    let values = values_at(json, path);
    let some = |passes: &dyn Fn(&Value) -> bool| values.iter().any(|value| passes(value));
    let ordered = |value: &Value, asked: &FieldValue, fits: fn(Ordering) -> bool| {
        compared(value, asked).is_some_and(|(order, has_order)| has_order && fits(order))
    };
    match test {
        FieldTest::Exists => !values.is_empty(),
        FieldTest::Eq(asked) => some(&|value| equals(value, asked)),
        FieldTest::Ne(asked) => !values.is_empty() && !some(&|value| equals(value, asked)),
        FieldTest::Lt(asked) => some(&|value| ordered(value, asked, Ordering::is_lt)),
        FieldTest::Le(asked) => some(&|value| ordered(value, asked, Ordering::is_le)),
        FieldTest::Gt(asked) => some(&|value| ordered(value, asked, Ordering::is_gt)),
        FieldTest::Ge(asked) => some(&|value| ordered(value, asked, Ordering::is_ge)),
        FieldTest::Between(from, to) => some(&|value| {
            ordered(value, from, Ordering::is_ge) && ordered(value, to, Ordering::is_le)
        }),
        FieldTest::OneOf(all) => some(&|value| all.iter().any(|asked| equals(value, asked))),
        FieldTest::NoneOf(all) => {
            !values.is_empty() && !some(&|value| all.iter().any(|asked| equals(value, asked)))
        }
        FieldTest::Contains(asked) => some(&|value| match (value, asked) {
            (Value::Array(list), _) => list.iter().any(|element| equals(element, asked)),
            (Value::String(text), FieldValue::Text(part)) => text.contains(part.as_str()),
            _ => false,
        }),
        FieldTest::StartsWith(start) => {
            some(&|value| value.as_str().is_some_and(|text| text.starts_with(start.as_str())))
        }
        other => panic!("{other:?} is not in the tests"),
    }
}
