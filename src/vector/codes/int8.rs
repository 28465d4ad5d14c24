//! Owns int8 codes: one byte per dimension, without a rotation.
//!
//! A row: scale f32 | squared norm f32 | `dimension` signed bytes | zero pad to 16 bytes. x ≈ scale
//! · byte, scale = max|x| / 127.

use crate::vector::metric::squared_norm;

/// Bytes of a row before its values.
pub(super) const HEAD: usize = 8;

pub(super) fn encode(vector: &[f32], out: &mut Vec<u8>) {
    let scale = scale(vector);
    let squared = squared_norm(vector);
    out.extend_from_slice(&scale.to_le_bytes());
    out.extend_from_slice(&squared.to_le_bytes());
    out.extend(values(vector, scale).map(|v| v as u8));
}

pub(super) fn scale(vector: &[f32]) -> f32 {
    let mut largest = [0.0f32; 16];
    for chunk in vector.chunks(16) {
        for (largest, x) in largest.iter_mut().zip(chunk) {
            *largest = largest.max(x.abs());
        }
    }
    largest.into_iter().fold(0.0, f32::max) / 127.0
}

pub(super) fn values(vector: &[f32], scale: f32) -> impl Iterator<Item = i8> {
    /// Adding this to a small number rounds it to the nearest whole number, which is then in the
    /// lowest bits of the float. `round` and `as` take many instructions per value; this takes two
    /// for several values.
    const WHOLE: f32 = 12_582_912.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    vector.iter().map(move |x| (x * inverse + WHOLE).to_bits() as i8)
}

/// Returns scale, squared norm and values of a row, including the padding.
#[inline]
pub(super) fn read(row: &[u8]) -> (f32, f32, &[i8]) {
    let Some((head, values)) = row.split_first_chunk::<HEAD>() else {
        return (0.0, 0.0, &[]);
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let (scale, squared) = (f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]));
    (scale, squared, bytemuck::cast_slice(values))
}
