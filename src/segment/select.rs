//! Owns how a sealed segment answers a filter: names from postings, ranges from columns, keys by
//! their hash, ids by search, fields from their columns. Equivalent to `Matcher::matches` on every
//! row. Rows are read only for what no column answers.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::changes::Changes;
use super::fields::Answer;
use super::layout::{CREATED, EVENTS, EXPIRIES, HAS_EVENT, IDS, PINNED, key_hash};
use super::postings::Field;
use super::row::{Row, RowBuffer};
use super::rows::Rows;
use super::sealed::SealedSegment;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Filter, Matcher, border, holds};
use crate::ids::MemoryId;
use crate::memory::Change;

/// With at least one id per this many rows, all ids of the segment are walked instead of searched.
/// One search takes about as long as walking over this many rows.
const ROWS_A_SEARCH: usize = 64;

/// A segment with what was changed of its rows.
#[derive(Clone, Copy)]
struct Changed<'a> {
    segment: &'a SealedSegment,
    changes: &'a Changes,
}

impl Changed<'_> {
    /// Returns these rows after the changes. `holds` says whether a change decides that its row
    /// matches or does not; `None` if it leaves that open. O(changed rows).
    fn corrected(
        self,
        mut rows: RoaringBitmap,
        holds: impl Fn(Change) -> Option<bool>,
    ) -> RoaringBitmap {
        for (row, change) in self.changes.iter() {
            match holds(change) {
                Some(true) => drop(rows.insert(row)),
                Some(false) => drop(rows.remove(row)),
                None => {}
            }
        }
        rows
    }
}

/// Returns the rows that match with these changes, dead ones included. Adds to `read` the number of
/// rows whose metadata was parsed.
pub(super) fn select(
    segment: &SealedSegment,
    changes: &Changes,
    filter: &Matcher,
    read: &mut u64,
) -> Result<RoaringBitmap> {
    let all = all_rows(segment);
    Ok(those_of(Changed { segment, changes }, filter.filter(), &all, read)? & all)
}

fn all_rows(segment: &SealedSegment) -> RoaringBitmap {
    let mut rows = RoaringBitmap::new();
    rows.insert_range(0..segment.rows());
    rows
}

/// Returns the rows among these that match a part of a matcher, whose lists are sorted. Of other
/// rows it returns any.
fn those_of(
    changed: Changed<'_>,
    filter: &Filter,
    among: &RoaringBitmap,
    read: &mut u64,
) -> Result<RoaringBitmap> {
    let segment = changed.segment;
    Ok(match filter {
        Filter::All => among.clone(),
        Filter::Namespace(name) => segment.named(Field::Namespace, &[name])?,
        Filter::Session(name) => segment.named(Field::Session, &[name])?,
        Filter::Kind(name) => segment.named(Field::Kind, &[name])?,
        Filter::TagsAny(names) => segment.named(Field::Tag, names)?,
        Filter::TagsAll(names) => {
            let mut rows = among.clone();
            for name in names {
                if rows.is_empty() {
                    break;
                }
                rows &= segment.named(Field::Tag, &[name])?;
            }
            rows
        }
        Filter::NamespaceUnder(name) => {
            let name = border(name);
            let below = segment.named_from(Field::Namespace, &format!("{name}/"))?;
            segment.named(Field::Namespace, &[name])? | below
        }
        Filter::HasSession => segment.named_from(Field::Session, "")?,
        Filter::Key(key) => keyed(segment, key)?,
        Filter::Created { from, to } => {
            those(segment.times(CREATED)?.map(|at| (*from..*to).contains(&at)))
        }
        Filter::EventTime { from, to } => {
            let events = segment.times(EVENTS)?.zip(segment.all_flags()?);
            let range = *from..*to;
            those(events.map(|(at, flags)| flags & HAS_EVENT != 0 && range.contains(&at)))
        }
        Filter::Expires { from, to } => expiring(changed, *from..*to)?,
        Filter::Importance { from, to } => as_important(changed, *from, *to)?,
        Filter::Pinned(pinned) => with_pin(changed, *pinned)?,
        Filter::Ids(ids) => identified(segment, ids)?,
        Filter::Field(_)
        | Filter::ValidAt(_)
        | Filter::Superseded(_)
        | Filter::DerivedFrom(_)
        | Filter::Tokens { .. } => by_columns(segment, filter, among, read)?,
        Filter::And(list) => {
            let mut rows = among.clone();
            // Rows are read last, when few are left.
            for inner in in_order(segment, list)? {
                if rows.is_empty() {
                    break;
                }
                rows &= those_of(changed, inner, &rows, read)?;
            }
            rows
        }
        Filter::Or(list) => {
            let (mut rows, mut rest) = (RoaringBitmap::new(), among.clone());
            for inner in in_order(segment, list)? {
                let found = those_of(changed, inner, &rest, read)?;
                rest -= &found;
                rows |= found;
            }
            rows
        }
        Filter::Not(inner) => among - those_of(changed, inner, among, read)?,
    })
}

/// Returns the rows that expire in a range of time.
fn expiring(of: Changed<'_>, range: Range<Timestamp>) -> Result<RoaringBitmap> {
    let rows = those(of.segment.times(EXPIRIES)?.map(|at| range.contains(&at)));
    Ok(of.corrected(rows, |change| change.expiry.map(|expiry| range.contains(&expiry.at))))
}

/// Returns the rows with an importance in a range, both ends included.
fn as_important(of: Changed<'_>, from: f32, to: f32) -> Result<RoaringBitmap> {
    let rows = those(of.segment.all_importances()?.map(|i| (from..=to).contains(&i)));
    Ok(of.corrected(rows, |change| change.importance.map(|i| (from..=to).contains(&i))))
}

/// Returns the rows that are pinned, or those that are not.
fn with_pin(of: Changed<'_>, pinned: bool) -> Result<RoaringBitmap> {
    let rows = those(of.segment.all_flags()?.map(|flags| (flags & PINNED != 0) == pinned));
    Ok(of.corrected(rows, |change| change.pinned.map(|is| is == pinned)))
}

/// Returns these filters, those for which rows are read last.
fn in_order<'a>(segment: &SealedSegment, list: &'a [Filter]) -> Result<Vec<&'a Filter>> {
    let (mut first, mut last) = (Vec::with_capacity(list.len()), Vec::new());
    for filter in list {
        if reads_rows(segment, filter)? { last.push(filter) } else { first.push(filter) }
    }
    first.append(&mut last);
    Ok(first)
}

/// Returns true if rows are read to answer a filter.
fn reads_rows(segment: &SealedSegment, filter: &Filter) -> Result<bool> {
    match filter {
        Filter::And(list) | Filter::Or(list) => {
            for inner in list {
                if reads_rows(segment, inner)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Filter::Not(inner) => reads_rows(segment, inner),
        leaf => segment.needs_rows(leaf),
    }
}

/// Returns the rows among these that match a filter which columns of fields answer, or else rows.
fn by_columns(
    segment: &SealedSegment,
    filter: &Filter,
    among: &RoaringBitmap,
    read: &mut u64,
) -> Result<RoaringBitmap> {
    let candidates = match segment.fields_answer(filter)? {
        Answer::Rows(rows) => return Ok(rows),
        Answer::Among(rows) => &(rows & among),
        Answer::Unknown => among,
    };
    let (mut rows, mut buffer) = (RoaringBitmap::new(), RowBuffer::default());
    for row in candidates {
        if holds(filter, &segment.attributes(row, &mut buffer)?, read) {
            rows.insert(row);
        }
    }
    Ok(rows)
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
