//! Owns when segments were first seen with dead rows: the deadline for their bytes counts from then. Goes
//! into every manifest, so that it counts on over opens; a store that is opened every day would never
//! come to the end of a day otherwise. After a crash it counts from the last manifest that knew.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::collection::engine::Engine;
use crate::collection::snapshot::Snapshot;
use crate::collection::stats;
use crate::error::Result;
use crate::format::manifest::SegmentEntry;
use crate::ids::FileId;
use crate::sync::{Mutex, lock};

/// See the file.
#[derive(Debug, Default)]
pub(crate) struct Deaths(Mutex<HashMap<FileId, Timestamp>>);

/// What is dead of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dead {
    /// Rows deleted, replaced, or expired at the moment of the look.
    pub(crate) rows: u64,
    /// When there was the first, as far as is known.
    pub(crate) since: Option<Timestamp>,
}

impl Deaths {
    /// Takes over what a manifest knows.
    pub(super) fn restore(&self, segments: &[SegmentEntry]) {
        let known = segments.iter().filter_map(|s| Some((s.file, s.dead_since?)));
        lock(&self.0).extend(known);
    }

    /// Looks at all segments of a snapshot, in their order. O(segments), beside what
    /// [`crate::segment::Rows::live_expired`] takes.
    pub(crate) fn look(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Vec<Dead>> {
        let mut since = lock(&self.0);
        since.retain(|file, _| snapshot.segments.iter().any(|s| s.sealed.file == *file));
        let look = |part| {
            let rows = stats::dead_rows(part, now)?;
            let since = (rows > 0).then(|| *since.entry(part.sealed.file).or_insert(now));
            Ok(Dead { rows, since })
        };
        snapshot.segments.iter().map(look).collect()
    }
}

impl Engine {
    /// When segments were first seen with dead rows, by now. O(segments of all collections).
    pub(super) fn dead_since(&self) -> HashMap<FileId, Timestamp> {
        let (mut all, now) = (HashMap::new(), self.plausible_now());
        for core in self.cores() {
            // Damage in a column is told to whoever asks for what it says.
            let _ = core.deaths.look(&core.snapshot(), now);
            all.extend(lock(&core.deaths.0).iter());
        }
        all
    }
}
