//! Owns the kernels of many rows for AVX2: four rows at a time share the query's registers and the
//! final sums.
//!
//! Unsafe code here is pointer loads from chunks whose length the type states. The caller
//! guarantees the processor features, as `target_feature` says.

use std::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_loadu_si128, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cvtepi8_epi16,
    _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_epi64x, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16, _mm256_sub_epi8, _mm256_xor_si256,
};

use super::prefetch::prefetch;
use crate::vector::kernel::batch::{Batch, Lanes, chunked, measure};

/// Widens to 16 bits, because VPMADDUBSW would saturate.
#[target_feature(enable = "avx2")]
pub(super) fn int8(batch: &Batch<'_>, query: &[i8], out: &mut [f32]) {
    let query: &[u8] = bytemuck::cast_slice(query);
    measure(batch, out, prefetch, |rows| int8_rows(query, rows), |row| int8_rows(query, [row])[0]);
}

#[target_feature(enable = "avx2")]
#[inline]
fn int8_rows<const R: usize>(query: &[u8], rows: [&[u8]; R]) -> [i32; R] {
    let mut sums = [_mm256_setzero_si256(); R];
    let (query, query_rest) = query.as_chunks::<16>();
    let (chunks, blocks) = chunked::<R, 16>(rows, query.len());
    for (i, q) in query[..blocks].iter().enumerate() {
        let q = widened(q);
        for r in 0..R {
            let product = _mm256_madd_epi16(widened(&chunks[r].0[i]), q);
            sums[r] = _mm256_add_epi32(sums[r], product);
        }
    }
    let q = widened(&filled(query_rest));
    for r in 0..R {
        let product = _mm256_madd_epi16(widened(&filled(chunks[r].1)), q);
        sums[r] = _mm256_add_epi32(sums[r], product);
    }
    totals(sums)
}

#[target_feature(enable = "avx2")]
pub(super) fn bits4(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let planes = query.as_chunks::<2>().0;
    let values = |i| half_lanes(planes, i);
    measure(
        batch,
        out,
        prefetch,
        |rows| bits4_rows(values, rows),
        |row| bits4_rows(values, [row])[0],
    );
}

#[target_feature(enable = "avx2")]
pub(super) fn bits4_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    let (mask, top) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi8(15));
    let values = |i| {
        let x = load(a, i);
        centred([x, _mm256_srli_epi16::<4>(x)], mask, top)
    };
    measure(
        batch,
        out,
        prefetch,
        |rows| bits4_rows(values, rows),
        |row| bits4_rows(values, [row])[0],
    );
}

/// Four products of codes up to 15 and values up to 128 fit 16 bits without saturation.
#[target_feature(enable = "avx2")]
#[inline]
fn bits4_rows<const R: usize>(
    values: impl Fn(usize) -> [__m256i; 2],
    rows: [&[u8]; R],
) -> [i32; R] {
    let (mask, ones) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi16(1));
    let mut sums = [_mm256_setzero_si256(); R];
    walk(rows, |i, x| {
        let [low, high] = values(i);
        for r in 0..R {
            let codes = _mm256_and_si256(x[r], mask);
            let high_codes = _mm256_and_si256(_mm256_srli_epi16::<4>(x[r]), mask);
            let products = _mm256_add_epi16(
                _mm256_maddubs_epi16(codes, low),
                _mm256_maddubs_epi16(high_codes, high),
            );
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(products, ones));
        }
    });
    totals(sums)
}

#[target_feature(enable = "avx2")]
pub(super) fn bits2(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let planes = query.as_chunks::<4>().0;
    let values = |i| half_lanes(planes, i);
    measure(
        batch,
        out,
        prefetch,
        |rows| bits2_rows(values, rows),
        |row| bits2_rows(values, [row])[0],
    );
}

#[target_feature(enable = "avx2")]
pub(super) fn bits2_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    let top = _mm256_set1_epi8(3);
    let values = |i| centred(planes2(load(a, i)), top, top);
    measure(
        batch,
        out,
        prefetch,
        |rows| bits2_rows(values, rows),
        |row| bits2_rows(values, [row])[0],
    );
}

