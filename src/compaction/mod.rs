//! Owns the work that keeps a store flat: sealing memtables, rewriting and dropping segments,
//! building indexes, trimming the log. What to do is decided in `policy`, which is pure; `rows`,
//! `index` and `trim` carry it out.
//!
//! No lock is held while files are written. Every job ends in one manifest commit and one swap of
//! the snapshot; deletes that arrive meanwhile are carried over at the swap, and replayed from the
//! log after a crash (I8).

mod canary;
mod check;
mod control;
mod debt;
mod files;
mod index;
mod marks;
mod nodes;
mod policy;
mod purge;
mod room;
mod rows;
mod survey;
mod trim;

use std::sync::{Arc, Weak};

use crate::collection::core::Core;
use crate::collection::disk_budget::Pressure;
use crate::collection::engine::Engine;
use crate::collection::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::FileId;
use crate::index::heap_bytes_per_row;
use crate::options::Quantization;
use crate::report::{CompactionReport, Plan, Step};
use crate::segment::Rows;
use crate::sync::lock;
pub(crate) use control::Control;
pub(crate) use debt::{debt, is_idle};
use policy::{Eagerness, GraphRows, IndexFacts, IndexStep, RowStep, SegmentFacts};
pub(crate) use purge::purge;
pub(crate) use room::{after_compaction, give_back};

/// Most steps that one explicit compaction takes; a plan that never comes to rest is a bug, and must
/// not hang its caller.
const MAX_STEPS: usize = 100_000;

/// What the policy needs to know of the rows.
fn segment_facts(engine: &Engine, core: &Core, snapshot: &Snapshot) -> Result<Vec<SegmentFacts>> {
    let now = engine.plausible_now();
    let dead = core.deaths.look(snapshot, now)?;
    let facts = snapshot.segments.iter().zip(dead).map(|(part, dead)| SegmentFacts {
        file: part.sealed.file,
        bytes: part.sealed.segment.len(),
        rows: u64::from(part.sealed.segment.rows()),
        dead: dead.rows,
        reclaim_by: dead.since.map(|since| since + engine.reclaim_within),
    });
    Ok(facts.collect())
}

/// What the policy needs to know of the indexes, and the live rows that none covers.
fn index_facts(core: &Core, snapshot: &Snapshot) -> (Vec<IndexFacts>, u64) {
    let facts = snapshot.indexes.iter().map(|part| IndexFacts {
        file: part.indexed.file,
        nodes: u64::from(part.indexed.index.nodes()),
        live: snapshot.live_nodes(part),
        graph: part.indexed.index.has_graph(),
        worn: part.indexed.index.worn() || core.canary.is_worn(part.indexed.file),
    });
    let uncovered = snapshot.segments.iter().filter(|s| !s.covered);
    (facts.collect(), uncovered.map(|s| u64::from(s.live.live())).sum())
}

fn next_row_steps(engine: &Engine, core: &Core, eagerness: Eagerness) -> Result<Vec<RowStep>> {
    let facts = segment_facts(engine, core, &core.snapshot())?;
    let plan = match engine.reserve.is_full() {
        true => policy::plan_rows_frugally,
        false => policy::plan_rows,
    };
    let steps = plan(&facts, engine.plausible_now(), eagerness);
    core.note_debt(bytes_of(&steps, &facts));
    Ok(steps)
}

/// Carries out the next step for the rows, if there is one. On a full disk it is the one that needs
/// the least space, and may cost the reserve.
fn next_row_step(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    eagerness: Eagerness,
    report: &mut CompactionReport,
    control: &Control<'_>,
) -> Result<bool> {
    loop {
        let steps = next_row_steps(engine, core, eagerness)?;
        let Some(mut step) = steps.first().cloned() else {
            return Ok(false);
        };
        if step.drop && !engine.reserve.is_full() {
            // All that is wholly dead goes in one commit.
            let dropped = steps.iter().filter(|step| step.drop);
            step.inputs = dropped.flat_map(|step| step.inputs.iter().copied()).collect();
        }
        match compact_step(engine, core, &step, report, control) {
            Ok(()) => {
                engine.reserve.note_room();
                return Ok(true);
            }
            // A commit that ran out of space may have happened: nobody goes on from there.
            Err(error) if engine.poison.is_set() => return Err(error),
            // Each of the two is true once.
            Err(Error::DiskFull { .. }) if engine.reserve.note_full() || engine.spend_reserve() => {
            }
            Err(error) => return Err(error),
        }
    }
}

fn next_index_step(engine: &Engine, core: &Core, eagerness: Eagerness) -> Option<IndexStep> {
    let (facts, uncovered) = index_facts(core, &core.snapshot());
    policy::plan_index(&facts, uncovered, graph_rows(engine, core), eagerness)
}

