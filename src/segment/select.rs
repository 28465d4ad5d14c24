//! Owns how a sealed segment answers a filter: names from postings, ranges from columns, keys by
//! their hash, ids by search. Equivalent to `Matcher::matches` on every row.

use roaring::RoaringBitmap;

use super::layout::{CREATED, EVENTS, HAS_EVENT, IDS, PINNED, key_hash};
use super::postings::Field;
use super::row::{Row, RowBuffer};
use super::rows::Rows;
use super::sealed::SealedSegment;
use crate::error::Result;
use crate::filter::{Filter, Matcher};
use crate::ids::MemoryId;

/// With at least one id per this many rows, all ids of the segment are walked instead of searched.
/// One search takes about as long as walking over this many rows.
const ROWS_A_SEARCH: usize = 64;

/// Returns the rows that match, dead ones included.
pub(super) fn select(
    segment: &SealedSegment,
    filter: &Matcher,
    _read: &mut u64,
) -> Result<RoaringBitmap> {
    those_of(segment, filter.filter())
}

/// Returns the rows that match a part of a matcher, whose lists are sorted.
fn those_of(segment: &SealedSegment, filter: &Filter) -> Result<RoaringBitmap> {
    let all = || {
        let mut rows = RoaringBitmap::new();
        rows.insert_range(0..segment.rows());
        rows
    };
    Ok(match filter {
        Filter::All => all(),
        Filter::Namespace(name) => segment.named(Field::Namespace, &[name])?,
        Filter::Session(name) => segment.named(Field::Session, &[name])?,
        Filter::Kind(name) => segment.named(Field::Kind, &[name])?,
        Filter::TagsAny(names) => segment.named(Field::Tag, names)?,
        Filter::TagsAll(names) => {
            let mut rows = all();
            for name in names {
                if rows.is_empty() {
                    break;
                }
                rows &= segment.named(Field::Tag, &[name])?;
            }
            rows
        }
        Filter::Key(key) => keyed(segment, key)?,
        Filter::Created { from, to } => {
            those(segment.times(CREATED)?.map(|at| (*from..*to).contains(&at)))
        }
        Filter::EventTime { from, to } => {
            let events = segment.times(EVENTS)?.zip(segment.all_flags()?);
            let range = *from..*to;
            those(events.map(|(at, flags)| flags & HAS_EVENT != 0 && range.contains(&at)))
        }
        Filter::Importance { from, to } => {
            those(segment.all_importances()?.map(|i| (*from..=*to).contains(&i)))
        }
        Filter::Pinned(pinned) => {
            those(segment.all_flags()?.map(|flags| (flags & PINNED != 0) == *pinned))
        }
        Filter::Ids(ids) => identified(segment, ids)?,
        Filter::And(list) => {
            let mut rows = all();
            for inner in list {
                if rows.is_empty() {
                    break;
                }
                rows &= those_of(segment, inner)?;
            }
            rows
        }
        Filter::Or(list) => {
            let mut rows = RoaringBitmap::new();
            for inner in list {
                rows |= those_of(segment, inner)?;
            }
            rows
        }
        Filter::Not(inner) => all() - those_of(segment, inner)?,
    })
}

/// Returns the rows with one of these ids. Both these ids and those of the segment are sorted.
/// O(min(ids log rows, ids + rows)).
fn identified(segment: &SealedSegment, ids: &[MemoryId]) -> Result<RoaringBitmap> {
    let mut rows = RoaringBitmap::new();
    if ids.len() < segment.rows() as usize / ROWS_A_SEARCH {
        for id in ids {
            rows.extend(segment.find(*id)?);
        }
        return Ok(rows);
    }
    let mut rest = ids;
    for (row, id) in (0..).zip(segment.values(IDS)?) {
        let id = MemoryId::from_u128(u128::from_le_bytes(*id));
        rest = from(rest, id);
        match rest.first() {
            None => break,
            Some(first) if *first == id => drop(rows.insert(row)),
            Some(_) => {}
        }
    }
    Ok(rows)
}

/// Returns the rest of these sorted ids from `id` on. O(log of the number skipped).
fn from(ids: &[MemoryId], id: MemoryId) -> &[MemoryId] {
    let mut step = 1;
    while ids.get(step).is_some_and(|other| *other < id) {
        step *= 2;
    }
    let near = ids.get(..ids.len().min(step + 1)).unwrap_or(ids);
    ids.get(near.partition_point(|other| *other < id)..).unwrap_or_default()
}

fn keyed(segment: &SealedSegment, key: &str) -> Result<RoaringBitmap> {
    let (mut rows, mut buffer) = (RoaringBitmap::new(), RowBuffer::default());
    for row in segment.rows_by_key_hash(key_hash(key))? {
        // Two keys may share a hash.
        if row < segment.rows() && segment.attributes(row, &mut buffer)?.key == Some(key) {
            rows.insert(row);
        }
    }
    Ok(rows)
}

/// Returns the rows for which the column is true.
fn those(column: impl Iterator<Item = bool>) -> RoaringBitmap {
    let mut rows = RoaringBitmap::new();
    rows.extend((0..).zip(column).filter_map(|(row, yes): (Row, bool)| yes.then_some(row)));
    rows
}
