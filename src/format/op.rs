//! Owns the operations inside a log frame. Layout: `format.md`, "Operations".

use super::DecodeError;
use super::change::{decode_change, encode_change};
use super::cursor::{Cursor, put_varint};
use super::filter::{decode_filter, encode_filter, filter_len};
use crate::clock::Timestamp;
use crate::filter::{Filter, Matcher};
use crate::ids::{CollectionId, MemoryId, Seq};
use crate::memory::Change;

const INSERT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_WHERE: u8 = 3;
const DELETE_IDS: u8 = 4;
const CHANGE: u8 = 5;
const CHANGE_IDS: u8 = 6;
const CHANGE_WHERE: u8 = 7;

/// Largest number of bytes of an operation without its vector, body or filter.
pub(crate) const MAX_HEAD_BYTES: usize = 41;

/// Returns the bytes that a filter takes in an operation. O(filters and names).
pub(crate) fn filter_bytes(filter: &Filter) -> usize {
    filter_len(filter)
}

/// One operation on one collection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Op {
    pub(crate) collection: CollectionId,
    pub(crate) seq: Seq,
    pub(crate) kind: OpKind,
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OpKind {
    /// Adds a row. An older row with the same id dies.
    Insert {
        id: MemoryId,
        /// Length of the vector before it was normalized; 1 if it was not normalized.
        norm: f32,
        vector: Vec<f32>,
        /// See `format::record`.
        body: Vec<u8>,
    },
    /// The row with this id dies.
    Delete { id: MemoryId },
    /// All older rows that match and had not expired at `now` die.
    DeleteWhere { filter: Matcher, now: Timestamp },
    /// All older rows with one of these ids die. Stands for a `DeleteWhere` where the ids take
    /// fewer bytes than the filter.
    DeleteIds { ids: Vec<MemoryId> },
    /// All older rows with one of these ids get the change. Each had one row that was visible.
    ChangeIds { ids: Vec<MemoryId>, change: Change },
    /// All older rows that match and had not expired at `now` get the change.
    ChangeWhere { filter: Matcher, now: Timestamp, change: Change },
}

impl OpKind {
    /// Returns the shortest record of a delete by `filter` that killed `rows` rows; `None` if it
    /// killed none. Calls `ids` only if the record needs the ids.
    ///
    /// A replay of either record does the same: an id names one live row, and both records touch
    /// only rows that are older than the operation.
    pub(crate) fn of_deleted<E>(
        filter: Matcher,
        now: Timestamp,
        rows: u64,
        ids: impl FnOnce() -> Result<Vec<MemoryId>, E>,
    ) -> Result<Option<Self>, E> {
        let by_filter = 12u64.saturating_add(filter_len(filter.filter()) as u64);
        let by_ids = 4u64.saturating_add(rows.saturating_mul(16));
        if rows == 0 {
            return Ok(None);
        }
        if by_filter < by_ids {
            return Ok(Some(Self::DeleteWhere { filter, now }));
        }
        let mut ids = ids()?;
        ids.sort_unstable();
        Ok(Some(match ids[..] {
            [id] => Self::Delete { id },
            _ => Self::DeleteIds { ids },
        }))
    }
}

impl OpKind {
    /// Returns the shortest record of a change of `rows` rows by `filter`. Calls `ids` only if the
    /// record needs the ids.
    pub(crate) fn of_changed<E>(
        filter: Matcher,
        now: Timestamp,
        change: Change,
        rows: u64,
        ids: impl FnOnce() -> Result<Vec<MemoryId>, E>,
    ) -> Result<Self, E> {
        let by_filter = 12u64.saturating_add(filter_len(filter.filter()) as u64);
        let by_ids = 4u64.saturating_add(rows.saturating_mul(16));
        if by_filter < by_ids {
            return Ok(Self::ChangeWhere { filter, now, change });
        }
        let mut ids = ids()?;
        ids.sort_unstable();
        Ok(Self::ChangeIds { ids, change })
    }
}

