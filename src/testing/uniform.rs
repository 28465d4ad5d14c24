//! Owns the numbers that vectors of tests and benchmarks are made of. They repeat with their seed.

/// A linear congruential generator of numbers from -1 to 1, with Knuth's factor.
#[derive(Clone, Debug)]
pub(crate) struct Uniform(pub(crate) u64);

impl Uniform {
    pub(crate) const fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Returns a vector of `dimension` such numbers.
    pub(crate) fn vector(&mut self, dimension: usize) -> Vec<f32> {
        (0..dimension).map(|_| self.next()).collect()
    }
}
