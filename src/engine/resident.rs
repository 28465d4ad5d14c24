//! Owns the budget of resident bytes: it chooses the mapped files whose pages are released when too
//! many bytes are resident. The system reads the pages back when they are used again, mostly from
//! its own cache.

use std::sync::Arc;
use std::time::Duration;

use crate::dir::StoreDir;
use crate::engine::collections::Collections;
use crate::engine::time::StoreTime;
use crate::format::names::FileName;
use crate::snapshot::state::CollectionState;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// How often resident bytes are measured.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The fraction of the budget that stays resident after a release. The slack keeps the next check
/// from releasing again at once.
const KEPT_SHARE: f64 = 0.75;

/// The budget of resident bytes.
#[derive(Debug)]
pub(crate) struct ResidentBudget {
    dir: Arc<StoreDir>,
    time: Arc<StoreTime>,
    collections: Arc<Collections>,
    limit: Option<u64>,
    /// Time of the next check, in monotonic time.
    again_at: Mutex<Duration>,
    /// The newest measurement.
    last: AtomicU64,
}

impl ResidentBudget {
    pub(super) fn new(
        dir: &Arc<StoreDir>,
        time: &Arc<StoreTime>,
        collections: &Arc<Collections>,
        limit: Option<u64>,
    ) -> Self {
        let (dir, time) = (Arc::clone(dir), Arc::clone(time));
        let collections = Arc::clone(collections);
        Self { dir, time, collections, limit, again_at: Mutex::default(), last: AtomicU64::new(0) }
    }

    /// Asks the system how many mapped bytes of the store's files are resident; 0 if it does not
    /// report it.
    pub(crate) fn bytes(&self) -> u64 {
        self.measure().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Returns the newest answer of the system; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    fn measure(&self) -> Vec<(String, u64)> {
        let resident = self.dir.disk().resident(self.dir.root());
        self.last.store(resident.iter().map(|(_, bytes)| bytes).sum(), Ordering::Relaxed);
        resident
    }

    /// Returns true if there is a limit on resident bytes.
    pub(crate) const fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// Releases pages if more bytes are resident than the limit.
    pub(crate) fn tend(&self) {
        let Some(limit) = self.limit else {
            return;
        };
        let mut again_at = lock(&self.again_at);
        if self.time.monotonic() < *again_at {
            return;
        }
        *again_at = self.time.monotonic() + CHECK_INTERVAL;
        drop(again_at);
        let resident = self.measure();
        let named = resident.iter().filter_map(|(name, b)| Some((FileName::parse(name)?, *b)));
        let goes = to_release(named.collect(), limit);
        if !goes.is_empty() {
            self.collections.all().iter().for_each(|core| release(core, &goes));
        }
    }
}

/// Releases the pages of the files in `goes`.
fn release(core: &CollectionState, goes: &[FileName]) {
    let snapshot = core.snapshot();
    for part in &snapshot.segments {
        if goes.contains(&FileName::Segment(part.sealed.file)) {
            part.sealed.segment.release();
        }
    }
    for part in &snapshot.indexes {
        let (indexed, locator) = (&part.indexed, part.indexed.locator_file());
        if goes.contains(&FileName::Index(indexed.file)) {
            indexed.index.release();
        }
        if goes.contains(&locator) {
            indexed.locator.release();
        }
    }
}

/// Returns the files whose pages to release. Segments come first, the largest first, because a
/// search reads few rows. Then come locators, and indexes last.
fn to_release(mut resident: Vec<(FileName, u64)>, limit: u64) -> Vec<FileName> {
    let mut left: u64 = resident.iter().map(|(_, bytes)| bytes).sum();
    if left <= limit {
        return Vec::new();
    }
    let rank = |name: &FileName| match name {
        FileName::Segment(_) => 0,
        FileName::Index(_) => 2,
        _ => 1,
    };
    resident.sort_by_key(|(name, bytes)| (rank(name), std::cmp::Reverse(*bytes)));
    let wanted = (limit as f64 * KEPT_SHARE) as u64;
    let mut goes = Vec::new();
    for (name, bytes) in resident {
        if left <= wanted {
            break;
        }
        left -= bytes;
        goes.push(name);
    }
    goes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FileId;

    #[test]
    fn rows_go_before_indexes_and_no_more_than_must() {
        let (segment, index) = (|n| FileName::Segment(FileId(n)), |n| FileName::Index(FileId(n)));
        let locator = FileName::Locator(FileId(8));
        let resident = vec![(index(9), 40), (segment(1), 10), (segment(2), 30), (locator, 5)];
        let goes = |limit| to_release(resident.clone(), limit);
        assert_eq!(goes(85), []);
        assert_eq!(goes(80), [segment(2)]);
        assert_eq!(goes(70), [segment(2), segment(1)]);
        assert_eq!(goes(55), [segment(2), segment(1), locator]);
        assert_eq!(goes(1), [segment(2), segment(1), locator, index(9)]);
    }
}
