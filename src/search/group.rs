//! Owns the attributes by which results are grouped. `answer` forms the groups.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::fields::{self, FieldValue, Path};
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
    /// The field at this path of JSON metadata, as in [`Filter::field`], for example
    /// `source.channel` or `people[0]`. A path with `[*]` is refused. Lists, objects and null are
    /// in no group.
    ///
    /// [`Filter::field`]: crate::Filter::field
    Field(String),
}

/// The value of a group, and the filter for its memories.
pub(super) struct GroupValue {
    /// The text, or another value as JSON.
    pub(super) value: String,
    pub(super) filter: Filter,
}

impl GroupBy {
    /// Fails for a path that cannot be read, or that may name several values of one memory.
    pub(super) fn check(&self) -> Result<()> {
        let Self::Field(path) = self else { return Ok(()) };
        // The filter refuses a path with the same words everywhere.
        Filter::field(path).exists().check()?;
        if Path::parse(path).is_ok_and(|path| path.names_many()) {
            let reason = "names several values, so a memory would be in several groups";
            let way_out = "name one, as in tags[0]";
            return Err(Error::option("group_by", format!("{path:?} {reason}; {way_out}")));
        }
        Ok(())
    }

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
            Self::Field(path) => {
                let json = std::str::from_utf8(of.json?).ok()?;
                let value = fields::values(json, &Path::parse(path).ok()?).pop();
                let value = whole(value.filter(|value| *value != FieldValue::Null)?);
                let text = match &value {
                    FieldValue::Text(text) => text.clone(),
                    other => other.to_json()?,
                };
                let filter = Filter::field(path).eq(value);
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
