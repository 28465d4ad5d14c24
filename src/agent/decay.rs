//! Owns the curves of forgetting, which rankings and retention share.
//!
//! Invariant: the result is a finite number for every input, and it never grows with time.

use std::time::Duration;

/// Largest strength of a memory, in days: after so many days without use, a memory that was used
/// this often is still at 1/e. A larger one would make often used memories practically immortal.
pub const MAX_STRENGTH: f32 = 100.0;

/// Time in which a use loses half of its weight: 30 days.
const USE_HALF_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// Weight of the uses at which [`use_factor`] is half of the way to its bound.
const HALF_OF_USES: f64 = 3.0;

/// Returns what is left after `age`: 2^(-age / `half_life`), from 1 down to 0. With a half-life of
/// zero nothing is left from the first moment on.
///
/// ```
/// use altiplano::agent::decay::half_life;
/// use std::time::Duration;
/// let day = Duration::from_secs(86_400);
/// assert_eq!(half_life(Duration::ZERO, day * 30), 1.0);
/// assert_eq!(half_life(day * 30, day * 30), 0.5);
/// assert_eq!(half_life(day * 60, day * 30), 0.25);
/// ```
pub fn half_life(age: Duration, half_life: Duration) -> f32 {
    halved(age, half_life) as f32
}

/// Returns what is left of a memory after `age` without use: e^(-age / `strength`), from 1 down to
/// 0. The strength is a number of days, from 1 to [`MAX_STRENGTH`]; what is outside counts as the
/// nearer end, and NaN as 1. [`strength`] returns it for a number of uses.
///
/// This is the forgetting curve of Ebbinghaus (1885) as MemoryBank uses it (Zhong et al., AAAI
/// 2024). The code published with that paper computes e^(-age · `strength` / 5), in which stronger
/// memories are forgotten faster. It also draws lots, and this function does not.
///
/// ```
/// use altiplano::agent::decay::{ebbinghaus, strength};
/// use std::time::Duration;
/// let week = Duration::from_secs(7 * 86_400);
/// let left = |uses| ebbinghaus(week, strength(uses));
/// assert!(left(0) < 0.001 && left(6) > 0.36 && left(60) > 0.89);
/// ```
pub fn ebbinghaus(age: Duration, strength: f32) -> f32 {
    let days = age.as_secs_f64() / 86_400.0;
    let strength = if strength.is_nan() { 1.0 } else { strength.clamp(1.0, MAX_STRENGTH) };
    (-days / f64::from(strength)).exp() as f32
}

/// Returns the strength of a memory in days: 1, and 1 more for each use, up to [`MAX_STRENGTH`].
pub const fn strength(uses: u32) -> f32 {
    (1.0 + uses as f32).min(MAX_STRENGTH)
}

/// Returns by how much uses raise a score: 1 + a / (a + 3), where a = `uses` · 2^(-`since_use` / 30
/// days). It is exactly 1 without uses and always less than 2, so popularity alone cannot win.
///
/// ```
/// use altiplano::agent::decay::use_factor;
/// use std::time::Duration;
/// assert_eq!(use_factor(0, Duration::ZERO), 1.0);
/// assert_eq!(use_factor(3, Duration::ZERO), 1.5);
/// assert_eq!(use_factor(6, Duration::from_secs(30 * 86_400)), 1.5);
/// ```
pub fn use_factor(uses: u32, since_use: Duration) -> f32 {
    (1.0 + use_share(uses, since_use)) as f32
}

/// Returns a / (a + 3) of [`use_factor`]: 0 without uses, and less than 1.
pub(super) fn use_share(uses: u32, since_use: Duration) -> f64 {
    let weight = f64::from(uses) * halved(since_use, USE_HALF_LIFE);
    weight / (weight + HALF_OF_USES)
}

/// Returns 2^(-age / `half_life`).
pub(super) fn halved(age: Duration, half_life: Duration) -> f64 {
    if age.is_zero() {
        return 1.0;
    }
    // A division by zero is infinity, of which nothing is left.
    (-age.as_secs_f64() / half_life.as_secs_f64()).exp2()
}

/// Returns `keep`^hours: what is left if each hour keeps this part, from 0 to 1.
pub(super) fn hourly(age: Duration, keep: f64) -> f64 {
    keep.powf(age.as_secs_f64() / 3_600.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_curve_grows_with_time(
            a in 0_u64..1 << 40, b in 0_u64..1 << 40, h in 0_u64..1 << 32, uses: u32,
        ) {
            let (younger, older) =
                (Duration::from_millis(a.min(b)), Duration::from_millis(a.max(b)));
            let h = Duration::from_secs(h);
            prop_assert!(half_life(younger, h) >= half_life(older, h));
            prop_assert!(ebbinghaus(younger, strength(uses)) >= ebbinghaus(older, strength(uses)));
            prop_assert!(use_factor(uses, younger) >= use_factor(uses, older));
        }

        #[test]
        fn the_stronger_is_never_forgotten_faster(a: u32, b: u32, seconds in 0_u64..1 << 32) {
            let age = Duration::from_secs(seconds);
            let (weak, strong) = (a.min(b), a.max(b));
            prop_assert!(ebbinghaus(age, strength(strong)) >= ebbinghaus(age, strength(weak)));
            prop_assert!(use_factor(strong, age) >= use_factor(weak, age));
        }

        #[test]
        fn every_curve_stays_in_its_bounds(age: Duration, h: Duration, s: f32, uses: u32) {
            prop_assert!((0.0..=1.0).contains(&half_life(age, h)));
            prop_assert!((0.0..=1.0).contains(&ebbinghaus(age, s)));
            prop_assert!((1.0..=2.0).contains(&use_factor(uses, age)));
        }
    }

    #[test]
    fn five_days_at_strength_five_leave_one_part_in_e() {
        let left = ebbinghaus(Duration::from_secs(5 * 86_400), 5.0);
        assert!((left - (-1.0_f32).exp()).abs() < 1e-6, "{left}");
    }

    #[test]
    fn a_strength_that_is_no_number_is_the_least() {
        let day = Duration::from_secs(86_400);
        assert_eq!(ebbinghaus(day, f32::NAN), ebbinghaus(day, 1.0));
        assert_eq!(ebbinghaus(day, f32::INFINITY), ebbinghaus(day, MAX_STRENGTH));
    }
}
