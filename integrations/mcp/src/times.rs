//! Owns how moments and spans of time are read from the arguments of a model.

use std::time::Duration;

use altiplano::Timestamp;

use crate::error::ToolError;

const DAY: u64 = 86_400;
/// The units of a span, in seconds.
const UNITS: [(&str, u64); 16] = [
    ("s", 1),
    ("sec", 1),
    ("second", 1),
    ("m", 60),
    ("min", 60),
    ("minute", 60),
    ("h", 3_600),
    ("hour", 3_600),
    ("d", DAY),
    ("day", DAY),
    ("w", 7 * DAY),
    ("week", 7 * DAY),
    ("month", 30 * DAY),
    ("mo", 30 * DAY),
    ("y", 365 * DAY),
    ("year", 365 * DAY),
];

/// Reads a span of time, such as `30m`, `12h`, `90d`, `2 weeks`.
///
/// # Errors
///
/// A text that is none, and a span of zero or of more than a thousand years.
pub fn span(name: &str, text: &str) -> Result<Duration, ToolError> {
    let wrong = || {
        let example = "is no span of time; write a number with s, m, h, d, w or y, such as \"90d\"";
        ToolError::argument(name, format!("{text:?} {example}"))
    };
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let find = |unit: &str| UNITS.iter().find(|(name, _)| *name == unit);
    let (_, seconds) = find(&unit).or_else(|| find(unit.strip_suffix('s')?)).ok_or_else(wrong)?;
    match number.checked_mul(*seconds) {
        Some(0) => {
            Err(ToolError::argument(name, "a span of zero; leave it out, or write \"never\""))
        }
        Some(seconds) if seconds <= 1_000 * 365 * DAY => Ok(Duration::from_secs(seconds)),
        _ => Err(ToolError::argument(name, "the span is longer than 1,000 years")),
    }
}

/// Reads a moment: RFC 3339, a date, or a span such as `7d`, which means that long before `now`.
///
/// # Errors
///
/// A text that is none of these.
pub fn moment(name: &str, text: &str, now: Timestamp) -> Result<Timestamp, ToolError> {
    let text = text.trim();
    let is_date = text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    let whole = if is_date { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only && let Ok(at) = whole.parse() {
        return Ok(at);
    }
    let ago = span(name, text).map_err(|_| {
        let forms = "\"2026-05-01T09:30:00Z\", \"2026-05-01\", or \"7d\" for 7 days ago";
        ToolError::argument(name, format!("{text:?} is no moment; write {forms}"))
    })?;
    let millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_millis(now.as_millis().saturating_sub(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_many_spellings() {
        for (text, seconds) in [
            ("90d", 90 * DAY),
            ("1 hour", 3_600),
            ("2 weeks", 14 * DAY),
            ("30S", 30),
            ("5 mins", 300),
            (" 1y ", 365 * DAY),
        ] {
            assert_eq!(span("ttl", text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for wrong in ["", "90", "d", "0d", "-1d", "1.5h", "99999999999999999999d", "999999y", "5 q"]
        {
            assert!(span("ttl", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_dates_times_or_so_long_ago() {
        let now = "2026-05-10T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-05-01", "2026-05-01T00:00:00Z"),
            ("2026-05-01T11:30:00+02:00", "2026-05-01T09:30:00Z"),
            ("7d", "2026-05-03T00:00:00Z"),
        ] {
            assert_eq!(moment("since", text, now).unwrap().to_string(), expected);
        }
        for wrong in ["yesterday", "1777628096789", "2026-13-01", "äöüäöüäöü"] {
            assert!(moment("since", wrong, now).is_err(), "{wrong}");
        }
    }
}
