//! Owns the list of open collections. Knows nothing of what they hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{CollectionId, FileId};
use crate::snapshot::state::CollectionState;
use crate::sync::{RwLock, read, write};

/// The open collections by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Collections {
    map: RwLock<BTreeMap<CollectionId, Arc<CollectionState>>>,
}

impl Collections {
    /// All collections, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<CollectionState>> {
        let map = read(&self.map);
        map.values().cloned().collect()
    }

    /// Adds up something of all collections; cheaper than [`Collections::all`] where there are
    /// thousands.
    pub(crate) fn fold<T>(&self, start: T, add: impl FnMut(T, &Arc<CollectionState>) -> T) -> T {
        let map = read(&self.map);
        map.values().fold(start, add)
    }

    pub(crate) fn get(&self, id: CollectionId) -> Option<Arc<CollectionState>> {
        let map = read(&self.map);
        map.get(&id).cloned()
    }

    /// Changes the list.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<CollectionId, Arc<CollectionState>>) -> T,
    ) -> T {
        change(&mut write(&self.map))
    }

    /// When segments were first seen with dead rows, by now.
    pub(super) fn dead_since(&self, now: Timestamp) -> HashMap<FileId, Timestamp> {
        let mut all = HashMap::new();
        for core in self.all() {
            core.deaths.add_to(&mut all, &core.snapshot(), now);
        }
        all
    }
}
