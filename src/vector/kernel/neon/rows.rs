//! Owns the kernels of many rows for AArch64, where NEON is always available.
//!
//! Unsafe code here is pointer loads from chunks whose length the type states. The caller
//! guarantees the processor feature, as `target_feature` says.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, uint8x16_t, vaddq_s8, vaddvq_s32, vaddvq_u32, vandq_s8, vandq_u8,
    vcntq_u8, vcombine_u8, vdup_n_u8, vdupq_n_s8, vdupq_n_s32, vdupq_n_u8, vdupq_n_u32, veorq_u8,
    vget_high_s8, vget_low_s8, vld1q_s8, vld1q_u8, vmlal_s8, vmull_s8, vpadalq_s16, vpadalq_u16,
    vpaddlq_s8, vpaddlq_u8, vreinterpretq_s8_u8, vreinterpretq_u8_s8, vshlq_u8, vsubq_s8, vtstq_u8,
};

use crate::vector::kernel::batch::{Batch, Lanes, PLANES, measure};
use crate::vector::kernel::scalar;

#[target_feature(enable = "neon")]
pub(super) fn int8(batch: &Batch<'_>, query: &[i8], out: &mut [f32]) {
    each(batch, out, |row| int8_row(query, row));
}

#[target_feature(enable = "neon")]
pub(super) fn bits4(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let planes = query.as_chunks::<2>().0;
    each(batch, out, |row| packed::<4, 2>(row, |i| quarter_lanes(planes, i)));
}

#[target_feature(enable = "neon")]
pub(super) fn bits2(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let planes = query.as_chunks::<4>().0;
    each(batch, out, |row| packed::<2, 4>(row, |i| quarter_lanes(planes, i)));
}

#[target_feature(enable = "neon")]
pub(super) fn bits1(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let quarters = query.iter().flat_map(|values| values.0.as_chunks::<16>().0);
    each(batch, out, |row| bits1_row(quarters.clone(), row));
}

#[target_feature(enable = "neon")]
pub(super) fn planes(batch: &Batch<'_>, query: &[Lanes], out: &mut [f32]) {
    let query = query.as_chunks::<PLANES>().0;
    each(batch, out, |row| planes_row(query, row));
}

#[target_feature(enable = "neon")]
pub(super) fn bits4_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    each(batch, out, |row| packed::<4, 2>(row, |i| centred::<4, 2>(a, i)));
}

#[target_feature(enable = "neon")]
pub(super) fn bits2_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    each(batch, out, |row| packed::<2, 4>(row, |i| centred::<2, 4>(a, i)));
}

#[target_feature(enable = "neon")]
pub(super) fn bits1_pairs(batch: &Batch<'_>, a: &[u8], out: &mut [f32]) {
    each(batch, out, |row| bits1_pair(a, row));
}

#[target_feature(enable = "neon")]
#[inline]
fn int8_row(query: &[i8], row: &[u8]) -> i32 {
    let (query, query_rest) = query.as_chunks::<16>();
    let (row, row_rest) = row.as_chunks::<16>();
    let mut sum = vdupq_n_s32(0);
    for (q, x) in query.iter().zip(row) {
        // SAFETY: an array of 16 bytes.
        let (q, x) = (unsafe { vld1q_s8(q.as_ptr()) }, vreinterpretq_s8_u8(load(x)));
        sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(q), vget_low_s8(x)));
        sum = vpadalq_s16(sum, vmull_s8(vget_high_s8(q), vget_high_s8(x)));
    }
    vaddvq_s32(sum) + scalar::int8(query_rest, row_rest)
}

fn each(batch: &Batch<'_>, out: &mut [f32], one: impl Fn(&[u8]) -> i32) {
    measure(batch, out, |_| {}, |rows| rows.map(&one), &one);
}

/// Returns the dot product of values and the codes of a row, 16 bytes of the row at a time.
/// `values` returns one vector for each of the `PLANES` codes in a byte.
#[target_feature(enable = "neon")]
#[inline]
fn packed<const BITS: i8, const PLANES: usize>(
    row: &[u8],
    values: impl Fn(usize) -> [int8x16_t; PLANES],
) -> i32 {
    let mut sum = vdupq_n_s32(0);
    let mut step = |i, bytes: &[u8; 16]| {
        let (codes, values) = (unpacked::<BITS, PLANES>(bytes), values(i));
        for p in 0..PLANES {
            sum = add_products(sum, codes[p], values[p]);
        }
    };
    let (full, rest) = row.as_chunks::<16>();
    full.iter().enumerate().for_each(|(i, bytes)| step(i, bytes));
    if !rest.is_empty() {
        step(full.len(), &filled(rest));
    }
    vaddvq_s32(sum)
}

