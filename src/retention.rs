//! Owns what time does to a memory: when it expires, and which "now" may hide and which may
//! destroy. Pure. A clock that jumps forward hides memories; it must not make the compactor destroy
//! them, so the mark that reclaiming goes by advances by a bounded step per commit.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::memory::Lifetime;

/// Most that the high-water mark may advance at one commit beyond the monotonic time that passed.
pub(crate) const MAX_CLOCK_STEP: Duration = Duration::from_secs(24 * 3600);

/// The moment a memory expires, `Timestamp::MAX` for never. `now` is the effective now.
pub(crate) fn expiry(
    lifetime: Lifetime,
    default_ttl: Option<Duration>,
    now: Timestamp,
) -> Result<Timestamp> {
    match (lifetime, default_ttl) {
        (Lifetime::Forever, _) | (Lifetime::Default, None) => Ok(Timestamp::MAX),
        (Lifetime::Default, Some(ttl)) => Ok(now + ttl),
        (Lifetime::For(Duration::ZERO), _) => {
            Err(Error::option("ttl", "zero: the memory would never be visible"))
        }
        (Lifetime::For(ttl), _) => Ok(now + ttl),
        (Lifetime::Until(at), _) if at <= now => {
            Err(Error::option("expires_at", format!("{at} is not after now, {now}")))
        }
        (Lifetime::Until(at), _) => Ok(at),
    }
}

/// The high-water mark of time: the latest moment that a commit has vouched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HighWater {
    mark: Timestamp,
    /// The mark as the last commit left it, from which the bound on the next step counts.
    base: Timestamp,
    /// Monotonic time of that commit.
    moved: Duration,
}

/// A moment that is not `Timestamp::MAX`, which stands for never.
fn in_time(wall: Timestamp) -> Timestamp {
    wall.min(Timestamp::MAX - Duration::from_millis(1))
}

impl HighWater {
    /// The mark that a store was left with; `monotonic` is now.
    pub(crate) const fn new(mark: Timestamp, monotonic: Duration) -> Self {
        Self { mark, base: mark, moved: monotonic }
    }

    /// The mark itself.
    pub(crate) const fn mark(self) -> Timestamp {
        self.mark
    }

    /// The now that readers go by: time never runs backwards for them.
    pub(crate) fn effective(self, wall: Timestamp) -> Timestamp {
        in_time(wall).max(self.mark)
    }

    /// The now that may destroy: as far as the mark could advance at this moment.
    pub(crate) fn plausible(self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let wall = in_time(wall);
        if self.base == Timestamp::MIN {
            return wall.max(self.mark);
        }
        let elapsed = monotonic.saturating_sub(self.moved);
        wall.min(self.base + elapsed + MAX_CLOCK_STEP).max(self.mark)
    }

    /// The mark after a commit at this moment.
    pub(crate) fn advanced(self, wall: Timestamp, monotonic: Duration) -> Self {
        Self::new(self.plausible(wall, monotonic), monotonic)
    }

    /// The mark once something has been destroyed by this `now`: time must not go back behind it, or
    /// what was destroyed would be missed. The bound on the next step stays where it was, so that
    /// reclaiming again and again does not follow a wrong clock.
    pub(crate) fn destroyed_by(self, now: Timestamp) -> Self {
        Self { mark: self.mark.max(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

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
