//! Owns the kernels for x86-64 with AVX2 and FMA. Kernels of two vectors are here, those of many
//! rows in `rows` and `planes`, that of FastScan blocks in `blocks`.
//!
//! Unsafe code here is of two kinds. Pointer loads read from chunks whose length the type states.
//! Calls of functions that need a processor feature are sound because `kernels` checks the features
//! before it returns those functions.
#![expect(unsafe_code, reason = "SIMD loads, and calls after feature detection")]

use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_cvtss_f32, _mm_hadd_ps, _mm256_add_ps, _mm256_castps256_ps128,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_sub_ps,
};

use prefetch::{ask, prefetch};

use super::scalar;
use super::table::Kernels;

mod blocks;
mod planes;
pub(super) mod prefetch;
mod rows;

/// Returns the kernels, if the processor has the features: holding them is the proof.
pub(super) fn kernels() -> Option<Kernels> {
    let able = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    able.then_some(Kernels {
        name: "avx2",
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
        // SAFETY: the features were detected just above.
        planes: |batch, query, out| unsafe { planes::planes(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits4_pairs: |batch, a, out| unsafe { rows::bits4_pairs(batch, a, out) },
        // SAFETY: the features were detected just above.
        bits2_pairs: |batch, a, out| unsafe { rows::bits2_pairs(batch, a, out) },
        // SAFETY: the features were detected just above.
        bits1_pairs: |batch, a, out| unsafe { rows::bits1_pairs(batch, a, out) },
        // SAFETY: the features were detected just above.
        blocks: |call, out| unsafe { blocks::blocks(call, out) },
    })
}

#[target_feature(enable = "avx2,fma")]
fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let (sum, [a, b]) = sums_f32(a, b, |x, y, sum| _mm256_fmadd_ps(x, y, sum));
    sum + scalar::dot_f32(a, b)
}

#[target_feature(enable = "avx2,fma")]
fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    let (sum, [a, b]) = sums_f32(a, b, |x, y, sum| {
        let d = _mm256_sub_ps(x, y);
        _mm256_fmadd_ps(d, d, sum)
    });
    sum + scalar::l2_f32(a, b)
}

#[target_feature(enable = "avx2,fma")]
fn l2_scaled_f32(a: &[f32], b: &[f32], factor: f32) -> f32 {
    let factors = _mm256_set1_ps(factor);
    let (sum, [a, b]) = sums_f32(a, b, |x, y, sum| {
        let d = _mm256_fnmadd_ps(y, factors, x);
        _mm256_fmadd_ps(d, d, sum)
    });
    sum + scalar::l2_scaled_f32(a, b, factor)
}

/// Returns the sum of `add` over all pairs of coordinates, and the last coordinates, fewer than 8,
/// that it leaves out. It keeps four independent sums: in the time of one addition, four can be
/// started.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn sums_f32<'a>(
    a: &'a [f32],
    b: &'a [f32],
    add: impl Fn(__m256, __m256, __m256) -> __m256,
) -> (f32, [&'a [f32]; 2]) {
    let len = a.len().min(b.len());
    let (a, a_rest) = a[..len].as_chunks::<32>();
    let (b, b_rest) = b[..len].as_chunks::<32>();
    let mut sums = [_mm256_setzero_ps(); 4];
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x.as_chunks::<8>().0, y.as_chunks::<8>().0);
        for i in 0..4 {
            sums[i] = add(floats(&x[i]), floats(&y[i]), sums[i]);
        }
    }
    let ((a, a_rest), (b, b_rest)) = (a_rest.as_chunks::<8>(), b_rest.as_chunks::<8>());
    for (x, y) in a.iter().zip(b) {
        sums[0] = add(floats(x), floats(y), sums[0]);
    }
    (sum_f32(sums), [a_rest, b_rest])
}

#[target_feature(enable = "avx2")]
#[inline]
fn floats(x: &[f32; 8]) -> __m256 {
    // SAFETY: an array of 8 floats.
    unsafe { _mm256_loadu_ps(x.as_ptr()) }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn sum_f32(sums: [__m256; 4]) -> f32 {
    let [a, b, c, d] = sums;
    let sum = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    let half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
    let quarter = _mm_hadd_ps(half, half);
    _mm_cvtss_f32(_mm_hadd_ps(quarter, quarter))
}
