//! Owns the rotation that codes of few bits use. It spreads the energy of any vector over all
//! coordinates. So one step size fits all coordinates, and their errors are nearly independent.
//!
//! It is part of the format of those codes: all stores must rotate alike. A vector is padded with
//! zeros to `D` coordinates, a multiple of 64. Let `p` be the largest power of two that is at most
//! `D`. Then four rounds follow:
//!
//! - Flip signs.
//! - Apply the Walsh-Hadamard transform, divided by √p: to the first `p` coordinates in rounds 0
//!   and 2, to the last `p` in rounds 1 and 3.
//! - If `p < D`, replace each pair `(x[i], x[i + D/2])` by its sum and difference.
//!
//! At the end, if `p < D`, all coordinates are divided by 4, so that lengths stay the same. This is
//! the fast rotation of the authors of RaBitQ (Gao et al., SIGMOD 2025).
//!
//! The sign of coordinate i in round r is bit i mod 64 of the word number (r · D + i) / 64 of
//! SplitMix64 seeded with [`SEED`]; 1 is minus.

use std::ops::Range;

use crate::options::CollectionOptions;
use crate::splitmix::SplitMix;
use crate::sync::OnceLock;

/// Seed of the signs. Part of the format.
const SEED: u64 = 0x416C_7469_706C_616E;

/// Number of rounds of signs, transform and butterfly.
const ROUNDS: usize = 4;

/// Adjacent coordinates that are handled together in each step.
const GROUP: usize = 16;

/// `D` is a multiple of this.
const STEP: usize = 64;

/// Returns the number of coordinates of a rotated vector of this dimension.
pub(crate) const fn padded(dimension: usize) -> usize {
    dimension.next_multiple_of(STEP)
}

/// The rotation of one padded dimension.
#[derive(Debug)]
pub(crate) struct Rotation {
    /// The factors of each coordinate, round by round: its sign, times 1/√power if it is
    /// transformed. In the last round they include the final scale.
    factors: Vec<f32>,
    dimension: usize,
    /// Number of coordinates in one transform.
    power: usize,
}

impl Rotation {
    /// Returns the rotation for vectors of this dimension; made once per process.
    pub(crate) fn of(dimension: usize) -> &'static Self {
        static MADE: [OnceLock<Rotation>; CollectionOptions::MAX_DIMENSION / STEP + 1] =
            [const { OnceLock::new() }; CollectionOptions::MAX_DIMENSION / STEP + 1];
        let last = MADE.len() - 1;
        let at = (padded(dimension.max(1)) / STEP - 1).min(last);
        MADE[at].get_or_init(|| Self::new((at + 1) * STEP))
    }

    fn new(dimension: usize) -> Self {
        let mut words = SplitMix(SEED);
        let power = 1 << dimension.ilog2();
        let mut factors = Vec::with_capacity(ROUNDS * dimension);
        for round in 0..ROUNDS {
            let transformed = Self::transformed(round, dimension, power);
            // Each butterfly makes lengths √2 times longer.
            let end = if round == ROUNDS - 1 && power < dimension { 0.25 } else { 1.0 };
            let mut bits = 0;
            for i in 0..dimension {
                bits = if i % STEP == 0 { words.next() } else { bits >> 1 };
                let sign = if bits & 1 == 1 { -1.0 } else { 1.0 };
                let root = if transformed.contains(&i) { (power as f32).sqrt() } else { 1.0 };
                factors.push(sign * end / root);
            }
        }
        Self { factors, dimension, power }
    }

    /// Returns the coordinates that are transformed in a round.
    const fn transformed(round: usize, dimension: usize, power: usize) -> Range<usize> {
        if round.is_multiple_of(2) { 0..power } else { dimension - power..dimension }
    }

    /// Returns the rotated vector. O(D log D).
    pub(crate) fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let mut x = Vec::with_capacity(self.dimension);
        x.extend_from_slice(&vector[..vector.len().min(self.dimension)]);
        x.resize(self.dimension, 0.0);
        let half = self.dimension / 2;
        for (round, factors) in self.factors.chunks_exact(self.dimension).enumerate() {
            x.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
            transform(&mut x[Self::transformed(round, self.dimension, self.power)]);
            if self.power < self.dimension {
                let (low, high) = x.split_at_mut(half);
                low.iter_mut().zip(high).for_each(|(a, b)| (*a, *b) = (*a + *b, *a - *b));
            }
        }
        x
    }
}

/// Applies the Walsh-Hadamard transform without scale to at least 16 coordinates, a power of two.
fn transform(x: &mut [f32]) {
    let groups = x.as_chunks_mut::<GROUP>().0;
    groups.iter_mut().for_each(|group| *group = sixteen(*group));
    let mut stride = 1;
    while stride < groups.len() {
        // Two levels at once if possible: half the passes over memory.
        if 4 * stride <= groups.len() {
            groups.chunks_exact_mut(4 * stride).for_each(|block| two_levels(block, stride));
            stride *= 4;
        } else {
            groups.chunks_exact_mut(2 * stride).for_each(|block| one_level(block, stride));
            stride *= 2;
        }
    }
}