/// For how many rows a graph pays, and for how many half of the heap budget is enough to build one.
fn graph_rows(engine: &Engine, core: &Core) -> GraphRows {
    let hnsw = core.options().hnsw;
    let a_row = heap_bytes_per_row(core.spec.row_bytes(), usize::from(hnsw.m), hnsw.builder);
    let most = engine.heap_budget.limit().map_or(u64::MAX, |bytes| bytes / 2 / a_row);
    GraphRows { least: u64::from(hnsw.min_rows), most }
}

/// Does what is due for a collection's rows; tells whether there was anything.
pub(crate) fn run_rows_due(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    control: &Control<'_>,
) -> Result<bool> {
    if core.is_dropped() || core.is_in_memory() {
        return Ok(false);
    }
    let active_too = engine.takes_too_much_heap(core);
    if core.snapshot().has_active_only() && !active_too {
        return Ok(false);
    }
    let _running = engine.begin_job()?;
    let _job = control.hold(&core.row_job);
    let mut report = CompactionReport::default();
    // Writers wait for it: a pause or a limit does not hold it up.
    let pace = &control.without_pace();
    let sealed = rows::seal(engine, core, active_too, &mut report, pace);
    if !matches!(sealed, Ok(_) | Err(Error::DiskFull { .. })) {
        return sealed;
    }
    if !control.may_begin() {
        // Writers go by what waits.
        next_row_steps(engine, core, Eagerness::Due)?;
        return sealed;
    }
    let _working = control.work();
    // On a full disk these give the space back that a seal needs.
    let eagerness = match engine.disk_budget.pressure() {
        Pressure::Pressed => Eagerness::All,
        _ => Eagerness::Due,
    };
    let stepped = next_row_step(engine, core, eagerness, &mut report, control)?;
    if stepped { Ok(true) } else { sealed }
}

/// Does what is due for a collection's indexes; tells whether there was anything.
pub(crate) fn run_index_due(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    control: &Control<'_>,
) -> Result<bool> {
    let unused = core.snapshot().has_active_only();
    if core.is_dropped() || core.is_in_memory() || unused || !control.may_begin() {
        return Ok(false);
    }
    let _running = engine.begin_job()?;
    let _job = control.hold(&core.index_job);
    if canary::look(engine, core, control)? {
        *lock(&core.indexes_in_order) = Weak::new();
    }
    // Counting live nodes takes O(nodes): not for a store in which nothing happens.
    let now = Arc::downgrade(&core.snapshot());
    if Weak::ptr_eq(&now, &lock(&core.indexes_in_order)) {
        return Ok(false);
    }
    check::check_indexes(engine, core)?;
    let Some(step) = next_index_step(engine, core, Eagerness::Due) else {
        // If the snapshot changed meanwhile, it is not this one, and is looked at next time.
        *lock(&core.indexes_in_order) = now;
        return Ok(false);
    };
    let _working = control.work();
    let _writing = core.writes_index(debt::index_bytes(core, &step));
    index::build(engine, core, &step, control)?;
    Ok(true)
}

/// Keeps the log short; see `trim`.
pub(crate) fn run_trim(engine: &Arc<Engine>, control: &Control<'_>) -> Result<bool> {
    let _running = engine.begin_job()?;
    trim::trim(engine, control)
}

/// One rewrite or drop, with its report.
fn compact_step(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    step: &RowStep,
    total: &mut CompactionReport,
    control: &Control<'_>,
) -> Result<()> {
    let begun = engine.monotonic();
    let before = collection_bytes(&core.snapshot());
    let mut report = CompactionReport { bytes_before: before, ..CompactionReport::default() };
    rows::rewrite(engine, core, step, &mut report, control)?;
    report.bytes_after = collection_bytes(&core.snapshot());
    report.took = engine.monotonic().saturating_sub(begun);
    *lock(&core.last_report) = Some(report.clone());
    engine.made_room();
    add(total, &report);
    engine.emit(&Event::Compacted { collection: core.name.clone(), report });
    Ok(())
}

fn add(total: &mut CompactionReport, step: &CompactionReport) {
    total.dropped += step.dropped;
    total.rewritten += step.rewritten;
    total.written += step.written;
    total.rows_reclaimed += step.rows_reclaimed;
}

/// Bytes of the files that a snapshot reads.
fn collection_bytes(snapshot: &Snapshot) -> u64 {
    let segments: u64 = snapshot.segments.iter().map(|s| s.sealed.guard.len()).sum();
    let index = |i: &crate::collection::snapshot::IndexPart| {
        i.indexed.index_guard.len() + i.indexed.locator_guard.len()
    };
    segments + snapshot.indexes.iter().map(index).sum::<u64>()
}

