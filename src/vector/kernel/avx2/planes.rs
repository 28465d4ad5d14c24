//! Owns the kernel of bit planes for AVX2, which has no population count: it looks up the count of
//! each half byte.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi32, _mm256_and_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
};

use super::prefetch::prefetch;
use super::rows::{half_lanes, totals, walk};
use crate::vector::kernel::batch::{Batch, Lanes, PLANE_WEIGHTS, PLANES, measure};

#[target_feature(enable = "avx2")]
pub(super) fn planes(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let query = query.as_chunks::<PLANES>().0;
    measure(
        batch,
        out,
        prefetch,
        |rows| planes_rows(query, rows),
        |row| planes_rows(query, [row])[0],
    );
}

/// The sum over all planes for one byte is at least -64 and at most 56.
#[target_feature(enable = "avx2")]
#[inline]
fn planes_rows<const R: usize>(query: &[[Lanes; PLANES]], rows: [&[u8]; R]) -> [i32; R] {
    let (mask, zero) = (_mm256_set1_epi8(0x0f), _mm256_setzero_si256());
    let (one, one16) = (_mm256_set1_epi8(1), _mm256_set1_epi16(1));
    let mut counts = [zero; PLANES];
    for (counts, weight) in counts.iter_mut().zip(PLANE_WEIGHTS) {
        *counts = weighted_counts(weight as i8);
    }
    let mut sums = [zero; R];
    walk(rows, |i, x| {
        let mut low = half_lanes(query, i);
        let mut high = low;
        for p in 0..PLANES {
            low[p] = _mm256_and_si256(low[p], mask);
            high[p] = _mm256_and_si256(_mm256_srli_epi16::<4>(high[p]), mask);
        }
        for r in 0..R {
            let upper = _mm256_srli_epi16::<4>(x[r]);
            let mut sum = zero;
            for p in 0..PLANES {
                let low = _mm256_shuffle_epi8(counts[p], _mm256_and_si256(x[r], low[p]));
                let high = _mm256_shuffle_epi8(counts[p], _mm256_and_si256(upper, high[p]));
                sum = _mm256_add_epi8(sum, _mm256_add_epi8(low, high));
            }
            let sum = _mm256_madd_epi16(_mm256_maddubs_epi16(one, sum), one16);
            sums[r] = _mm256_add_epi32(sums[r], sum);
        }
    });
    totals(sums)
}

/// Returns the number of bits in each half byte, times the weight.
#[target_feature(enable = "avx2")]
#[inline]
fn weighted_counts(w: i8) -> __m256i {
    let (two, three, four) = (2 * w, 3 * w, 4 * w);
    _mm256_setr_epi8(
        0, w, w, two, w, two, two, three, w, two, two, three, two, three, three, four, 0, w, w,
        two, w, two, two, three, w, two, two, three, two, three, three, four,
    )
}
