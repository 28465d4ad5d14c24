//! Owns the meaning of the metrics on full vectors, and the stored form of vectors. It is the
//! vector itself. Under cosine it is multiplied by a power of two if its squares would overflow or
//! vanish.
//!
//! A stored vector times its `norm` is the vector as it was inserted. Stores of format version 1
//! keep vectors of length 1 under cosine, with their former length as the norm. Nothing here
//! depends on which form a row has: every length is measured.

use super::kernel::Kernels;
use crate::error::{Error, Result};
use crate::ids::MemoryId;
use crate::options::Metric;

/// Below this, a cosine distance is computed from the difference of the vectors. One minus their
/// product has an error of some 1e-7, which is more than a hundred-thousandth of smaller distances.
const NEAR: f32 = 0.06;
/// Below this, the difference is computed in f64, because the lengths in f32 are not accurate
/// enough.
const VERY_NEAR: f32 = 3e-4;
/// Upper limit of the largest coordinate of a stored vector under cosine, 2^30. Its inverse is the
/// lower limit of the largest coordinate. Squares, and sums of 65,536 of them, are then in the
/// range of f32.
const LARGEST: f32 = 1_073_741_824.0;

impl Metric {
    /// Returns the distance of two vectors of equal length; smaller is nearer.
    ///
    /// O(dimension). Under cosine it is from 0 to 2, and accurate to five digits even if it is as
    /// small as 1e-9. A zero vector has distance 1 to everything.
    ///
    /// ```
    /// use altiplano::Metric;
    /// assert_eq!(Metric::L2.distance(&[0.0, 3.0], &[4.0, 0.0]), 25.0);
    /// assert_eq!(Metric::Dot.distance(&[1.0, 2.0], &[3.0, 4.0]), -11.0);
    /// assert_eq!(Metric::Cosine.distance(&[1.0, 1.0], &[2.0, 2.0]), 0.0);
    /// ```
    pub fn distance(self, a: &[f32], b: &[f32]) -> f32 {
        let stored = |v: &[f32]| {
            let mut v = v.to_vec();
            if self == Self::Cosine {
                let _ = scale(&mut v);
            }
            v
        };
        Exact::new(self, stored(a)).distance(&stored(b))
    }
}

/// A vector from which exact distances are measured.
#[derive(Clone, Debug)]
pub(crate) struct Exact<V = Vec<f32>> {
    metric: Metric,
    pub(super) kernels: &'static Kernels,
    vector: V,
    /// Its length; used under cosine only.
    length: f32,
}

impl<V: AsRef<[f32]>> Exact<V> {
    /// Returns the exact form of a vector in stored form.
    pub(crate) fn new(metric: Metric, vector: V) -> Self {
        let kernels = Kernels::detect();
        let length = match metric {
            Metric::Cosine => (kernels.dot_f32)(vector.as_ref(), vector.as_ref()).sqrt(),
            Metric::Dot | Metric::L2 => 0.0,
        };
        Self { metric, kernels, vector, length }
    }

    /// Returns the vector, in stored form.
    pub(crate) fn vector(&self) -> &[f32] {
        self.vector.as_ref()
    }

    /// Returns the distance to a vector in stored form.
    #[inline]
    pub(crate) fn distance(&self, stored: &[f32]) -> f32 {
        match self.metric {
            Metric::Cosine => self.cosine(stored),
            Metric::Dot => -(self.kernels.dot_f32)(self.vector(), stored),
            Metric::L2 => (self.kernels.l2_f32)(self.vector(), stored),
        }
    }

    fn cosine(&self, stored: &[f32]) -> f32 {
        let kernels = self.kernels;
        let length = (kernels.dot_f32)(stored, stored).sqrt();
        let lengths = self.length * length;
        if lengths <= 0.0 {
            return 1.0;
        }
        let far = 1.0 - (kernels.dot_f32)(self.vector(), stored) / lengths;
        if far >= NEAR {
            return far.min(2.0);
        }
        if far < VERY_NEAR {
            return very_near(self.vector(), stored);
        }
        // |a − s b|² = 2 |a|² (1 − cos) where s b is as long as a.
        let factor = self.length / length;
        let squared = (kernels.l2_scaled_f32)(self.vector(), stored, factor);
        squared / (2.0 * self.length * self.length)
    }
}

/// Returns the cosine distance, computed in f64 from the difference of the unit vectors.
fn very_near(a: &[f32], b: &[f32]) -> f32 {
    let wide = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let (aa, bb) = wide().fold((0.0, 0.0), |(aa, bb), (a, b)| (aa + a * a, bb + b * b));
    let factor = (aa / bb).sqrt();
    let squared: f64 = wide().map(|(a, b)| (a - factor * b).powi(2)).sum();
    (squared / (2.0 * aa)) as f32
}

/// Checks a vector and brings it into stored form. Returns the norm that [`restore`] needs.
pub(crate) fn prepare(
    metric: Metric,
    dimension: usize,
    id: Option<MemoryId>,
    vector: &mut [f32],
) -> Result<f32> {
    if vector.len() != dimension {
        return Err(Error::Dimension { expected: dimension, got: vector.len() });
    }
    let bad = |reason| Err(Error::InvalidVector { id, reason });
    if vector.iter().any(|x| !x.is_finite()) {
        return bad("it holds NaN or infinity");
    }
    if metric == Metric::Cosine {
        return match scale(vector) {
            Some(norm) => Ok(norm),
            None => bad("it is zero, and has no direction under cosine"),
        };
    }
    let largest = vector.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    // Beyond this a squared length could overflow and compare as infinite.
    let limit = (f32::MAX / 4.0 / dimension as f32).sqrt();
    if largest > limit { bad("its length overflows when squared") } else { Ok(1.0) }
}

