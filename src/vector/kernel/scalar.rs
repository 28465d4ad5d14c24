//! Owns the reference kernels: the simplest correct code, always compiled.

use super::batch::{Batch, Lanes, PLANE_WEIGHTS, PLANES, measure};
use super::blocks::{Blocks, ROWS, below, sift};
use super::table::Kernels;

/// The reference kernels.
pub(crate) const KERNELS: Kernels = Kernels {
    name: "scalar",
    dot_f32,
    l2_f32,
    l2_scaled_f32,
    prefetch: |_| {},
    ask: |_, _, _| {},
    int8: |batch, query, out| each(batch, out, |row| int8(query, row)),
    bits4: |batch, query, out| each(batch, out, |row| bits::<4>(query, row)),
    bits2: |batch, query, out| each(batch, out, |row| bits::<2>(query, row)),
    bits1: |batch, query, out| each(batch, out, |row| bits1(query, row)),
    planes: |batch, query, out| each(batch, out, |row| planes(query, row)),
    bits4_pairs: |batch, a, out| each(batch, out, |row| bits_pair::<4>(a, row)),
    bits2_pairs: |batch, a, out| each(batch, out, |row| bits_pair::<2>(a, row)),
    bits1_pairs: |batch, a, out| each(batch, out, |row| bits1_pair(a, row)),
    blocks,
};

fn each(batch: &Batch<'_>, out: &mut [f32], one: impl Fn(&[u8]) -> i32) {
    measure(batch, out, |_| {}, |rows| rows.map(&one), &one);
}

/// Returns the dot product.
pub(crate) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Returns the squared Euclidean distance.
pub(crate) fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Returns the squared Euclidean distance of `a` from `b` times a factor. In f64 a product of two
/// f32 is exact.
#[inline]
pub(crate) fn l2_scaled_f32(a: &[f32], b: &[f32], factor: f32) -> f32 {
    let difference =
        |(x, y): (&f32, &f32)| (f64::from(*x) - f64::from(*y) * f64::from(factor)) as f32;
    a.iter().zip(b).map(difference).map(|d| d * d).sum()
}

/// Returns the dot product of int8 values and the bytes of an int8 row. At most 65,544 terms of at
/// most 2^14 each fit an i32.
pub(super) fn int8(query: &[i8], row: &[u8]) -> i32 {
    query.iter().zip(row).map(|(q, x)| i32::from(*q) * i32::from(*x as i8)).sum()
}

/// Returns the dot product of int8 values and the codes of a row of `BITS` bits. Each 64 bytes of
/// the row have one vector of values for their lowest bits, one for the next bits, and so on.
pub(super) fn bits<const BITS: usize>(query: &[Lanes], row: &[u8]) -> i32 {
    let blocks = query.chunks_exact(8 / BITS).zip(row.chunks(64));
    let products = blocks.flat_map(|(planes, bytes)| {
        planes.iter().enumerate().flat_map(move |(plane, values)| {
            let code = move |byte: &u8| i32::from(byte >> (BITS * plane)) & ((1 << BITS) - 1);
            values.0.iter().zip(bytes).map(move |(q, byte)| i32::from(*q) * code(byte))
        })
    });
    products.sum()
}

/// Returns the dot product for one bit, where the codes of 64 values are 8 bytes, lowest bit first.
pub(super) fn bits1(query: &[Lanes], row: &[u8]) -> i32 {
    let blocks = query.iter().zip(row.chunks_exact(8));
    let products = blocks.flat_map(|(values, bytes)| {
        let bits = bytes.iter().flat_map(|byte| (0..8).map(move |i| i32::from(byte >> i) & 1));
        values.0.iter().zip(bits).map(|(q, bit)| i32::from(*q) * bit)
    });
    products.sum()
}

/// Returns the dot product of values of `PLANES` bits, bit by bit, and the bits of a row.
pub(super) fn planes(query: &[Lanes], row: &[u8]) -> i32 {
    let blocks = query.as_chunks::<PLANES>().0.iter().zip(row.chunks(64));
    let counts = blocks.flat_map(|(planes, bytes)| {
        planes.iter().zip(PLANE_WEIGHTS).map(move |(plane, weight)| {
            let shared = plane.0.iter().zip(bytes).map(|(q, x)| (*q as u8 & x).count_ones() as i32);
            weight * shared.sum::<i32>()
        })
    });
    counts.sum()
}

/// Returns the dot product of the codes of one row, as values `2 c - (2^BITS - 1)`, and the codes
/// of another.
pub(super) fn bits_pair<const BITS: usize>(a: &[u8], row: &[u8]) -> i32 {
    let top = (1 << BITS) - 1;
    let code = |byte: u8, plane: usize| i32::from(byte >> (BITS * plane)) & top;
    let products = a.iter().zip(row).flat_map(|(x, y)| {
        (0..8 / BITS).map(move |plane| (2 * code(*x, plane) - top) * code(*y, plane))
    });
    products.sum()
}

/// Returns how many bits of two rows differ.
pub(super) fn bits1_pair(a: &[u8], row: &[u8]) -> i32 {
    a.iter().zip(row).map(|(x, y)| (x ^ y).count_ones() as i32).sum()
}

fn blocks(blocks: &Blocks<'_>, out: &mut [u32]) {
    sift(blocks, out, block_sums, below);
}

/// Returns the sums of table entries for the rows of a block.
fn block_sums(signs: &[u8], tables: &[Lanes]) -> [u16; ROWS] {
    let mut sums = [0u16; ROWS];
    let tables = tables.iter().flat_map(|four| four.0.as_chunks::<16>().0);
    for (table, bytes) in tables.zip(signs.as_chunks::<16>().0) {
        for (i, byte) in bytes.iter().enumerate() {
            for (row, signs) in [(i, byte & 0x0f), (i + 16, byte >> 4)] {
                sums[row] = sums[row].wrapping_add(u16::from(table[usize::from(signs)] as u8));
            }
        }
    }
    sums
}
