//! Owns the bytes of a filter in the log.
//!
//! Filters nest, so their decoder is written by hand. It refuses a filter that is deeper or larger
//! than `Filter::check` allows, before it spends stack or heap on it. It accepts ranges that
//! `Filter::check` refuses: older versions logged them, and a replay must repeat what they did.

use crate::clock::Timestamp;
use crate::filter::{Filter, MAX_FILTER_DEPTH, MAX_FILTER_NODES};
use crate::format::DecodeError;
use crate::format::cursor::Cursor;
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
        Filter::All => 1,
        Filter::Namespace(name)
        | Filter::Session(name)
        | Filter::Kind(name)
        | Filter::Key(name) => counted(name.len()),
        Filter::TagsAny(names) | Filter::TagsAll(names) => {
            counted(sum(&mut names.iter().map(|name| name.len().saturating_add(4))))
        }
        Filter::Created { .. } | Filter::EventTime { .. } => 17,
        Filter::Importance { .. } => 9,
        Filter::Pinned(_) => 2,
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
    }
}

fn put_count(out: &mut Vec<u8>, code: u8, count: usize) {
    out.push(code);
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

fn put_name(out: &mut Vec<u8>, code: u8, name: &str) {
    put_count(out, code, name.len());
    out.extend_from_slice(name.as_bytes());
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
            code::PINNED => Filter::Pinned(self.flag()?),
            code::IDS => {
                let count = self.cursor.length()?;
                self.count(count)?;
                let ids = (0..count).map(|_| self.cursor.u128().map(MemoryId::from_u128));
                Filter::Ids(ids.collect::<Result<_, _>>()?)
            }
            code::AND => Filter::And(self.filters(depth)?),
            code::OR => Filter::Or(self.filters(depth)?),
            code::NOT => Filter::Not(Box::new(self.filter(depth.saturating_add(1))?)),
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
        let len = self.cursor.length()?;
        let bytes = self.cursor.bytes(len)?;
        let name =
            std::str::from_utf8(bytes).map_err(|_| self.cursor.error("a name is not UTF-8"))?;
        Ok(name.to_owned())
    }

    fn time(&mut self) -> Result<Timestamp, DecodeError> {
        self.cursor.u64().map(Timestamp::from_bits)
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.cursor.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.cursor.error("a flag is neither 0 nor 1")),
        }
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
