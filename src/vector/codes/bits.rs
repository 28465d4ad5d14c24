//! Owns codes of 4, 2 and 1 bits per coordinate, after Gao et al., "Practical and Asymptotically
//! Optimal Quantization of High-Dimensional Vectors in Euclidean Space for Approximate Nearest
//! Neighbor Search", SIGMOD 2025 (RaBitQ). A vector is rotated (`rotate`). Each coordinate becomes
//! one of 2^B equidistant values, symmetric about zero. The scale is chosen such that products with
//! queries are right on average.
//!
//! A row: head of 16 bytes | packed codes | zero pad to 16 bytes. The head: scale f32 | squared
//! norm f32 | sum of the codes u32 | scale for pairs f32. Let y be the rotated vector and c its
//! codes. The values of the codes are v = 2 c − (2^B − 1), which are odd whole numbers.
//!
//! - scale = |x|² / ⟨v, y⟩. So ⟨x, q⟩ is about scale · ⟨v, rotated q⟩, and the error has no bias.
//! - scale for pairs = |x| / |v|. So rows are points of the right length, and their distances are
//!   true distances.
//!
//! A row of 4 bits: head | signs, packed like codes of 1 bit | packed codes | zero pad to 64 bytes.
//! So it has its signs twice, the first time in front of the codes. The sum is in the lower 20 bits
//! of its word. The upper 12 bits hold the scale of the signs, |x|² / ⟨signs, y⟩, in 256ths of the
//! first scale. It is 1 to 15 times as large as the first scale.
//!
//! Most rows that a search meets are much too far away, and head and signs suffice to reject them.
//! With 384 coordinates these are one cache line; the whole row is four.
//!
//! Packing of codes:
//!
//! - 4 bits: 64 bytes hold 128 coordinates, the first 64 in their low halves, the others in their
//!   high halves.
//! - 2 bits: 64 bytes hold 256 coordinates, the first 64 in the lowest bits, and so on.
//! - A last block of r < 64 bytes is packed in the same way, with groups of r coordinates.
//! - 1 bit: coordinate i is bit i mod 8 of byte i / 8.
//!
//! So kernels unpack with a shift and a mask, and read a query in order.

use crate::vector::kernel::batch::{Lanes, Part, SIGN_SCALE_SHIFT, SIGN_SCALE_UNIT};
use crate::vector::metric::squared_norm;
use crate::vector::rotate::{Rotation, padded};

/// Bytes of a row before its codes.
pub(super) const HEAD: usize = 16;

/// The bits of its word that the sum of the codes takes; the sum is at most 15 · 65,536.
const SUM: u32 = (1 << SIGN_SCALE_SHIFT) - 1;

/// Step sizes that are tried, relative to the usual one. The usual step is the best for a normal
/// distribution: 0.335 standard deviations for 4 bits, 0.996 for 2. Trying a whole range of steps
/// instead would reduce squared errors by 0.5 % at 384 dimensions and by 2.5 % at 64.
const STEPS: [f32; 7] = [0.77, 0.87, 0.95, 1.0, 1.05, 1.15, 1.28];

/// Adding this to a small positive number rounds it to the nearest whole number, which is then in
/// the lowest bits of the float.
const WHOLE: f32 = 8_388_608.0;

/// Coordinates handled at once.
const WIDTH: usize = 16;

/// Returns where the codes of a row are.
pub(super) const fn codes(bits: usize, dimension: usize) -> Part {
    let start = if bits == 4 { signs(dimension).end } else { HEAD };
    Part { start, end: start + padded(dimension) * bits / 8 }
}

/// Returns where the signs of a row of 4 bits are.
const fn signs(dimension: usize) -> Part {
    Part { start: HEAD, end: HEAD + padded(dimension) / 8 }
}

/// Returns the part of a row of 4 bits that the sign filter reads: the whole cache lines with head
/// and signs.
pub(super) const fn look(dimension: usize) -> Part {
    Part { start: 0, end: signs(dimension).end.next_multiple_of(64) }
}

/// The fields of a row's head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub(super) squared: f32,
    pub(super) sum: u32,
    pub(super) pair_scale: f32,
}

