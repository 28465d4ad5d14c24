//! Owns the kernels for x86-64 with AVX2 and FMA: here those of two vectors, in `rows` those of many
//! rows.
//!
//! Unsafe here is of two kinds: pointer loads from chunks whose length the type states, and calls of
//! functions that need a processor feature, which `kernels` has checked before it hands them out.
#![expect(unsafe_code, reason = "SIMD loads, and calls after feature detection")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_add_epi32, _mm_add_ps, _mm_cvtsi128_si32, _mm_cvtss_f32,
    _mm_hadd_epi32, _mm_hadd_ps, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi32, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extractf128_ps,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_madd_epi16,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sub_ps,
};

use super::{Kernels, scalar};

mod rows;

/// The kernels, if the processor has what they need: holding them is the proof.
pub(super) fn kernels() -> Option<Kernels> {
    let able = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    able.then_some(Kernels {
        name: "avx2",
        // SAFETY: the features were detected just above.
        dot_f32: |a, b| unsafe { dot_f32(a, b) },
        // SAFETY: the features were detected just above.
        l2_f32: |a, b| unsafe { l2_f32(a, b) },
        // SAFETY: the features were detected just above.
        dot_i8: |a, b| unsafe { dot_i8(a, b) },
        prefetch,
        // SAFETY: the features were detected just above.
        int8: |batch, query, out| unsafe { rows::int8(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits4: |batch, query, out| unsafe { rows::bits4(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits2: |batch, query, out| unsafe { rows::bits2(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits1: |batch, query, out| unsafe { rows::bits1(batch, query, out) },
        // SAFETY: the features were detected just above.
        bits4_pairs: |batch, a, out| unsafe { rows::bits4_pairs(batch, a, out) },
        // SAFETY: the features were detected just above.
        bits2_pairs: |batch, a, out| unsafe { rows::bits2_pairs(batch, a, out) },
        // SAFETY: the features were detected just above.
        bits1_pairs: |batch, a, out| unsafe { rows::bits1_pairs(batch, a, out) },
    })
}

/// Every line that the row touches: rows are aligned to 16 bytes, not to lines.
#[inline(always)]
pub(super) fn prefetch(row: &[u8]) {
    let skew = row.as_ptr().addr() % 64;
    for at in (0..skew + row.len()).step_by(64) {
        let line = row.as_ptr().wrapping_sub(skew).wrapping_add(at);
        // SAFETY: a prefetch has no effect on memory whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
}

#[target_feature(enable = "avx2,fma")]
fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (a, a_tail) = a[..len].as_chunks::<8>();
    let (b, b_tail) = b[..len].as_chunks::<8>();
    let mut sums = [_mm256_setzero_ps(); 4];
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        // SAFETY: `x` is a chunk of 8 floats.
        let x = unsafe { _mm256_loadu_ps(x.as_ptr()) };
        // SAFETY: `y` is a chunk of 8 floats.
        let y = unsafe { _mm256_loadu_ps(y.as_ptr()) };
        sums[i % 4] = _mm256_fmadd_ps(x, y, sums[i % 4]);
    }
    sum_f32(sums) + scalar::dot_f32(a_tail, b_tail)
}

#[target_feature(enable = "avx2,fma")]
fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (a, a_tail) = a[..len].as_chunks::<8>();
    let (b, b_tail) = b[..len].as_chunks::<8>();
    let mut sums = [_mm256_setzero_ps(); 4];
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        // SAFETY: `x` is a chunk of 8 floats.
        let x = unsafe { _mm256_loadu_ps(x.as_ptr()) };
        // SAFETY: `y` is a chunk of 8 floats.
        let y = unsafe { _mm256_loadu_ps(y.as_ptr()) };
        let d = _mm256_sub_ps(x, y);
        sums[i % 4] = _mm256_fmadd_ps(d, d, sums[i % 4]);
    }
    sum_f32(sums) + scalar::l2_f32(a_tail, b_tail)
}

#[target_feature(enable = "avx2,fma")]
fn sum_f32(sums: [__m256; 4]) -> f32 {
    let [a, b, c, d] = sums;
    let sum = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    let half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
    let quarter = _mm_hadd_ps(half, half);
    _mm_cvtss_f32(_mm_hadd_ps(quarter, quarter))
}

/// Widens to 16 bits: VPMADDUBSW would saturate.
#[target_feature(enable = "avx2")]
fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    let len = a.len().min(b.len());
    let (a, a_tail) = a[..len].as_chunks::<16>();
    let (b, b_tail) = b[..len].as_chunks::<16>();
    let mut sums = [_mm256_setzero_si256(); 2];
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        // SAFETY: `x` is a chunk of 16 bytes.
        let x = unsafe { _mm_loadu_si128(x.as_ptr().cast()) };
        // SAFETY: `y` is a chunk of 16 bytes.
        let y = unsafe { _mm_loadu_si128(y.as_ptr().cast()) };
        let product = _mm256_madd_epi16(_mm256_cvtepi8_epi16(x), _mm256_cvtepi8_epi16(y));
        sums[i % 2] = _mm256_add_epi32(sums[i % 2], product);
    }
    let sum: __m256i = _mm256_add_epi32(sums[0], sums[1]);
    let half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let quarter = _mm_hadd_epi32(half, half);
    _mm_cvtsi128_si32(_mm_hadd_epi32(quarter, quarter)) + scalar::dot_i8(a_tail, b_tail)
}
