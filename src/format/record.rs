//! Owns the body of a row: everything of a memory but its id and vector, as tagged fields. Layout:
//! `format.md`, "Body".
//!
//! A body is copied unchanged from the log to a segment and from segment to segment. So fields of a
//! newer writer survive the compaction of an older one. A field whose tag has the highest bit set
//! must be understood: a reader that does not know it refuses the row.

use super::cursor::Cursor;
use super::{DecodeError, metadata};
use crate::clock::Timestamp;
use crate::filter::Attributes;
use crate::ids::{MemoryId, Seq};
use crate::memory::{Change, DEFAULT_IMPORTANCE, End, Expiry, Lifetime, Memory, Uses};

const TEXT: u16 = 1;
const BYTES: u16 = 2;
const KEY: u16 = 3;
const NAMESPACE: u16 = 4;
const SESSION: u16 = 5;
const KIND: u16 = 6;
const TAG: u16 = 7;
const IMPORTANCE: u16 = 8;
const PINNED: u16 = 9;
const CREATED_AT: u16 = 10;
const EVENT_TIME: u16 = 11;
const VALID_FROM: u16 = 12;
const VALID_TO: u16 = 13;
const SUPERSEDED_BY: u16 = 14;
const EXPIRES_AT: u16 = 15;
const TOKENS: u16 = 16;
const DERIVED_FROM: u16 = 17;
const METADATA: u16 = 18;
const ENDS_BY_DEFAULT: u16 = 19;
const FIRST_SEQ: u16 = 20;
const VERSION: u16 = 21;
const USES: u16 = 22;
const LAST_USED: u16 = 23;
const USED_SEQ: u16 = 24;
/// The bit of a tag that says that a reader must understand the field.
const MUST_UNDERSTAND: u16 = 0x8000;

/// Returns an upper bound of a body's bytes, including the fields that an insert adds. O(tags).
pub(crate) fn body_bound(memory: &Memory) -> usize {
    const FIELD: usize = 6;
    /// All fields of fixed size, and the length and codec of the metadata.
    const FIXED: usize = 14 * FIELD + 4 + 5 * 8 + 16 + 4 + 9 + 4 + 8;
    let names = [&memory.text, &memory.key, &memory.namespace, &memory.session, &memory.kind];
    let names = names.into_iter().flatten().chain(&memory.tags);
    let metadata = memory.metadata.iter();
    let variable = names
        .map(|name| name.len().saturating_add(FIELD))
        .chain(metadata.map(|m| m.bytes.len().saturating_add(m.shape.as_ref().map_or(0, Vec::len))))
        .chain(memory.bytes.iter().map(|bytes| bytes.len().saturating_add(FIELD)))
        .chain([memory.derived_from.len().saturating_mul(16)]);
    variable.fold(FIXED, usize::saturating_add)
}

