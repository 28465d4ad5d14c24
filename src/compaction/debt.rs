//! Owns the compaction debt: how many bytes the background still has to write, and whether any work
//! is due. Changes nothing. `policy` decides what is due.

use std::sync::{Arc, Weak};

use crate::compaction::checkpoint;
use crate::compaction::facts::{bytes_of, index_facts, next_index_step, segment_facts};
use crate::compaction::policy::{self, Eagerness, IndexStep};
use crate::engine::Engine;
use crate::engine::admission::disk::Pressure;
use crate::error::Result;
use crate::snapshot::state::CollectionState;
use crate::sync::atomic::Ordering;
use crate::sync::lock;

/// Estimated bytes that the background has to write for a collection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Debt {
    /// Bytes of the segments that it would rewrite.
    pub(crate) rows: u64,
    /// Bytes of the index that it would build or is building.
    pub(crate) index: u64,
}

/// Returns the compaction debt of a collection. O(segments + index nodes).
pub(crate) fn debt(engine: &Engine, core: &CollectionState) -> Result<Debt> {
    if core.is_in_memory() {
        return Ok(Debt::default());
    }
    let facts = segment_facts(engine, core, &core.snapshot())?;
    let steps = policy::plan_rows(&facts, engine.time.plausible_now(), Eagerness::Due);
    let step = next_index_step(engine, core, Eagerness::Due);
    let due = step.map_or(0, |step| index_bytes(core, &step));
    Ok(Debt { rows: bytes_of(&steps, &facts), index: due.max(core.index_bytes_under_way()) })
}

/// Returns the estimated bytes of the index that a step builds.
pub(super) fn index_bytes(core: &CollectionState, step: &IndexStep) -> u64 {
    let (facts, uncovered) = index_facts(core, &core.snapshot());
    let replaced = facts.iter().filter(|i| step.replaces.contains(&i.file)).map(|i| i.live);
    let rows = replaced.sum::<u64>() + if step.with_uncovered { uncovered } else { 0 };
    core.index_bytes(rows, step.graph)
}

/// Returns true if no job is under way and none is due, as far as that is known without starting
/// one.
pub(crate) fn is_idle(engine: &Engine) -> Result<bool> {
    // Without workers the pressure stays after a refused insert, whatever is done.
    let pressed =
        engine.admission.disk().pressure() == Pressure::Pressed && engine.background.has_workers();
    if engine.dir.gate().is_busy() || pressed {
        return Ok(false);
    }
    for core in engine.collections.all() {
        if !core.is_in_memory() && !core.is_dropped() && !is_settled(engine, &core)? {
            return Ok(false);
        }
    }
    Ok(!checkpoint::is_due(engine) && !engine.dir.gate().is_busy())
}

/// Returns true if nothing is due for a collection.
fn is_settled(engine: &Engine, core: &CollectionState) -> Result<bool> {
    let snapshot = core.snapshot();
    if snapshot.has_active_only() {
        return Ok(true);
    }
    if snapshot.memtables.len() > 1 {
        return Ok(false);
    }
    let facts = segment_facts(engine, core, &snapshot)?;
    if !policy::plan_rows(&facts, engine.time.plausible_now(), Eagerness::Due).is_empty() {
        return Ok(false);
    }
    if Weak::ptr_eq(&Arc::downgrade(&snapshot), &lock(&core.indexes_in_order)) {
        return Ok(true);
    }
    // An index that was opened but not checked may turn out to be damaged. It is rebuilt then.
    let checked = snapshot.indexes.iter().all(|i| i.indexed.checked.load(Ordering::Acquire));
    Ok(checked && next_index_step(engine, core, Eagerness::Due).is_none())
}
