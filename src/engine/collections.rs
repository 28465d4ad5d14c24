//! Owns the list of open collections. Knows nothing of what they hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{CollectionId, FileId};
use crate::snapshot::state::CollectionState;
use crate::sync::{RwLock, read, write};

/// The open collections by their ids.
#[derive(Debug, Default)]
pub(crate) struct Collections {
    map: RwLock<BTreeMap<CollectionId, Arc<CollectionState>>>,
}

impl Collections {
    /// Returns all collections, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<CollectionState>> {
        let map = read(&self.map);
        map.values().cloned().collect()
    }

    /// Folds all collections into one value. Cheaper than [`Collections::all`] if there are
    /// thousands.
    pub(crate) fn fold<T>(&self, start: T, add: impl FnMut(T, &Arc<CollectionState>) -> T) -> T {
        let map = read(&self.map);
        map.values().fold(start, add)
    }

    pub(crate) fn get(&self, id: CollectionId) -> Option<Arc<CollectionState>> {
        let map = read(&self.map);
        map.get(&id).cloned()
    }

    /// Changes the list with `change` and returns its result.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<CollectionId, Arc<CollectionState>>) -> T,
    ) -> T {
        change(&mut write(&self.map))
    }

    /// Returns when each segment was first seen with a dead row, as of `now`.
    pub(super) fn dead_since(&self, now: Timestamp) -> HashMap<FileId, Timestamp> {
        let mut all = HashMap::new();
        for core in self.all() {
            core.deaths.add_to(&mut all, &core.snapshot(), now);
        }
        all
    }
}
