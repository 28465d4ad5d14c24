//! Owns when each segment was first seen with a dead row, from which the deadline for its bytes
//! counts. Every manifest holds these times, so that the deadline is met even by a store that is
//! opened only briefly every day. After a crash the time in the last manifest counts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::format::manifest::SegmentEntry;
use crate::ids::FileId;
use crate::segment::Rows;
use crate::snapshot::{SegPart, Snapshot};
use crate::sync::{Mutex, lock};

/// When each segment of one collection was first seen with a dead row.
#[derive(Debug, Default)]
pub(crate) struct DeadSince(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    since: HashMap<FileId, Timestamp>,
    /// The snapshot that was checked last, and the positions of its segments without a dead row.
    seen: Weak<Snapshot>,
    whole: Vec<usize>,
}

/// The dead rows of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dead {
    /// Rows that are deleted, replaced, or had expired at the time of the check.
    pub(crate) rows: u64,
    /// When the segment was first seen with a dead row.
    pub(crate) since: Option<Timestamp>,
}

impl DeadSince {
    /// Takes over the times in a manifest.
    pub(crate) fn restore(&self, segments: &[SegmentEntry]) {
        let known = segments.iter().filter_map(|s| Some((s.file, s.dead_since?)));
        lock(&self.0).since.extend(known);
    }

    /// Checks all segments of a snapshot, in their order. O(segments), plus the cost of
    /// [`crate::segment::Rows::live_expired`].
    pub(crate) fn look(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Vec<Dead>> {
        let mut known = lock(&self.0);
        let look = |part| {
            let rows = dead_rows(part, now)?;
            let since = (rows > 0).then(|| *known.since.entry(part.sealed.file).or_insert(now));
            Ok(Dead { rows, since })
        };
        snapshot.segments.iter().map(look).collect()
    }

    /// Adds to `all` when each segment was first seen with a dead row, as of `now`. Checks only
    /// segments that had no dead row the last time, because dead rows stay dead.
    pub(crate) fn add_to(
        &self,
        all: &mut HashMap<FileId, Timestamp>,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
    ) {
        let mut known = lock(&self.0);
        let Known { since, seen, whole } = &mut *known;
        let newest = Arc::downgrade(snapshot);
        if !Weak::ptr_eq(seen, &newest) {
            let segments = snapshot.segments.iter();
            let files: HashSet<FileId> = segments.map(|part| part.sealed.file).collect();
            since.retain(|file, _| files.contains(file));
            *whole = (0..snapshot.segments.len()).collect();
            *seen = newest;
        }
        whole.retain(|at| {
            let Some(part) = snapshot.segments.get(*at) else { return false };
            let file = part.sealed.file;
            // A damaged column is reported to callers that read its values, so it is skipped here.
            if !since.contains_key(&file) && dead_rows(part, now).is_ok_and(|rows| rows > 0) {
                since.insert(file, now);
            }
            !since.contains_key(&file)
        });
        all.extend(since.iter());
    }
}

/// Returns the number of rows that are deleted, replaced, or have expired at `now`.
pub(crate) fn dead_rows(part: &SegPart, now: Timestamp) -> Result<u64> {
    Ok(u64::from(part.live.dead()) + live_expired(part, now)?)
}

/// Returns the number of rows that are not deleted and have expired at `now`.
pub(crate) fn live_expired(part: &SegPart, now: Timestamp) -> Result<u64> {
    part.live_expired(&part.live, now)
}
