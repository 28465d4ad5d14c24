//! Owns what an outcome does to the importance of a memory. Pure.

/// How far one outcome moves an importance, as a part of what is left to move.
const STEP: f32 = 0.2;
/// The least that failures leave.
const LEAST: f32 = 0.05;
/// The most that successes reach.
const MOST: f32 = 0.95;

/// How it went when an agent acted on a memory: a procedure, a lesson, a preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feedback {
    /// It worked.
    Worked,
    /// It failed.
    Failed,
}

/// Returns the importance after an outcome. A success takes a fifth of the way to 0.95, a failure a
/// fifth of the way to 0.05: the linear reward-penalty scheme of Bush and Mosteller, "Stochastic
/// Models for Learning", 1955. So the newest outcomes count most, and none makes a memory certain
/// or worthless.
pub(super) fn after(importance: f32, outcome: Feedback) -> f32 {
    let importance = importance.clamp(0.0, 1.0);
    match outcome {
        // An importance beyond the bounds was set by the caller, and success does not lower it.
        Feedback::Worked => importance.max(importance + STEP * (MOST - importance)),
        Feedback::Failed => importance.min(importance + STEP * (LEAST - importance)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn success_never_lowers_and_failure_never_raises(importance in 0.0f32..=1.0) {
            prop_assert!(after(importance, Feedback::Worked) >= importance);
            prop_assert!(after(importance, Feedback::Failed) <= importance);
        }

        #[test]
        fn what_is_within_the_bounds_stays_within(
            start in LEAST..=MOST, outcomes in prop::collection::vec(any::<bool>(), 0..200),
        ) {
            let step = |importance, worked| {
                after(importance, if worked { Feedback::Worked } else { Feedback::Failed })
            };
            let end = outcomes.into_iter().fold(start, step);
            prop_assert!((LEAST..=MOST).contains(&end));
        }

        #[test]
        fn the_better_memory_stays_the_better_one(a in 0.0f32..=1.0, b in 0.0f32..=1.0) {
            let (low, high) = (a.min(b), a.max(b));
            for outcome in [Feedback::Worked, Feedback::Failed] {
                prop_assert!(after(low, outcome) <= after(high, outcome) + 1e-6);
            }
        }
    }
}
