//! Owns what gives bytes back under the budget of disk beside dead rows: a log that holds what is
//! elsewhere by now, and the dead nodes of indexes. Only where it is worth it, so that a full store
//! does not write itself anew for every insert.

use std::sync::{Arc, PoisonError, TryLockError};

use crate::compaction::control::Control;
use crate::compaction::facts::{index_facts, next_index_step};
use crate::compaction::job::Job;
use crate::compaction::policy::Eagerness;
use crate::compaction::{checkpoint, index};
use crate::engine::admission::disk::Pressure;
use crate::error::Result;
use crate::snapshot::state::CollectionState;

/// A log of fewer bytes than this is left as it is after a compaction by hand.
const SHORT_LOG: u64 = 64 << 10;

/// Gives bytes back, if an insert asked for room and it is worth it; tells whether it did. Called
/// when no dead row is left.
pub(crate) fn give_back(control: &Control<'_>) -> Result<bool> {
    let engine = control.engine();
    let pressed = engine.admission.disk().pressure() == Pressure::Pressed;
    let Some(worth) = engine.admission.disk().worth().filter(|_| pressed) else {
        return Ok(false);
    };
    let _running = engine.dir.begin_job()?;
    engine.admission.disk().measure()?;
    // As when memtables are sealed: writers wait for it.
    if checkpoint::shed(worth, &control.without_pace())? {
        return Ok(true);
    }
    Ok(control.may_begin() && rebuild_indexes(worth, control)?)
}

/// Under a budget of disk, lets the log go that a compaction has made superfluous.
pub(crate) fn after_compaction(control: &Control<'_>) -> Result<()> {
    let engine = control.engine();
    if engine.admission.disk().limit().is_some() {
        let _running = engine.dir.begin_job()?;
        engine.admission.disk().measure()?;
        checkpoint::shed(SHORT_LOG, control)?;
    }
    Ok(())
}

/// Rebuilds the indexes of the collection whose dead nodes take the most, if those of all take so
/// much.
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
        // An index is being built, which may well be this one.
        Err(TryLockError::WouldBlock) => return Ok(true),
    };
    let Some(step) = next_index_step(engine, &core, Eagerness::All) else {
        return Ok(false);
    };
    index::build(&Job::new(&core, control), &step)?;
    engine.admission.space_freed();
    Ok(true)
}

/// Bytes of dead nodes, about.
fn dead_index_bytes(core: &CollectionState) -> u64 {
    let (facts, _) = index_facts(core, &core.snapshot());
    let dead = |graph: bool| {
        let of = facts.iter().filter(|i| i.graph == graph);
        core.index_bytes(of.map(|i| i.nodes - i.live.min(i.nodes)).sum(), graph)
    };
    dead(false) + dead(true)
}
