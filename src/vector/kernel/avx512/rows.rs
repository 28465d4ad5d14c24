//! Owns the kernels of many rows for AVX-512: four rows at a time share the query's registers and
//! the final sums.
//!
//! Unsafe code here is pointer loads from chunks whose length the type or the mask states. The
//! caller guarantees the processor features, as `target_feature` says.

use std::arch::x86_64::{
    __m256i, __m512i, _mm_add_epi32, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_hadd_epi32, _mm512_add_epi8, _mm512_add_epi32,
    _mm512_add_epi64, _mm512_and_si512, _mm512_castsi512_si256, _mm512_dpbusd_epi32,
    _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_maskz_mov_epi8,
    _mm512_popcnt_epi32, _mm512_popcnt_epi64, _mm512_reduce_add_epi32, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_srai_epi32, _mm512_srli_epi16, _mm512_sub_epi8, _mm512_sub_epi32,
    _mm512_xor_si512,
};

use crate::vector::kernel::avx2::prefetch::prefetch;
use crate::vector::kernel::batch::{Batch, Lanes, PLANES, chunked, measure};

/// VPDPBUSD multiplies unsigned by signed bytes. So the rows are raised by 128, and 128 · Σ query
/// is subtracted again: once per call, not once per row.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn int8(batch: &Batch<'_>, query: &[i8], out: &mut [f32]) {
    let query: &[u8] = bytemuck::cast_slice(query);
    let ones = _mm512_set1_epi8(1);
    let mut total = _mm512_setzero_si512();
    walk([query], |_, [q]| total = _mm512_dpbusd_epi32(total, ones, q));
    let shift = 128 * _mm512_reduce_add_epi32(total);
    measure(
        batch,
        out,
        prefetch,
        |rows| int8_rows(query, rows).map(|dot| dot.wrapping_sub(shift)),
        |row| int8_rows(query, [row])[0].wrapping_sub(shift),
    );
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn int8_rows<const R: usize>(query: &[u8], rows: [&[u8]; R]) -> [i32; R] {
    let flip = _mm512_set1_epi8(-128);
    let mut sums = [_mm512_setzero_si512(); R];
    walk(rows, |i, x| {
        let q = load(query, i);
        for r in 0..R {
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_xor_si512(x[r], flip), q);
        }
    });
    totals(sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn bits4(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let planes = query.as_chunks::<2>().0;
    let values = |i: usize| all_lanes(planes, i);
    measure(
        batch,
        out,
        prefetch,
        |rows| bits4_rows(values, rows),
        |row| bits4_rows(values, [row])[0],
    );
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn bits4_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    let (mask, top) = (_mm512_set1_epi8(0x0f), _mm512_set1_epi8(15));
    let values = |i| {
        let x = load(a, i);
        centred([x, _mm512_srli_epi16::<4>(x)], mask, top)
    };
    measure(
        batch,
        out,
        prefetch,
        |rows| bits4_rows(values, rows),
        |row| bits4_rows(values, [row])[0],
    );
}

/// The high halves stay in place, sixteen times too large, until the end.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn bits4_rows<const R: usize>(
    values: impl Fn(usize) -> [__m512i; 2],
    rows: [&[u8]; R],
) -> [i32; R] {
    let masks = [_mm512_set1_epi8(0x0f), _mm512_set1_epi8(0xf0u8 as i8)];
    let mut sums = [[_mm512_setzero_si512(); R]; 2];
    walk(rows, |i, x| {
        let values = values(i);
        for r in 0..R {
            for p in 0..2 {
                let code = _mm512_and_si512(x[r], masks[p]);
                sums[p][r] = _mm512_dpbusd_epi32(sums[p][r], code, values[p]);
            }
        }
    });
    let [mut low, high] = sums;
    for r in 0..R {
        low[r] = _mm512_add_epi32(low[r], _mm512_srai_epi32::<4>(high[r]));
    }
    totals(low)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn bits2(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let planes = query.as_chunks::<4>().0;
    let values = |i: usize| all_lanes(planes, i);
    measure(
        batch,
        out,
        prefetch,
        |rows| bits2_rows(values, rows),
        |row| bits2_rows(values, [row])[0],
    );
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn bits2_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    let (mask, top) = (_mm512_set1_epi8(3), _mm512_set1_epi8(3));
    let values = |i| {
        let x = load(a, i);
        let high = [_mm512_srli_epi16::<4>(x), _mm512_srli_epi16::<6>(x)];
        centred([x, _mm512_srli_epi16::<2>(x), high[0], high[1]], mask, top)
    };
    measure(
        batch,
        out,
        prefetch,
        |rows| bits2_rows(values, rows),
        |row| bits2_rows(values, [row])[0],
    );
}

/// Returns the codes under the mask as values 2 c - top.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn centred<const P: usize>(mut planes: [__m512i; P], mask: __m512i, top: __m512i) -> [__m512i; P] {
    for plane in &mut planes {
        let code = _mm512_and_si512(*plane, mask);
        *plane = _mm512_sub_epi8(_mm512_add_epi8(code, code), top);
    }
    planes
}