/// Encodes everything but the id and the vector.
pub(crate) fn encode_body(
    memory: &Memory,
    created_at: Timestamp,
    expiry: impl Into<Expiry>,
) -> Vec<u8> {
    let expiry = expiry.into();
    let mut out = Vec::new();
    if let Some(bytes) = &memory.bytes {
        field(&mut out, BYTES, bytes);
    }
    let names = [
        (TEXT, &memory.text),
        (KEY, &memory.key),
        (NAMESPACE, &memory.namespace),
        (SESSION, &memory.session),
        (KIND, &memory.kind),
    ];
    for (tag, name) in names {
        if let Some(name) = name {
            field(&mut out, tag, name.as_bytes());
        }
    }
    memory.tags.iter().for_each(|name| field(&mut out, TAG, name.as_bytes()));
    if memory.importance != DEFAULT_IMPORTANCE {
        field(&mut out, IMPORTANCE, &memory.importance.to_le_bytes());
    }
    if memory.pinned {
        field(&mut out, PINNED, &[]);
    }
    let times = [
        (CREATED_AT, Some(created_at)),
        (EVENT_TIME, memory.event_time),
        (VALID_FROM, memory.valid_from),
        (VALID_TO, memory.valid_to),
    ];
    for (tag, time) in times {
        if let Some(time) = time {
            field(&mut out, tag, &time.to_bits().to_le_bytes());
        }
    }
    if let Some(id) = memory.superseded_by {
        field(&mut out, SUPERSEDED_BY, &id.as_u128().to_le_bytes());
    }
    if expiry.at != Timestamp::MAX {
        field(&mut out, EXPIRES_AT, &expiry.at.to_bits().to_le_bytes());
    }
    if let Some(tokens) = memory.tokens {
        field(&mut out, TOKENS, &tokens.to_le_bytes());
    }
    if !memory.derived_from.is_empty() {
        let ids: Vec<u8> =
            memory.derived_from.iter().flat_map(|id| id.as_u128().to_le_bytes()).collect();
        field(&mut out, DERIVED_FROM, &ids);
    }
    if let Some(metadata) = &memory.metadata {
        field(&mut out, METADATA, &metadata::encode(metadata));
    }
    if expiry.by_default && expiry.at != Timestamp::MAX {
        field(&mut out, ENDS_BY_DEFAULT, &[]);
    }
    if memory.uses > 0 {
        field(&mut out, USES, &memory.uses.to_le_bytes());
    }
    if let Some(at) = memory.last_used {
        field(&mut out, LAST_USED, &at.to_bits().to_le_bytes());
    }
    out
}

/// What the body of a row says of its history. Rows that were never changed say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// The sequence number of the insert that made the memory, if an update wrote the row.
    pub(crate) first_seq: Option<Seq>,
    /// The newest change that was worked into the row.
    pub(crate) version: Option<Seq>,
    /// The newest operation whose uses were worked into the row.
    pub(crate) used: Option<Seq>,
}

impl History {
    /// Returns the newest operation in a row that this one wrote, uses included.
    pub(crate) fn newest(&self, written: Seq) -> Seq {
        written.max(self.version.unwrap_or_default()).max(self.used.unwrap_or_default())
    }
}

/// Adds to a body the sequence number of the insert that made the memory.
pub(crate) fn add_first_seq(body: &mut Vec<u8>, seq: Seq) {
    field(body, FIRST_SEQ, &seq.0.to_le_bytes());
}

/// Returns true if the end of a row came from its collection's default.
pub(crate) fn ends_by_default(body: &[u8]) -> Result<bool, DecodeError> {
    let mut by_default = false;
    fields(body, |tag, _, _| {
        by_default |= tag == ENDS_BY_DEFAULT;
        Ok(())
    })?;
    Ok(by_default)
}

