//! Owns `StoreSnapshot`, all collections of a store at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::collection::{Collection, CollectionSnapshot};
use crate::engine::held::Held;
use crate::error::Result;
use crate::store::Store;
use crate::sync::lock;

/// All collections of a store at one moment: a batch across collections is in it as a whole or not
/// at all. [`Store::snapshot`] returns it.
///
/// A cheap handle: clone it freely and use it from any thread. It keeps the store open. For its
/// cost and its largest age see [`CollectionSnapshot`].
#[derive(Clone, Debug)]
pub struct StoreSnapshot {
    store: Store,
    collections: Arc<BTreeMap<String, Collection>>,
    held: Arc<Held>,
}

impl Store {
    /// Returns all collections at this moment: see [`StoreSnapshot`]. O(collections). Waits for a
    /// commit that is under way.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed) after a close.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{Batch, CollectionOptions, Memory, Metric, Store};
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// let facts = store.collection("facts", CollectionOptions::new(2, Metric::Cosine))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// let before = store.snapshot()?;
    /// let batch = Batch::new().insert(Memory::new(1, [0.0, 1.0]));
    /// notes.apply(batch.insert_into(&facts, Memory::new(2, [0.0, 1.0])))?;
    /// let after = store.snapshot()?;
    /// for (snapshot, len) in [(before, 0), (after, 1)] {
    ///     assert_eq!(snapshot.collection_names(), ["facts", "notes"]);
    ///     assert_eq!(snapshot.collection("facts").unwrap().len()?, len);
    ///     assert_eq!(snapshot.collection("notes").unwrap().len()?, len);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn snapshot(&self) -> Result<StoreSnapshot> {
        let engine = &self.engine;
        engine.dir.check_open()?;
        let (mut collections, mut snapshots) = (BTreeMap::new(), BTreeMap::new());
        // Names change under the first lock. While the token is held, no snapshot is published. A
        // read-only store publishes under the lock of the list, which `fold` holds.
        let names = lock(&self.shared.names);
        let token = engine.log.hold();
        let now = engine.time.now();
        engine.collections.fold((), |(), core| {
            snapshots.insert(core.id, core.snapshot());
            collections.insert(core.name().to_owned(), self.handle(Arc::clone(core)));
        });
        drop(token);
        drop(names);
        let held = engine.moments.hold(snapshots, now);
        Ok(StoreSnapshot { store: self.clone(), collections: Arc::new(collections), held })
    }
}

impl StoreSnapshot {
    /// Returns the collection that had this name at the moment, if there was one.
    pub fn collection(&self, name: &str) -> Option<CollectionSnapshot> {
        Some(self.collections.get(name)?.at(Arc::clone(&self.held)))
    }

    /// Returns the names of all collections at the moment, sorted.
    pub fn collection_names(&self) -> Vec<String> {
        self.collections.keys().cloned().collect()
    }

    /// Returns the time of the moment. Memories that had expired by then are not seen, and those
    /// that expire later are.
    pub fn time(&self) -> Timestamp {
        self.held.now()
    }

    /// Returns the age by the monotonic clock.
    pub fn age(&self) -> Duration {
        self.held.age(self.store.engine.time.monotonic())
    }
}
