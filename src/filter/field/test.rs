//! Owns `FieldTest`: what a value at the path of a field must be like, as plain data.

use serde::{Deserialize, Serialize};

use crate::fields::{FieldValue, PathFault};

/// What a value at the path of a field must be like. See [`crate::Filter::field`] for the meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FieldTest {
    /// There is a value, also null, an object or a list.
    Exists,
    /// It equals this one.
    Eq(FieldValue),
    /// There is a value, and none equals this one.
    Ne(FieldValue),
    /// It is less than this one.
    Lt(FieldValue),
    /// It is at most this one.
    Le(FieldValue),
    /// It is greater than this one.
    Gt(FieldValue),
    /// It is at least this one.
    Ge(FieldValue),
    /// It is at least the first and at most the second.
    Between(FieldValue, FieldValue),
    /// It equals one of these.
    OneOf(Vec<FieldValue>),
    /// There is a value, and none equals one of these.
    NoneOf(Vec<FieldValue>),
    /// It is a list with an element that equals this one, or a text of which this text is a part.
    Contains(FieldValue),
    /// It is a text that begins with this one.
    StartsWith(String),
}

/// Why a filter on a field is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    Path(PathFault),
    Test(String),
}