/// Decodes what a body says of its history.
pub(crate) fn history(body: &[u8]) -> Result<History, DecodeError> {
    let mut history = History::default();
    fields(body, |tag, bytes, at| {
        match tag {
            FIRST_SEQ => history.first_seq = Some(seq(bytes, at)?),
            VERSION => history.version = Some(seq(bytes, at)?),
            USED_SEQ => history.used = Some(seq(bytes, at)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(history)
}

/// Returns how often the memory in a body was used.
pub(crate) fn uses(body: &[u8]) -> Result<Uses, DecodeError> {
    let mut uses = Uses::default();
    fields(body, |tag, bytes, at| {
        match tag {
            USES => uses.count = Cursor::new(bytes).u32()?,
            LAST_USED => uses.last = time(bytes)?,
            USED_SEQ => uses.seq = seq(bytes, at)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(uses)
}

fn seq(bytes: &[u8], at: &Cursor<'_>) -> Result<Seq, DecodeError> {
    let seq = Seq(Cursor::new(bytes).u64()?);
    if seq > Seq::MAX {
        return Err(at.error("a sequence number is out of range"));
    }
    Ok(seq)
}

/// Returns a body without its history.
pub(crate) fn without_history(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(body.len());
    fields(body, |tag, bytes, _| {
        if !matches!(tag, FIRST_SEQ | VERSION | USED_SEQ) {
            field(&mut out, tag, bytes);
        }
        Ok(())
    })?;
    Ok(out)
}

/// Returns a body with a change worked in. Every other field stays as it is, also those that this
/// version does not know, and the version of a memory that was only used.
pub(crate) fn with_change(body: &[u8], change: &Change) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(body.len().saturating_add(96));
    fields(body, |tag, bytes, _| {
        let replaced = match tag {
            VERSION => change.seq > Seq::ZERO,
            EXPIRES_AT | ENDS_BY_DEFAULT => change.expiry.is_some(),
            IMPORTANCE => change.importance.is_some(),
            PINNED => change.pinned.is_some(),
            USES | LAST_USED | USED_SEQ => change.uses.is_some(),
            _ => false,
        };
        if !replaced {
            field(&mut out, tag, bytes);
        }
        Ok(())
    })?;
    if let Some(importance) = change.importance.filter(|i| *i != DEFAULT_IMPORTANCE) {
        field(&mut out, IMPORTANCE, &importance.to_le_bytes());
    }
    if change.pinned == Some(true) {
        field(&mut out, PINNED, &[]);
    }
    if let Some(expiry) = change.expiry.filter(|expiry| expiry.at != Timestamp::MAX) {
        field(&mut out, EXPIRES_AT, &expiry.at.to_bits().to_le_bytes());
        if expiry.by_default {
            field(&mut out, ENDS_BY_DEFAULT, &[]);
        }
    }
    if change.seq > Seq::ZERO {
        field(&mut out, VERSION, &change.seq.0.to_le_bytes());
    }
    if let Some(uses) = change.uses {
        field(&mut out, USES, &uses.count.to_le_bytes());
        field(&mut out, LAST_USED, &uses.last.to_bits().to_le_bytes());
        field(&mut out, USED_SEQ, &uses.seq.0.to_le_bytes());
    }
    Ok(out)
}

fn field(out: &mut Vec<u8>, tag: u16, bytes: &[u8]) {
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Calls `visit` with every field's tag and bytes.
fn fields<'a>(
    body: &'a [u8],
    mut visit: impl FnMut(u16, &'a [u8], &Cursor<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(body);
    while !cursor.is_empty() {
        let tag = cursor.u16()?;
        let len = cursor.length()?;
        let bytes = cursor.bytes(len)?;
        visit(tag, bytes, &cursor)?;
    }
    Ok(())
}

/// Returns the text of a row, if it has one.
pub(crate) fn text_of(body: &[u8]) -> Result<Option<&str>, DecodeError> {
    let mut found = None;
    fields(body, |tag, bytes, at| {
        match tag {
            TEXT => found = Some(text(bytes, at)?),
            _ => known(tag, at)?,
        }
        Ok(())
    })?;
    Ok(found)
}

/// Decodes the attributes of a row that filters test. `tags` and names are borrowed from the body.
pub(crate) fn attributes(id: MemoryId, body: &[u8]) -> Result<Attributes<'_>, DecodeError> {
    let mut row = Attributes::new(id, DEFAULT_IMPORTANCE);
    fields(body, |tag, bytes, at| {
        match tag {
            KEY => row.key = Some(text(bytes, at)?),
            NAMESPACE => row.namespace = Some(text(bytes, at)?),
            SESSION => row.session = Some(text(bytes, at)?),
            KIND => row.kind = Some(text(bytes, at)?),
            TAG if row.tags.len() < Memory::MAX_TAGS => row.tags.push(text(bytes, at)?),
            TAG => return Err(at.error("a row has too many tags")),
            IMPORTANCE => row.importance = Cursor::new(bytes).f32()?,
            PINNED => row.pinned = true,
            CREATED_AT => row.created_at = time(bytes)?,
            EVENT_TIME => row.event_time = Some(time(bytes)?),
            EXPIRES_AT => row.expires_at = time(bytes)?,
            VALID_FROM => row.valid_from = Some(time(bytes)?),
            VALID_TO => row.valid_to = Some(time(bytes)?),
            SUPERSEDED_BY => row.superseded = true,
            DERIVED_FROM => row.derived_from = sources(bytes, at)?,
            TOKENS => row.tokens = Some(Cursor::new(bytes).u32()?),
            METADATA => row.json = metadata::json(bytes),
            _ => known(tag, at)?,
        }
        Ok(())
    })?;
    Ok(row)
}

/// Decodes the memory that a row holds.
pub(crate) fn decode_memory(
    id: MemoryId,
    vector: Vec<f32>,
    body: &[u8],
) -> Result<Memory, DecodeError> {
    decode_into(Memory::new(id, vector), body, true)
}

/// Decodes the memory that a row holds, without its vector, text and bytes.
pub(crate) fn decode_attributes(id: MemoryId, body: &[u8]) -> Result<Memory, DecodeError> {
    decode_into(Memory::new(id, Vec::new()), body, false)
}

/// Adds to a memory what a body says, with or without text and bytes.
fn decode_into(mut memory: Memory, body: &[u8], content: bool) -> Result<Memory, DecodeError> {
    memory.created_at = Some(Timestamp::default());
    memory.origin.end = End::Stored;
    let mut end = Timestamp::MAX;
    fields(body, |tag, bytes, at| {
        let owned = || text(bytes, at).map(|text| Some(text.to_owned()));
        let mut value = Cursor::new(bytes);
        match tag {
            TEXT | BYTES if !content => {}
            TEXT => memory.text = owned()?,
            BYTES => memory.bytes = Some(bytes.to_vec()),
            KEY => memory.key = owned()?,
            NAMESPACE => memory.namespace = owned()?,
            SESSION => memory.session = owned()?,
            KIND => memory.kind = owned()?,
            TAG if memory.tags.len() < Memory::MAX_TAGS => memory.tags.extend(owned()?),
            TAG => return Err(at.error("a row has too many tags")),
            IMPORTANCE => memory.importance = value.f32()?,
            PINNED => memory.pinned = true,
            CREATED_AT => memory.created_at = Some(time(bytes)?),
            EVENT_TIME => memory.event_time = Some(time(bytes)?),
            VALID_FROM => memory.valid_from = Some(time(bytes)?),
            VALID_TO => memory.valid_to = Some(time(bytes)?),
            SUPERSEDED_BY => memory.superseded_by = Some(MemoryId::from_u128(value.u128()?)),
            EXPIRES_AT => end = time(bytes)?,
            TOKENS => memory.tokens = Some(value.u32()?),
            DERIVED_FROM => {
                let id = |id: &[u8; 16]| MemoryId::from_u128(u128::from_le_bytes(*id));
                memory.derived_from = sources(bytes, at)?.iter().map(id).collect();
            }
            METADATA => memory.metadata = Some(metadata::decode(bytes, at)?),
            ENDS_BY_DEFAULT => memory.origin.end = End::StoredByDefault,
            FIRST_SEQ => memory.origin.seq = Some(seq(bytes, at)?),
            VERSION => memory.origin.version = Some(seq(bytes, at)?),
            USES => memory.uses = value.u32()?,
            LAST_USED => memory.last_used = Some(time(bytes)?),
            _ => known(tag, at)?,
        }
        Ok(())
    })?;
    memory.lifetime = match end {
        Timestamp::MAX => Lifetime::Forever,
        at => Lifetime::Until(at),
    };
    Ok(memory)
}

/// Returns the ids of sources, little-endian.
fn sources<'a>(bytes: &'a [u8], at: &Cursor<'_>) -> Result<&'a [[u8; 16]], DecodeError> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() || ids.len() > Memory::MAX_DERIVED_FROM {
        return Err(at.error("the list of sources has a wrong length"));
    }
    Ok(ids)
}

fn known(tag: u16, at: &Cursor<'_>) -> Result<(), DecodeError> {
    if tag & MUST_UNDERSTAND != 0 {
        return Err(at.error("a field must be understood, and a newer version is needed for it"));
    }
    Ok(())
}

fn text<'a>(bytes: &'a [u8], at: &Cursor<'_>) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| at.error("a text is not UTF-8"))
}

fn time(bytes: &[u8]) -> Result<Timestamp, DecodeError> {
    Ok(Timestamp::from_bits(Cursor::new(bytes).u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn memory() -> Memory {
        Memory::new(7u64, [1.0, 2.0])
            .text("likes tea")
            .key("pref/drink")
            .namespace("user:42")
            .session("s1")
            .kind("preference")
            .tag("food")
            .tag("drink")
            .importance(0.75)
            .pinned(true)
            .event_time(Timestamp::from_millis(5))
            .valid(Some(Timestamp::from_millis(6)), None)
            .superseded_by(8u64)
            .tokens(3)
            .derived_from([MemoryId::from(1u64), MemoryId::from(2u64)])
            .metadata_json("{\"a\":1}")
            .uses(7)
            .last_used(Timestamp::from_millis(-9))
            .ttl(Duration::from_secs(1))
    }

    fn body() -> Vec<u8> {
        encode_body(&memory(), Timestamp::from_millis(4), Timestamp::from_millis(1004))
    }

    #[test]
    fn every_field_comes_back() {
        let back = decode_memory(MemoryId::from(7u64), vec![1.0, 2.0], &body()).unwrap();
        let mut expected = memory().created_at(Timestamp::from_millis(4));
        expected.lifetime = Lifetime::Until(Timestamp::from_millis(1004));
        assert_eq!(back, expected);
    }

    #[test]
    fn golden_bytes() {
        let memory = Memory::new(1u64, [1.0]).text("hi").tag("t");
        let bytes = encode_body(&memory, Timestamp::from_millis(4), Timestamp::MAX);
        let mut expected = vec![1, 0, 2, 0, 0, 0, b'h', b'i']; // text
        expected.extend([7, 0, 1, 0, 0, 0, b't']); // tag
        expected.extend([10, 0, 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]); // created_at
        assert_eq!(bytes, expected);
    }

    #[test]
    fn attributes_are_all_but_the_content() {
        let back = decode_attributes(MemoryId::from(7u64), &body()).unwrap();
        let whole = decode_memory(MemoryId::from(7u64), vec![], &body()).unwrap();
        assert_eq!(back, Memory { text: None, bytes: None, ..whole });
    }

    #[test]
    fn golden_bytes_of_uses_that_are_worked_in() {
        let memory = Memory::new(1u64, [1.0]).uses(2).last_used(Timestamp::from_millis(3));
        let body = encode_body(&memory, Timestamp::from_millis(4), Timestamp::MAX);
        let mut created = vec![10, 0, 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]; // created_at
        let mut expected = created.clone();
        expected.extend([22, 0, 4, 0, 0, 0, 2, 0, 0, 0]); // uses
        expected.extend([23, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]); // last_used
        assert_eq!(body, expected);
        let used = Uses { seq: Seq(6), count: 5, last: Timestamp::from_millis(9) };
        let change = Change { uses: Some(used), ..Change::default() };
        let folded = with_change(&body, &change).unwrap();
        created.extend([22, 0, 4, 0, 0, 0, 5, 0, 0, 0]);
        created.extend([23, 0, 8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        created.extend([24, 0, 8, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]); // used_seq
        assert_eq!(folded, created);
        assert_eq!(uses(&folded).unwrap(), used);
        let told = history(&folded).unwrap();
        assert_eq!((told.version, told.newest(Seq(3))), (None, Seq(6)));
        // The version that another change has set stays.
        let raised = Change { seq: Seq(8), importance: Some(0.75), ..Change::default() };
        let both = with_change(&with_change(&folded, &raised).unwrap(), &change).unwrap();
        let told = history(&both).unwrap();
        assert_eq!((told.version, told.newest(Seq(3))), (Some(Seq(8)), Seq(8)));
        assert_eq!(history(&without_history(&both).unwrap()).unwrap(), History::default());
        assert_eq!(uses(&without_history(&both).unwrap()).unwrap().count, 5);
    }

    #[test]
    fn fields_of_a_newer_writer_are_skipped_or_refused_as_they_ask() {
        let mut skipped = body();
        field(&mut skipped, 0x7000, b"new");
        assert!(decode_memory(MemoryId::from(7u64), vec![], &skipped).is_ok());
        let mut refused = body();
        field(&mut refused, 0xF000, b"new");
        assert!(decode_memory(MemoryId::from(7u64), vec![], &refused).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let body = body();
        for i in 0..body.len() * 8 {
            let mut damaged = body.clone();
            damaged[i / 8] ^= 1 << (i % 8);
            let _ = decode_memory(MemoryId::from(7u64), vec![], &damaged);
        }
        for len in 0..body.len() {
            let _ = decode_memory(MemoryId::from(7u64), vec![], &body[..len]);
        }
    }

    #[test]
    fn golden_bytes_of_metadata_and_of_an_end_by_default() {
        let end = Expiry { at: Timestamp::from_millis(9), by_default: true };
        let memory = Memory::new(1u64, [1.0]).event_time(Timestamp::from_millis(-3));
        let memory = memory.metadata_with_schema(5, &true).unwrap();
        let bytes = encode_body(&memory, Timestamp::from_millis(4), end);
        let mut expected = vec![10, 0, 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]; // created_at
        expected.extend([11, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0x80]); // event_time
        expected.extend([15, 0, 8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]); // expires_at
        expected.extend([18, 0, 11, 0, 0, 0, 3]); // metadata: bincode behind a shape
        expected.extend([5, 0, 0, 0, 1, 0, 0, 0, 1, 1]); // schema, shape's length, bool, true
        expected.extend([19, 0, 0, 0, 0, 0]); // the end comes from the default
        assert_eq!(bytes, expected);
        let back = decode_memory(MemoryId::from(1u64), vec![1.0], &bytes).unwrap();
        assert_eq!(back.origin.end, End::StoredByDefault);
        assert_eq!(back.event_time, memory.event_time);
    }

    #[test]
    fn metadata_of_an_older_version_is_read_without_a_shape() {
        let mut body = Vec::new();
        field(&mut body, METADATA, &[1, 0, 0, 0, 0, 7, 0, 0, 0]);
        let back = decode_memory(MemoryId::from(7u64), vec![], &body).unwrap();
        assert_eq!(back.metadata_as::<u32>().unwrap(), Some(7));
    }

    #[test]
    fn no_body_is_longer_than_its_bound() {
        for memory in [memory(), memory().metadata(&5u32).unwrap(), Memory::new(1u64, [0.5])] {
            let end = Expiry { at: Timestamp::from_millis(9), by_default: true };
            let body = encode_body(&memory, Timestamp::from_millis(4), end);
            let bound = body_bound(&memory);
            assert!((body.len()..=body.len() + 200).contains(&bound), "{} of {bound}", body.len());
        }
    }

    #[test]
    fn metadata_of_both_codecs_comes_back() {
        let memory = Memory::new(7u64, [1.0]).metadata(&5u32).unwrap();
        let body = encode_body(&memory, Timestamp::from_millis(4), Timestamp::MAX);
        let back = decode_memory(MemoryId::from(7u64), vec![1.0], &body).unwrap();
        assert_eq!(back.metadata_as::<u32>().unwrap(), Some(5));
    }

    #[test]
    fn as_many_tags_and_sources_pass_as_a_memory_may_have_and_no_more() {
        let mut tags = Vec::new();
        (0..Memory::MAX_TAGS).for_each(|_| field(&mut tags, TAG, b"t"));
        assert_eq!(attributes(MemoryId::from(7u64), &tags).unwrap().tags.len(), Memory::MAX_TAGS);
        field(&mut tags, TAG, b"t");
        assert!(attributes(MemoryId::from(7u64), &tags).is_err());
        for (len, passes) in [
            (16 * Memory::MAX_DERIVED_FROM, true),
            (16 * Memory::MAX_DERIVED_FROM + 16, false),
            (17, false),
        ] {
            let mut body = Vec::new();
            field(&mut body, DERIVED_FROM, &vec![1; len]);
            let back = decode_memory(MemoryId::from(7u64), vec![], &body);
            assert_eq!(back.is_ok(), passes, "{len} bytes");
        }
    }
}
