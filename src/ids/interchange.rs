//! Owns the `serde` form of an id. It is a string of digits in text formats, because many readers
//! of JSON round large numbers. In binary formats it is a plain number.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MemoryId;

impl Serialize for MemoryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        serializer.serialize_newtype_struct("MemoryId", &self.0)
    }
}

impl<'de> Deserialize<'de> for MemoryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(Text);
        }
        deserializer.deserialize_newtype_struct("MemoryId", Binary)
    }
}

struct Binary;

impl<'de> Visitor<'de> for Binary {
    type Value = MemoryId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id of 128 bits")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<MemoryId, D::Error> {
        u128::deserialize(d).map(MemoryId)
    }
}

/// Reads a whole number, as a string or as a number.
struct Text;

impl Visitor<'_> for Text {
    type Value = MemoryId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an id: a whole number from 0 to 2^128 - 1, as a string or, if small, a number; or a UUID",
        )
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<MemoryId, E> {
        Ok(id.into())
    }

    fn visit_i64<E: Error>(self, id: i64) -> Result<MemoryId, E> {
        let id = u64::try_from(id).map_err(|_| E::invalid_value(Unexpected::Signed(id), &self))?;
        Ok(id.into())
    }

    fn visit_u128<E: Error>(self, id: u128) -> Result<MemoryId, E> {
        Ok(MemoryId(id))
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<MemoryId, E> {
        id.parse().map_err(E::custom)
    }
}
