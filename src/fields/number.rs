//! Owns `Number`: a key that orders 64-bit integers and floats exactly, as numbers.
//!
//! A key is the nearest float, in a form that sorts as its bits do, and the rest that the float
//! leaves of an integer. Rounding keeps the order, so keys compare as the numbers do. Zero has one
//! key, whatever its sign.

/// Added to the rest, so that it is never negative.
const BIAS: i128 = 1 << 15;
/// Integers up to this size are floats.
const EXACT: u64 = 1 << 53;

/// A number as an ordered key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number {
    float: u64,
    rest: u16,
}

impl Number {
    /// Bytes of [`Number::bytes`].
    pub(crate) const BYTES: usize = 10;

    pub(crate) fn of_float(value: f64) -> Self {
        Self::new(value, 0)
    }

    pub(crate) fn of_signed(value: i64) -> Self {
        let float = value as f64;
        // At most 1,024: half of the distance between two floats below 2^64.
        let exact = value.unsigned_abs() <= EXACT;
        Self::new(float, if exact { 0 } else { i128::from(value) - float as i128 })
    }

    pub(crate) fn of_unsigned(value: u64) -> Self {
        let float = value as f64;
        Self::new(float, if value <= EXACT { 0 } else { i128::from(value) - float as i128 })
    }

    fn new(float: f64, rest: i128) -> Self {
        // Makes one zero of both.
        let bits = (float + 0.0).to_bits();
        let negative = bits >> 63 == 1;
        let float = if negative { !bits } else { bits | 1 << 63 };
        Self { float, rest: (rest + BIAS) as u16 }
    }

    /// Returns the key as bytes that compare as the numbers do.
    pub(crate) fn bytes(self) -> [u8; Self::BYTES] {
        let all = u128::from(self.float) << 16 | u128::from(self.rest);
        std::array::from_fn(|i| (all >> (8 * (Self::BYTES - 1 - i))) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_exactly_whatever_their_size() {
        let key = Number::of_float;
        let ascending = [
            key(f64::NEG_INFINITY),
            key(-1e300),
            Number::of_signed(i64::MIN),
            Number::of_signed(i64::MIN + 1),
            Number::of_signed(-(1 << 53) - 1),
            Number::of_signed(-(1 << 53)),
            key(-1.5),
            Number::of_signed(-1),
            key(-f64::MIN_POSITIVE),
            Number::of_signed(0),
            key(5e-324),
            key(0.5),
            Number::of_unsigned(1),
            key(1.0f64.next_up()),
            Number::of_unsigned(1 << 53),
            Number::of_unsigned((1 << 53) + 1),
            Number::of_signed((1 << 53) + 2),
            Number::of_signed(i64::MAX - 1),
            Number::of_signed(i64::MAX),
            key(9_223_372_036_854_775_808.0),
            Number::of_unsigned(i64::MAX as u64 + 2),
            Number::of_unsigned(u64::MAX - 1),
            Number::of_unsigned(u64::MAX),
            key(18_446_744_073_709_551_616.0),
            key(1e300),
            key(f64::INFINITY),
        ];
        for pair in ascending.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].bytes() < pair[1].bytes(), "{pair:?}");
        }
        assert_eq!(key(-0.0), Number::of_signed(0));
        assert_eq!(key(5.0), Number::of_unsigned(5));
        assert_eq!(Number::of_signed(i64::MIN), key(i64::MIN as f64));
        assert_eq!(Number::of_unsigned(1 << 63), key(9_223_372_036_854_775_808.0));
    }
}