/// All planes but the lowest stay in place, 4, 16 and 64 times too large, until the end.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn bits2_rows<const R: usize>(
    values: impl Fn(usize) -> [__m512i; 4],
    rows: [&[u8]; R],
) -> [i32; R] {
    let masks = [
        _mm512_set1_epi8(0x03),
        _mm512_set1_epi8(0x0c),
        _mm512_set1_epi8(0x30),
        _mm512_set1_epi8(0xc0u8 as i8),
    ];
    let mut sums = [[_mm512_setzero_si512(); R]; 4];
    walk(rows, |i, x| {
        let values = values(i);
        for r in 0..R {
            for p in 0..4 {
                let code = _mm512_and_si512(x[r], masks[p]);
                sums[p][r] = _mm512_dpbusd_epi32(sums[p][r], code, values[p]);
            }
        }
    });
    let [mut all, b, c, d] = sums;
    for r in 0..R {
        let low = _mm512_add_epi32(all[r], _mm512_srai_epi32::<2>(b[r]));
        let high = _mm512_add_epi32(_mm512_srai_epi32::<4>(c[r]), _mm512_srai_epi32::<6>(d[r]));
        all[r] = _mm512_add_epi32(low, high);
    }
    totals(all)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn bits1(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    measure(
        batch,
        out,
        prefetch,
        |rows| bits1_rows(query, rows),
        |row| bits1_rows(query, [row])[0],
    );
}

/// 64 bits of a row are the mask of the query's values that count.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn bits1_rows<const R: usize>(query: &[Lanes], rows: [&[u8]; R]) -> [i32; R] {
    let ones = _mm512_set1_epi8(1);
    let mut sums = [_mm512_setzero_si512(); R];
    let (chunks, blocks) = chunked::<R, 8>(rows, query.len());
    for (i, q) in query[..blocks].iter().enumerate() {
        let q = lanes(q);
        for r in 0..R {
            let chosen = _mm512_maskz_mov_epi8(u64::from_le_bytes(chunks[r].0[i]), q);
            sums[r] = _mm512_dpbusd_epi32(sums[r], ones, chosen);
        }
    }
    totals(sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
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

/// Weights the counts by doubling the sum of the higher planes, which is cheaper than products.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn planes_rows<const R: usize>(query: &[[Lanes; PLANES]], rows: [&[u8]; R]) -> [i32; R] {
    let mut sums = [_mm512_setzero_si512(); R];
    walk(rows, |i, x| {
        let planes = all_lanes(query, i);
        for r in 0..R {
            let mut counts = planes;
            for plane in &mut counts {
                *plane = _mm512_popcnt_epi32(_mm512_and_si512(*plane, x[r]));
            }
            let [a, b, c, d] = counts;
            let sum = _mm512_sub_epi32(c, _mm512_add_epi32(d, d));
            let sum = _mm512_add_epi32(b, _mm512_add_epi32(sum, sum));
            let sum = _mm512_add_epi32(a, _mm512_add_epi32(sum, sum));
            sums[r] = _mm512_add_epi32(sums[r], sum);
        }
    });
    totals(sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
pub(super) fn bits1_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    measure(
        batch,
        out,
        prefetch,
        |rows| bits1_pair_rows(a, rows),
        |row| bits1_pair_rows(a, [row])[0],
    );
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn bits1_pair_rows<const R: usize>(a: &[u8], rows: [&[u8]; R]) -> [i32; R] {
    let mut sums = [_mm512_setzero_si512(); R];
    walk(rows, |i, x| {
        let a = load(a, i);
        for r in 0..R {
            let differ = _mm512_popcnt_epi64(_mm512_xor_si512(x[r], a));
            sums[r] = _mm512_add_epi64(sums[r], differ);
        }
    });
    // Counts of 64 bits each; their high halves are zero.
    totals(sums)
}

/// Calls `step` with 64 bytes of each row at a time. The rows have one length; the rest is padded
/// with zeros.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn walk<const R: usize>(rows: [&[u8]; R], mut step: impl FnMut(usize, [__m512i; R])) {
    let (chunks, blocks) = chunked::<R, 64>(rows, usize::MAX);
    let mut x = [_mm512_setzero_si512(); R];
    for i in 0..blocks {
        for r in 0..R {
            // SAFETY: a chunk of 64 bytes.
            x[r] = unsafe { _mm512_loadu_si512(chunks[r].0[i].as_ptr().cast()) };
        }
        step(i, x);
    }
    if !chunks[0].1.is_empty() {
        for r in 0..R {
            x[r] = masked(chunks[r].1);
        }
        step(blocks, x);
    }
}

/// Returns block `i` of these bytes, padded with zeros.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(bytes: &[u8], i: usize) -> __m512i {
    match bytes.get(64 * i..).unwrap_or(&[]).split_first_chunk::<64>() {
        // SAFETY: a chunk of 64 bytes.
        Some((block, _)) => unsafe { _mm512_loadu_si512(block.as_ptr().cast()) },
        None => masked(bytes.get(64 * i..).unwrap_or(&[])),
    }
}

/// Returns fewer than 64 bytes, padded with zeros.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn masked(bytes: &[u8]) -> __m512i {
    let mask = 1u64.checked_shl(bytes.len() as u32).map_or(u64::MAX, |bit| bit - 1);
    // SAFETY: the mask reads as many bytes as there are, and no more than 64.
    unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) }
}