/// Returns the codes of a row of 4 bits as values v, in order.
pub(super) fn values4(codes: &[u8]) -> Vec<i8> {
    let mut values = Vec::with_capacity(2 * codes.len());
    for block in codes.chunks(64) {
        values.extend(block.iter().map(|byte| 2 * (byte & 15) as i8 - 15));
        values.extend(block.iter().map(|byte| 2 * (byte >> 4) as i8 - 15));
    }
    values
}

/// Returns the head of a row.
pub(super) fn head(row: &[u8]) -> Head {
    let Some(head) = row.first_chunk::<HEAD>() else {
        return Head::default();
    };
    let [_, _, _, _, a, b, c, d, e, f, g, h, i, j, k, l] = *head;
    Head {
        squared: f32::from_le_bytes([a, b, c, d]),
        sum: u32::from_le_bytes([e, f, g, h]) & SUM,
        pair_scale: f32::from_le_bytes([i, j, k, l]),
    }
}

/// Returns the scale of the signs of a row of 4 bits, and the length of its vector.
pub(super) fn sign_terms(row: &[u8]) -> (f32, f32) {
    let Some([a, b, c, d, _, _, _, _, e, f, g, h, ..]) = row.first_chunk::<HEAD>().copied() else {
        return (0.0, 0.0);
    };
    let signs = (u32::from_le_bytes([e, f, g, h]) >> SIGN_SCALE_SHIFT) as f32 * SIGN_SCALE_UNIT;
    (f32::from_le_bytes([a, b, c, d]) * signs, head(row).squared.sqrt())
}

/// Appends head and codes of a vector.
pub(super) fn encode(bits: usize, vector: &[f32], out: &mut Vec<u8>) {
    let y = Rotation::of(vector.len()).apply(vector);
    let squared = squared_norm(vector);
    let top = ((1 << bits) - 1) as f32;
    let step = best_step(bits, &y, squared.sqrt());
    let codes: Vec<u8> =
        y.iter().map(|y| (position(*y, step.inverse, top) + WHOLE).to_bits() as u8).collect();
    // A zero vector has no step. Its codes are arbitrary and its scales are zero.
    let ratio = |a: f32, b: f32| if a > 0.0 && b > 0.0 { a / b } else { 0.0 };
    let sum: u32 = codes.iter().map(|c| u32::from(*c)).sum();
    let signs = if bits == 4 { ratio(step.product, size(&y)) / SIGN_SCALE_UNIT } else { 0.0 };
    out.extend_from_slice(&ratio(squared, step.product).to_le_bytes());
    out.extend_from_slice(&squared.to_le_bytes());
    out.extend_from_slice(&(sum | (signs.round() as u32) << SIGN_SCALE_SHIFT).to_le_bytes());
    out.extend_from_slice(&ratio(squared.sqrt(), step.length.sqrt()).to_le_bytes());
    if bits == 4 {
        let signs: Vec<u8> = codes.iter().map(|code| code >> 3).collect();
        pack(1, &signs, out);
    }
    pack(bits, &codes, out);
}

/// Returns the sum of the coordinates' absolute values, which is the product with the signs.
fn size(y: &[f32]) -> f32 {
    let mut sums = [0.0f32; WIDTH];
    for y in y.as_chunks::<WIDTH>().0 {
        for i in 0..WIDTH {
            sums[i] += y[i].abs();
        }
    }
    sums.iter().sum()
}

/// A step size and its quality.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    inverse: f32,
    /// Dot product of codes and rotated vector.
    product: f32,
    /// Squared norm of the codes.
    length: f32,
}

impl Step {
    /// Returns the cosine of the angle between codes and vector, times the norm of the vector.
    fn cosine(&self) -> f32 {
        self.product / self.length.sqrt()
    }
}

