//! Owns the meaning of the metrics on full vectors, and the form in which vectors are stored:
//! normalised under cosine, as they are otherwise.

use super::kernel::Kernels;
use crate::error::{Error, Result};
use crate::ids::MemoryId;
use crate::options::Metric;

impl Metric {
    /// The distance of two vectors of equal length; smaller is nearer.
    ///
    /// O(dimension). Under cosine a zero vector has distance 1 to everything.
    ///
    /// ```
    /// use altiplano::Metric;
    /// assert_eq!(Metric::L2.distance(&[0.0, 3.0], &[4.0, 0.0]), 25.0);
    /// assert_eq!(Metric::Dot.distance(&[1.0, 2.0], &[3.0, 4.0]), -11.0);
    /// assert!(Metric::Cosine.distance(&[1.0, 1.0], &[2.0, 2.0]).abs() < 1e-6);
    /// ```
    pub fn distance(self, a: &[f32], b: &[f32]) -> f32 {
        let kernels = Kernels::detect();
        match self {
            Self::Cosine => {
                let norms = (kernels.dot_f32)(a, a).sqrt() * (kernels.dot_f32)(b, b).sqrt();
                if norms > 0.0 { 1.0 - (kernels.dot_f32)(a, b) / norms } else { 1.0 }
            }
            Self::Dot | Self::L2 => distance_stored(self, kernels, a, b),
        }
    }
}

/// The distance of two vectors in stored form.
pub(crate) fn distance_stored(metric: Metric, kernels: &Kernels, a: &[f32], b: &[f32]) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - (kernels.dot_f32)(a, b),
        Metric::Dot => -(kernels.dot_f32)(a, b),
        Metric::L2 => (kernels.l2_f32)(a, b),
    }
}

/// Checks a vector and brings it into stored form; gives the norm that [`restore`] needs.
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
    let largest = vector.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    if metric != Metric::Cosine {
        // Beyond this a squared length could overflow and compare as infinite.
        let limit = (f32::MAX / 4.0 / dimension as f32).sqrt();
        return if largest > limit { bad("its length overflows when squared") } else { Ok(1.0) };
    }
    if largest == 0.0 {
        return bad("it is zero, and has no direction under cosine");
    }
    // In f64 neither overflow nor underflow is possible here.
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    let norm = norm as f32;
    if !norm.is_finite() || norm == 0.0 {
        return bad("its length is out of the range of f32");
    }
    Ok(norm)
}

/// The vector as it was inserted, to about one unit in the last place.
pub(crate) fn restore(metric: Metric, stored: &[f32], norm: f32) -> Vec<f32> {
    match metric {
        Metric::Cosine => stored.iter().map(|x| x * norm).collect(),
        Metric::Dot | Metric::L2 => stored.to_vec(),
    }
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
        assert!(prepared(Metric::Cosine, &[f32::MAX, f32::MAX]).is_err());
    }

    #[test]
    fn a_vector_comes_back_as_it_was() {
        for vector in [[3.0f32, -4.0], [1e-20, 2e-20], [1e18, 1e-3]] {
            let (stored, norm) = prepared(Metric::Cosine, &vector).unwrap();
            let length: f32 = stored.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-6);
            for (x, y) in restore(Metric::Cosine, &stored, norm).iter().zip(vector) {
                assert!((x - y).abs() <= y.abs() * 2.0 * f32::EPSILON, "{x} {y}");
            }
        }
    }
}