/// Applies two levels of the transform to a block of four strides.
fn two_levels(block: &mut [[f32; GROUP]], stride: usize) {
    let (ab, cd) = block.split_at_mut(2 * stride);
    let ((a, b), (c, d)) = (ab.split_at_mut(stride), cd.split_at_mut(stride));
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        for i in 0..GROUP {
            [a[i], b[i], c[i], d[i]] = butterflies([a[i], b[i], c[i], d[i]]);
        }
    }
}

fn one_level(block: &mut [[f32; GROUP]], stride: usize) {
    let (low, high) = block.split_at_mut(stride);
    for (low, high) in low.iter_mut().zip(high) {
        for i in 0..GROUP {
            (low[i], high[i]) = (low[i] + high[i], low[i] - high[i]);
        }
    }
}

/// Returns the transform of 16 coordinates as a 4 × 4 matrix: first down its columns, then,
/// transposed, along its rows. So every step is the same one on four neighbors, which compilers
/// turn into vector instructions.
fn sixteen(x: [f32; GROUP]) -> [f32; GROUP] {
    let mut m = [[0.0f32; 4]; 4];
    for (row, from) in m.iter_mut().zip(x.as_chunks::<4>().0) {
        *row = *from;
    }
    for _ in 0..2 {
        let [a, b, c, d] = m;
        m = std::array::from_fn(|i| butterflies([a[i], b[i], c[i], d[i]]));
    }
    let mut out = [0.0; GROUP];
    for (to, row) in out.as_chunks_mut::<4>().0.iter_mut().zip(m) {
        *to = row;
    }
    out
}

/// Returns two levels of the transform of four coordinates.
#[inline(always)]
const fn butterflies([a, b, c, d]: [f32; 4]) -> [f32; 4] {
    let (a, b, c, d) = (a + b, a - b, c + d, c - d);
    [a + c, b + d, a - c, b - d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Uniform;

    fn vector(n: usize, seed: u64) -> Vec<f32> {
        Uniform(seed).vector(n)
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    }

    #[test]
    fn the_transform_is_that_of_walsh_and_hadamard() {
        for n in [16usize, 32, 64, 128, 256] {
            let x = vector(n, 5);
            let mut fast = x.clone();
            transform(&mut fast);
            for (i, got) in fast.iter().enumerate() {
                let sign =
                    |j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                let slow: f32 = x.iter().enumerate().map(|(j, x)| sign(j) * x).sum();
                assert!((got - slow).abs() < 1e-4, "{n} {i} {got} {slow}");
            }
        }
    }

    #[test]
    fn lengths_and_products_stay() {
        for n in [1, 2, 63, 64, 65, 100, 128, 200, 384, 385, 768, 960, 1000, 1536, 4097, 65_535] {
            let rotation = Rotation::of(n);
            let (a, b) = (vector(n, 3), vector(n, 4));
            let (ra, rb) = (rotation.apply(&a), rotation.apply(&b));
            assert_eq!(ra.len(), padded(n));
            let tolerance = 1e-5 * (dot(&a, &a) * dot(&b, &b)).sqrt();
            assert!((dot(&ra, &ra) - dot(&a, &a)).abs() < tolerance, "{n}");
            assert!((dot(&ra, &rb) - dot(&a, &b)).abs() < tolerance, "{n}");
        }
    }

    /// The worst vectors for a code have all their energy in one coordinate.
    #[test]
    fn energy_is_spread_over_all_coordinates() {
        for (n, at) in [(384, 0), (384, 200), (384, 383), (100, 99), (960, 0), (960, 950)] {
            let mut x = vec![0.0; n];
            x[at] = 1.0;
            let y = Rotation::of(n).apply(&x);
            let largest = y.iter().fold(0.0f32, |max, y| max.max(y.abs()));
            let even = 1.0 / (padded(n) as f32).sqrt();
            assert!(largest < 6.0 * even, "{n} {at} {largest}");
        }
    }

    /// The rotation is part of the format: another one would make every stored code wrong.
    #[test]
    fn the_rotation_is_the_one_that_codes_were_made_with() {
        let golden = |n: usize| -> Vec<u32> {
            let x: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 2.0).collect();
            let y = Rotation::of(n).apply(&x);
            [0, 1, 17, 40, 63].iter().chain([&(padded(n) - 1)]).map(|i| y[*i].to_bits()).collect()
        };
        assert_eq!(
            golden(64),
            [1083924480, 3176136704, 3218636800, 1072857088, 1083777024, 1083777024]
        );
        assert_eq!(
            golden(384),
            [1068981248, 3203878912, 3223804416, 1038237696, 3223893504, 3213993984]
        );
    }

    #[test]
    fn what_is_no_dimension_of_a_collection_does_not_panic() {
        assert_eq!(Rotation::of(0).apply(&[]).len(), 64);
        assert_eq!(Rotation::of(1_000_000).apply(&[1.0]).len(), 65_536);
    }
}
