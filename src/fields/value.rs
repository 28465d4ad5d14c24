//! Owns `FieldValue`: a value of a field as callers write it, and its form in `serde` and in JSON.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::Number;
use super::scalar::{Scalar, tag, text_key};
use crate::clock::Timestamp;

/// A value of a field of JSON metadata: what [`Filter::field`](crate::Filter::field) compares with,
/// and what [`Memory::field`](crate::Memory::field) stores.
///
/// Whole numbers, floats, texts, times and `bool` convert into it, and so does `Option`, where
/// `None` is null.
///
/// In JSON a value is itself, and a time is `{"Time": "2026-05-01T09:30:00Z"}`.
///
/// ```
/// use altiplano::{FieldValue, Timestamp};
/// assert_eq!(FieldValue::from(5u8), FieldValue::Integer(5));
/// assert_eq!(FieldValue::from(u64::MAX), FieldValue::Unsigned(u64::MAX));
/// assert_eq!(FieldValue::from("tea"), FieldValue::Text("tea".into()));
/// let list: Vec<FieldValue> = serde_json::from_str(r#"[null, true, 5, 2.5, "tea"]"#).unwrap();
/// assert_eq!(list[2..4], [5.into(), 2.5.into()]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FieldValue {
    /// Nothing: the JSON value `null`.
    Null,
    /// True or false. It equals no number.
    Bool(bool),
    /// A whole number. It equals a float of the same size.
    Integer(i64),
    /// A whole number above `i64::MAX`. A smaller one is the same as an [`FieldValue::Integer`].
    Unsigned(u64),
    /// A float, not NaN.
    Float(f64),
    /// A text. Texts are ordered by their bytes.
    Text(String),
    /// A moment. In a filter it says that the field is a time: RFC 3339 text, or a number of
    /// milliseconds since 1970. As a field it is stored as RFC 3339 text.
    Time(Timestamp),
}

// The getters.
impl FieldValue {
    /// Returns a whole number that an `i64` holds. `None` for everything else, also for a float.
    ///
    /// ```
    /// use altiplano::FieldValue;
    /// assert_eq!(FieldValue::from(5).as_i64(), Some(5));
    /// assert_eq!(FieldValue::from(5).as_f64(), Some(5.0));
    /// assert_eq!(FieldValue::from(5.0).as_i64(), None);
    /// assert_eq!(FieldValue::from("tea").as_str(), Some("tea"));
    /// assert_eq!(FieldValue::from(true).as_bool(), Some(true));
    /// assert!(FieldValue::from(None::<i32>).is_null());
    /// ```
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns a number as a float. A whole number of more than 53 bits is rounded. `None` for what
    /// is no number.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Unsigned(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns a text. A time that was stored in a field is read back as its RFC 3339 text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a bool.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns true for null.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl FieldValue {
    /// Returns the key of the value, or of the number of milliseconds of a time.
    pub(crate) fn key(&self) -> Vec<u8> {
        let number = |number: Number| Scalar::Number(number).key();
        match self {
            Self::Null => Scalar::Null.key(),
            Self::Bool(value) => Scalar::Bool(*value).key(),
            Self::Integer(value) => number(Number::of_signed(*value)),
            Self::Unsigned(value) => number(Number::of_unsigned(*value)),
            Self::Float(value) => number(Number::of_float(*value)),
            Self::Text(text) => text_key(text),
            Self::Time(at) => number(Number::of_signed(at.as_millis())),
        }
    }

    /// Returns the type that the value's key begins with.
    pub(crate) const fn tag(&self) -> u8 {
        match self {
            Self::Null => tag::NULL,
            Self::Bool(_) => tag::BOOL,
            Self::Text(_) => tag::TEXT,
            Self::Integer(_) | Self::Unsigned(_) | Self::Float(_) | Self::Time(_) => tag::NUMBER,
        }
    }

    /// Returns true for a float that is NaN.
    pub(crate) const fn is_nan(&self) -> bool {
        matches!(self, Self::Float(value) if value.is_nan())
    }

