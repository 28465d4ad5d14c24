//! Owns the choice of kernels: once per process, by the processor's features. Each fast kernel has
//! a scalar twin (`scalar`) with which the tests compare it.

pub(crate) mod batch;
pub(crate) mod blocks;
pub(crate) mod scalar;
mod table;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

pub(crate) use table::{BitsFromBits, Kernels};

use crate::sync::OnceLock;

impl Kernels {
    /// Returns the fastest kernels for this processor.
    pub(crate) fn detect() -> &'static Self {
        static CHOSEN: OnceLock<Kernels> = OnceLock::new();
        CHOSEN.get_or_init(|| Self::all()[0])
    }

    /// Returns all kernels that this processor can run, fastest first.
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
    use batch::{Batch, Lanes, Part, Rows, Scale, Terms};

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
                    // Sums are taken in another order, which causes an error of some ulps of the
                    // terms' size.
                    let tolerance = 1e-6 * (len as f32 + 1.0);
                    let dot = (kernels.dot_f32)(a, b);
                    assert!((dot - scalar::dot_f32(a, b)).abs() <= tolerance, "{}", kernels.name);
                    let l2 = (kernels.l2_f32)(a, b);
                    assert!((l2 - scalar::l2_f32(a, b)).abs() <= tolerance, "{}", kernels.name);
                    let scaled = (kernels.l2_scaled_f32)(a, b, 0.7);
                    let expected = scalar::l2_scaled_f32(a, b, 0.7);
                    assert!((scaled - expected).abs() <= tolerance, "{}", kernels.name);
                }
            }
        }
    }

    /// One call for each kernel of many rows.
    type Call<'a> = Box<dyn Fn(&Kernels, &mut [f32]) + 'a>;

    fn calls<'a>(batch: Batch<'a>, query: &'a [Lanes]) -> [Call<'a>; 8] {
        // These rows have one value per byte.
        let Part { start, end } = batch.part;
        let int8 = query.iter().flat_map(|lanes| lanes.0).take(end - start);
        let int8: Vec<i8> = int8.collect();
        let first = batch.part.codes(batch.rows.row(0));
        [
            Box::new(move |k, out| (k.int8)(&batch, &int8, out)),
            Box::new(move |k, out| (k.bits4)(&batch, query, out)),
            Box::new(move |k, out| (k.bits2)(&batch, query, out)),
            Box::new(move |k, out| (k.bits1)(&batch, query, out)),
            Box::new(move |k, out| (k.planes)(&batch, query, out)),
            Box::new(move |k, out| (k.bits4_pairs)(&batch, first, out)),
            Box::new(move |k, out| (k.bits2_pairs)(&batch, first, out)),
            Box::new(move |k, out| (k.bits1_pairs)(&batch, first, out)),
        ]
    }

    fn agree(batch: Batch<'_>, query: &[Lanes]) {
        let differs = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).any(|(a, b)| a != b && !(a.is_nan() && b.is_nan()))
        };
        for (which, call) in calls(batch, query).iter().enumerate() {
            let mut expected = vec![0.0; batch.nodes.len()];
            call(&scalar::KERNELS, &mut expected);
            for kernels in Kernels::all() {
                let mut found = vec![0.0; batch.nodes.len()];
                call(&kernels, &mut found);
                let place = format!("{} {which} {:?} {:?}", kernels.name, batch.part, batch.nodes);
                assert!(!differs(&found, &expected), "{place}: {found:?}, {expected:?}");
            }
        }
    }

    /// The heads have plain scales, so that a difference shows. One row does not exist.
    #[test]
    fn every_kernel_of_many_rows_agrees_with_its_scalar_twin() {
        let query: Vec<Lanes> =
            (0..16).map(|i| Lanes(std::array::from_fn(|j| bytes(64, i)[j].max(-127)))).collect();
        let terms = |scale| Terms {
            factor: 2,
            shift: -77,
            weight: 0.5,
            bias: 1.0,
            squared: 1.0,
            slack: 0.25,
            scale,
        };
        for values in (0..=130).chain([192, 384, 768]) {
            let stride = 16 + values;
            let mut rows: Vec<u8> = bytes(10 * stride + 16, 3).iter().map(|x| *x as u8).collect();
            for offset in [0, 1, 4, 8, 15] {
                let rows = &mut rows[offset..offset + 10 * stride];
                for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
                    row[..4].copy_from_slice(&(1.0 + i as f32).to_le_bytes());
                    row[4..8].copy_from_slice(&(0.5 * i as f32).to_le_bytes());
                    row[8..12].copy_from_slice(&((i as u32) << 28 | 0xfffff).to_le_bytes());
                    row[12..16].copy_from_slice(&(3.0 + i as f32).to_le_bytes());
                }
                let rows = Rows::new(rows, stride);
                let some = [&[0, 1, 2, 3, 9, 8, 7, 6, 4, 2, 5][..], &[1, 2, 99, 3, 10, 4], &[]];
                for (nodes, scale) in some.into_iter().zip([Scale::First, Scale::Signs]) {
                    let (part, terms) = (Part { start: 16, end: stride }, terms(scale));
                    agree(Batch { rows, nodes, part, terms }, &query);
                    // A part in the middle, and one that does not exist.
                    let part = Part { start: 16 + values / 2, end: stride - values / 4 };
                    agree(Batch { rows, nodes, part, terms }, &query);
                    let part = Part { start: 16, end: stride + 1 };
                    agree(Batch { rows, nodes, part, terms }, &query);
                }
                let (part, terms) = (Part { start: 16, end: stride }, terms(Scale::Pairs));
                agree(Batch { rows, nodes: &[3, 1, 7, 8, 2], part, terms }, &query);
            }
        }
    }

    #[test]
    fn extreme_codes_do_not_saturate() {
        let terms = Terms { factor: 1, weight: 1.0, ..Terms::default() };
        for (low, high) in [(-128i8, 0xffu8), (127, 0xff), (-128, 0x80), (127, 0x80), (127, 0x7f)] {
            let query = [Lanes([low; 64]); 160];
            let mut rows = vec![high; 5 * (16 + 1280)];
            for row in rows.chunks_exact_mut(16 + 1280) {
                row[..4].copy_from_slice(&1.0f32.to_le_bytes());
                row[12..16].copy_from_slice(&1.0f32.to_le_bytes());
            }
            let (stride, nodes) = (16 + 1280, &[0, 1, 2, 3, 4][..]);
            let (rows, part) = (Rows::new(&rows, stride), Part { start: 16, end: stride });
            agree(Batch { rows, nodes, part, terms }, &query);
        }
    }

    /// Kernels may get arguments of the wrong length: then they measure something, within bounds.
    #[test]
    fn queries_that_are_too_short_or_too_long_are_cut() {
        let rows = vec![1u8; 10 * 80];
        let rows = Rows::new(&rows, 80);
        let part = Part { start: 16, end: 80 };
        let batch = Batch { rows, nodes: &[0, 1, 2, 3, 4], part, terms: Terms::default() };
        for lanes in 0..20 {
            let query = vec![Lanes([1; 64]); lanes];
            for call in calls(batch, &query) {
                Kernels::all().iter().for_each(|kernels| call(kernels, &mut [0.0; 5]));
                Kernels::all().iter().for_each(|kernels| call(kernels, &mut [0.0; 2]));
            }
        }
    }

    #[test]
    fn infinity_and_nan_do_not_vanish() {
        for kernels in Kernels::all() {
            let mut a = vec![1.0f32; 40];
            a[39] = f32::INFINITY;
            assert_eq!((kernels.dot_f32)(&a, &a), f32::INFINITY);
            a[3] = f32::NAN;
            assert!((kernels.dot_f32)(&a, &a).is_nan() && (kernels.l2_f32)(&a, &a).is_nan());
        }
    }
}
