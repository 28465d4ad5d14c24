//! Owns the kernel of FastScan blocks for AVX2: 32 look-ups at a time.

use std::arch::x86_64::{
    __m128i, __m256i, _CMP_LT_OQ, _mm_add_epi16, _mm_setzero_si128, _mm_unpackhi_epi16,
    _mm_unpacklo_epi16, _mm256_add_epi8, _mm256_add_epi16, _mm256_and_si256,
    _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_extracti128_si256, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_movemask_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_ps,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
};

use crate::vector::kernel::batch::Lanes;
use crate::vector::kernel::blocks::{Blocks, ROWS, sift};

#[target_feature(enable = "avx2")]
pub(super) fn blocks(blocks: &Blocks<'_>, out: &mut [u32]) {
    sift(
        blocks,
        out,
        |signs, tables| sums(signs, tables),
        |distances, bound| below(distances, bound),
    );
}

#[target_feature(enable = "avx2")]
#[inline]
fn sums(signs: &[u8], tables: &[Lanes]) -> [u16; ROWS] {
    let (half, byte) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi16(0x00ff));
    // Sums of rows 0 to 15 and of rows 16 to 31; in each, rows with even and with odd numbers
    // apart.
    let mut sums = [[_mm256_setzero_si256(); 2]; 2];
    let parts = signs.as_chunks::<128>().0.iter().zip(tables.as_chunks::<2>().0);
    for (signs, tables) in parts {
        // The sum of four entries of at most 60 fits a byte.
        let mut bytes = [_mm256_setzero_si256(); 2];
        let signs = signs.as_chunks::<32>().0;
        for i in 0..4 {
            let table = tables[i / 2].0.as_chunks::<32>().0;
            // SAFETY: 32 bytes.
            let signs = unsafe { _mm256_loadu_si256(signs[i].as_ptr().cast()) };
            // SAFETY: 32 bytes.
            let table = unsafe { _mm256_loadu_si256(table[i % 2].as_ptr().cast()) };
            let halves = [signs, _mm256_srli_epi16::<4>(signs)];
            for h in 0..2 {
                let entries = _mm256_shuffle_epi8(table, _mm256_and_si256(halves[h], half));
                bytes[h] = _mm256_add_epi8(bytes[h], entries);
            }
        }
        for h in 0..2 {
            sums[h][0] = _mm256_add_epi16(sums[h][0], _mm256_and_si256(bytes[h], byte));
            sums[h][1] = _mm256_add_epi16(sums[h][1], _mm256_srli_epi16::<8>(bytes[h]));
        }
    }
    let mut out = [_mm_setzero_si128(); 4];
    for h in 0..2 {
        let (even, odd) = (folded(sums[h][0]), folded(sums[h][1]));
        out[2 * h] = _mm_unpacklo_epi16(even, odd);
        out[2 * h + 1] = _mm_unpackhi_epi16(even, odd);
    }
    bytemuck::cast(out)
}

/// Returns the sum of both halves, which belong to different tables.
#[target_feature(enable = "avx2")]
#[inline]
fn folded(sums: __m256i) -> __m128i {
    _mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums))
}

#[target_feature(enable = "avx2")]
#[inline]
fn below(distances: &[f32; ROWS], bound: f32) -> u32 {
    let bound = _mm256_set1_ps(bound);
    let (eights, _) = distances.as_chunks::<8>();
    let mut bits = 0;
    for (at, distances) in eights.iter().enumerate() {
        // SAFETY: 8 floats.
        let distances = unsafe { _mm256_loadu_ps(distances.as_ptr()) };
        let below = _mm256_cmp_ps::<_CMP_LT_OQ>(distances, bound);
        bits |= (_mm256_movemask_ps(below) as u32) << (8 * at);
    }
    bits
}
