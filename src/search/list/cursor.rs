//! Owns `Cursor`, the position in a list after a page, and its text.
//!
//! The text is hexadecimal. Its bytes, little-endian: version (1), store (16), collection (4),
//! order (1), direction (1), sequence number (8), kind of the value (1), value, CRC-32 of all
//! before (4). A later version keeps the first byte and the checksum where they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::order::{Direction, Order};
use crate::error::{Error, Result};
use crate::format::cursor::Cursor as Reader;
use crate::format::header::StoreId;
use crate::format::{DecodeError, crc32};
use crate::ids::CollectionId;
use crate::memory::Memory;
use crate::value_error::ValueError;

const VERSION: u8 = 1;
/// Most bytes of a cursor: those of fixed size, and a key.
const MAX_BYTES: usize = 36 + Memory::MAX_NAME_BYTES;

/// Kinds of values.
mod kind {
    pub(super) const MISSING: u8 = 0;
    pub(super) const NUMBER: u8 = 1;
    pub(super) const TEXT: u8 = 2;
}

/// The position in a list after a page: see [`Page::next`](crate::Page::next).
///
/// Its text is short and opaque, and may be kept or handed to a client: it is made by
/// [`Display`](fmt::Display), `serde` writes it as a string, and `parse` reads it. It names the
/// store, the collection, the order and the last memory of the page. It contains that memory's
/// value in the order, such as its key, in a form that is easy to read back. It holds no filter:
/// every page may have its own.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Cursor, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
/// for id in 1..=3 {
///     notes.insert(Memory::new(id, [id as f32, 0.0]))?;
/// }
/// let page = notes.list().oldest_first().limit(2).run()?;
/// let text = page.next.unwrap().to_string();
/// let cursor: Cursor = text.parse()?;
/// let rest = notes.list().oldest_first().after(cursor).run()?;
/// assert_eq!((rest.memories.len(), rest.memories[0].id), (1, 3.into()));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(super) store: StoreId,
    pub(super) collection: CollectionId,
    pub(super) order: Order,
    pub(super) direction: Direction,
    pub(super) seq: u64,
    pub(super) value: Value,
}

/// The last memory's value in the order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Missing,
    Number(u64),
    Text(String),
}

impl Cursor {
    /// Refuses a cursor of another store, collection or order.
    pub(super) fn check(
        &self,
        (store, collection): (StoreId, CollectionId),
        (order, direction): (Order, Direction),
    ) -> Result<()> {
        let refused = |reason: String| Err(Error::option("cursor", reason));
        let anew = "list from the start";
        if self.store != store {
            return refused(format!("it is of another store; {anew}"));
        }
        if self.collection != collection {
            return refused(format!(
                "it is of another collection of the store, number {}, not {}; {anew}",
                self.collection.0, collection.0
            ));
        }
        if (self.order, self.direction) != (order, direction) {
            return refused(format!(
                "it is of the order {:?}, {:?}, not {order:?}, {direction:?}; set that order or \
                 {anew}",
                self.order, self.direction
            ));
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.store.0);
        out.extend_from_slice(&self.collection.0.to_le_bytes());
        out.extend([order_code(self.order), direction_code(self.direction)]);
        out.extend_from_slice(&self.seq.to_le_bytes());
        match &self.value {
            Value::Missing => out.push(kind::MISSING),
            Value::Number(number) => {
                out.push(kind::NUMBER);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Value::Text(text) => {
                out.push(kind::TEXT);
                out.extend_from_slice(text.as_bytes());
            }
        }
        let crc = crc32(&[&out]);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the bytes before the checksum, which was checked.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.u8()?;
        let store = StoreId(reader.array()?);
        let collection = CollectionId(reader.u32()?);
        let order = match reader.u8()? {
            0 => Order::Created,
            1 => Order::EventTime,
            2 => Order::Importance,
            3 => Order::Key,
            _ => return Err(reader.error("an unknown order")),
        };
        let direction = match reader.u8()? {
            0 => Direction::Ascending,
            1 => Direction::Descending,
            _ => return Err(reader.error("an unknown direction")),
        };
        let seq = reader.u64()?;
        let value = match (reader.u8()?, order) {
            (kind::MISSING, _) => Value::Missing,
            (kind::NUMBER, Order::Created | Order::EventTime | Order::Importance) => {
                Value::Number(reader.u64()?)
            }
            (kind::TEXT, Order::Key) => {
                let text = std::str::from_utf8(reader.bytes(reader.remaining())?);
                Value::Text(text.map_err(|_| reader.error("a key is not UTF-8"))?.to_owned())
            }
            _ => return Err(reader.error("a value that the order does not have")),
        };
        if !reader.is_empty() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(Self { store, collection, order, direction, seq, value })
    }
}

const fn order_code(order: Order) -> u8 {
    match order {
        Order::Created => 0,
        Order::EventTime => 1,
        Order::Importance => 2,
        Order::Key => 3,
    }
}

const fn direction_code(direction: Direction) -> u8 {
    match direction {
        Direction::Ascending => 0,
        Direction::Descending => 1,
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encode().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Returns the bytes of a hexadecimal text; `None` if it is none or is too long for a cursor.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > MAX_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[a, b]| u8::try_from(digit(*a)? * 16 + digit(*b)?).ok()).collect()
}

impl FromStr for Cursor {
    type Err = ValueError;