/// Multiplies a vector by a power of two if its squares could leave the range of f32. Returns the
/// factor that restores it. Both operations are exact. `None` for a zero vector.
fn scale(vector: &mut [f32]) -> Option<f32> {
    let largest = vector.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    if largest == 0.0 {
        return None;
    }
    if (1.0 / LARGEST..=LARGEST).contains(&largest) {
        return Some(1.0);
    }
    let exponent = f64::from(largest).log2().floor().clamp(-126.0, 126.0);
    let norm = exponent.exp2() as f32;
    let factor = (-exponent).exp2() as f32;
    vector.iter_mut().for_each(|x| *x *= factor);
    Some(norm)
}

/// Returns the vector as it was inserted. In stores of format version 1, under cosine, it may
/// differ by about one unit in the last place.
pub(crate) fn restore(metric: Metric, stored: &[f32], norm: f32) -> Vec<f32> {
    match metric {
        Metric::Cosine => stored.iter().map(|x| x * norm).collect(),
        Metric::Dot | Metric::L2 => stored.to_vec(),
    }
}

/// Returns the vector scaled to length 1, from which codes under cosine are made.
pub(crate) fn unit(vector: &[f32]) -> Vec<f32> {
    let squared: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let inverse = if squared > 0.0 { 1.0 / squared.sqrt() } else { 0.0 };
    vector.iter().map(|x| (f64::from(*x) * inverse) as f32).collect()
}

/// Returns the squared norm, in sums of 16 lanes. Vector instructions can add them, and every
/// machine adds them in the same order, so that codes are the same everywhere.
pub(crate) fn squared_norm(vector: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (chunks, rest) = vector.as_chunks::<16>();
    for chunk in chunks {
        for i in 0..16 {
            sums[i] += chunk[i] * chunk[i];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(metric: Metric, vector: &[f32]) -> Result<(Vec<f32>, f32)> {
        let mut vector = vector.to_vec();
        let norm = prepare(metric, 2, None, &mut vector)?;
        Ok((vector, norm))
    }

    #[test]
    fn vectors_that_have_no_distance_are_refused() {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            assert!(matches!(prepared(metric, &[1.0]), Err(Error::Dimension { .. })));
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert!(matches!(prepared(metric, &[1.0, bad]), Err(Error::InvalidVector { .. })));
            }
        }
        assert!(prepared(Metric::Cosine, &[0.0, -0.0]).is_err());
        assert!(prepared(Metric::L2, &[0.0, 0.0]).is_ok());
        assert!(prepared(Metric::L2, &[1e30, 0.0]).is_err());
        assert!(prepared(Metric::Cosine, &[f32::MAX, f32::MAX]).is_ok());
    }

    #[test]
    fn a_vector_comes_back_as_it_was_and_its_squares_are_in_range() {
        let some = [[3.0f32, -4.0], [1e-20, 2e-20], [1e18, 1e-3], [1e38, -3e38], [1e-44, 0.0]];
        for vector in some {
            let (stored, norm) = prepared(Metric::Cosine, &vector).unwrap();
            let length: f32 = stored.iter().map(|x| x * x).sum();
            assert!(length.is_normal() && (length * 65_536.0).is_finite(), "{vector:?}");
            let back = restore(Metric::Cosine, &stored, norm);
            // A coordinate of 2^-126 of the largest one may vanish.
            assert!(back.iter().zip(vector).all(|(x, y)| (x - y).abs() <= 1e-38), "{back:?}");
        }
    }

    #[test]
    fn cosine_distances_hold_five_digits_down_to_a_billionth() {
        let base: Vec<f32> = (0..300).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
        let side: Vec<f32> = (0..300).map(|i| ((i * 53 % 89) as f32 - 44.0) / 7.0).collect();
        for step in [0.0, 3e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 10.0] {
            let near: Vec<f32> =
                base.iter().zip(&side).map(|(x, y)| 3.0 * (x + step * y)).collect();
            let sum = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
            };
            let (aa, bb, ab) = (sum(&base, &base), sum(&near, &near), sum(&base, &near));
            let truth = 1.0 - ab / (aa * bb).sqrt();
            for kernels in Kernels::all() {
                let exact = Exact::new(Metric::Cosine, base.clone());
                let exact = Exact { kernels: Box::leak(Box::new(kernels)), ..exact };
                let found = f64::from(exact.distance(&near));
                let off = (found - truth).abs();
                assert!(off <= 1e-5 * truth + 1e-14, "{}: {found} {truth}", kernels.name);
            }
        }
        assert_eq!(Metric::Cosine.distance(&base, &base), 0.0);
        let opposite: Vec<f32> = base.iter().map(|x| -x).collect();
        assert!((Metric::Cosine.distance(&base, &opposite) - 2.0).abs() < 1e-6);
        assert!(Metric::Cosine.distance(&base, &opposite) <= 2.0);
    }
}