/// Returns the codes under the mask as values 2 c - top.
#[target_feature(enable = "avx2")]
#[inline]
fn centred<const P: usize>(mut planes: [__m256i; P], mask: __m256i, top: __m256i) -> [__m256i; P] {
    for plane in &mut planes {
        let code = _mm256_and_si256(*plane, mask);
        *plane = _mm256_sub_epi8(_mm256_add_epi8(code, code), top);
    }
    planes
}

/// Eight products of codes up to 3 and values up to 128 fit 16 bits without saturation.
#[target_feature(enable = "avx2")]
#[inline]
fn bits2_rows<const R: usize>(
    values: impl Fn(usize) -> [__m256i; 4],
    rows: [&[u8]; R],
) -> [i32; R] {
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_si256(); R];
    walk(rows, |i, x| {
        let values = values(i);
        for r in 0..R {
            let codes = planes2(x[r]);
            let a = _mm256_maddubs_epi16(codes[0], values[0]);
            let b = _mm256_maddubs_epi16(codes[1], values[1]);
            let c = _mm256_maddubs_epi16(codes[2], values[2]);
            let d = _mm256_maddubs_epi16(codes[3], values[3]);
            let products = _mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_add_epi16(c, d));
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(products, ones));
        }
    });
    totals(sums)
}

/// Returns the codes of two bits in each byte, plane by plane.
#[target_feature(enable = "avx2")]
#[inline]
fn planes2(x: __m256i) -> [__m256i; 4] {
    let mask = _mm256_set1_epi8(3);
    [
        _mm256_and_si256(x, mask),
        _mm256_and_si256(_mm256_srli_epi16::<2>(x), mask),
        _mm256_and_si256(_mm256_srli_epi16::<4>(x), mask),
        _mm256_and_si256(_mm256_srli_epi16::<6>(x), mask),
    ]
}

#[target_feature(enable = "avx2")]
pub(super) fn bits1(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    measure(
        batch,
        out,
        prefetch,
        |rows| bits1_rows(query, rows),
        |row| bits1_rows(query, [row])[0],
    );
}

/// Spreads the bits of a row over bytes: the mask of the query's values that count.
#[target_feature(enable = "avx2")]
#[inline]
fn bits1_rows<const R: usize>(query: &[Lanes], rows: [&[u8]; R]) -> [i32; R] {
    let (zeros, ones) = ([0u8; 8], [1u8; 8]);
    let spread: [u8; 32] = bytemuck::cast([zeros, ones, [2; 8], [3; 8]]);
    // SAFETY: an array of 32 bytes.
    let spread = unsafe { _mm256_loadu_si256(spread.as_ptr().cast()) };
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201u64 as i64);
    let (one, one16) = (_mm256_set1_epi8(1), _mm256_set1_epi16(1));
    let mut sums = [_mm256_setzero_si256(); R];
    let (chunks, blocks) = chunked::<R, 8>(rows, query.len());
    for (i, q) in query[..blocks].iter().enumerate() {
        let [low_values, high_values] = halves(q);
        for r in 0..R {
            let [a, b, c, d, e, f, g, h] = chunks[r].0[i];
            let low = _mm256_set1_epi32(i32::from_le_bytes([a, b, c, d]));
            let high = _mm256_set1_epi32(i32::from_le_bytes([e, f, g, h]));
            let low = _mm256_and_si256(_mm256_shuffle_epi8(low, spread), bit);
            let high = _mm256_and_si256(_mm256_shuffle_epi8(high, spread), bit);
            let low = _mm256_and_si256(_mm256_cmpeq_epi8(low, bit), low_values);
            let high = _mm256_and_si256(_mm256_cmpeq_epi8(high, bit), high_values);
            let pairs =
                _mm256_add_epi16(_mm256_maddubs_epi16(one, low), _mm256_maddubs_epi16(one, high));
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(pairs, one16));
        }
    }
    totals(sums)
}

#[target_feature(enable = "avx2")]
pub(super) fn bits1_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    measure(
        batch,
        out,
        prefetch,
        |rows| bits1_pair_rows(a, rows),
        |row| bits1_pair_rows(a, [row])[0],
    );
}