    /// Returns the value as JSON text; `None` for NaN and infinity, which JSON does not have.
    pub(crate) fn to_json(&self) -> Option<String> {
        match self {
            Self::Null => Some("null".to_owned()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Integer(value) => Some(value.to_string()),
            Self::Unsigned(value) => Some(value.to_string()),
            Self::Float(value) if value.is_finite() => serde_json::to_string(value).ok(),
            Self::Float(_) => None,
            Self::Text(text) => serde_json::to_string(text).ok(),
            Self::Time(at) => Some(format!("\"{at}\"")),
        }
    }
}

impl fmt::Display for FieldValue {
    /// Shows the value as JSON, a time as RFC 3339.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(value) if !value.is_finite() => value.fmt(f),
            Self::Time(at) => at.fmt(f),
            other => f.write_str(&other.to_json().unwrap_or_default()),
        }
    }
}

macro_rules! from {
    ($variant:ident as $target:ty: $($type:ty),*) => {$(
        impl From<$type> for FieldValue {
            fn from(value: $type) -> Self {
                Self::$variant(<$target>::from(value))
            }
        }
    )*};
}

from!(Bool as bool: bool);
from!(Integer as i64: i8, i16, i32, i64, u8, u16, u32);
from!(Float as f64: f32, f64);
from!(Text as String: &str, String, &String, char, Box<str>, std::borrow::Cow<'_, str>);
from!(Time as Timestamp: Timestamp, std::time::SystemTime);

impl From<u64> for FieldValue {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Unsigned(value), Self::Integer)
    }
}

impl From<usize> for FieldValue {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<isize> for FieldValue {
    fn from(value: isize) -> Self {
        Self::Integer(value as i64)
    }
}

impl<T: Into<Self>> From<Option<T>> for FieldValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The value in formats that are not for people: the variants in order.
#[derive(Serialize, Deserialize)]
enum Stored {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    Time(Timestamp),
}

impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            return match self.clone() {
                Self::Null => Stored::Null,
                Self::Bool(value) => Stored::Bool(value),
                Self::Integer(value) => Stored::Integer(value),
                Self::Unsigned(value) => Stored::Unsigned(value),
                Self::Float(value) => Stored::Float(value),
                Self::Text(value) => Stored::Text(value),
                Self::Time(value) => Stored::Time(value),
            }
            .serialize(s);
        }
        match self {
            Self::Null => s.serialize_unit(),
            Self::Bool(value) => s.serialize_bool(*value),
            Self::Integer(value) => s.serialize_i64(*value),
            Self::Unsigned(value) => s.serialize_u64(*value),
            Self::Float(value) if value.is_finite() => s.serialize_f64(*value),
            Self::Float(_) => Err(S::Error::custom("a value of a field is NaN or infinity")),
            Self::Text(text) => s.serialize_str(text),
            Self::Time(at) => {
                let mut map = s.serialize_map(Some(1))?;
                map.serialize_entry(TIME, at)?;
                map.end()
            }
        }
    }
}

const TIME: &str = "Time";

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return d.deserialize_any(Read);
        }
        Ok(match Stored::deserialize(d)? {
            Stored::Null => Self::Null,
            Stored::Bool(value) => Self::Bool(value),
            Stored::Integer(value) => Self::Integer(value),
            Stored::Unsigned(value) => Self::Unsigned(value),
            Stored::Float(value) => Self::Float(value),
            Stored::Text(value) => Self::Text(value),
            Stored::Time(value) => Self::Time(value),
        })
    }
}

/// Reads a value of a text format.
struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = FieldValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a bool, a number, a text, or a time as {\"Time\": ..}")
    }

    fn visit_unit<E>(self) -> Result<FieldValue, E> {
        Ok(FieldValue::Null)
    }

    fn visit_none<E>(self) -> Result<FieldValue, E> {
        Ok(FieldValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<FieldValue, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<FieldValue, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<FieldValue, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<FieldValue, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<FieldValue, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<FieldValue, E> {
        Ok(value.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldValue, A::Error> {
        let kind: Option<String> = map.next_key()?;
        if kind.as_deref() != Some(TIME) {
            return Err(A::Error::custom("an object as a value of a field has one key, `Time`"));
        }
        let at = map.next_value()?;
        match map.next_key::<String>()? {
            None => Ok(FieldValue::Time(at)),
            Some(_) => Err(A::Error::custom("a time as a value of a field has one key, `Time`")),
        }
    }
}
