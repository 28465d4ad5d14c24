//! Owns the text form of a moment: RFC 3339 in UTC, or a whole number of milliseconds where RFC
//! 3339 has no form.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Timestamp;
use crate::value_error::ValueError;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => moment.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ValueError;

    /// Parses the output of [`Display`](fmt::Display), and RFC 3339 with any offset. It is rounded
    /// down to a whole millisecond. Returns [`ValueError`] for anything else.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Ok(millis) = text.parse() {
            return Ok(Self::from_millis(millis));
        }
        let moment: jiff::Timestamp = text.parse().map_err(|_| {
            let expected = "neither a moment, such as 2026-05-01T09:30:00Z, nor milliseconds";
            ValueError::new("time", format!("{text:?} is {expected}"))
        })?;
        let nanos = moment.as_nanosecond().div_euclid(1_000_000);
        Ok(Self::from_millis(i64::try_from(nanos).unwrap_or(i64::MAX)))
    }
}

impl TryFrom<Timestamp> for SystemTime {
    type Error = ValueError;

    /// Returns [`ValueError`] for a moment that the system's clock cannot represent.
    fn try_from(at: Timestamp) -> Result<Self, ValueError> {
        let distance = Duration::from_millis(at.0.unsigned_abs());
        let time = match at >= Timestamp::EPOCH {
            true => UNIX_EPOCH.checked_add(distance),
            false => UNIX_EPOCH.checked_sub(distance),
        };
        time.ok_or_else(|| ValueError::new("time", format!("the system cannot name {at}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_and_is_rfc_3339_in_the_years_that_have_it() {
        let year = 31_557_600_000;
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_500, "1970-01-01T00:00:01.5Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_777_628_096_789, "2026-05-01T09:34:56.789Z"),
            (10_000 * year, "315576000000000"),
            (i64::MAX, "9223372036854775807"),
        ] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(at.to_string(), expected);
            assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
        let offset = "2026-05-01T11:34:56.789999+02:00".parse::<Timestamp>().unwrap();
        assert_eq!(offset.to_string(), "2026-05-01T09:34:56.789Z");
        for wrong in ["", "today", "2026-13-01T00:00:00Z", "12 ms"] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }
}
