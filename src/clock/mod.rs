//! Owns the notion of time: `Timestamp` and the `Clock` that gives it. The only place that asks the
//! system for the time. `high_water` says how far the clock is believed. Knows nothing of expiry; see
//! `memory::expiry` for what time does to a memory.

mod high_water;
mod interchange;

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use high_water::HighWater;

use crate::sync::lock_std;

/// A moment: whole milliseconds since 1970-01-01T00:00:00Z, less than zero before that.
///
/// Under `serde` it is a number of milliseconds in formats for people, such as JSON, and a string of digits
/// where some readers would round it; elsewhere eight bytes.
///
/// ```
/// use altiplano::Timestamp;
/// use std::time::{Duration, SystemTime};
/// let t = Timestamp::from_millis(1_000) + Duration::from_secs(2);
/// assert_eq!(t.as_millis(), 3_000);
/// let year = Duration::from_secs(365 * 86_400);
/// let before_1970 = Timestamp::from(SystemTime::UNIX_EPOCH - year);
/// assert!(before_1970 < Timestamp::EPOCH);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Set in the stored form of a moment before 1970.
const BEFORE: u64 = 1 << 63;
/// Stored numbers from here on mean [`Timestamp::MAX`], as they did when no time could be negative.
const BEYOND: u64 = u64::MAX - (1 << 56) + 1;

impl Timestamp {
    /// The first moment that can be named, 290 million years before 1970.
    pub const MIN: Self = Self(i64::MIN + (1 << 56) + 1);
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);
    /// Later than every real moment: it stands for "never" and "without end".
    pub const MAX: Self = Self(i64::MAX);

    /// A moment from milliseconds since 1970; those before it are negative. What lies before
    /// [`Timestamp::MIN`] becomes that.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::MIN.0 { Self::MIN } else { Self(millis) }
    }

    /// Milliseconds since 1970; negative before it.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        if self.0 <= earlier.0 {
            return Duration::ZERO;
        }
        Duration::from_millis(self.0.abs_diff(earlier.0))
    }

    /// The stored form: milliseconds since 1970, or before it with the highest bit set. All ones for
    /// [`Timestamp::MAX`].
    pub(crate) const fn to_bits(self) -> u64 {
        match self {
            Self::MAX => u64::MAX,
            Self(millis) if millis >= 0 => millis.unsigned_abs(),
            Self(millis) => BEFORE | millis.unsigned_abs(),
        }
    }

    /// What [`Timestamp::to_bits`] made. Numbers of an older version, which knew no time before 1970,
    /// mean what they meant, if only [`Timestamp::MAX`] for all that are near their end.
    pub(crate) fn from_bits(bits: u64) -> Self {
        match bits {
            BEYOND.. => Self::MAX,
            _ => {
                let millis = i64::try_from(bits & !BEFORE).unwrap_or(i64::MAX);
                Self(if bits & BEFORE == 0 { millis } else { -millis })
            }
        }
    }

    /// The stored form of a mark: as [`Timestamp::to_bits`], but 0 for [`Timestamp::MIN`], which
    /// stands for "not known", and a zero before 1970 for the epoch.
    pub(crate) fn to_mark_bits(self) -> u64 {
        match self {
            Self::MIN => 0,
            Self::EPOCH => BEFORE,
            _ => self.to_bits(),
        }
    }

    /// What [`Timestamp::to_mark_bits`] made.
    pub(crate) fn from_mark_bits(bits: u64) -> Self {
        if bits == 0 { Self::MIN } else { Self::from_bits(bits) }
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    /// Leaves out what is less than a millisecond, and stops at [`Timestamp::MAX`].
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    /// Leaves out what is less than a millisecond, and stops at [`Timestamp::MIN`].
    fn sub(self, d: Duration) -> Self {
        let millis = u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_sub_unsigned(millis))
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounds down to a whole millisecond. What cannot be named becomes [`Timestamp::MIN`] or
    /// [`Timestamp::MAX`].
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

impl fmt::Display for Timestamp {
    /// Milliseconds since 1970.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Where a store gets the time from. Give a [`ManualClock`] to make tests and simulations repeat.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock. It may jump either way.
    fn wall(&self) -> Timestamp;
    /// Time since some fixed point; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
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
    /// A clock that shows `wall`.
    pub const fn new(wall: Timestamp) -> Self {
        Self { now: Mutex::new((wall, Duration::ZERO)) }
    }

    /// Moves both the wall clock and the monotonic clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        *now = (now.0 + by, now.1.saturating_add(by));
    }

    /// Sets the wall clock alone, to any moment, as an operator or a time service would.
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
            // A mark at the epoch came back as none, and another manifest with it.
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
    fn json_has_milliseconds_and_reads_the_end_of_time_of_older_versions() {
        let json = serde_json::to_string(&Timestamp(-5)).unwrap();
        assert_eq!(json, "-5");
        assert_eq!(serde_json::from_str::<Timestamp>("-5").unwrap(), Timestamp(-5));
        let never: Timestamp = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!(never, Timestamp::MAX);
    }
}
