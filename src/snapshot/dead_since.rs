//! Owns when segments were first seen with dead rows: the deadline for their bytes counts from
//! then. Goes into every manifest, so that it counts on over opens; a store that is opened every
//! day would never come to the end of a day otherwise. After a crash it counts from the last
//! manifest that knew.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::format::manifest::SegmentEntry;
use crate::ids::FileId;
use crate::segment::Rows;
use crate::snapshot::{SegPart, Snapshot};
use crate::sync::{Mutex, lock};

/// When the segments of one collection were first seen with dead rows.
#[derive(Debug, Default)]
pub(crate) struct DeadSince(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    since: HashMap<FileId, Timestamp>,
    /// The snapshot that was looked at last, and the places of its segments without a dead row.
    seen: Weak<Snapshot>,
    whole: Vec<usize>,
}

/// What is dead of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dead {
    /// Rows deleted, replaced, or expired at the moment of the look.
    pub(crate) rows: u64,
    /// When there was the first, as far as is known.
    pub(crate) since: Option<Timestamp>,
}

impl DeadSince {
    /// Takes over what a manifest knows.
    pub(crate) fn restore(&self, segments: &[SegmentEntry]) {
        let known = segments.iter().filter_map(|s| Some((s.file, s.dead_since?)));
        lock(&self.0).since.extend(known);
    }

    /// Looks at all segments of a snapshot, in their order. O(segments), beside what
    /// [`crate::segment::Rows::live_expired`] takes.
    pub(crate) fn look(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Vec<Dead>> {
        let mut known = lock(&self.0);
        let look = |part| {
            let rows = dead_rows(part, now)?;
            let since = (rows > 0).then(|| *known.since.entry(part.sealed.file).or_insert(now));
            Ok(Dead { rows, since })
        };
        snapshot.segments.iter().map(look).collect()
    }

    /// Adds when segments were first seen with dead rows, by now, to `all`. Asks only those of
    /// which no row was dead the last time: dead rows stay dead.
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
            // Damage in a column is told to whoever asks for what it says.
            if !since.contains_key(&file) && dead_rows(part, now).is_ok_and(|rows| rows > 0) {
                since.insert(file, now);
            }
            !since.contains_key(&file)
        });
        all.extend(since.iter());
    }
}

/// Rows that are deleted, replaced, or have expired at `now`.
pub(crate) fn dead_rows(part: &SegPart, now: Timestamp) -> Result<u64> {
    Ok(u64::from(part.live.dead()) + live_expired(part, now)?)
}

/// Rows that are not deleted and have expired at `now`.
pub(crate) fn live_expired(part: &SegPart, now: Timestamp) -> Result<u64> {
    part.sealed.segment.live_expired(&part.live, now)
}
