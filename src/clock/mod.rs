//! Owns time: `Timestamp`, and the `Clock` that returns it. The only place that asks the system for
//! the time. `high_water` decides how far the clock is believed. Knows nothing of expiry: see
//! `memory::expiry`.

mod doubt;
mod high_water;
mod interchange;
mod text;

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use high_water::HighWater;

use crate::sync::lock_std;
pub use doubt::ClockDoubt;

/// A moment: whole milliseconds since 1970-01-01T00:00:00Z, negative before that.
///
/// It is displayed as RFC 3339 in UTC, such as `2026-05-01T09:30:00Z`, and parsed from that.
/// Outside the years -9999 to 9999 it is a whole number of milliseconds. With `serde` it is that
/// text in human-readable formats such as JSON, where numbers of milliseconds are read as well. In
/// other formats it is eight bytes.
///
/// There is no `Timestamp::now()`. A store has its own time, [`Store::now`](crate::Store::now), so
/// that tests and simulations are repeatable.
///
/// ```
/// use altiplano::Timestamp;
/// use std::time::{Duration, SystemTime};
/// let t = Timestamp::from_millis(1_000) + Duration::from_secs(2);
/// assert_eq!(t.as_millis(), 3_000);
/// assert_eq!(t.to_string(), "1970-01-01T00:00:03Z");
/// assert_eq!("1970-01-01T00:00:03Z".parse::<Timestamp>()?, t);
/// assert_eq!(SystemTime::try_from(t)?, SystemTime::UNIX_EPOCH + Duration::from_secs(3));
/// let year = Duration::from_secs(365 * 86_400);
/// let before_1970 = Timestamp::from(SystemTime::UNIX_EPOCH - year);
/// assert!(before_1970 < Timestamp::EPOCH);
/// # Ok::<(), altiplano::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The bit that is set in the stored form of a moment before 1970.
const BEFORE: u64 = 1 << 63;
/// Stored numbers from here on mean [`Timestamp::MAX`]. Older versions had no negative time and
/// wrote such numbers for it.
const BEYOND: u64 = u64::MAX - (1 << 56) + 1;

impl Timestamp {
    /// The first moment that can be represented, 290 million years before 1970.
    pub const MIN: Self = Self(i64::MIN + (1 << 56) + 1);
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);
    /// Later than every real moment; stands for "never" and "without end".
    pub const MAX: Self = Self(i64::MAX);

    /// Returns the moment this many milliseconds after 1970, or before it if negative. A moment
    /// before [`Timestamp::MIN`] becomes `MIN`.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::MIN.0 { Self::MIN } else { Self(millis) }
    }

    /// Returns the milliseconds since 1970; negative before it.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the time from `earlier` to this moment; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        if self.0 <= earlier.0 {
            return Duration::ZERO;
        }
        Duration::from_millis(self.0.abs_diff(earlier.0))
    }

    /// Returns the stored form: milliseconds since 1970, or milliseconds before it with the highest
    /// bit set. All ones for [`Timestamp::MAX`].
    pub(crate) const fn to_bits(self) -> u64 {
        match self {
            Self::MAX => u64::MAX,
            Self(millis) if millis >= 0 => millis.unsigned_abs(),
            Self(millis) => BEFORE | millis.unsigned_abs(),
        }
    }

    /// Reads the output of [`Timestamp::to_bits`]. Numbers of an older version, which knew no time
    /// before 1970, keep their meaning; only those near their end all become [`Timestamp::MAX`].
    pub(crate) fn from_bits(bits: u64) -> Self {
        match bits {
            BEYOND.. => Self::MAX,
            _ => {
                let millis = i64::try_from(bits & !BEFORE).unwrap_or(i64::MAX);
                Self(if bits & BEFORE == 0 { millis } else { -millis })
            }
        }
    }

    /// Returns the stored form of a mark. It is [`Timestamp::to_bits`] with two exceptions: 0 for
    /// [`Timestamp::MIN`], which stands for "not known", and zero before 1970 for the epoch.
    pub(crate) fn to_mark_bits(self) -> u64 {
        match self {
            Self::MIN => 0,
            Self::EPOCH => BEFORE,
            _ => self.to_bits(),
        }
    }

    /// Reads the output of [`Timestamp::to_mark_bits`].
    pub(crate) fn from_mark_bits(bits: u64) -> Self {
        if bits == 0 { Self::MIN } else { Self::from_bits(bits) }
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    /// Drops fractions of a millisecond, and stops at [`Timestamp::MAX`].
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    /// Drops fractions of a millisecond, and stops at [`Timestamp::MIN`].
    fn sub(self, d: Duration) -> Self {
        let millis = u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_sub_unsigned(millis))
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounds down to a whole millisecond. Moments that cannot be represented become
    /// [`Timestamp::MIN`] or [`Timestamp::MAX`].
    fn from(t: SystemTime) -> Self {
        match t.duration_since(UNIX_EPOCH) {
            Ok(since) => Self::EPOCH + since,
            Err(before) => {
                let before = before.duration();
                Self::EPOCH - before.saturating_add(Duration::from_nanos(999_999))
            }
        }
    }
}

