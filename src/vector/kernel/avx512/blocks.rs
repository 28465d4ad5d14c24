//! Owns the kernel of FastScan blocks for AVX-512: 64 look-ups at a time.

use std::arch::x86_64::{
    __m128i, __m512i, _CMP_LT_OQ, _mm_add_epi16, _mm_setzero_si128, _mm_unpackhi_epi16,
    _mm_unpacklo_epi16, _mm256_add_epi16, _mm256_castsi256_si128, _mm256_extracti128_si256,
    _mm512_add_epi8, _mm512_add_epi16, _mm512_and_si512, _mm512_castsi512_si256,
    _mm512_cmp_ps_mask, _mm512_extracti64x4_epi64, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_ps, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_srli_epi16,
};

use crate::vector::kernel::batch::Lanes;
use crate::vector::kernel::blocks::{Blocks, ROWS, sift};

#[target_feature(enable = "avx512f,avx512bw,avx2")]
pub(super) fn blocks(blocks: &Blocks<'_>, out: &mut [u32]) {
    sift(
        blocks,
        out,
        |signs, tables| sums(signs, tables),
        |distances, bound| below(distances, bound),
    );
}

#[target_feature(enable = "avx512f,avx512bw,avx2")]
#[inline]
fn sums(signs: &[u8], tables: &[Lanes]) -> [u16; ROWS] {
    let (half, byte) = (_mm512_set1_epi8(0x0f), _mm512_set1_epi16(0x00ff));
    // Sums of rows 0 to 15 and of rows 16 to 31; in each, rows with even and with odd numbers
    // apart.
    let mut sums = [[_mm512_setzero_si512(); 2]; 2];
    let parts = signs.as_chunks::<256>().0.iter().zip(tables.as_chunks::<4>().0);
    for (signs, tables) in parts {
        // The sum of four entries of at most 60 fits a byte.
        let mut bytes = [_mm512_setzero_si512(); 2];
        for (signs, table) in signs.as_chunks::<64>().0.iter().zip(tables) {
            // SAFETY: 64 bytes.
            let signs = unsafe { _mm512_loadu_si512(signs.as_ptr().cast()) };
            // SAFETY: 64 bytes.
            let table = unsafe { _mm512_loadu_si512(table.0.as_ptr().cast()) };
            let halves = [signs, _mm512_srli_epi16::<4>(signs)];
            for h in 0..2 {
                let entries = _mm512_shuffle_epi8(table, _mm512_and_si512(halves[h], half));
                bytes[h] = _mm512_add_epi8(bytes[h], entries);
            }
        }
        for h in 0..2 {
            sums[h][0] = _mm512_add_epi16(sums[h][0], _mm512_and_si512(bytes[h], byte));
            sums[h][1] = _mm512_add_epi16(sums[h][1], _mm512_srli_epi16::<8>(bytes[h]));
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

/// Returns the sum of the four quarters, which belong to different tables.
#[target_feature(enable = "avx512f,avx512bw,avx2")]
#[inline]
fn folded(sums: __m512i) -> __m128i {
    let (low, high) = (_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
    let sum = _mm256_add_epi16(low, high);
    _mm_add_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn below(distances: &[f32; ROWS], bound: f32) -> u32 {
    let bound = _mm512_set1_ps(bound);
    let (halves, _) = distances.as_chunks::<16>();
    let mut bits = 0;
    for (half, distances) in halves.iter().enumerate() {
        // SAFETY: 16 floats.
        let distances = unsafe { _mm512_loadu_ps(distances.as_ptr()) };
        bits |= u32::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(distances, bound)) << (16 * half);
    }
    bits
}
