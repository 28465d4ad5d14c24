//! Owns the plan of an explicit compaction: what it would do, and why. Changes nothing.

use crate::compaction::facts::{graph_rows, index_facts, segment_facts};
use crate::compaction::policy::{self, Eagerness, IndexFacts, RowStep, SegmentFacts};
use crate::engine::Engine;
use crate::error::Result;
use crate::ids::FileId;
use crate::options::Quantization;
use crate::report::{Plan, Step};
use crate::segment::Rows;
use crate::snapshot::state::CollectionState;
use crate::snapshot::{MemPart, Snapshot};

/// Returns what an explicit compaction would do.
pub(crate) fn plan(engine: &Engine, core: &CollectionState) -> Result<Plan> {
    let snapshot = core.snapshot();
    let mut plan = Plan::default();
    if core.is_in_memory() {
        return Ok(plan);
    }
    let waiting: u64 = snapshot.memtables.iter().map(|m| u64::from(m.live.live())).sum();
    if snapshot.memtables.iter().any(|m| m.rows.rows() > 0) {
        plan.steps.push(Step::Seal { rows: waiting });
    }
    let mut facts = segment_facts(engine, core, &snapshot)?;
    facts.extend(coming_segment(&snapshot, waiting));
    for step in policy::plan_rows(&facts, engine.time.plausible_now(), Eagerness::All) {
        plan.steps.push(describe(&step, &facts));
    }
    let (mut indexes, uncovered) = index_facts(core, &snapshot);
    // An index without a live row is removed with its segments.
    indexes.retain(|i| i.live > 0);
    let options = core.options();
    // Sealed rows get an index of their codes.
    let coming =
        (waiting > 0 && options.quantization != Quantization::None).then_some(IndexFacts {
            file: Default::default(),
            nodes: waiting,
            live: waiting,
            graph: false,
            degraded: false,
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

/// Stands for the file of the segment that sealing will write.
const UNSEALED: FileId = FileId(u64::MAX);

/// Returns estimated facts about the segment that sealing will write. Later steps may merge it with
/// others.
fn coming_segment(snapshot: &Snapshot, rows: u64) -> Option<SegmentFacts> {
    let bytes = |m: &MemPart| {
        let all = u64::from(m.rows.rows().max(1));
        m.rows.heap_bytes() as u64 * u64::from(m.live.live()) / all
    };
    (rows > 0).then(|| SegmentFacts {
        file: UNSEALED,
        bytes: snapshot.memtables.iter().map(bytes).sum(),
        rows,
        dead: 0,
        reclaim_by: None,
        other_words: false,
        changed: 0,
    })
}

fn describe(step: &RowStep, facts: &[SegmentFacts]) -> Step {
    let of = || facts.iter().filter(|f| step.inputs.contains(&f.file));
    let bytes_before = of().map(|f| f.bytes).sum();
    if step.drop {
        return Step::Drop { segment: step.inputs.first().map_or(0, |f| f.0), bytes: bytes_before };
    }
    Step::Rewrite {
        segments: step.inputs.iter().filter(|f| **f != UNSEALED).map(|f| f.0).collect(),
        reason: step.reason,
        bytes_before,
        bytes_after: of().map(SegmentFacts::live_bytes).sum(),
    }
}
