//! Owns the decoding of one element of a vector file, half-precision floats included. Headers and
//! lengths are in `files.rs`.

/// The type of a row's elements; little-endian.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Element {
    F16,
    F32,
    F64,
    I8,
    U8,
    I32,
    I64,
    U32,
}

impl Element {
    /// Returns the element of a NumPy description such as `<f4`.
    pub fn of_descr(descr: &str) -> Option<Self> {
        Some(match descr {
            "<f2" => Self::F16,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            "|i1" => Self::I8,
            "|u1" => Self::U8,
            "<i4" => Self::I32,
            "<i8" => Self::I64,
            "<u4" => Self::U32,
            _ => return None,
        })
    }

    pub fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::F16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Returns true if it can hold row numbers.
    pub fn is_id(self) -> bool {
        matches!(self, Self::I32 | Self::I64 | Self::U32)
    }
}

/// A number that a file can hold. `None` refuses the element.
pub trait Number: Sized {
    fn decode(element: Element, bytes: &[u8]) -> Option<Self>;
}

impl Number for f32 {
    fn decode(element: Element, bytes: &[u8]) -> Option<Self> {
        let value = match (element, bytes) {
            (Element::F16, &[a, b]) => f16_to_f32(u16::from_le_bytes([a, b])),
            (Element::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Element::F64, bytes) => f64::from_le_bytes(bytes.try_into().ok()?) as f32,
            (Element::I8, &[a]) => f32::from(a.cast_signed()),
            (Element::U8, &[a]) => f32::from(a),
            _ => return None,
        };
        value.is_finite().then_some(value)
    }
}

impl Number for u32 {
    fn decode(element: Element, bytes: &[u8]) -> Option<Self> {
        match (element, bytes) {
            (Element::U32, &[a, b, c, d]) => Some(u32::from_le_bytes([a, b, c, d])),
            (Element::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]).try_into().ok(),
            (Element::I64, bytes) => i64::from_le_bytes(bytes.try_into().ok()?).try_into().ok(),
            _ => None,
        }
    }
}

/// Returns the exact value of an IEEE half.
pub fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let (exponent, fraction) = (u32::from(half >> 10) & 0x1f, u32::from(half) & 0x3ff);
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}
