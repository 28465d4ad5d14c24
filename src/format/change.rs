//! Owns the bytes of what was changed of a row. Layout: `format.md`, "Change".

use super::DecodeError;
use super::cursor::{Cursor, put_varint};
use crate::clock::Timestamp;
use crate::ids::Seq;
use crate::memory::{Change, Expiry, Uses};

const END: u8 = 1;
const BY_DEFAULT: u8 = 2;
const IMPORTANCE: u8 = 4;
const PINNED: u8 = 8;
const NOT_PINNED: u8 = 16;
/// The row never expires. No time follows.
const NO_END: u8 = 32;
const USES: u8 = 64;

/// Appends a change, without its sequence number. That of the uses follows relative to it.
pub(crate) fn encode_change(out: &mut Vec<u8>, change: &Change) {
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    let end = change.expiry.filter(|expiry| expiry.at != Timestamp::MAX);
    let bits = bit(end.is_some(), END)
        | bit(end.is_none() && change.expiry.is_some(), NO_END)
        | bit(end.is_some_and(|end| end.by_default), BY_DEFAULT)
        | bit(change.importance.is_some(), IMPORTANCE)
        | bit(change.pinned == Some(true), PINNED)
        | bit(change.pinned == Some(false), NOT_PINNED)
        | bit(change.uses.is_some(), USES);
    out.push(bits);
    if let Some(end) = end {
        put_varint(out, zigzag(end.at.as_millis()));
    }
    if let Some(importance) = change.importance {
        out.extend_from_slice(&importance.to_le_bytes());
    }
    if let Some(uses) = change.uses {
        put_varint(out, zigzag(uses.seq.0.wrapping_sub(change.seq.0).cast_signed()));
        put_varint(out, u64::from(uses.count));
        put_varint(out, zigzag(uses.last.as_millis()));
    }
}

/// Decodes a change that the operation `seq` made.
pub(crate) fn decode_change(cursor: &mut Cursor<'_>, seq: Seq) -> Result<Change, DecodeError> {
    let bits = cursor.u8()?;
    let known = END | BY_DEFAULT | IMPORTANCE | PINNED | NOT_PINNED | NO_END | USES;
    let has = |bit: u8| bits & bit != 0;
    if bits & !known != 0 || (has(BY_DEFAULT) && !has(END)) {
        return Err(cursor.error("a change is of an unknown kind"));
    }
    let expiry = match (has(END), has(NO_END)) {
        (true, true) => return Err(cursor.error("a change sets an end and none")),
        (true, false) => {
            let at = Timestamp::from_millis(unzigzag(cursor.varint()?));
            Some(Expiry { at, by_default: has(BY_DEFAULT) })
        }
        (false, true) => Some(Timestamp::MAX.into()),
        (false, false) => None,
    };
    let importance = if has(IMPORTANCE) { Some(cursor.f32()?) } else { None };
    if importance.is_some_and(|importance| !(0.0..=1.0).contains(&importance)) {
        return Err(cursor.error("an importance is not between 0 and 1"));
    }
    let pinned = match (has(PINNED), has(NOT_PINNED)) {
        (true, true) => return Err(cursor.error("a change pins a row and does not")),
        (false, false) => None,
        (pinned, _) => Some(pinned),
    };
    let uses = if has(USES) { Some(decode_uses(cursor, seq)?) } else { None };
    Ok(Change { seq, expiry, importance, pinned, uses })
}

/// Decodes the uses in a change with this sequence number.
fn decode_uses(cursor: &mut Cursor<'_>, change: Seq) -> Result<Uses, DecodeError> {
    let seq = Seq(change.0.wrapping_add_signed(unzigzag(cursor.varint()?)));
    if seq > Seq::MAX {
        return Err(cursor.error("the sequence number of uses is out of range"));
    }
    let count = u32::try_from(cursor.varint()?);
    let count = count.map_err(|_| cursor.error("a number of uses is out of range"))?;
    Ok(Uses { seq, count, last: Timestamp::from_millis(unzigzag(cursor.varint()?)) })
}

/// Maps numbers near zero to small ones, whatever their sign.
const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    ((number >> 1) as i64) ^ ((number & 1) as i64).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Change> {
        let end = |at, by_default| Expiry { at: Timestamp::from_millis(at), by_default };
        let ends =
            [None, Some(end(-5, false)), Some(end(1 << 41, true)), Some(Timestamp::MAX.into())];
        let mut all = Vec::new();
        for expiry in ends {
            for importance in [None, Some(0.0), Some(0.75)] {
                for pinned in [None, Some(true), Some(false)] {
                    let uses = |seq, count, last| Some(Uses { seq: Seq(seq), count, last });
                    let late = Timestamp::from_millis(1 << 41);
                    for uses in [None, uses(9, 1, late), uses(1 << 62, u32::MAX, Timestamp::MIN)] {
                        all.push(Change { seq: Seq(9), expiry, importance, pinned, uses });
                    }
                }
            }
        }
        // The first one changes nothing. It is not written any more, but some logs have it.
        all
    }

    /// Largest number of bytes of a change.
    const MAX_BYTES: usize = 40;

    #[test]
    fn changes_round_trip_within_their_bound() {
        for change in all() {
            let mut bytes = Vec::new();
            encode_change(&mut bytes, &change);
            assert!(bytes.len() <= MAX_BYTES);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(decode_change(&mut cursor, Seq(9)).unwrap(), change);
            assert!(cursor.is_empty());
            for len in 0..bytes.len() {
                assert!(decode_change(&mut Cursor::new(&bytes[..len]), Seq(9)).is_err());
            }
        }
    }

    #[test]
    fn golden_bytes() {
        let expiry = Some(Expiry { at: Timestamp::from_millis(77), by_default: false });
        let (importance, pinned) = (Some(0.5), Some(true));
        let change = Change { seq: Seq(9), expiry, importance, pinned, uses: None };
        let mut bytes = Vec::new();
        encode_change(&mut bytes, &change);
        assert_eq!(bytes, [13, 154, 1, 0, 0, 0, 0x3f]);
        let uses = Some(Uses { seq: Seq(11), count: 300, last: Timestamp::from_millis(77) });
        bytes.clear();
        encode_change(&mut bytes, &Change { uses, ..change });
        assert_eq!(bytes, [77, 154, 1, 0, 0, 0, 0x3f, 4, 172, 2, 154, 1]);
    }

    #[test]
    fn what_no_writer_writes_is_refused() {
        let nan = [IMPORTANCE, 0, 0, 0xc0, 0x7f];
        let many = [USES, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0];
        let before_all = [USES, 3, 1, 0];
        for bytes in [
            &[128][..],
            &[BY_DEFAULT],
            &[PINNED | NOT_PINNED],
            &[33, 0],
            &nan,
            &[USES, 0, 1],
            &many,
            &before_all,
        ] {
            assert!(decode_change(&mut Cursor::new(bytes), Seq(1)).is_err(), "{bytes:?}");
        }
    }
}
