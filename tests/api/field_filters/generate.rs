//! Owns random metadata and random filters on it. Values are few, so that many are equal, and
//! include the ends of every range.

use altiplano::{FieldFilter, FieldTest, FieldValue, Filter, Timestamp};
use serde_json::{Map, Value, json};

use super::plain::{self, Step};
use crate::common::Rng;

const KEYS: [&str; 7] = ["a", "b", "c", "x.y", "", "q\"\\", "ä"];

const TEXTS: [&str; 12] = [
    "",
    "a",
    "ab",
    "abc",
    "b",
    "ä",
    "\u{ffff}",
    "2026-05-01T00:00:00Z",
    "2026-05-01T02:00:00.0009+02:00",
    "2026-05-01T00:00:00.001Z",
    "1777593600000",
    "line\n\"quoted\"",
];

/// The moment that the texts name.
const MAY: Timestamp = Timestamp::from_millis(1_777_593_600_000);

fn pick<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.below(all.len() as u64) as usize]
}

fn number(rng: &mut Rng) -> Value {
    let wholes = [0, 1, 2, -1, 1 << 53, (1 << 53) + 1, i64::MIN, i64::MAX, i64::MAX - 1];
    let floats =
        [0.5, -0.0, 1.0, 2.0, -1.5, 9_007_199_254_740_992.0, 9_223_372_036_854_775_808.0, 1e300];
    match rng.below(8) {
        0 => json!(u64::MAX),
        1 => json!(MAY.as_millis() + rng.below(3) as i64 - 1),
        2 | 3 => json!(pick(rng, &floats)),
        _ => json!(pick(rng, &wholes)),
    }
}

fn value(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => json!(rng.below(2) == 0),
        2 | 3 => number(rng),
        4 | 5 => json!(pick(rng, &TEXTS)),
        6 | 7 => (0..rng.below(4)).map(|_| value(rng, depth - 1)).collect(),
        _ => Value::Object(object(rng, depth - 1)),
    }
}

fn object(rng: &mut Rng, depth: usize) -> Map<String, Value> {
    let keys = rng.below(5);
    (0..keys).map(|_| ((*pick(rng, &KEYS)).to_owned(), value(rng, depth))).collect()
}

/// Returns metadata, and its text. The text may have a key twice, and white space.
pub(super) fn metadata(rng: &mut Rng) -> (Value, String) {
    if rng.below(20) == 0 {
        let other = value(rng, 2);
        let text = other.to_string();
        return (other, text);
    }
    let value = Value::Object(object(rng, 3));
    let mut text = match rng.below(3) {
        0 => serde_json::to_string_pretty(&value).unwrap(),
        _ => value.to_string(),
    };
    if value.get("a").is_some() && rng.below(4) == 0 {
        text = text.replacen('{', "{ \"\\u0061\" : [1, \"ab\", {\"b\": 2}] , ", 1);
    }
    (value, text)
}

fn path(rng: &mut Rng) -> Vec<Step> {
    let mut path = vec![Step::Key(pick::<&str>(rng, &KEYS))];
    while rng.below(2) == 0 && path.len() < 5 {
        path.push(match rng.below(5) {
            0 | 1 => Step::Key(pick::<&str>(rng, &KEYS)),
            2 | 3 => Step::Any,
            _ => Step::At(rng.below(3) as usize),
        });
    }
    path
}

fn asked(rng: &mut Rng) -> FieldValue {
    match rng.below(8) {
        0 => FieldValue::Null,
        1 => (rng.below(2) == 0).into(),
        _ => ordered(rng),
    }
}

/// Returns a value that has an order.
fn ordered(rng: &mut Rng) -> FieldValue {
    match rng.below(5) {
        0 | 1 => (*pick(rng, &TEXTS)).into(),
        2 => {
            let moments =
                [MAY, MAY + std::time::Duration::from_millis(1), Timestamp::MIN, Timestamp::MAX];
            (*pick(rng, &moments)).into()
        }
        _ => {
            let number = number(rng);
            match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => whole.into(),
                (_, Some(whole)) => whole.into(),
                _ => number.as_f64().unwrap().into(),
            }
        }
    }
}

fn test(rng: &mut Rng) -> FieldTest {
    let list = |rng: &mut Rng| (0..rng.below(5)).map(|_| asked(rng)).collect();
    match rng.below(13) {
        0 => FieldTest::Exists,
        1 | 2 => FieldTest::Eq(asked(rng)),
        3 => FieldTest::Ne(asked(rng)),
        4 => FieldTest::Lt(ordered(rng)),
        5 => FieldTest::Le(ordered(rng)),
        6 => FieldTest::Gt(ordered(rng)),
        7 => FieldTest::Ge(ordered(rng)),
        8 => FieldTest::OneOf(list(rng)),
        9 => FieldTest::NoneOf(list(rng)),
        10 => FieldTest::Contains(asked(rng)),
        11 => FieldTest::StartsWith((*pick(rng, &TEXTS)).to_owned()),
        _ => loop {
            // Ranges that end before they start are refused.
            let test = FieldTest::Between(ordered(rng), ordered(rng));
            let refused = serde_json::to_string(&FieldFilter::new("a", test.clone())).is_err();
            if !refused {
                break test;
            }
        },
    }
}

/// A random filter with its meaning.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Field(Vec<Step>, FieldTest),
    Even,
    And(Vec<Asked>),
    Or(Vec<Asked>),
    Not(Box<Asked>),
}

impl Asked {
    pub(super) fn random(rng: &mut Rng, depth: usize) -> Self {
        match rng.below(if depth == 0 { 5 } else { 8 }) {
            0 => Self::Even,
            5 => Self::And((0..rng.below(4)).map(|_| Self::random(rng, depth - 1)).collect()),
            6 => Self::Or((0..rng.below(4)).map(|_| Self::random(rng, depth - 1)).collect()),
            7 => Self::Not(Box::new(Self::random(rng, depth - 1))),
            _ => Self::Field(path(rng), test(rng)),
        }
    }

    /// Returns the filter. Memories with an even id are in the namespace `even`.
    pub(super) fn filter(&self) -> Filter {
        match self {
            Self::Field(path, test) => {
                Filter::Field(FieldFilter::new(plain::written(path), test.clone()))
            }
            Self::Even => Filter::namespace("even"),
            Self::And(all) => Filter::And(all.iter().map(Self::filter).collect()),
            Self::Or(any) => Filter::Or(any.iter().map(Self::filter).collect()),
            Self::Not(inner) => !inner.filter(),
        }
    }

    pub(super) fn holds(&self, id: u64, metadata: &Value) -> bool {
        match self {
            Self::Field(path, test) => plain::holds(metadata, path, test),
            Self::Even => id.is_multiple_of(2),
            Self::And(all) => all.iter().all(|inner| inner.holds(id, metadata)),
            Self::Or(any) => any.iter().any(|inner| inner.holds(id, metadata)),
            Self::Not(inner) => !inner.holds(id, metadata),
        }
    }
}
