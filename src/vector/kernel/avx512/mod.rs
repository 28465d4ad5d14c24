//! Owns the kernels for x86-64 with AVX-512 F, BW and VNNI. Kernels of two vectors are here, those
//! of many rows in `rows`, that of FastScan blocks in `blocks`.
//!
//! Unsafe code here is of two kinds. Pointer loads read from chunks whose length the type states.
//! Calls of functions that need a processor feature are sound because `kernels` checks the features
//! before it returns those functions.
#![expect(unsafe_code, reason = "SIMD loads, and calls after feature detection")]

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps,
    _mm512_maskz_loadu_ps, _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sub_ps,
};

use super::table::{BitsFromBits, BitsFromInt8, Kernels};
use super::{avx2, scalar};
use crate::vector::kernel::avx2::prefetch::{ask, prefetch};

mod blocks;
mod rows;

/// Returns the kernels, if the processor has the features: holding them is the proof.
pub(super) fn kernels() -> Option<Kernels> {
    let able = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni");
    able.then(|| Kernels {
        name: "avx512",
        // SAFETY: the features were detected just above.
        dot_f32: |a, b| unsafe { dot_f32(a, b) },
        // SAFETY: the features were detected just above.
        l2_f32: |a, b| unsafe { l2_f32(a, b) },
        // SAFETY: the features were detected just above.
        l2_scaled_f32: |a, b, factor| unsafe { l2_scaled_f32(a, b, factor) },
        prefetch,
        ask,
        // SAFETY: the features were detected just above.
        int8: |batch, query, out| unsafe { rows::int8(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits4: |batch, query, out| unsafe { rows::bits4(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits2: |batch, query, out| unsafe { rows::bits2(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits1: |batch, query, out| unsafe { rows::bits1(batch, query, out) },
        planes: planes(),
        // SAFETY: the features were detected just above.
        bits4_pairs: |batch, a, out| unsafe { rows::bits4_pairs(batch, a, out) },
        // SAFETY: the features were detected just above.
        bits2_pairs: |batch, a, out| unsafe { rows::bits2_pairs(batch, a, out) },
        bits1_pairs: bits1_pairs(),
        // SAFETY: the features were detected just above.
        blocks: |call, out| unsafe { blocks::blocks(call, out) },
    })
}

/// Returns the kernel of bit planes, chosen like [`bits1_pairs`].
fn planes() -> BitsFromInt8 {
    if is_x86_feature_detected!("avx512vpopcntdq") {
        // SAFETY: the feature was detected just above, the others before this is called.
        return |batch, query, out| unsafe { rows::planes(batch, query, out) };
    }
    avx2::kernels().map_or(scalar::KERNELS.planes, |kernels| kernels.planes)
}

/// Returns a kernel that uses the population count, a feature of its own. Without it, returns the
/// kernel for AVX2, which every processor with AVX-512 can run.
fn bits1_pairs() -> BitsFromBits {
    if is_x86_feature_detected!("avx512vpopcntdq") {
        // SAFETY: the feature was detected just above, the others before this is called.
        return |batch, a, out| unsafe { rows::bits1_pairs(batch, a, out) };
    }
    avx2::kernels().map_or(scalar::KERNELS.bits1_pairs, |kernels| kernels.bits1_pairs)
}

#[target_feature(enable = "avx512f")]
fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    sum_f32(a, b, |x, y, sum| _mm512_fmadd_ps(x, y, sum))
}

#[target_feature(enable = "avx512f")]
fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    sum_f32(a, b, |x, y, sum| {
        let d = _mm512_sub_ps(x, y);
        _mm512_fmadd_ps(d, d, sum)
    })
}

#[target_feature(enable = "avx512f")]
fn l2_scaled_f32(a: &[f32], b: &[f32], factor: f32) -> f32 {
    let factor = _mm512_set1_ps(factor);
    sum_f32(a, b, |x, y, sum| {
        let d = _mm512_fnmadd_ps(y, factor, x);
        _mm512_fmadd_ps(d, d, sum)
    })
}

/// Returns the sum of `add` over all pairs of coordinates. `add` must add zero for two zeros. It
/// keeps four independent sums: in the time of one addition, four can be started.
#[target_feature(enable = "avx512f")]
#[inline]
fn sum_f32(a: &[f32], b: &[f32], add: impl Fn(__m512, __m512, __m512) -> __m512) -> f32 {
    let len = a.len().min(b.len());
    let (a, a_rest) = a[..len].as_chunks::<64>();
    let (b, b_rest) = b[..len].as_chunks::<64>();
    let mut sums = [_mm512_setzero_ps(); 4];
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x.as_chunks::<16>().0, y.as_chunks::<16>().0);
        for i in 0..4 {
            // SAFETY: a chunk of 16 floats.
            let x = unsafe { _mm512_loadu_ps(x[i].as_ptr()) };
            // SAFETY: a chunk of 16 floats.
            let y = unsafe { _mm512_loadu_ps(y[i].as_ptr()) };
            sums[i] = add(x, y, sums[i]);
        }
    }
    for (x, y) in a_rest.chunks(16).zip(b_rest.chunks(16)) {
        let mask = u16::MAX >> (16 - x.len());
        // SAFETY: the mask reads as many floats as there are.
        let x = unsafe { _mm512_maskz_loadu_ps(mask, x.as_ptr()) };
        // SAFETY: both chunks have the same length.
        let y = unsafe { _mm512_maskz_loadu_ps(mask, y.as_ptr()) };
        sums[0] = add(x, y, sums[0]);
    }
    let (low, high) = (_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
    _mm512_reduce_add_ps(_mm512_add_ps(low, high))
}