impl Op {
    /// Appends the encoded operation to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let kind = match &self.kind {
            OpKind::ChangeIds { .. } | OpKind::ChangeWhere { .. } => {
                return self.encode_change(out);
            }
            OpKind::Insert { .. } => INSERT,
            OpKind::Delete { .. } => DELETE,
            OpKind::DeleteWhere { .. } => DELETE_WHERE,
            OpKind::DeleteIds { .. } => DELETE_IDS,
        };
        out.push(kind);
        out.extend_from_slice(&self.collection.0.to_le_bytes());
        out.extend_from_slice(&self.seq.0.to_le_bytes());
        match &self.kind {
            OpKind::Insert { id, norm, vector, body } => {
                out.extend_from_slice(&id.as_u128().to_le_bytes());
                out.extend_from_slice(&norm.to_le_bytes());
                out.extend_from_slice(&(vector.len() as u32).to_le_bytes());
                vector.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
                out.extend_from_slice(&(body.len() as u32).to_le_bytes());
                out.extend_from_slice(body);
            }
            OpKind::Delete { id } => out.extend_from_slice(&id.as_u128().to_le_bytes()),
            OpKind::DeleteWhere { filter, now } => {
                let bytes = encode_filter(filter.filter());
                out.extend_from_slice(&now.to_bits().to_le_bytes());
                out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(&bytes);
            }
            OpKind::DeleteIds { ids } => encode_ids(out, ids),
            OpKind::ChangeIds { .. } | OpKind::ChangeWhere { .. } => {}
        }
    }

    /// Changes are small and frequent, so their numbers are of variable length.
    fn encode_change(&self, out: &mut Vec<u8>) {
        let mut head = |kind: u8, change: &Change| {
            out.push(kind);
            put_varint(out, u64::from(self.collection.0));
            put_varint(out, self.seq.0);
            encode_change(out, change);
        };
        match &self.kind {
            OpKind::ChangeIds { ids, change } => match ids[..] {
                [id] => {
                    head(CHANGE, change);
                    out.extend_from_slice(&id.as_u128().to_le_bytes());
                }
                _ => {
                    head(CHANGE_IDS, change);
                    encode_ids(out, ids);
                }
            },
            OpKind::ChangeWhere { filter, now, change } => {
                head(CHANGE_WHERE, change);
                let bytes = encode_filter(filter.filter());
                out.extend_from_slice(&now.to_bits().to_le_bytes());
                out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(&bytes);
            }
            _ => {}
        }
    }

    /// Decodes the next operation.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let kind = cursor.u8()?;
        if matches!(kind, CHANGE | CHANGE_IDS | CHANGE_WHERE) {
            return decode_changed(kind, cursor);
        }
        let collection = CollectionId(cursor.u32()?);
        let seq = Seq(cursor.u64()?);
        if seq > Seq::MAX {
            return Err(cursor.error("the sequence number of an operation is out of range"));
        }
        let kind = match kind {
            INSERT => decode_insert(cursor)?,
            DELETE => OpKind::Delete { id: MemoryId::from_u128(cursor.u128()?) },
            DELETE_WHERE => {
                let (filter, now) = decode_where(cursor)?;
                OpKind::DeleteWhere { filter, now }
            }
            DELETE_IDS => OpKind::DeleteIds { ids: decode_ids(cursor)? },
            _ => return Err(cursor.error("an operation is of an unknown kind")),
        };
        Ok(Self { collection, seq, kind })
    }
}

/// Decodes a change behind its kind.
fn decode_changed(kind: u8, cursor: &mut Cursor<'_>) -> Result<Op, DecodeError> {
    let collection = u32::try_from(cursor.varint()?);
    let collection = collection.map_err(|_| cursor.error("a collection is out of range"))?;
    let seq = Seq(cursor.varint()?);
    if seq > Seq::MAX {
        return Err(cursor.error("the sequence number of an operation is out of range"));
    }
    let change = decode_change(cursor, seq)?;
    if change.uses.is_some_and(|uses| uses.seq != seq) {
        return Err(cursor.error("an operation adds uses of another one"));
    }
    let kind = match kind {
        CHANGE => OpKind::ChangeIds { ids: vec![MemoryId::from_u128(cursor.u128()?)], change },
        CHANGE_IDS => OpKind::ChangeIds { ids: decode_ids(cursor)?, change },
        _ => {
            let (filter, now) = decode_where(cursor)?;
            OpKind::ChangeWhere { filter, now, change }
        }
    };
    Ok(Op { collection: CollectionId(collection), seq, kind })
}

/// Decodes a filter and the moment at which it was asked.
fn decode_where(cursor: &mut Cursor<'_>) -> Result<(Matcher, Timestamp), DecodeError> {
    let now = Timestamp::from_bits(cursor.u64()?);
    let len = cursor.length()?;
    let at = cursor.position() as u64;
    let filter = decode_filter(cursor.bytes(len)?)
        .map_err(|e| DecodeError::new(at.saturating_add(e.offset), e.reason))?;
    Ok((Matcher::new(filter), now))
}

fn encode_ids(out: &mut Vec<u8>, ids: &[MemoryId]) {
    out.extend_from_slice(&(ids.len() as u32).to_le_bytes());
    ids.iter().for_each(|id| out.extend_from_slice(&id.as_u128().to_le_bytes()));
}

