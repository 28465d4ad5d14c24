//! Owns how keys are looked up in a snapshot: which visible rows have a key, and whether two of one
//! namespace share one. Knows nothing of who asks.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Attributes, Filter, Matcher};
use crate::ids::{MemoryId, Seq};
use crate::segment::RowBuffer;
use crate::snapshot::{Place, Snapshot};

/// A namespace, or none, and a key.
pub(crate) type KeyIn = (Option<String>, String);

/// Returns the rows with this key that are visible at `now`, with their ids. `within` limits them
/// to the memories of a namespace, or to those without one. O(log rows) per segment, O(rows) in
/// RAM.
pub(crate) fn keyed(
    snapshot: &Snapshot,
    key: &str,
    within: Option<Option<&str>>,
    now: Timestamp,
) -> Result<Vec<(Place, MemoryId)>> {
    let filter = Matcher::new(Filter::key(key));
    let (mut found, mut buffer) = (Vec::new(), RowBuffer::default());
    for (part, (rows, live)) in snapshot.parts().enumerate() {
        for row in rows.select(&filter, &mut 0)?.iter().filter(|row| live.is_live(*row)) {
            if rows.expires_at(row)? <= now {
                continue;
            }
            let of = rows.attributes(row, &mut buffer)?;
            if within.is_none_or(|within| within == of.namespace) {
                found.push((snapshot.place(part, row), of.id));
            }
        }
    }
    Ok(found)
}

/// Returns the row with this key whose memory was inserted last: see [`keyed`].
pub(crate) fn newest(
    snapshot: &Snapshot,
    key: &str,
    within: Option<Option<&str>>,
    now: Timestamp,
) -> Result<Option<Place>> {
    let mut newest: Option<(Seq, Place)> = None;
    for (place, _) in keyed(snapshot, key, within, now)? {
        let Some((rows, _, row)) = snapshot.rows_at(place) else { continue };
        let seq = rows.first_seq(row)?;
        if newest.is_none_or(|(before, _)| before < seq) {
            newest = Some((seq, place));
        }
    }
    Ok(newest.map(|(_, place)| place))
}

/// Returns a key that two visible memories of one namespace share, if there is one. O(rows), and 8
/// bytes of heap per row with a key.
pub(crate) fn shared(snapshot: &Snapshot, now: Timestamp) -> Result<Option<KeyIn>> {
    let (state, mut hashes) = (RandomState::new(), Vec::new());
    let hash = |namespace: Option<&str>, key: &str| state.hash_one((namespace, key));
    each(snapshot, now, |namespace, key| {
        hashes.push(hash(namespace, key));
        ControlFlow::<()>::Continue(())
    })?;
    hashes.sort_unstable();
    let twice: HashSet<u64> = hashes.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
    drop(hashes);
    // Two keys may share a hash, so those few are compared themselves.
    let mut seen: HashSet<KeyIn> = HashSet::new();
    each(snapshot, now, |namespace, key| {
        if !twice.contains(&hash(namespace, key)) {
            return ControlFlow::Continue(());
        }
        let one = (namespace.map(str::to_owned), key.to_owned());
        if seen.contains(&one) {
            return ControlFlow::Break(one);
        }
        seen.insert(one);
        ControlFlow::Continue(())
    })
}

/// Calls `visit` with the namespace and the key of every visible row that has a key, until it
/// breaks off. Returns with what it broke off.
fn each<B>(
    snapshot: &Snapshot,
    now: Timestamp,
    mut visit: impl FnMut(Option<&str>, &str) -> ControlFlow<B>,
) -> Result<Option<B>> {
    let mut buffer = RowBuffer::default();
    for (rows, live) in snapshot.parts() {
        for row in live.iter() {
            if rows.expires_at(row)? <= now {
                continue;
            }
            let Attributes { namespace, key, .. } = rows.attributes(row, &mut buffer)?;
            if let Some(key) = key
                && let ControlFlow::Break(found) = visit(namespace, key)
            {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}