/// The source of a store's time. Use a [`ManualClock`] to make tests and simulations repeatable.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the wall clock. It may jump either way.
    fn wall(&self) -> Timestamp;
    /// Returns the time since some fixed point; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Returns a clock whose monotonic time starts now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn wall(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when told to.
///
/// ```
/// use altiplano::{Clock, ManualClock, Timestamp};
/// use std::time::Duration;
/// let clock = ManualClock::new(Timestamp::from_millis(1_000));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.wall().as_millis(), 2_000);
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// Returns a clock that shows `wall`.
    pub const fn new(wall: Timestamp) -> Self {
        Self { now: Mutex::new((wall, Duration::ZERO)) }
    }

    /// Advances both the wall clock and the monotonic clock.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        *now = (now.0 + by, now.1.saturating_add(by));
    }

    /// Sets only the wall clock, to any moment, as an operator or a time service would.
    pub fn set_wall(&self, wall: Timestamp) {
        self.lock().0 = wall;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        lock_std(&self.now)
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bits() {
        let bits = [
            (Timestamp::MIN, u64::MAX - (1 << 56)),
            (Timestamp(-1000), (1 << 63) | 1000),
            (Timestamp(-1), (1 << 63) | 1),
            (Timestamp::EPOCH, 0),
            (Timestamp(1000), 1000),
            (Timestamp(i64::MAX - 1), (1 << 63) - 2),
            (Timestamp::MAX, u64::MAX),
        ];
        for (at, expected) in bits {
            assert_eq!(at.to_bits(), expected, "{at}");
        }
    }

    #[test]
    fn bits_come_back_and_old_ones_near_the_end_mean_never() {
        let year = 31_557_600_000;
        let first = Timestamp::MIN.as_millis();
        for millis in
            [first, first + 1, -10_000 * year, -year, -1, 0, 1, year, i64::MAX - 1, i64::MAX]
        {
            let at = Timestamp(millis);
            assert_eq!(Timestamp::from_bits(at.to_bits()), at);
            // Regression: a mark at the epoch was read back as none, which changed the manifest.
            assert_eq!(Timestamp::from_mark_bits(at.to_mark_bits()), at);
        }
        assert_eq!(Timestamp::from_millis(i64::MIN), Timestamp::MIN);
        assert!(Timestamp::MIN < Timestamp(-289_000_000 * year));
        for bits in [u64::MAX, u64::MAX - 1, u64::MAX - 1_000_000 * year.unsigned_abs()] {
            assert_eq!(Timestamp::from_bits(bits), Timestamp::MAX);
        }
        assert_eq!(Timestamp::from_bits((1 << 63) - 1), Timestamp::MAX);
    }

    #[test]
    fn system_times_round_down_on_both_sides_of_1970() {
        let micros = Duration::from_micros;
        let at = |t: SystemTime| Timestamp::from(t).as_millis();
        assert_eq!(at(UNIX_EPOCH + micros(1_999)), 1);
        assert_eq!(at(UNIX_EPOCH - micros(1_999)), -2);
        assert_eq!(at(UNIX_EPOCH - micros(2_000)), -2);
        assert_eq!(at(UNIX_EPOCH - micros(1)), -1);
        assert_eq!(at(UNIX_EPOCH), 0);
    }

    #[test]
    fn time_between_moments_is_never_negative_and_ends_saturate() {
        let (early, late) = (Timestamp(-5), Timestamp(7));
        assert_eq!(late.since(early), Duration::from_millis(12));
        assert_eq!(early.since(late), Duration::ZERO);
        let all = Duration::from_millis(u64::MAX - (1 << 56) - 1);
        assert_eq!(Timestamp::MAX.since(Timestamp::MIN), all);
        assert_eq!(Timestamp::MIN + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::MAX - Duration::MAX, Timestamp::MIN);
    }

    #[test]
    fn json_has_rfc_3339_and_reads_what_older_versions_wrote() {
        let json = serde_json::to_string(&Timestamp(-5)).unwrap();
        assert_eq!(json, "\"1969-12-31T23:59:59.995Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), Timestamp(-5));
        assert_eq!(serde_json::from_str::<Timestamp>("-5").unwrap(), Timestamp(-5));
        let never: Timestamp = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!(never, Timestamp::MAX);
    }
}