/// Counts bits by looking up the count of each half byte.
#[target_feature(enable = "avx2")]
#[inline]
fn bits1_pair_rows<const R: usize>(a: &[u8], rows: [&[u8]; R]) -> [i32; R] {
    let counts = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3,
        3, 4,
    );
    let (mask, zero) = (_mm256_set1_epi8(0x0f), _mm256_setzero_si256());
    let mut sums = [zero; R];
    walk(rows, |i, x| {
        let a = load(a, i);
        for r in 0..R {
            let differ = _mm256_xor_si256(x[r], a);
            let low = _mm256_and_si256(differ, mask);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(differ), mask);
            let count = _mm256_add_epi8(
                _mm256_shuffle_epi8(counts, low),
                _mm256_shuffle_epi8(counts, high),
            );
            sums[r] = _mm256_add_epi32(sums[r], _mm256_sad_epu8(count, zero));
        }
    });
    totals(sums)
}

/// Calls `step` with 32 bytes of each row at a time. The rows have one length; the rest is padded
/// with zeros.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn walk<const R: usize>(rows: [&[u8]; R], mut step: impl FnMut(usize, [__m256i; R])) {
    let (chunks, blocks) = chunked::<R, 32>(rows, usize::MAX);
    let mut x = [_mm256_setzero_si256(); R];
    for i in 0..blocks {
        for r in 0..R {
            // SAFETY: a chunk of 32 bytes.
            x[r] = unsafe { _mm256_loadu_si256(chunks[r].0[i].as_ptr().cast()) };
        }
        step(i, x);
    }
    if !chunks[0].1.is_empty() {
        for r in 0..R {
            x[r] = load(chunks[r].1, 0);
        }
        step(blocks, x);
    }
}

/// Returns block `i` of these bytes, padded with zeros.
#[target_feature(enable = "avx2")]
#[inline]
fn load(bytes: &[u8], i: usize) -> __m256i {
    let bytes = bytes.get(32 * i..).unwrap_or(&[]);
    match bytes.first_chunk::<32>() {
        // SAFETY: a chunk of 32 bytes.
        Some(block) => unsafe { _mm256_loadu_si256(block.as_ptr().cast()) },
        None => {
            let block: [u8; 32] = filled(bytes);
            // SAFETY: an array of 32 bytes.
            unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
        }
    }
}

/// Returns fewer than N bytes, padded with zeros.
fn filled<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    let len = bytes.len().min(N);
    block[..len].copy_from_slice(&bytes[..len]);
    block
}

#[target_feature(enable = "avx2")]
#[inline]
fn widened(x: &[u8; 16]) -> __m256i {
    // SAFETY: an array of 16 bytes.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(x.as_ptr().cast()) })
}

/// Returns half a vector of values for each plane: the low halves for even `i`, the high ones for
/// odd.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn half_lanes<const P: usize>(planes: &[[Lanes; P]], i: usize) -> [__m256i; P] {
    let mut all = [_mm256_setzero_si256(); P];
    if let Some(planes) = planes.get(i / 2) {
        for (values, plane) in all.iter_mut().zip(planes) {
            *values = halves(plane)[i % 2];
        }
    }
    all
}

#[target_feature(enable = "avx2")]
#[inline]
fn halves(values: &Lanes) -> [__m256i; 2] {
    let (halves, _) = values.0.as_chunks::<32>();
    // SAFETY: a chunk of 32 bytes.
    let low = unsafe { _mm256_loadu_si256(halves[0].as_ptr().cast()) };
    // SAFETY: a chunk of 32 bytes.
    let high = unsafe { _mm256_loadu_si256(halves[1].as_ptr().cast()) };
    [low, high]
}

/// Returns the sum of the lanes of each vector.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn totals<const R: usize>(sums: [__m256i; R]) -> [i32; R] {
    let mut totals = [0; R];
    let (fours, rest) = sums.as_chunks::<4>();
    let (four_totals, rest_totals) = totals.as_chunks_mut::<4>();
    for (sums, totals) in fours.iter().zip(four_totals) {
        *totals = totals_of_four(*sums);
    }
    for (sum, total) in rest.iter().zip(rest_totals) {
        *total = totals_of_four([*sum; 4])[0];
    }
    totals
}

#[target_feature(enable = "avx2")]
#[inline]
fn totals_of_four([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
    let sum = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let high = _mm256_extracti128_si256::<1>(sum);
    bytemuck::cast(_mm_add_epi32(_mm256_castsi256_si128(sum), high))
}
