//! Owns the work that frees bytes under the disk budget besides dead rows: rewriting a log whose
//! rows are in files by now, and rebuilding indexes with dead nodes. It is done only if it frees
//! enough, so that a full store does not rewrite itself for every insert.

use std::sync::{Arc, PoisonError, TryLockError};

use crate::compaction::control::Control;
use crate::compaction::facts::{index_facts, next_index_step};
use crate::compaction::job::Job;
use crate::compaction::policy::Eagerness;
use crate::compaction::{checkpoint, index};
use crate::engine::admission::disk::Pressure;
use crate::error::Result;
use crate::snapshot::state::CollectionState;

/// After an explicit compaction, the log is rewritten only if that frees this many bytes.
const SHORT_LOG: u64 = 64 << 10;

/// Frees bytes, if an insert asked for room and enough can be freed. Returns true if it did. Called
/// when no dead row is left.
pub(crate) fn give_back(control: &Control<'_>) -> Result<bool> {
    let engine = control.engine();
    let pressed = engine.admission.disk().pressure() == Pressure::Pressed;
    let Some(worth) = engine.admission.disk().worth().filter(|_| pressed) else {
        return Ok(false);
    };
    let _running = engine.dir.begin_job()?;
    engine.admission.disk().measure()?;
    // Not paced, because writers wait for it, as for a seal.
    if checkpoint::shed(worth, &control.without_pace())? {
        return Ok(true);
    }
    Ok(control.may_begin() && rebuild_indexes(worth, control)?)
}

/// Under a disk budget, releases the log that a compaction has made superfluous.
pub(crate) fn after_compaction(control: &Control<'_>) -> Result<()> {
    let engine = control.engine();
    if engine.admission.disk().limit().is_some() {
        let _running = engine.dir.begin_job()?;
        engine.admission.disk().measure()?;
        checkpoint::shed(SHORT_LOG, control)?;
    }
    Ok(())
}

/// Rebuilds an index of the collection whose dead nodes take the most bytes, if those of all
/// collections take at least `worth` bytes. Returns true if it did, or if an index is being built.
fn rebuild_indexes(worth: u64, control: &Control<'_>) -> Result<bool> {
    let engine = control.engine();
    let cores = engine.collections.all().into_iter().filter(|core| !core.is_in_memory());
    let mut wasted: Vec<(u64, Arc<CollectionState>)> =
        cores.map(|core| (dead_index_bytes(&core), core)).collect();
    if wasted.iter().map(|(bytes, _)| bytes).sum::<u64>() < worth {
        return Ok(false);
    }
    wasted.sort_by_key(|(bytes, _)| *bytes);
    let Some((_, core)) = wasted.pop() else {
        return Ok(false);
    };
    let _job = match core.index_job.try_lock() {
        Ok(job) => job,
        Err(TryLockError::Poisoned(job)) => PoisonError::into_inner(job),
        // An index is being built, perhaps this one.
        Err(TryLockError::WouldBlock) => return Ok(true),
    };
    let Some(step) = next_index_step(engine, &core, Eagerness::All) else {
        return Ok(false);
    };
    index::build(&Job::new(&core, control), &step)?;
    engine.admission.space_freed();
    Ok(true)
}

/// Returns the estimated bytes of dead nodes.
fn dead_index_bytes(core: &CollectionState) -> u64 {
    let (facts, _) = index_facts(core, &core.snapshot());
    let dead = |graph: bool| {
        let of = facts.iter().filter(|i| i.graph == graph);
        core.index_bytes(of.map(|i| i.nodes - i.live.min(i.nodes)).sum(), graph)
    };
    dead(false) + dead(true)
}
