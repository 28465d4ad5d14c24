//! Owns the attributes by which results are grouped. `answer` forms the groups.

use serde::Serialize;

use crate::fields::{self, FieldValue};
use crate::filter::{Attributes, Filter};

/// The attribute by which [`Search::group_by`](crate::Search::group_by) groups results.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum GroupBy {
    /// [`Memory::namespace`](crate::Memory::namespace).
    Namespace,
    /// [`Memory::session`](crate::Memory::session).
    Session,
    /// [`Memory::kind`](crate::Memory::kind).
    Kind,
    /// [`Memory::key`](crate::Memory::key).
    Key,
    /// The field of this name at the top of JSON metadata. Lists, objects and null are in no group.
    Field(String),
}

/// The value of a group, and the filter for its memories.
pub(super) struct GroupValue {
    /// The text, or another value as JSON.
    pub(super) value: String,
    pub(super) filter: Filter,
}

impl GroupBy {
    /// Returns the value of a row, if it has one.
    pub(super) fn value(&self, of: &Attributes<'_>) -> Option<GroupValue> {
        let named = |value: &str, filter: fn(String) -> Filter| {
            let value = value.to_owned();
            GroupValue { filter: filter(value.clone()), value }
        };
        match self {
            Self::Namespace => of.namespace.map(|value| named(value, Filter::namespace)),
            Self::Session => of.session.map(|value| named(value, Filter::session)),
            Self::Kind => of.kind.map(|value| named(value, Filter::kind)),
            Self::Key => of.key.map(|value| named(value, Filter::key)),
            Self::Field(name) => {
                let json = std::str::from_utf8(of.json?).ok()?;
                let value = fields::get(json, name).filter(|value| *value != FieldValue::Null)?;
                let value = whole(value);
                let text = match &value {
                    FieldValue::Text(text) => text.clone(),
                    other => other.to_json()?,
                };
                let filter = Filter::field(fields::path_of_key(name)).eq(value);
                Some(GroupValue { value: text, filter })
            }
        }
    }
}

/// Numbers below this are floats exactly.
const EXACT: f64 = (1u64 << 53) as f64;

/// Returns a float that is a whole number as that number: both are equal, so they are one group.
fn whole(value: FieldValue) -> FieldValue {
    match value {
        FieldValue::Float(float) if float.fract() == 0.0 && float.abs() < EXACT => {
            FieldValue::Integer(float as i64)
        }
        other => other,
    }
}