/// Adds products of codes up to 15 and values up to 128: two of them fit 16 bits.
#[target_feature(enable = "neon")]
#[inline]
fn add_products(sum: int32x4_t, codes: int8x16_t, values: int8x16_t) -> int32x4_t {
    let low = vmull_s8(vget_low_s8(codes), vget_low_s8(values));
    vpadalq_s16(sum, vmlal_s8(low, vget_high_s8(codes), vget_high_s8(values)))
}

#[target_feature(enable = "neon")]
#[inline]
fn unpacked<const BITS: i8, const PLANES: usize>(bytes: &[u8; 16]) -> [int8x16_t; PLANES] {
    let x = load(bytes);
    let mask = vdupq_n_u8((1 << BITS) - 1);
    std::array::from_fn(|p| {
        let shifted = vshlq_u8(x, vdupq_n_s8(-BITS * p as i8));
        vreinterpretq_s8_u8(vandq_u8(shifted, mask))
    })
}

/// Returns the codes of a row as values 2 c - (2^BITS - 1).
#[target_feature(enable = "neon")]
#[inline]
fn centred<const BITS: i8, const PLANES: usize>(a: &[u8], i: usize) -> [int8x16_t; PLANES] {
    let top = vdupq_n_s8((1 << BITS) - 1);
    unpacked::<BITS, PLANES>(&filled(a.get(16 * i..).unwrap_or(&[])))
        .map(|code| vsubq_s8(vaddq_s8(code, code), top))
}

/// Returns a quarter of a vector of values for each plane.
#[target_feature(enable = "neon")]
#[inline]
fn quarter_lanes<const P: usize>(planes: &[[Lanes; P]], i: usize) -> [int8x16_t; P] {
    let none = [vdupq_n_s8(0); P];
    planes.get(i / 4).map_or(none, |planes| {
        planes.each_ref().map(|values| {
            let (quarters, _) = values.0.as_chunks::<16>();
            // SAFETY: a chunk of 16 bytes.
            unsafe { vld1q_s8(quarters[i % 4].as_ptr()) }
        })
    })
}

/// Spreads the bits of a row over bytes: the mask of the query's values that count.
#[target_feature(enable = "neon")]
#[inline]
fn bits1_row<'a>(quarters: impl Iterator<Item = &'a [i8; 16]>, row: &[u8]) -> i32 {
    let bit = load(&[1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
    let mut sum = vdupq_n_s32(0);
    for (values, bytes) in quarters.zip(row.as_chunks::<8>().0.as_flattened().as_chunks::<2>().0) {
        let spread = vcombine_u8(vdup_n_u8(bytes[0]), vdup_n_u8(bytes[1]));
        // SAFETY: an array of 16 bytes.
        let values = unsafe { vld1q_s8(values.as_ptr()) };
        let chosen = vandq_s8(values, vreinterpretq_s8_u8(vtstq_u8(spread, bit)));
        sum = vpadalq_s16(sum, vpaddlq_s8(chosen));
    }
    vaddvq_s32(sum)
}

/// The sum over all planes for one byte is at least -64 and at most 56.
#[target_feature(enable = "neon")]
#[inline]
fn planes_row(query: &[[Lanes; PLANES]], row: &[u8]) -> i32 {
    let mut sum = vdupq_n_s32(0);
    let mut step = |i, bytes: &[u8; 16]| {
        let (x, mut counts) = (load(bytes), quarter_lanes(query, i));
        for plane in &mut counts {
            *plane = vreinterpretq_s8_u8(vcntq_u8(vandq_u8(x, vreinterpretq_u8_s8(*plane))));
        }
        let [a, b, c, d] = counts;
        let all = vsubq_s8(c, vaddq_s8(d, d));
        let all = vaddq_s8(b, vaddq_s8(all, all));
        let all = vaddq_s8(a, vaddq_s8(all, all));
        sum = vpadalq_s16(sum, vpaddlq_s8(all));
    };
    let (full, rest) = row.as_chunks::<16>();
    full.iter().enumerate().for_each(|(i, bytes)| step(i, bytes));
    if !rest.is_empty() {
        step(full.len(), &filled(rest));
    }
    vaddvq_s32(sum)
}

#[target_feature(enable = "neon")]
#[inline]
fn bits1_pair(a: &[u8], row: &[u8]) -> i32 {
    let (a, a_rest) = a.as_chunks::<16>();
    let (row, row_rest) = row.as_chunks::<16>();
    let mut sum = vdupq_n_u32(0);
    for (x, y) in a.iter().zip(row) {
        let differ = vcntq_u8(veorq_u8(load(x), load(y)));
        sum = vpadalq_u16(sum, vpaddlq_u8(differ));
    }
    vaddvq_u32(sum) as i32 + scalar::bits1_pair(a_rest, row_rest)
}

/// Returns the first 16 bytes, padded with zeros.
fn filled(bytes: &[u8]) -> [u8; 16] {
    let mut block = [0; 16];
    let len = bytes.len().min(16);
    block[..len].copy_from_slice(&bytes[..len]);
    block
}

#[target_feature(enable = "neon")]
#[inline]
fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: an array of 16 bytes.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}
