//! Owns the high-water mark of time: which "now" may hide memories and which may destroy them.
//! Pure.
//!
//! A clock that jumps forward may hide memories, but it must not make the compactor destroy them.
//! So the mark used for reclaiming is at most one day ahead of the monotonic time that passed,
//! however many commits and opens there are. A clock that stays further ahead for a day of its own
//! time, without being set back, is believed. This is needed because a clock also looks too far
//! ahead after a store was closed for long.

use std::time::Duration;

use super::Timestamp;
use crate::sabotage::broken;

/// Most that the high-water mark may be ahead of the monotonic time that passed.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);
/// A clock that is further ahead than that is believed after this long.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The high-water mark of time: the latest moment that a commit has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HighWater {
    mark: Timestamp,
    /// The moment from which the bound of the mark is computed.
    base: Timestamp,
    /// Monotonic time at `base`.
    moved: Duration,
    doubt: Option<Doubt>,
}

/// The state of a clock that is further ahead than the mark may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubt {
    /// The time that the clock showed when the doubt began.
    since: Timestamp,
    /// How long ago the doubt began, at the monotonic time `from`.
    before: Duration,
    from: Duration,
}

/// Returns a moment before `Timestamp::MAX`, because that stands for "never".
fn in_time(wall: Timestamp) -> Timestamp {
    wall.min(Timestamp::MAX - Duration::from_millis(1))
}

impl HighWater {
    /// Returns a mark without a doubt; `monotonic` is now.
    pub(crate) const fn new(mark: Timestamp, monotonic: Duration) -> Self {
        Self { mark, base: mark, moved: monotonic, doubt: None }
    }

    /// Returns the state of a store that was closed with this mark, and with a clock in doubt since
    /// `doubted` (`Timestamp::MIN` means not in doubt). With a doubt, the mark is already as far
    /// ahead as allowed, so opening again does not move it further.
    pub(crate) fn left(
        mark: Timestamp,
        doubted: Timestamp,
        wall: Timestamp,
        monotonic: Duration,
    ) -> Self {
        // Marks of older versions may be later than the latest moment of this version.
        let mark = in_time(mark);
        if doubted == Timestamp::MIN {
            return Self::new(mark, monotonic);
        }
        let doubt = Doubt { since: doubted, before: in_time(wall).since(doubted), from: monotonic };
        // `Timestamp::MIN` stands for "not known", so the base must be later.
        let base = (mark - MAX_AHEAD).max(Timestamp::MIN + Duration::from_millis(1));
        Self { mark, base, moved: monotonic, doubt: Some(doubt) }
    }

    /// Returns the mark.
    pub(crate) const fn mark(self) -> Timestamp {
        self.mark
    }

    /// Returns the time that the clock showed when the doubt began; `Timestamp::MIN` without a
    /// doubt.
    pub(crate) fn doubted(self) -> Timestamp {
        self.doubt.map_or(Timestamp::MIN, |doubt| doubt.since)
    }

    /// Returns the "now" of readers, which never goes back.
    pub(crate) fn effective(self, wall: Timestamp) -> Timestamp {
        in_time(wall).max(self.mark)
    }

    /// Returns the "now" that may destroy memories: as far as the mark could advance at this
    /// moment.
    pub(crate) fn plausible(self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        broken!(DestroyByRawClock => return wall);
        self.advanced(wall, monotonic).mark
    }

    /// Returns how far the mark follows a clock that is further ahead than allowed, and how long
    /// the clock must stay ahead to be believed. `None` if there is no doubt.
    pub(crate) fn doubt(
        self,
        wall: Timestamp,
        monotonic: Duration,
    ) -> Option<(Timestamp, Duration)> {
        let next = self.advanced(wall, monotonic);
        let doubt = next.doubt?;
        let age = doubt.before.saturating_add(monotonic.saturating_sub(doubt.from));
        Some((next.mark, BELIEVED_AFTER.saturating_sub(age)))
    }

    /// Returns the mark after a user confirmed the clock: it follows at once, however far that is.
    pub(crate) fn trusted(self, wall: Timestamp, monotonic: Duration) -> Self {
        Self::new(in_time(wall).max(self.mark), monotonic)
    }

    /// Returns the mark after a commit at this moment.
    pub(crate) fn advanced(self, wall: Timestamp, monotonic: Duration) -> Self {
        let wall = in_time(wall);
        if self.base == Timestamp::MIN {
            // A new store has nothing to compare the clock with.
            return Self::new(wall.max(self.mark), monotonic);
        }
        let bound = self.base + monotonic.saturating_sub(self.moved) + MAX_AHEAD;
        if wall <= bound {
            return Self { mark: self.mark.max(wall), doubt: None, ..self };
        }
        let fresh = Doubt { since: wall, before: Duration::ZERO, from: monotonic };
        // A clock that was set back and is still ahead counts as another clock: the doubt starts
        // anew.
        let doubt = self.doubt.filter(|doubt| doubt.since <= wall).unwrap_or(fresh);
        let age = doubt.before.saturating_add(monotonic.saturating_sub(doubt.from));
        if age >= BELIEVED_AFTER {
            return Self::new(wall.max(self.mark), monotonic);
        }
        Self { mark: self.mark.max(bound), doubt: Some(doubt), ..self }
    }