/// Returns the step with the smallest angle between the codes and the rotated vector.
fn best_step(bits: usize, y: &[f32], norm: f32) -> Step {
    let deviation = norm / (y.len() as f32).sqrt();
    let (usual, steps) = match bits {
        4 => (0.335, &STEPS[..]),
        2 => (0.996, &STEPS[..]),
        _ => (1.0, &[1.0][..]),
    };
    let top = ((1 << bits) - 1) as f32;
    let mut best = Step::default();
    for part in steps {
        let step = measured(y, 1.0 / (part * usual * deviation), top);
        if best.length == 0.0 || step.cosine() > best.cosine() {
            best = step;
        }
    }
    best
}

/// Measures a step. Sums have `WIDTH` lanes: compilers turn them into vector instructions, and they
/// are the same on every machine.
fn measured(y: &[f32], inverse: f32, top: f32) -> Step {
    let (mut product, mut length) = ([0.0f32; WIDTH], [0.0f32; WIDTH]);
    // Padded dimensions are multiples of 64.
    for y in y.as_chunks::<WIDTH>().0 {
        for i in 0..WIDTH {
            let code = position(y[i], inverse, top) + WHOLE - WHOLE;
            let value = 2.0 * code - top;
            product[i] += value * y[i];
            length[i] += value * value;
        }
    }
    Step { inverse, product: product.iter().sum(), length: length.iter().sum() }
}

/// Returns the position of a coordinate among the values, counted from the lowest. Its code is the
/// nearest whole number.
#[inline(always)]
fn position(y: f32, inverse: f32, top: f32) -> f32 {
    (y * inverse + top / 2.0).max(0.0).min(top)
}

/// Gathers the lowest bits of eight bytes into one byte. All other bits must be zero.
pub(super) fn gather(bytes: u64) -> u8 {
    const GATHER: u64 = 0x0102_0408_1020_4080;
    (bytes.wrapping_mul(GATHER) >> 56) as u8
}

fn pack(bits: usize, codes: &[u8], out: &mut Vec<u8>) {
    if bits == 1 {
        let eights = codes.as_chunks::<8>().0.iter();
        out.extend(eights.map(|e| gather(u64::from_le_bytes(*e))));
        return;
    }
    let planes = 8 / bits;
    for block in codes.chunks(64 * planes) {
        let bytes = block.len() / planes;
        let start = out.len();
        out.resize(start + bytes, 0);
        for (plane, codes) in block.chunks_exact(bytes).enumerate() {
            let to = out[start..].iter_mut();
            to.zip(codes).for_each(|(byte, code)| *byte |= code << (bits * plane));
        }
    }
}

/// Returns the factor and the shift that turn the result of a pair kernel into the product of two
/// rows' values v. For one bit, the kernel returns the number of bits that differ. Otherwise it
/// returns the product of one row's v and the other row's c.
pub(super) const fn pair_terms(top: i32, sum: u32, dimension: usize) -> (i32, i32) {
    let coordinates = padded(dimension) as i32;
    if top == 1 {
        return (-2, coordinates);
    }
    // ⟨v, 2 c − top⟩ = 2 ⟨v, c⟩ − top · Σ v, and Σ v = 2 Σ c − top · D. Damaged sums may wrap.
    let values = (sum as i32).wrapping_mul(2).wrapping_sub(top * coordinates);
    (2, values.wrapping_mul(-top))
}

/// A query in the form that the kernels read.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub(super) lanes: Vec<Lanes>,
    /// The same values in order.
    pub(super) values: Vec<i8>,
    pub(super) scale: f32,
    pub(super) sum: i32,
}

impl Values {
    pub(super) fn new(bits: usize, vector: &[f32]) -> Self {
        let rotated = Rotation::of(vector.len()).apply(vector);
        let scale = super::int8::scale(&rotated);
        let values: Vec<i8> = super::int8::values(&rotated, scale).collect();
        let planes = if bits == 1 { 1 } else { 8 / bits };
        let mut lanes = Vec::with_capacity(values.len().div_ceil(64 * planes) * planes);
        for block in values.chunks(64 * planes) {
            for plane in block.chunks_exact(block.len() / planes) {
                let mut full = Lanes([0; 64]);
                full.0[..plane.len()].copy_from_slice(plane);
                lanes.push(full);
            }
        }
        let sum = values.iter().map(|v| i32::from(*v)).sum();
        Self { lanes, values, scale, sum }
    }
}
