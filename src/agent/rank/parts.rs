//! Owns `Parts`: the score of one candidate with the parts that it is made of.
//!
//! Invariant: a score is a finite number.

/// A score and its parts.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) score: f32,
    pub(super) components: Vec<(&'static str, f32)>,
}

impl Parts {
    /// Returns the score that is the sum of its parts.
    pub(super) fn sum(parts: &[(&'static str, f64)]) -> Self {
        Self::new(parts, parts.iter().map(|(_, value)| value).sum())
    }

    /// Returns the score that is the product of its parts.
    pub(super) fn product(parts: &[(&'static str, f64)]) -> Self {
        Self::new(parts, parts.iter().map(|(_, value)| value).product())
    }

    fn new(parts: &[(&'static str, f64)], score: f64) -> Self {
        let components = parts.iter().map(|(name, value)| (*name, finite(*value))).collect();
        Self { score: finite(score), components }
    }
}

/// Returns the nearest finite number; the least one for NaN.
const fn finite(number: f64) -> f32 {
    if number.is_nan() {
        return f32::MIN;
    }
    // The sum makes a zero of either sign the same.
    number.clamp(f32::MIN as f64, f32::MAX as f64) as f32 + 0.0
}

/// Returns a weight as a number from 0 to `most`; 0 for NaN.
pub(super) const fn weight(number: f32, most: f32) -> f32 {
    if number.is_nan() { 0.0 } else { number.clamp(0.0, most) }
}