/// Returns the values of each plane for block `i`.
#[target_feature(enable = "avx512f")]
#[inline]
fn all_lanes<const P: usize>(planes: &[[Lanes; P]], i: usize) -> [__m512i; P] {
    let mut all = [_mm512_setzero_si512(); P];
    if let Some(planes) = planes.get(i) {
        for (values, plane) in all.iter_mut().zip(planes) {
            *values = lanes(plane);
        }
    }
    all
}

#[target_feature(enable = "avx512f")]
#[inline]
fn lanes(values: &Lanes) -> __m512i {
    // SAFETY: 64 bytes.
    unsafe { _mm512_loadu_si512(values.0.as_ptr().cast()) }
}

/// Returns the sum of the lanes of each vector.
#[target_feature(enable = "avx512f,avx2")]
#[inline]
fn totals<const R: usize>(sums: [__m512i; R]) -> [i32; R] {
    let mut totals = [0; R];
    let (fours, rest) = sums.as_chunks::<4>();
    let (four_totals, rest_totals) = totals.as_chunks_mut::<4>();
    for (sums, totals) in fours.iter().zip(four_totals) {
        let [a, b, c, d] = [halved(sums[0]), halved(sums[1]), halved(sums[2]), halved(sums[3])];
        let sum = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let high = _mm256_extracti128_si256::<1>(sum);
        *totals = bytemuck::cast(_mm_add_epi32(_mm256_castsi256_si128(sum), high));
    }
    for (sum, total) in rest.iter().zip(rest_totals) {
        *total = _mm512_reduce_add_epi32(*sum);
    }
    totals
}

#[target_feature(enable = "avx512f")]
#[inline]
fn halved(sum: __m512i) -> __m256i {
    _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum))
}
