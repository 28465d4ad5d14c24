//! Owns the `serde` form of a moment: the text of `text` in human-readable formats, the stored form
//! elsewhere. Numbers of milliseconds are read as well, because earlier versions wrote them.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        serializer.serialize_newtype_struct("Timestamp", &self.to_bits())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(Text);
        }
        deserializer.deserialize_newtype_struct("Timestamp", Binary)
    }
}

struct Binary;

impl<'de> Visitor<'de> for Binary {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment in milliseconds")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(d).map(Timestamp::from_bits)
    }
}

/// Reads RFC 3339, or a number of milliseconds, as a string or as a number.
struct Text;

impl Text {
    fn moment<E: Error>(millis: i128) -> Result<Timestamp, E> {
        let out_of_range = |_| E::custom(format_args!("{millis} ms is no moment"));
        millis.try_into().map(Timestamp::from_millis).map_err(out_of_range)
    }
}

impl Visitor<'_> for Text {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment: RFC 3339, or milliseconds since 1970")
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Timestamp, E> {
        // Earlier versions wrote an open end of time like this.
        if millis == u64::MAX {
            return Ok(Timestamp::MAX);
        }
        Self::moment(millis.into())
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Timestamp, E> {
        Self::moment(millis.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }
}
