//! Owns the prolonging of lives by reads: reads are noted, and written later in one record for each
//! collection, by the same road as a touch.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::ids::MemoryId;
use crate::memory::Change;
use crate::options::Durability;
use crate::snapshot::stage::{Prepared, Target, Task, Update, UpdateWith};
use crate::snapshot::state::CollectionState;

/// Least time between two records of a store.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// Notes that a memory with this end was read.
pub(crate) fn note_read(engine: &Engine, core: &CollectionState, id: MemoryId, end: Timestamp) {
    if core.reads.span().is_none() || engine.dir.is_read_only() {
        return;
    }
    if core.reads.note(id, end, engine.time.now()) {
        engine.background.wakeups().log.notify();
    }
}

/// Returns true if reads wait to be written.
pub(crate) fn is_due(engine: &Engine) -> bool {
    engine.collections.fold(false, |due, core: &Arc<CollectionState>| due || !core.reads.is_empty())
}

/// Prolongs the lives of the memories that were read.
pub(crate) fn write_reads(engine: &Engine) -> Result<()> {
    let now = engine.time.now();
    for core in engine.collections.all() {
        let (ids, Some(span)) = (core.reads.take(), core.reads.span()) else { continue };
        if ids.is_empty() {
            continue;
        }
        let end = now + span;
        // A touch since then may have set a later end, which stays.
        let filter = Filter::Ids(ids).and(Filter::expires(..end));
        let target = Target::Where(Matcher::new(filter), 0);
        let with = UpdateWith::Change(Change { expiry: Some(end.into()), ..Change::default() });
        let task = Task::Update(Update { target, with });
        let prepared = Prepared { core: Arc::clone(&core), task };
        match engine.committer.commit(vec![prepared], Durability::buffered(EVERY)) {
            Err(Error::Closed) if core.is_dropped() => {}
            done => drop(done?),
        }
    }
    Ok(())
}
