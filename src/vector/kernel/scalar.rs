//! Owns the reference kernels: the simplest code that is right, always compiled.

use super::Kernels;

/// The reference.
pub(crate) const KERNELS: Kernels =
    Kernels { name: "scalar", dot_f32, l2_f32, dot_i8, prefetch: |_| {} };

/// Dot product.
pub(crate) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Squared Euclidean distance.
pub(crate) fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Dot product of bytes: at most 65,535 terms of at most 2^14 each, so it fits.
pub(crate) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}