    /// Returns the mark after memories expired at `now` were destroyed. Time must not go back
    /// behind it, or readers would miss what was destroyed. The bound stays the same, so repeated
    /// reclaiming does not follow a wrong clock.
    pub(crate) fn destroyed_by(self, now: Timestamp) -> Self {
        Self { mark: self.mark.max(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const ONE_DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_mark_of_a_version_whose_time_had_another_end_is_not_never() {
        let mark = Timestamp::from_mark_bits(u64::MAX - 1);
        let left = HighWater::left(mark, Timestamp::MIN, Timestamp::EPOCH, Duration::ZERO);
        assert!(left.effective(Timestamp::EPOCH) < Timestamp::MAX);
    }

    #[test]
    fn a_clock_set_back_does_not_bring_anything_back() {
        let mark = HighWater::new(Timestamp::from_millis(10 * DAY), Duration::ZERO);
        let back = Timestamp::from_millis(DAY);
        assert_eq!(mark.effective(back), Timestamp::from_millis(10 * DAY));
        assert_eq!(mark.advanced(back, Duration::ZERO).mark(), Timestamp::from_millis(10 * DAY));
    }

    #[test]
    fn a_clock_set_years_ahead_hides_but_moves_the_mark_by_a_day_only() {
        let mark = HighWater::new(Timestamp::from_millis(10 * DAY), Duration::ZERO);
        let ahead = Timestamp::from_millis(4000 * DAY);
        assert_eq!(mark.effective(ahead), ahead);
        assert_eq!(mark.plausible(ahead, Duration::ZERO), Timestamp::from_millis(11 * DAY));
    }

    #[test]
    fn commits_and_opens_without_number_do_not_follow_a_wrong_clock() {
        let mut mark = HighWater::new(Timestamp::from_millis(10 * DAY), Duration::ZERO);
        let ahead = Timestamp::from_millis(4000 * DAY);
        for n in 0..1000i64 {
            mark = mark.advanced(ahead, Duration::from_millis(n.unsigned_abs()));
            assert!(mark.mark() <= Timestamp::from_millis(11 * DAY + n));
        }
        for _ in 0..1000 {
            let opened = HighWater::left(mark.mark(), mark.doubted(), ahead, Duration::ZERO);
            mark = opened.advanced(ahead, Duration::ZERO);
            assert!(mark.mark() <= Timestamp::from_millis(11 * DAY + 1000));
        }
        // Once set right again, the clock is followed as usual.
        let right = Timestamp::from_millis(12 * DAY);
        mark = HighWater::left(mark.mark(), mark.doubted(), right, Duration::ZERO)
            .advanced(right, ONE_DAY);
        assert_eq!((mark.mark(), mark.doubted()), (right, Timestamp::MIN));
    }

    #[test]
    fn a_clock_that_stays_ahead_for_a_day_is_believed_and_one_set_back_is_not() {
        let ahead = |n: i64| Timestamp::from_millis(4000 * DAY + n);
        let start = HighWater::new(Timestamp::from_millis(10 * DAY), Duration::ZERO);
        let seen = start.advanced(ahead(0), Duration::ZERO);
        let almost = ONE_DAY - Duration::from_millis(1);
        assert!(seen.plausible(ahead(DAY - 1), almost) < Timestamp::from_millis(12 * DAY));
        assert_eq!(seen.plausible(ahead(DAY), ONE_DAY), ahead(DAY));
        // Across an open, only the time that the clock shows counts.
        let left = |wall| HighWater::left(seen.mark(), seen.doubted(), wall, Duration::ZERO);
        assert_eq!(left(ahead(DAY)).plausible(ahead(DAY), Duration::ZERO), ahead(DAY));
        let back = Timestamp::from_millis(3000 * DAY);
        let again = left(back).advanced(back, Duration::ZERO);
        assert_eq!((again.mark(), again.doubted()), (Timestamp::from_millis(11 * DAY), back));
    }

    #[test]
    fn a_clock_that_somebody_vouches_for_is_followed_at_once() {
        let start = HighWater::new(Timestamp::from_millis(10 * DAY), Duration::ZERO);
        let ahead = Timestamp::from_millis(40 * DAY);
        let at = |millis: i64| Duration::from_millis(millis.unsigned_abs());
        assert_eq!(start.doubt(Timestamp::from_millis(11 * DAY), Duration::ZERO), None);
        let doubt = start.doubt(ahead, Duration::ZERO).unwrap();
        assert_eq!(doubt, (Timestamp::from_millis(11 * DAY), at(DAY)));
        let seen = start.advanced(ahead, Duration::ZERO);
        let doubt = seen.doubt(ahead + at(DAY / 4), at(DAY / 4)).unwrap();
        assert_eq!(doubt.1, at(DAY - DAY / 4));
        let trusted = seen.trusted(ahead, at(DAY / 4));
        assert_eq!((trusted.mark(), trusted.doubted()), (ahead, Timestamp::MIN));
        assert_eq!(trusted.doubt(ahead + at(DAY), at(DAY / 4)), None);
        // A clock that is behind the mark does not move it.
        assert_eq!(trusted.trusted(Timestamp::MIN, at(DAY)).mark(), ahead);
    }

    #[test]
    fn reclaiming_again_and_again_does_not_follow_a_wrong_clock() {
        let mut mark = HighWater::new(Timestamp::from_millis(10 * DAY), Duration::ZERO);
        let ahead = Timestamp::from_millis(4000 * DAY);
        for _ in 0..5 {
            let now = mark.plausible(ahead, Duration::ZERO);
            assert_eq!(now, Timestamp::from_millis(11 * DAY));
            mark = mark.destroyed_by(now);
        }
        assert_eq!(mark.effective(Timestamp::MIN), Timestamp::from_millis(11 * DAY));
    }
}
