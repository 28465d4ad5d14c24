//! Owns int8 codes: one byte a dimension, as they are, without a rotation.
//!
//! A row: scale f32 | squared norm f32 | `dimension` signed bytes | zero pad to 16 bytes.
//! x ≈ scale · byte, scale = max|x| / 127.

/// Bytes of a row before its values.
pub(super) const HEAD: usize = 8;

pub(super) fn encode(vector: &[f32], out: &mut Vec<u8>) {
    let scale = scale(vector);
    let squared: f32 = vector.iter().map(|x| x * x).sum();
    out.extend_from_slice(&scale.to_le_bytes());
    out.extend_from_slice(&squared.to_le_bytes());
    out.extend(values(vector, scale).map(|v| v as u8));
}

pub(super) fn scale(vector: &[f32]) -> f32 {
    let largest = vector.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    largest / 127.0
}

pub(super) fn values(vector: &[f32], scale: f32) -> impl Iterator<Item = i8> {
    /// Adding it leaves no room for a fraction; `round` is a call for each.
    const WHOLE: f32 = 12_582_912.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    // A float that does not fit is cut to the range by `as`.
    vector.iter().map(move |x| (x * inverse + WHOLE - WHOLE) as i8)
}

/// Scale, squared norm and values of a row, the padding among them.
#[inline]
pub(super) fn read(row: &[u8]) -> (f32, f32, &[i8]) {
    let Some((head, values)) = row.split_first_chunk::<HEAD>() else {
        return (0.0, 0.0, &[]);
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let (scale, squared) = (f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]));
    (scale, squared, bytemuck::cast_slice(values))
}
