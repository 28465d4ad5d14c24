//! Owns what reads and uses write: both are noted, and written later. The lives of memories that
//! were read are prolonged by one record for each collection, by the same road as a touch. Uses are
//! added by one record for each number of uses.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::engine::moment::Moment;
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::ids::MemoryId;
use crate::memory::Change;
use crate::options::Durability;
use crate::segment::RowBuffer;
use crate::snapshot::stage::{Prepared, Target, Task, Update, UpdateWith};
use crate::snapshot::state::CollectionState;
use crate::snapshot::uses::NotedUse;

/// Least time between two records of a store.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// Most memories whose uses one commit adds. Other writers wait for a commit, so it is kept short.
const AT_ONCE: usize = 2048;

/// Notes that a memory with this end was read.
pub(crate) fn note_read(engine: &Engine, core: &CollectionState, id: MemoryId, end: Timestamp) {
    if core.reads.span().is_none() || engine.dir.is_read_only() {
        return;
    }
    if core.reads.note(id, end, engine.time.now()) {
        engine.background.wakeups().log.notify();
    }
}

/// Notes that memories were used; in a namespace if one is given.
pub(crate) fn note_uses(
    engine: &Engine,
    core: &CollectionState,
    namespace: Option<&Arc<str>>,
    ids: impl Iterator<Item = MemoryId>,
) {
    if engine.dir.is_read_only() || engine.dir.check_open().is_err() {
        return;
    }
    if core.uses.note(namespace, ids, engine.time.now()) {
        engine.background.wakeups().log.notify();
    }
}

/// Returns true if reads or uses wait to be written.
pub(crate) fn is_due(engine: &Engine) -> bool {
    engine.collections.fold(false, |due, core: &Arc<CollectionState>| {
        due || !core.reads.is_empty() || !core.uses.is_empty()
    })
}

/// Writes what was noted.
pub(crate) fn write_noted(engine: &Engine) -> Result<()> {
    for core in engine.collections.all() {
        // A use is a read as well, so the uses come first.
        for done in [write_uses(engine, &core), write_reads(engine, &core)] {
            match done {
                Err(Error::Closed) if core.is_dropped() => {}
                done => done?,
            }
        }
    }
    Ok(())
}

/// Adds the uses that were noted to their memories.
fn write_uses(engine: &Engine, core: &Arc<CollectionState>) -> Result<()> {
    let noted = core.uses.take();
    if core.reads.span().is_some() {
        read_all(engine, core, &noted)?;
    }
    for some in noted.chunks(AT_ONCE) {
        commit(engine, core, Task::Use(some.to_vec()))?;
    }
    Ok(())
}

/// Notes that the memories that were used were read.
fn read_all(engine: &Engine, core: &CollectionState, noted: &[NotedUse]) -> Result<()> {
    let (at, mut buffer) = (Moment::present(engine, core)?, RowBuffer::default());
    for NotedUse { id, namespace, .. } in noted {
        let place = at.snapshot.find(*id)?;
        let Some((rows, _, row)) = place.and_then(|place| at.snapshot.rows_at(place)) else {
            continue;
        };
        if let Some(namespace) = namespace
            && rows.attributes(row, &mut buffer)?.namespace != Some(namespace)
        {
            continue;
        }
        let end = rows.expires_at(row)?;
        if end > at.now {
            core.reads.note(*id, end, at.now);
        }
    }
    Ok(())
}

/// Prolongs the lives of the memories that were read.
fn write_reads(engine: &Engine, core: &Arc<CollectionState>) -> Result<()> {
    let (ids, Some(span)) = (core.reads.take(), core.reads.span()) else { return Ok(()) };
    if ids.is_empty() {
        return Ok(());
    }
    let end = engine.time.now() + span;
    // A touch since then may have set a later end, which stays.
    let filter = Filter::Ids(ids).and(Filter::expires(..end));
    let target = Target::Where(Matcher::new(filter), 0);
    let with = UpdateWith::Change(Change { expiry: Some(end.into()), ..Change::default() });
    commit(engine, core, Task::Update(Update { target, with }))
}

fn commit(engine: &Engine, core: &Arc<CollectionState>, task: Task) -> Result<()> {
    let prepared = Prepared { core: Arc::clone(core), task };
    engine.committer.commit(vec![prepared], Durability::buffered(EVERY)).map(drop)
}
