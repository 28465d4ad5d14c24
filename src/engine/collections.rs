//! Owns the list of open collections. Knows nothing of what they hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use crate::clock::Timestamp;
use crate::ids::{CollectionId, FileId};
use crate::snapshot::state::Core;
use crate::sync::RwLock;

/// The open collections by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Collections {
    map: RwLock<BTreeMap<CollectionId, Arc<Core>>>,
}

impl Collections {
    /// All collections, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Core>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.values().cloned().collect()
    }

    /// Adds up something of all collections; cheaper than [`Collections::all`] where there are
    /// thousands.
    pub(crate) fn fold<T>(&self, start: T, add: impl FnMut(T, &Arc<Core>) -> T) -> T {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.values().fold(start, add)
    }

    pub(crate) fn get(&self, id: CollectionId) -> Option<Arc<Core>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(&id).cloned()
    }

    /// Changes the list.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<CollectionId, Arc<Core>>) -> T,
    ) -> T {
        change(&mut self.map.write().unwrap_or_else(PoisonError::into_inner))
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
