//! Owns `Scalar`: a value that a text holds at a path, and its key. Keys are bytes that sort by
//! type and then by value. Columns of segments store them: see `format.md`, "Fields".

use std::borrow::Cow;

use super::number::Number;
use crate::clock::Timestamp;

/// The first byte of a key: the type.
pub(crate) mod tag {
    /// An object or a list. It exists and equals nothing.
    pub(crate) const CONTAINER: u8 = 0;
    pub(crate) const NULL: u8 = 1;
    pub(crate) const BOOL: u8 = 2;
    pub(crate) const NUMBER: u8 = 3;
    pub(crate) const TEXT: u8 = 4;
    /// The id of a memory. No JSON value has it.
    pub(crate) const ID: u8 = 5;
}

/// One value in a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Container,
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    /// Calls `with` with the type and the bytes of the key behind it.
    pub(crate) fn with_key<T>(&self, with: impl FnOnce(u8, &[u8]) -> T) -> T {
        match self {
            Self::Container => with(tag::CONTAINER, &[]),
            Self::Null => with(tag::NULL, &[]),
            Self::Bool(value) => with(tag::BOOL, &[u8::from(*value)]),
            Self::Number(number) => with(tag::NUMBER, &number.bytes()),
            Self::Text(text) => with(tag::TEXT, text.as_bytes()),
        }
    }

    /// Returns the key.
    pub(crate) fn key(&self) -> Vec<u8> {
        self.with_key(|tag, bytes| [&[tag], bytes].concat())
    }

    /// Returns the moment that the value means where a time is expected: a number is milliseconds,
    /// a text is RFC 3339.
    pub(crate) fn as_time(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => time_of(text),
            _ => None,
        }
    }
}

/// Returns the milliseconds of a text that is a moment.
pub(crate) fn time_of(text: &str) -> Option<Number> {
    let at: Timestamp = text.parse().ok()?;
    Some(Number::of_signed(at.as_millis()))
}

/// Returns the key of a text.
pub(crate) fn text_key(text: &str) -> Vec<u8> {
    Scalar::Text(Cow::Borrowed(text)).key()
}

/// Returns the key of a memory's id.
pub(crate) fn id_key(id: u128) -> Vec<u8> {
    let mut key = vec![tag::ID];
    key.extend((0..16).map(|i| (id >> (120 - 8 * i)) as u8));
    key
}
