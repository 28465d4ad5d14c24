//! Owns the bytes of a filter in the log.
//!
//! Filters nest, so their decoder is written by hand. It refuses a filter that is deeper or larger
//! than `Filter::check` allows, before it spends stack or heap on it. It accepts ranges that
//! `Filter::check` refuses: older versions logged them, and a replay must repeat what they did.

use crate::clock::Timestamp;
use crate::filter::{FieldFilter, Filter, MAX_FILTER_DEPTH, MAX_FILTER_NODES};
use crate::format::DecodeError;
use crate::format::cursor::Cursor;
use crate::format::filter_values::{
    put_count, put_name, put_test, read_flag, read_name, read_test, test_len,
};
use crate::ids::MemoryId;

const VERSION: u16 = 1;

mod code {
    pub(super) const ALL: u8 = 0;
    pub(super) const NAMESPACE: u8 = 1;
    pub(super) const SESSION: u8 = 2;
    pub(super) const KIND: u8 = 3;
    pub(super) const TAGS_ANY: u8 = 4;
    pub(super) const TAGS_ALL: u8 = 5;
    pub(super) const KEY: u8 = 6;
    pub(super) const CREATED: u8 = 7;
    pub(super) const EVENT_TIME: u8 = 8;
    pub(super) const IMPORTANCE: u8 = 9;
    pub(super) const PINNED: u8 = 10;
    pub(super) const IDS: u8 = 11;
    pub(super) const AND: u8 = 12;
    pub(super) const OR: u8 = 13;
    pub(super) const NOT: u8 = 14;
    pub(super) const FIELD: u8 = 15;
    pub(super) const VALID_AT: u8 = 16;
    pub(super) const SUPERSEDED: u8 = 17;
    pub(super) const DERIVED_FROM: u8 = 18;
    pub(super) const HAS_SESSION: u8 = 19;
    pub(super) const EXPIRES: u8 = 20;
    pub(super) const TOKENS: u8 = 21;
    pub(super) const NAMESPACE_UNDER: u8 = 22;
}

/// Encodes `filter`, which must have passed `Filter::check`.
pub(crate) fn encode_filter(filter: &Filter) -> Vec<u8> {
    let mut out = VERSION.to_le_bytes().to_vec();
    put(&mut out, filter);
    out
}

/// Returns the length of [`encode_filter`]'s output in bytes. O(filters and names), O(1) for a list
/// of ids.
pub(crate) fn filter_len(filter: &Filter) -> usize {
    size_of_val(&VERSION).saturating_add(node_len(filter))
}

fn node_len(filter: &Filter) -> usize {
    let sum = |sizes: &mut dyn Iterator<Item = usize>| sizes.fold(0, usize::saturating_add);
    // A code and a count come first.
    let counted = |bytes: usize| bytes.saturating_add(5);
    match filter {
        Filter::All | Filter::HasSession => 1,
        Filter::Field(field) => counted(field.path().len()).saturating_add(test_len(field.test())),
        Filter::ValidAt(_) => 9,
        Filter::DerivedFrom(_) => 17,
        Filter::Namespace(name)
        | Filter::NamespaceUnder(name)
        | Filter::Session(name)
        | Filter::Kind(name)
        | Filter::Key(name) => counted(name.len()),
        Filter::TagsAny(names) | Filter::TagsAll(names) => {
            counted(sum(&mut names.iter().map(|name| name.len().saturating_add(4))))
        }
        Filter::Created { .. }
        | Filter::EventTime { .. }
        | Filter::Expires { .. }
        | Filter::Tokens { .. } => 17,
        Filter::Importance { .. } => 9,
        Filter::Pinned(_) | Filter::Superseded(_) => 2,
        Filter::Ids(ids) => counted(ids.len().saturating_mul(16)),
        Filter::And(list) | Filter::Or(list) => counted(sum(&mut list.iter().map(node_len))),
        Filter::Not(inner) => node_len(inner).saturating_add(1),
    }
}

