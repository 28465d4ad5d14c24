//! Owns the moments that callers hold: the snapshots of some collections and the time at which they
//! were taken. A moment that is too old lets go of its snapshots, even if the caller keeps it.
//!
//! Invariant: an unused handle delays the removal of files for a bounded time only. A read that has
//! loaded its snapshot finishes on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::time::StoreTime;
use crate::engine::wakeups::Wakeups;
use crate::error::{Error, Result};
use crate::ids::CollectionId;
use crate::snapshot::Snapshot;
use crate::sync::{Mutex, lock};

/// The snapshots of one moment, by collection.
pub(crate) type Snapshots = BTreeMap<CollectionId, Arc<Snapshot>>;

/// A held moment.
#[derive(Debug)]
pub(crate) struct Held {
    /// `None` once it was let go.
    snapshots: Mutex<Option<Snapshots>>,
    now: Timestamp,
    /// When it was taken, in monotonic time.
    taken: Duration,
    limit: Duration,
}

impl Held {
    /// Returns the time of the moment: what had expired by then is not seen.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the age at a monotonic time.
    pub(crate) const fn age(&self, monotonic: Duration) -> Duration {
        monotonic.saturating_sub(self.taken)
    }

    /// Returns the snapshot of a collection. An error if the moment is too old.
    pub(super) fn snapshot(&self, id: CollectionId, monotonic: Duration) -> Result<Arc<Snapshot>> {
        let age = self.age(monotonic);
        if age > self.limit {
            self.let_go();
            return Err(Error::SnapshotExpired { age, limit: self.limit });
        }
        let snapshots = lock(&self.snapshots);
        snapshots.as_ref().and_then(|all| all.get(&id)).cloned().ok_or(Error::Closed)
    }

    fn let_go(&self) {
        let snapshots = lock(&self.snapshots).take();
        // The last owner removes files, so the lock is released before.
        drop(snapshots);
    }
}

/// The moments that are held, the oldest first, and when the next one is due.
#[derive(Debug, Default)]
struct List {
    held: Vec<Weak<Held>>,
    /// The background looks at this monotonic time or before; `None` if it need not look.
    look_at: Option<Duration>,
}

/// All moments that are held of one store.
#[derive(Debug)]
pub(crate) struct HeldMoments {
    time: Arc<StoreTime>,
    wakeups: Arc<Wakeups>,
    limit: Duration,
    list: Mutex<List>,
}

impl HeldMoments {
    pub(super) fn new(time: &Arc<StoreTime>, wakeups: &Arc<Wakeups>, limit: Duration) -> Self {
        let (time, wakeups) = (Arc::clone(time), Arc::clone(wakeups));
        Self { time, wakeups, limit, list: Mutex::default() }
    }

    /// Holds the moment `now` with its snapshots.
    pub(crate) fn hold(&self, snapshots: Snapshots, now: Timestamp) -> Arc<Held> {
        let (snapshots, taken) = (Mutex::new(Some(snapshots)), self.time.monotonic());
        let held = Arc::new(Held { snapshots, now, taken, limit: self.limit });
        let mut list = lock(&self.list);
        list.held.retain(|held| held.strong_count() > 0);
        list.held.push(Arc::downgrade(&held));
        // Later moments are due later, so one notification serves all until the background looks.
        let is_planned = list.look_at.is_some();
        list.look_at.get_or_insert(taken.saturating_add(self.limit));
        drop(list);
        if !is_planned {
            self.wakeups.log.notify();
        }
        held
    }

    /// Lets go of the moments that are too old. Returns how long to wait before the next call.
    pub(crate) fn let_go(&self) -> Duration {
        let now = self.time.monotonic();
        let mut next = None;
        for held in self.alive() {
            if held.age(now) > held.limit {
                held.let_go();
            } else {
                // Only an age above the limit is too old.
                let due = held.taken.saturating_add(held.limit + Duration::from_millis(1));
                next = Some(next.map_or(due, |next: Duration| next.min(due)));
            }
        }
        lock(&self.list).look_at = next;
        next.map_or(Duration::MAX, |next| next.saturating_sub(now))
    }

    /// Lets go of all moments, because the store ends.
    pub(super) fn let_go_of_all(&self) {
        self.alive().iter().for_each(|held| held.let_go());
    }

    /// Returns the number of moments that are held, and the age of the oldest.
    pub(crate) fn totals(&self) -> (usize, Option<Duration>) {
        let (now, alive) = (self.time.monotonic(), self.alive());
        let young = || alive.iter().map(|held| held.age(now)).filter(|age| *age <= self.limit);
        (young().count(), young().max())
    }

    fn alive(&self) -> Vec<Arc<Held>> {
        lock(&self.list).held.iter().filter_map(Weak::upgrade).collect()
    }
}
