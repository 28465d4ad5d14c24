//! Owns the choice of kernels: once per process, by what the processor can do. Each fast kernel has
//! a scalar twin (`scalar`) that the tests compare it with.

pub(crate) mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use crate::sync::OnceLock;

/// The measuring functions of one instruction set. Both slices of a call have the same length; if
/// they do not, the longer one is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernels {
    /// Which instruction set.
    pub(crate) name: &'static str,
    /// Dot product.
    pub(crate) dot_f32: fn(&[f32], &[f32]) -> f32,
    /// Squared Euclidean distance.
    pub(crate) l2_f32: fn(&[f32], &[f32]) -> f32,
    /// Dot product of bytes. Exact.
    pub(crate) dot_i8: fn(&[i8], &[i8]) -> i32,
    /// Asks for the cache lines of a row that is measured soon.
    pub(crate) prefetch: fn(&[u8]),
}

impl Kernels {
    /// The fastest kernels of this processor.
    pub(crate) fn detect() -> &'static Self {
        static CHOSEN: OnceLock<Kernels> = OnceLock::new();
        CHOSEN.get_or_init(|| Self::all()[0])
    }

    /// All kernels that this processor can run, fastest first.
    pub(crate) fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let fast = [avx512::kernels(), avx2::kernels()];
        #[cfg(target_arch = "aarch64")]
        let fast = [neon::kernels()];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let fast: [Option<Self>; 0] = [];
        fast.into_iter().flatten().chain([scalar::KERNELS]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(len: usize, seed: u32) -> Vec<f32> {
        (0..len as u32)
            .map(|i| {
                let x = (i + 1).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97));
                (x >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn bytes(len: usize, seed: u32) -> Vec<i8> {
        (0..len as u32)
            .map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 24) as u8 as i8)
            .collect()
    }

    #[test]
    fn every_kernel_agrees_with_its_scalar_twin() {
        for kernels in Kernels::all() {
            for len in (0..=130).chain([383, 384, 768, 1000]) {
                for offset in 0..16 {
                    let (a, b) = (floats(len + offset, 1), floats(len + offset, 2));
                    let (a, b) = (&a[offset..], &b[offset..]);
                    // Sums are taken in another order: an error of some ulps of the terms' size.
                    let tolerance = 1e-6 * (len as f32 + 1.0);
                    let dot = (kernels.dot_f32)(a, b);
                    assert!((dot - scalar::dot_f32(a, b)).abs() <= tolerance, "{}", kernels.name);
                    let l2 = (kernels.l2_f32)(a, b);
                    assert!((l2 - scalar::l2_f32(a, b)).abs() <= tolerance, "{}", kernels.name);
                    let (a, b) = (bytes(len + offset, 1), bytes(len + offset, 2));
                    let (a, b) = (&a[offset..], &b[offset..]);
                    assert_eq!((kernels.dot_i8)(a, b), scalar::dot_i8(a, b), "{}", kernels.name);
                }
            }
        }
    }

    #[test]
    fn extreme_values_do_not_overflow_or_vanish() {
        for kernels in Kernels::all() {
            let low = vec![-128i8; 1000];
            assert_eq!((kernels.dot_i8)(&low, &low), 16_384_000, "{}", kernels.name);
            let high = vec![127i8; 1000];
            assert_eq!((kernels.dot_i8)(&low, &high), -16_256_000, "{}", kernels.name);
            let mut a = vec![1.0f32; 40];
            a[39] = f32::INFINITY;
            assert_eq!((kernels.dot_f32)(&a, &a), f32::INFINITY);
            a[3] = f32::NAN;
            assert!((kernels.dot_f32)(&a, &a).is_nan() && (kernels.l2_f32)(&a, &a).is_nan());
        }
    }
}