/// Decodes a filter, which must take all of `bytes`.
pub(crate) fn decode_filter(bytes: &[u8]) -> Result<Filter, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u16()? != VERSION {
        return Err(DecodeError::new(0, "a filter needs a newer version"));
    }
    let mut reader = Reader { cursor, nodes: 0 };
    let filter = reader.filter(0)?;
    if !reader.cursor.is_empty() {
        return Err(reader.cursor.error("bytes follow the filter"));
    }
    Ok(filter)
}

fn put(out: &mut Vec<u8>, filter: &Filter) {
    match filter {
        Filter::All => out.push(code::ALL),
        Filter::Namespace(name) => put_name(out, code::NAMESPACE, name),
        Filter::Session(name) => put_name(out, code::SESSION, name),
        Filter::Kind(name) => put_name(out, code::KIND, name),
        Filter::TagsAny(names) => put_names(out, code::TAGS_ANY, names),
        Filter::TagsAll(names) => put_names(out, code::TAGS_ALL, names),
        Filter::Key(key) => put_name(out, code::KEY, key),
        Filter::Created { from, to } => put_times(out, code::CREATED, *from, *to),
        Filter::EventTime { from, to } => put_times(out, code::EVENT_TIME, *from, *to),
        Filter::Importance { from, to } => {
            out.push(code::IMPORTANCE);
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&to.to_le_bytes());
        }
        Filter::Pinned(pinned) => out.extend_from_slice(&[code::PINNED, u8::from(*pinned)]),
        Filter::Ids(ids) => {
            put_count(out, code::IDS, ids.len());
            out.extend(ids.iter().flat_map(|id| id.as_u128().to_le_bytes()));
        }
        Filter::And(all) => {
            put_count(out, code::AND, all.len());
            all.iter().for_each(|filter| put(out, filter));
        }
        Filter::Or(any) => {
            put_count(out, code::OR, any.len());
            any.iter().for_each(|filter| put(out, filter));
        }
        Filter::Not(inner) => {
            out.push(code::NOT);
            put(out, inner);
        }
        Filter::Field(field) => {
            put_name(out, code::FIELD, field.path());
            put_test(out, field.test());
        }
        Filter::ValidAt(at) => {
            out.push(code::VALID_AT);
            out.extend_from_slice(&at.to_bits().to_le_bytes());
        }
        Filter::Superseded(superseded) => {
            out.extend_from_slice(&[code::SUPERSEDED, u8::from(*superseded)]);
        }
        Filter::DerivedFrom(id) => {
            out.push(code::DERIVED_FROM);
            out.extend_from_slice(&id.as_u128().to_le_bytes());
        }
        Filter::HasSession => out.push(code::HAS_SESSION),
        Filter::Expires { from, to } => put_times(out, code::EXPIRES, *from, *to),
        Filter::Tokens { from, to } => {
            out.push(code::TOKENS);
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&to.to_le_bytes());
        }
        Filter::NamespaceUnder(name) => put_name(out, code::NAMESPACE_UNDER, name),
    }
}

