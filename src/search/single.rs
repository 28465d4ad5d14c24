//! Owns the reads of single memories at a moment: by id and by key. Also counts all of them.

use crate::engine::moment::Moment;
use crate::error::Result;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::search::hit::read_fields;
use crate::search::request::Fields;
use crate::segment::RowBuffer;
use crate::snapshot::keys;
use crate::snapshot::state::CollectionState;

/// Returns the visible memory with this id, including its vector.
pub(crate) fn by_id(core: &CollectionState, at: &Moment, id: MemoryId) -> Result<Option<Memory>> {
    let Some(place) = at.snapshot.find(id)? else {
        return Ok(None);
    };
    let Some((rows, _, row)) = at.snapshot.rows_at(place) else {
        return Ok(None);
    };
    if rows.expires_at(row)? <= at.now {
        return Ok(None);
    }
    read_fields(core.spec.metric, rows, row, Fields::All).map(Some)
}

/// Returns true if a memory with this id is visible, and in a namespace if one is given.
pub(crate) fn contains(at: &Moment, id: MemoryId, namespace: Option<&str>) -> Result<bool> {
    let place = at.snapshot.find(id)?;
    let Some((rows, _, row)) = place.and_then(|place| at.snapshot.rows_at(place)) else {
        return Ok(false);
    };
    let mut buffer = RowBuffer::default();
    if namespace.is_some() && rows.attributes(row, &mut buffer)?.namespace != namespace {
        return Ok(false);
    }
    Ok(rows.expires_at(row)? > at.now)
}

/// Returns the visible memory with this key that was inserted last; that of a namespace if one is
/// given.
pub(crate) fn by_key(
    core: &CollectionState,
    at: &Moment,
    key: &str,
    namespace: Option<&str>,
) -> Result<Option<Memory>> {
    let Some(place) = keys::newest(&at.snapshot, key, namespace.map(Some), at.now)? else {
        return Ok(None);
    };
    let Some((rows, _, row)) = at.snapshot.rows_at(place) else {
        return Ok(None);
    };
    read_fields(core.spec.metric, rows, row, Fields::All).map(Some)
}

/// Returns the number of visible memories.
pub(crate) fn len(at: &Moment) -> Result<u64> {
    let mut count = 0;
    for (rows, live) in at.snapshot.parts() {
        count += u64::from(live.live()) - rows.live_expired(live, at.now)?;
    }
    Ok(count)
}