fn decode_insert(cursor: &mut Cursor<'_>) -> Result<OpKind, DecodeError> {
    let id = MemoryId::from_u128(cursor.u128()?);
    let norm = cursor.f32()?;
    let dimension = cursor.u32()? as usize;
    let bytes = dimension.checked_mul(4).ok_or(cursor.error("the dimension overflows"))?;
    let vector = cursor
        .bytes(bytes)?
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default()))
        .collect::<Vec<f32>>();
    check_finite(norm, &vector).map_err(|reason| cursor.error(reason))?;
    let len = cursor.length()?;
    let body = cursor.bytes(len)?.to_vec();
    Ok(OpKind::Insert { id, norm, vector, body })
}

fn decode_ids(cursor: &mut Cursor<'_>) -> Result<Vec<MemoryId>, DecodeError> {
    let count = cursor.u32()? as usize;
    let bytes = count.checked_mul(16).ok_or(cursor.error("the number of ids overflows"))?;
    let ids = cursor.bytes(bytes)?.chunks_exact(16);
    Ok(ids
        .map(|b| MemoryId::from_u128(u128::from_le_bytes(b.try_into().unwrap_or_default())))
        .collect())
}

/// Refuses NaN and infinity. No vector that an insert accepts holds them, and one such vector would
/// break every comparison of distances.
fn check_finite(norm: f32, vector: &[f32]) -> Result<(), &'static str> {
    if norm.is_finite() && vector.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err("a vector holds NaN or infinity")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;
    use crate::memory::Uses;

    fn ops() -> Vec<Op> {
        let collection = CollectionId(2);
        let id = MemoryId::from(9u64);
        let insert = OpKind::Insert { id, norm: 2.0, vector: vec![1.0, -0.5], body: vec![1, 2, 3] };
        let filter = Matcher::new(Filter::namespace("a").and(Filter::tag("b").not()));
        let now = Timestamp::from_millis(77);
        let many = || vec![id, MemoryId::from(10u64)];
        let change = |seq| {
            let expiry = Some(Timestamp::from_millis(1 << 41).into());
            Change { seq: Seq(seq), expiry, ..Change::default() }
        };
        let used = |seq| {
            let uses = Some(Uses { seq: Seq(seq), count: 3, last: now });
            Change { seq: Seq(seq), uses, ..Change::default() }
        };
        let kinds = [
            insert,
            OpKind::Delete { id },
            OpKind::DeleteWhere { filter: filter.clone(), now },
            OpKind::DeleteIds { ids: many() },
            OpKind::ChangeIds { ids: vec![id], change: change(5) },
            OpKind::ChangeIds { ids: many(), change: change(6) },
            OpKind::ChangeWhere { filter, now, change: change(7) },
            OpKind::ChangeIds { ids: many(), change: used(8) },
        ];
        let op = |(kind, seq)| Op { collection, seq: Seq(seq), kind };
        kinds.into_iter().zip(1..).map(op).collect()
    }

    #[test]
    fn vectors_that_are_none_and_numbers_without_a_successor_are_refused() {
        let id = MemoryId::from(9u64);
        let insert = |norm, x| OpKind::Insert { id, norm, vector: vec![1.0, x], body: vec![] };
        let decode = |seq, kind| {
            let mut bytes = Vec::new();
            Op { collection: CollectionId(2), seq, kind }.encode(&mut bytes);
            Op::decode(&mut Cursor::new(&bytes))
        };
        assert!(decode(Seq(1), insert(1.0, 2.0)).is_ok());
        assert!(decode(Seq(1), insert(1.0, f32::NAN)).is_err());
        assert!(decode(Seq(1), insert(1.0, f32::INFINITY)).is_err());
        assert!(decode(Seq(1), insert(f32::NAN, 2.0)).is_err());
        assert!(decode(Seq(u64::MAX), OpKind::Delete { id }).is_err());
    }

    #[test]
    fn operations_round_trip() {
        let mut bytes = Vec::new();
        for op in ops() {
            op.encode(&mut bytes);
        }
        let mut cursor = Cursor::new(&bytes);
        for op in ops() {
            assert_eq!(Op::decode(&mut cursor).unwrap(), op);
        }
        assert!(cursor.is_empty());
    }

    #[test]
    fn golden_bytes_of_an_insert() {
        let mut bytes = Vec::new();
        ops()[0].encode(&mut bytes);
        let mut expected = vec![1]; // kind: insert
        expected.extend([2, 0, 0, 0]); // collection
        expected.extend([1, 0, 0, 0, 0, 0, 0, 0]); // seq
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // id
        expected.extend([0, 0, 0, 0x40]); // norm 2.0
        expected.extend([2, 0, 0, 0]); // dimension
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf]); // 1.0, -0.5
        expected.extend([3, 0, 0, 0, 1, 2, 3]); // body
        assert_eq!(bytes, expected);
    }

    #[test]
    fn golden_bytes_of_a_change_which_fits_a_frame_of_a_hundred_bytes() {
        let mut bytes = Vec::new();
        ops()[4].encode(&mut bytes);
        let mut expected = vec![5, 2, 5, 1]; // kind: change; collection, seq, what: an end
        expected.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]); // 2^41 ms
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // id
        assert_eq!(bytes, expected);
        let late = Op { seq: Seq(1 << 34), ..ops()[4].clone() };
        let mut bytes = Vec::new();
        late.encode(&mut bytes);
        assert!(64 + bytes.len().next_multiple_of(8) <= 100, "{} bytes", bytes.len());
    }

    #[test]
    fn golden_bytes_of_uses() {
        let mut bytes = Vec::new();
        ops()[7].encode(&mut bytes);
        let mut expected = vec![6, 2, 8, 64]; // kind: change of ids; collection, seq, what: uses
        expected.extend([0, 3, 154, 1]); // by this operation, three, at 77 ms
        expected.extend([2, 0, 0, 0]); // count
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, expected);
        expected[4] = 2;
        assert!(Op::decode(&mut Cursor::new(&expected)).is_err(), "uses of another operation");
    }

    #[test]
    fn golden_bytes_of_a_delete_of_several_ids() {
        let mut bytes = Vec::new();
        ops()[3].encode(&mut bytes);
        let mut expected = vec![4]; // kind: delete of ids
        expected.extend([2, 0, 0, 0]); // collection
        expected.extend([4, 0, 0, 0, 0, 0, 0, 0]); // seq
        expected.extend([2, 0, 0, 0]); // count
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, expected);
        // A count larger than the data must not allocate memory.
        bytes[13..17].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Op::decode(&mut Cursor::new(&bytes)).is_err());
    }

    #[test]
    fn a_delete_is_logged_as_its_filter_or_as_what_died_whichever_is_shorter() {
        let (now, id) = (Timestamp::from_millis(77), |id: u64| MemoryId::from(id));
        let of = |filter: Filter, died: &[u64]| {
            let ids = || Ok::<_, ()>(died.iter().rev().map(|i| id(*i)).collect());
            OpKind::of_deleted(Matcher::new(filter), now, died.len() as u64, ids).unwrap()
        };
        let by_name = || Filter::namespace("alice@example.org");
        assert_eq!(of(by_name(), &[]), None);
        assert_eq!(of(by_name(), &[3]), Some(OpKind::Delete { id: id(3) }));
        let many: Vec<u64> = (0..9).collect();
        let filter = Matcher::new(by_name());
        assert_eq!(of(by_name(), &many), Some(OpKind::DeleteWhere { filter, now }));
        let ids = vec![id(3), id(5)];
        assert_eq!(of(Filter::ids(0..100u64), &[3, 5]), Some(OpKind::DeleteIds { ids }));
        let tags = (0..100).map(|i| format!("tag {i}"));
        let ids = many.iter().map(|i| id(*i)).collect();
        assert_eq!(of(Filter::tags_any(tags), &many), Some(OpKind::DeleteIds { ids }));
    }

    #[test]
    fn no_operation_has_more_bytes_than_its_parts_and_the_head() {
        for op in ops() {
            let mut bytes = Vec::new();
            op.encode(&mut bytes);
            let parts = match &op.kind {
                OpKind::Insert { vector, body, .. } => vector.len() * 4 + body.len(),
                OpKind::Delete { .. } => 0,
                OpKind::DeleteWhere { filter, .. } => filter_bytes(filter.filter()),
                OpKind::DeleteIds { ids } | OpKind::ChangeIds { ids, .. } => 16 * ids.len(),
                OpKind::ChangeWhere { filter, .. } => filter_bytes(filter.filter()),
            };
            assert!(bytes.len() <= parts + MAX_HEAD_BYTES, "{op:?}");
        }
        let mut bytes = Vec::new();
        ops()[0].encode(&mut bytes);
        assert_eq!(bytes.len(), 2 * 4 + 3 + MAX_HEAD_BYTES);
    }

    #[test]
    fn any_damage_is_an_error_or_another_value_never_a_panic() {
        for op in ops() {
            let mut bytes = Vec::new();
            op.encode(&mut bytes);
            for i in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[i / 8] ^= 1 << (i % 8);
                let _ = Op::decode(&mut Cursor::new(&damaged));
            }
            for len in 0..bytes.len() {
                assert!(Op::decode(&mut Cursor::new(&bytes[..len])).is_err());
            }
        }
    }
}