fn put_names(out: &mut Vec<u8>, code: u8, names: &[String]) {
    put_count(out, code, names.len());
    for name in names {
        out.extend_from_slice(&(name.len() as u32).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
    }
}

fn put_times(out: &mut Vec<u8>, code: u8, from: Timestamp, to: Timestamp) {
    out.push(code);
    out.extend_from_slice(&from.to_bits().to_le_bytes());
    out.extend_from_slice(&to.to_bits().to_le_bytes());
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    /// Nodes so far, counted as `Filter::check` counts them.
    nodes: usize,
}

impl Reader<'_> {
    fn filter(&mut self, depth: usize) -> Result<Filter, DecodeError> {
        if depth > MAX_FILTER_DEPTH {
            return Err(self.cursor.error("a filter is nested too deeply"));
        }
        self.count(1)?;
        let start = self.cursor.position();
        Ok(match self.cursor.u8()? {
            code::ALL => Filter::All,
            code::NAMESPACE => Filter::Namespace(self.name()?),
            code::SESSION => Filter::Session(self.name()?),
            code::KIND => Filter::Kind(self.name()?),
            code::TAGS_ANY => Filter::TagsAny(self.names()?),
            code::TAGS_ALL => Filter::TagsAll(self.names()?),
            code::KEY => Filter::Key(self.name()?),
            code::CREATED => Filter::Created { from: self.time()?, to: self.time()? },
            code::EVENT_TIME => Filter::EventTime { from: self.time()?, to: self.time()? },
            code::IMPORTANCE => {
                Filter::Importance { from: self.cursor.f32()?, to: self.cursor.f32()? }
            }
            code::PINNED => Filter::Pinned(read_flag(&mut self.cursor)?),
            code::IDS => {
                let count = self.cursor.length()?;
                self.count(count)?;
                let ids = (0..count).map(|_| self.cursor.u128().map(MemoryId::from_u128));
                Filter::Ids(ids.collect::<Result<_, _>>()?)
            }
            code::AND => Filter::And(self.filters(depth)?),
            code::OR => Filter::Or(self.filters(depth)?),
            code::NOT => Filter::Not(Box::new(self.filter(depth.saturating_add(1))?)),
            code::FIELD => {
                let path = self.name()?;
                let field = FieldFilter::new(path, read_test(&mut self.cursor)?);
                self.count(field.listed())?;
                // Only a filter that passed the check was logged.
                if field.check().is_err() {
                    let reason = "a path or a value of a field cannot be";
                    return Err(DecodeError::new(start as u64, reason));
                }
                Filter::Field(field)
            }
            code::VALID_AT => Filter::ValidAt(self.time()?),
            code::SUPERSEDED => Filter::Superseded(read_flag(&mut self.cursor)?),
            code::DERIVED_FROM => Filter::DerivedFrom(MemoryId::from_u128(self.cursor.u128()?)),
            code::HAS_SESSION => Filter::HasSession,
            code::EXPIRES => Filter::Expires { from: self.time()?, to: self.time()? },
            code::TOKENS => Filter::Tokens { from: self.cursor.u64()?, to: self.cursor.u64()? },
            code::NAMESPACE_UNDER => Filter::NamespaceUnder(self.name()?),
            _ => return Err(DecodeError::new(start as u64, "unknown kind of filter")),
        })
    }

    fn filters(&mut self, depth: usize) -> Result<Vec<Filter>, DecodeError> {
        let count = self.cursor.length()?;
        let mut filters = Vec::new();
        for _ in 0..count {
            filters.push(self.filter(depth.saturating_add(1))?);
        }
        Ok(filters)
    }

    fn names(&mut self) -> Result<Vec<String>, DecodeError> {
        let count = self.cursor.length()?;
        self.count(count)?;
        (0..count).map(|_| self.name()).collect()
    }

    fn name(&mut self) -> Result<String, DecodeError> {
        read_name(&mut self.cursor)
    }

    fn time(&mut self) -> Result<Timestamp, DecodeError> {
        self.cursor.u64().map(Timestamp::from_bits)
    }

    fn count(&mut self, nodes: usize) -> Result<(), DecodeError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_FILTER_NODES {
            return Err(self.cursor.error("a filter is too large"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::FieldValue;

    #[test]
    fn filters_round_trip_and_what_is_too_deep_or_cut_short_is_refused() {
        let filter = Filter::namespace("a")
            .and(Filter::tags_all(["x", "y"]).not())
            .or(Filter::ids([1u64, 2]).or(Filter::importance_at_least(0.5)))
            .or(Filter::created(Timestamp::from_millis(3)..))
            .or(Filter::Pinned(false))
            .or(Filter::Pinned(true).and(Filter::key("k")).and(Filter::session("s")));
        let bytes = encode_filter(&filter);
        assert_eq!(filter_len(&filter), bytes.len());
        assert_eq!(decode_filter(&bytes), Ok(filter));
        for len in 0..bytes.len() {
            assert!(decode_filter(&bytes[..len]).is_err());
        }
        // A million nested negations must not use up the stack.
        let mut deep = VERSION.to_le_bytes().to_vec();
        deep.resize(1_000_000, code::NOT);
        assert!(decode_filter(&deep).is_err());
    }

    /// Returns one filter of each kind on fields and stored attributes.
    fn on_fields() -> Vec<Filter> {
        let field = || Filter::field("a.b[*]");
        let at = Timestamp::from_millis(-5);
        let each = [
            field().exists(),
            field().eq(FieldValue::Null),
            field().ne(true),
            field().lt(-5),
            field().le(u64::MAX),
            field().gt(2.5),
            field().ge("tea"),
            field().between(at, Timestamp::MAX),
            field().one_of([FieldValue::from("x"), at.into(), 7.into()]),
            field().none_of([1, 2]),
            field().contains("x"),
            field().starts_with("x"),
            Filter::valid_at(at),
            Filter::superseded(true),
            Filter::derived_from(7u64),
            Filter::has_session(),
            Filter::expires(..at),
            Filter::tokens(3..),
            Filter::namespace_under("user:42/"),
        ];
        each.into()
    }

    #[test]
    fn filters_on_fields_come_back_and_damage_never_panics() {
        let all = Filter::And(on_fields());
        let bytes = encode_filter(&all);
        assert_eq!(filter_len(&all), bytes.len());
        assert_eq!(decode_filter(&bytes), Ok(all));
        for len in 0..bytes.len() {
            assert!(decode_filter(&bytes[..len]).is_err());
        }
        for i in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[i / 8] ^= 1 << (i % 8);
            let _ = decode_filter(&damaged);
        }
        for filter in on_fields() {
            assert_eq!(filter_len(&filter), encode_filter(&filter).len(), "{filter:?}");
        }
    }

    #[test]
    fn golden_bytes_of_a_filter_on_a_field() {
        let bytes = encode_filter(&Filter::field("a").between(-2, 2.0));
        let mut expected = vec![1, 0, 15, 1, 0, 0, 0, b'a', 7]; // version, kind, path, test
        expected.extend([2, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]); // integer
        expected.extend([4, 0, 0, 0, 0, 0, 0, 0, 0x40]); // float
        assert_eq!(bytes, expected);
        let bytes = encode_filter(&Filter::field("a").starts_with("b").and(Filter::tokens(..=2)));
        let mut expected = vec![1, 0, 12, 2, 0, 0, 0, 15, 1, 0, 0, 0, b'a', 11, 1, 0, 0, 0, b'b'];
        expected.extend([21, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_field_that_no_check_passes_is_damage() {
        let nan = Filter::field("a").eq(f64::NAN);
        assert!(nan.check().is_err() && decode_filter(&encode_filter(&nan)).is_err());
        let path = Filter::field("a..b").exists();
        assert!(path.check().is_err() && decode_filter(&encode_filter(&path)).is_err());
    }

    #[test]
    fn an_unknown_kind_is_told_by_its_place() {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes.extend([code::NOT, code::NOT, 0xFF]);
        let error = decode_filter(&bytes).unwrap_err();
        assert_eq!(
            (error.offset, error.reason),
            (bytes.len() as u64 - 1, "unknown kind of filter")
        );
    }

    #[test]
    fn what_is_nested_as_deep_as_it_may_be_comes_back_and_no_deeper() {
        let nested = |depth| (0..depth).fold(Filter::All, |inner, _| Filter::Not(Box::new(inner)));
        let deepest = nested(MAX_FILTER_DEPTH);
        deepest.check().unwrap();
        assert_eq!(decode_filter(&encode_filter(&deepest)), Ok(deepest));
        let deeper = nested(MAX_FILTER_DEPTH + 1);
        assert!(deeper.check().is_err() && decode_filter(&encode_filter(&deeper)).is_err());
    }

    #[test]
    fn a_filter_may_have_so_many_nodes_and_not_one_more() {
        let with = |ids: usize| {
            // One node for the list, and one for each of its ids.
            let mut bytes = VERSION.to_le_bytes().to_vec();
            bytes.push(code::IDS);
            bytes.extend((ids as u32).to_le_bytes());
            bytes.resize(bytes.len() + 16 * ids, 1);
            decode_filter(&bytes).is_ok()
        };
        assert!(with(MAX_FILTER_NODES - 1));
        assert!(!with(MAX_FILTER_NODES));
    }
}