    /// Parses the output of [`Display`](fmt::Display). Returns [`ValueError`] for a text that is
    /// damaged or of another version.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refused = |reason: String| ValueError::new("cursor", reason);
        let bytes = bytes_of(text);
        let whole = bytes.as_ref().and_then(|bytes| bytes.split_last_chunk::<4>());
        let Some((bytes, _)) = whole.filter(|(b, crc)| crc32(&[*b]) == u32::from_le_bytes(**crc))
        else {
            let reason = "the text is damaged, or is no cursor; list from the start";
            return Err(refused(reason.to_owned()));
        };
        match bytes.first() {
            Some(&VERSION) => {}
            version => {
                let version = version.copied().unwrap_or_default();
                let reason =
                    format!("it has version {version}, not {VERSION}; list from the start");
                return Err(refused(reason));
            }
        }
        Self::decode(bytes).map_err(|e| refused(format!("{}; list from the start", e.reason)))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors() -> Vec<Cursor> {
        let values = [
            (Order::Created, Value::Number(7)),
            (Order::EventTime, Value::Missing),
            (Order::Importance, Value::Number(u64::MAX)),
            (Order::Key, Value::Text("pref/Ünicode".to_owned())),
            (Order::Key, Value::Text("k".repeat(Memory::MAX_NAME_BYTES))),
        ];
        let cursor = |(order, value)| Cursor {
            store: StoreId([9; 16]),
            collection: CollectionId(3),
            order,
            direction: Direction::Descending,
            seq: 12,
            value,
        };
        values.map(cursor).into()
    }

    fn text_of(mut bytes: Vec<u8>) -> String {
        let crc = crc32(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_cursor_comes_back_from_its_text() {
        for cursor in cursors() {
            let text = cursor.to_string();
            assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
            assert_eq!(text.to_uppercase().parse::<Cursor>().unwrap(), cursor);
            let json = serde_json::to_string(&cursor).unwrap();
            assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        }
    }

    #[test]
    fn golden_text() {
        let expected = [
            "01",                               // version
            "09090909090909090909090909090909", // store
            "03000000",                         // collection
            "0001",                             // created, descending
            "0c00000000000000",                 // sequence number
            "010700000000000000",               // a number
        ];
        let text = cursors()[0].to_string();
        assert_eq!(text[..text.len() - 8], expected.concat());
    }

    #[test]
    fn no_changed_text_passes() {
        for cursor in cursors() {
            let text = cursor.to_string();
            for at in 0..text.len() {
                let mut damaged = text.clone().into_bytes();
                damaged[at] = if damaged[at] == b'5' { b'6' } else { b'5' };
                let damaged = String::from_utf8(damaged).unwrap();
                assert!(damaged.parse::<Cursor>().is_err(), "digit {at} of {text}");
                assert!(text[..at].parse::<Cursor>().is_err());
            }
        }
        for text in ["", "0", "zz", "01ü", "0123456789"] {
            assert!(text.parse::<Cursor>().unwrap_err().reason.contains("damaged"), "{text}");
        }
        let long = text_of(vec![1; MAX_BYTES + 1]);
        assert!(long.parse::<Cursor>().is_err());
    }

    #[test]
    fn right_checksums_do_not_make_wrong_bytes_pass() {
        let bytes = cursors()[3].encode();
        let bytes = &bytes[..bytes.len() - 4];
        let mut later = bytes.to_vec();
        later[0] = 2;
        let reason = text_of(later).parse::<Cursor>().unwrap_err().reason;
        assert!(reason.contains("version 2, not 1"), "{reason}");
        for (at, byte) in [(21, 9), (21, 0), (22, 2), (31, 1), (31, 3), (32, 0xFF)] {
            let mut wrong = bytes.to_vec();
            wrong[at] = byte;
            assert!(text_of(wrong).parse::<Cursor>().is_err(), "byte {at}");
        }
        for len in 0..32 {
            assert!(text_of(bytes[..len].to_vec()).parse::<Cursor>().is_err(), "{len} bytes");
        }
        let missing = cursors()[1].encode();
        let more = [&missing[..missing.len() - 4], &[0]].concat();
        assert!(text_of(more).parse::<Cursor>().is_err());
    }
}