/// Everything that gives a byte back, now: seals, rewrites every segment with a dead row, rebuilds
/// what indexes need it.
pub(crate) fn compact(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    control: &Control<'_>,
) -> Result<CompactionReport> {
    let _running = engine.begin_job()?;
    let _hurry = engine.pace.hurry();
    let begun = engine.monotonic();
    let mut report = CompactionReport {
        bytes_before: collection_bytes(&core.snapshot()),
        ..CompactionReport::default()
    };
    if !core.options().in_memory {
        check::check_indexes(engine, core)?;
        compact_rows(engine, core, &mut report, control)?;
        let _job = lock(&core.index_job);
        for _ in 0..MAX_STEPS {
            let Some(step) = next_index_step(engine, core, Eagerness::All) else {
                break;
            };
            index::build(engine, core, &step, control)?;
            report.indexes_built += 1;
        }
    }
    report.bytes_after = collection_bytes(&core.snapshot());
    report.took = engine.monotonic().saturating_sub(begun);
    *lock(&core.last_report) = Some(report.clone());
    Ok(report)
}

fn compact_rows(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    report: &mut CompactionReport,
    control: &Control<'_>,
) -> Result<()> {
    let _job = lock(&core.row_job);
    let mut sealed = rows::seal(engine, core, true, report, control);
    for _ in 0..MAX_STEPS {
        if !matches!(sealed, Ok(_) | Err(Error::DiskFull { .. })) {
            break;
        }
        if !next_row_step(engine, core, Eagerness::All, report, control)? {
            break;
        }
        if sealed.is_err() {
            // There is more room now.
            sealed = rows::seal(engine, core, true, report, control);
        }
    }
    sealed.map(drop)
}

/// What [`compact`] would do.
pub(crate) fn plan(engine: &Engine, core: &Core) -> Result<Plan> {
    let snapshot = core.snapshot();
    let mut plan = Plan::default();
    if core.options().in_memory {
        return Ok(plan);
    }
    let waiting: u64 = snapshot.memtables.iter().map(|m| u64::from(m.live.live())).sum();
    if snapshot.memtables.iter().any(|m| m.rows.rows() > 0) {
        plan.steps.push(Step::Seal { rows: waiting });
    }
    let mut facts = segment_facts(engine, core, &snapshot)?;
    facts.extend(coming_segment(&snapshot, waiting));
    for step in policy::plan_rows(&facts, engine.plausible_now(), Eagerness::All) {
        plan.steps.push(describe(&step, &facts));
    }
    let (mut indexes, uncovered) = index_facts(core, &snapshot);
    // An index without a live row goes with its segments.
    indexes.retain(|i| i.live > 0);
    let options = core.options();
    // Rows that are sealed first come with an index of their own codes.
    let coming =
        (waiting > 0 && options.quantization != Quantization::None).then_some(IndexFacts {
            file: Default::default(),
            nodes: waiting,
            live: waiting,
            graph: false,
            worn: false,
        });
    let mut with_coming = indexes;
    with_coming.extend(coming);
    let graphs = graph_rows(engine, core);
    if let Some(step) = policy::plan_index(&with_coming, uncovered, graphs, Eagerness::All) {
        let live = |file| with_coming.iter().find(|i| i.file == file).map_or(0, |i| i.live);
        let covered: u64 = step.replaces.iter().map(|f| live(*f)).sum();
        plan.steps.push(Step::Index {
            replaces: step.replaces.iter().filter(|f| f.0 > 0).map(|f| f.0).collect(),
            uncovered: snapshot.segments.iter().filter(|s| !s.covered).count(),
            rows: covered + if step.with_uncovered { uncovered } else { 0 },
            graph: step.graph,
            base: step.base.filter(|f| f.0 > 0).map(|f| f.0),
            reason: step.reason,
        });
    }
    Ok(plan)
}

/// Stands for the segment that sealing will write.
const COMING: FileId = FileId(u64::MAX);

/// The segment that sealing will write, about: later steps may merge it with others.
fn coming_segment(snapshot: &Snapshot, rows: u64) -> Option<SegmentFacts> {
    let bytes = |m: &crate::collection::snapshot::MemPart| {
        let all = u64::from(m.rows.rows().max(1));
        m.rows.heap_bytes() as u64 * u64::from(m.live.live()) / all
    };
    (rows > 0).then(|| SegmentFacts {
        file: COMING,
        bytes: snapshot.memtables.iter().map(bytes).sum(),
        rows,
        dead: 0,
        reclaim_by: None,
    })
}

fn describe(step: &RowStep, facts: &[SegmentFacts]) -> Step {
    let of = || facts.iter().filter(|f| step.inputs.contains(&f.file));
    let bytes_before = of().map(|f| f.bytes).sum();
    if step.drop {
        return Step::Drop { segment: step.inputs.first().map_or(0, |f| f.0), bytes: bytes_before };
    }
    Step::Rewrite {
        segments: step.inputs.iter().filter(|f| **f != COMING).map(|f| f.0).collect(),
        reason: step.reason,
        bytes_before,
        bytes_after: of().map(SegmentFacts::live_bytes).sum(),
    }
}

/// Bytes of the inputs of some steps.
fn bytes_of(steps: &[RowStep], facts: &[SegmentFacts]) -> u64 {
    let due = |f: &&SegmentFacts| steps.iter().any(|s| s.inputs.contains(&f.file));
    facts.iter().filter(due).map(|f| f.bytes).sum()
}
