//! Owns how a sealed segment answers a filter: names from postings, ranges from columns, keys by
//! their hash, ids by search. Means exactly what `Filter::matches` means row by row.

use roaring::RoaringBitmap;

use super::postings::Field;
use super::sealed::{self, HAS_EVENT, PINNED, SealedSegment, key_hash};
use super::{Row, Rows};
use crate::error::Result;
use crate::filter::Filter;

/// The rows that match, dead ones included.
pub(super) fn select(segment: &SealedSegment, filter: &Filter) -> Result<RoaringBitmap> {
    let all = || {
        let mut rows = RoaringBitmap::new();
        rows.insert_range(0..segment.rows());
        rows
    };
    Ok(match filter {
        Filter::All => all(),
        Filter::Namespace(name) => named(segment, Field::Namespace, name)?,
        Filter::Session(name) => named(segment, Field::Session, name)?,
        Filter::Kind(name) => named(segment, Field::Kind, name)?,
        Filter::TagsAny(names) => {
            let mut rows = RoaringBitmap::new();
            for name in names {
                rows |= named(segment, Field::Tag, name)?;
            }
            rows
        }
        Filter::TagsAll(names) => {
            let mut rows = all();
            for name in names {
                rows &= named(segment, Field::Tag, name)?;
            }
            rows
        }
        Filter::Key(key) => keyed(segment, key)?,
        Filter::Created { from, to } => {
            let range = from.as_millis()..to.as_millis();
            column(segment, |row| Ok(range.contains(&segment.number(sealed::CREATED, row)?)))?
        }
        Filter::EventTime { from, to } => {
            let range = from.as_millis()..to.as_millis();
            column(segment, |row| {
                let has = segment.flags(row)? & HAS_EVENT != 0;
                Ok(has && range.contains(&segment.number(sealed::EVENTS, row)?))
            })?
        }
        Filter::Importance { from, to } => {
            column(segment, |row| Ok((*from..=*to).contains(&segment.importance(row)?)))?
        }
        Filter::Pinned(pinned) => {
            column(segment, |row| Ok((segment.flags(row)? & PINNED != 0) == *pinned))?
        }
        Filter::Ids(ids) => {
            let mut rows = RoaringBitmap::new();
            for id in ids {
                rows.extend(segment.find(*id)?);
            }
            rows
        }
        Filter::And(list) => {
            let mut rows = all();
            for inner in list {
                if rows.is_empty() {
                    break;
                }
                rows &= select(segment, inner)?;
            }
            rows
        }
        Filter::Or(list) => {
            let mut rows = RoaringBitmap::new();
            for inner in list {
                rows |= select(segment, inner)?;
            }
            rows
        }
        Filter::Not(inner) => all() - select(segment, inner)?,
    })
}

fn named(segment: &SealedSegment, field: Field, name: &str) -> Result<RoaringBitmap> {
    let rows = segment.postings()?.rows(field, name);
    let mut rows =
        rows.map_err(|e| segment.file.corrupt_in(sealed::POSTINGS, e.offset, e.reason))?;
    // What the list names beyond the segment cannot be.
    rows.remove_range(segment.rows()..);
    Ok(rows)
}

fn keyed(segment: &SealedSegment, key: &str) -> Result<RoaringBitmap> {
    let mut rows = RoaringBitmap::new();
    for row in segment.rows_by_key_hash(key_hash(key))? {
        // Two keys may share a hash.
        if row < segment.rows() && segment.attributes(row)?.key == Some(key) {
            rows.insert(row);
        }
    }
    Ok(rows)
}

fn column(
    segment: &SealedSegment,
    mut accept: impl FnMut(Row) -> Result<bool>,
) -> Result<RoaringBitmap> {
    let mut rows = RoaringBitmap::new();
    for row in 0..segment.rows() {
        if accept(row)? {
            rows.insert(row);
        }
    }
    Ok(rows)
}
