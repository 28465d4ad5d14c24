//! Owns how a moment is written for others to read, with `serde`. In text it is a number of
//! milliseconds where every reader keeps it exact, and a string of digits where some would round it:
//! JavaScript does so from 2^53 on. Binary formats have its stored form.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

/// Numbers up to here, either side of zero, are exact in every reader of JSON.
const EXACT: i128 = (1 << 53) - 1;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = i128::from(self.0);
        if serializer.is_human_readable() && !(-EXACT..=EXACT).contains(&millis) {
            return serializer.collect_str(&millis);
        }
        if serializer.is_human_readable() {
            return serializer.serialize_newtype_struct("Timestamp", &self.0);
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

/// A number, or a string of one.
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
        f.write_str("a moment: milliseconds since 1970, as a number or a string")
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Timestamp, E> {
        // Versions before wrote an open end of time like this.
        if millis == u64::MAX {
            return Ok(Timestamp::MAX);
        }
        Self::moment(millis.into())
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Timestamp, E> {
        Self::moment(millis.into())
    }

    fn visit_str<E: Error>(self, millis: &str) -> Result<Timestamp, E> {
        let number = millis.parse::<i128>();
        Self::moment(
            number
                .map_err(|_| E::custom(format_args!("{millis:?} is no number of milliseconds")))?,
        )
    }
}
