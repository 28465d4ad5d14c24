//! Owns how a sealed segment answers a filter: names from postings, ranges from columns, keys by
//! their hash, ids by search. Means exactly what `Filter::matches` means row by row.

use roaring::RoaringBitmap;

use super::postings::Field;
use super::sealed::{self, HAS_EVENT, PINNED, SealedSegment, key_hash};
use super::{Row, RowBuffer, Rows};
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
        Filter::Namespace(name) => segment.named(Field::Namespace, name)?,
        Filter::Session(name) => segment.named(Field::Session, name)?,
        Filter::Kind(name) => segment.named(Field::Kind, name)?,
        Filter::TagsAny(names) => {
            let mut rows = RoaringBitmap::new();
            for name in names {
                rows |= segment.named(Field::Tag, name)?;
            }
            rows
        }
        Filter::TagsAll(names) => {
            let mut rows = all();
            for name in names {
                rows &= segment.named(Field::Tag, name)?;
            }
            rows
        }
        Filter::Key(key) => keyed(segment, key)?,
        Filter::Created { from, to } => {
            those(segment.times(sealed::CREATED)?.map(|at| (*from..*to).contains(&at)))
        }
        Filter::EventTime { from, to } => {
            let events = segment.times(sealed::EVENTS)?.zip(segment.all_flags()?);
            let range = *from..*to;
            those(events.map(|(at, flags)| flags & HAS_EVENT != 0 && range.contains(&at)))
        }
        Filter::Importance { from, to } => {
            those(segment.all_importances()?.map(|i| (*from..=*to).contains(&i)))
        }
        Filter::Pinned(pinned) => {
            those(segment.all_flags()?.map(|flags| (flags & PINNED != 0) == *pinned))
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

/// The rows of which a column says yes.
fn those(column: impl Iterator<Item = bool>) -> RoaringBitmap {
    let mut rows = RoaringBitmap::new();
    rows.extend((0..).zip(column).filter_map(|(row, yes): (Row, bool)| yes.then_some(row)));
    rows
}
