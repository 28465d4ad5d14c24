//! Owns the input of a new index: the indexes that it replaces, the codes for its rows, its nodes,
//! and where its rows are when the build is done.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compaction::index::nodes::{CodesIndex, NodeRows};
use crate::compaction::index::survey::Survey;
use crate::compaction::job::Job;
use crate::compaction::policy::IndexStep;
use crate::dir::guard::FileGuard;
use crate::error::Result;
use crate::ids::FileId;
use crate::index::{GraphBase, Index, NO_NODE, heap_bytes_per_row};
use crate::options::GraphBuilder;
use crate::segment::{RowBuffer, Rows};
use crate::snapshot::relocation::{Relocation, resolve};
use crate::snapshot::state::CollectionState;
use crate::snapshot::{IndexPart, Indexed, Snapshot};
use crate::vector::codes::{Fit, Frame};

/// Maximum number of rows that the codes of a graph may fail to tell from the true neighbors. With
/// more, such rows would fill the beams.
const BEHIND_A_GRAPH: u64 = 400;

/// The replaced indexes, with their positions in the snapshot and the guards of their files. This
/// is all that a build keeps of the snapshot.
pub(super) struct Replaced(Vec<(usize, Arc<Index>, Arc<FileGuard>)>);

impl Replaced {
    /// Collects the replaced indexes. The base comes first.
    pub(super) fn of(snapshot: &Snapshot, step: &IndexStep) -> Self {
        let parts = snapshot.indexes.iter().enumerate();
        let mut parts: Vec<(usize, &IndexPart)> =
            parts.filter(|(_, i)| step.replaces.contains(&i.indexed.file)).collect();
        parts.sort_by_key(|(_, part)| Some(part.indexed.file) != step.base);
        let keep = |(place, part): (usize, &IndexPart)| {
            let Indexed { index, index_guard, .. } = &*part.indexed;
            (place, Arc::clone(index), Arc::clone(index_guard))
        };
        Self(parts.into_iter().map(keep).collect())
    }
}

/// Chooses the codes of the rows and returns them with their error. A graph needs finer codes: a
/// beam is useless if too many rows seem equally near by code. The codes of the base are kept as
/// long as they are good enough.
pub(super) fn choose_codes(
    job: &Job<'_>,
    step: &IndexStep,
    replaced: &Replaced,
    survey: &Survey<'_>,
) -> (Arc<Frame>, Fit) {
    let of_base = replaced.0.first().filter(|_| step.base.is_some());
    let of_core = || job.core.coder().map(|(frame, _)| frame);
    let known = of_base.map(|(_, index, _)| Arc::clone(index.frame())).or_else(of_core);
    let (sample, rows) = (survey.sample(), survey.len());
    let choose = |most| Frame::choose(job.core.spec, known.as_ref(), &sample, rows, most);
    let (frame, fit) = choose(if step.graph { BEHIND_A_GRAPH } else { u64::MAX });
    let per_row = heap_per_row(job.core, &frame);
    let has_room = |bytes: u64| rows.saturating_mul(per_row) <= bytes / 2;
    if !step.graph || job.engine.admission.heap().limit().is_none_or(has_room) {
        return (frame, fit);
    }
    // The heap budget does not allow a graph on finer codes.
    choose(u64::MAX)
}

/// Returns the heap bytes per row of building a graph on such codes.
pub(super) fn heap_per_row(core: &CollectionState, frame: &Frame) -> u64 {
    let hnsw = core.options().hnsw;
    heap_bytes_per_row(frame.spec.row_bytes(), usize::from(hnsw.m), hnsw.builder)
}

/// Collects the live rows of the replaced indexes and of uncovered segments, as codes in this
/// frame. If the step has a base in the same frame, also returns the base with the new node of each
/// of its nodes.
pub(super) fn gather<'a>(
    core: &CollectionState,
    snapshot: &Snapshot,
    step: &IndexStep,
    replaced: &'a Replaced,
    (frame, fit): (Arc<Frame>, Fit),
) -> Result<(CodesIndex<'a>, Option<GraphBase<'a>>)> {
    let mut nodes = CodesIndex::new(frame, fit);
    let mut base = None;
    let (mut live, mut buffer) = (Vec::new(), RowBuffer::default());
    for (place, index, _) in &replaced.0 {
        let Some(part) = snapshot.indexes.get(*place) else { continue };
        let same = index.frame() == nodes.frame();
        let at = if same { nodes.add_index(index.codes()) } else { 0 };
        let mut stays = Vec::new();
        for node in 0..index.nodes() {
            live.clear();
            live.extend(part.places(node).filter_map(|(segment, row)| {
                let part = snapshot.segments.get(segment as usize)?;
                part.live.is_live(row).then_some((part.sealed.file, row))
            }));
            if !same {
                for &(file, row) in &live {
                    let part = snapshot.segments.iter().find(|s| s.sealed.file == file);
                    let Some(part) = part else { continue };
                    nodes.add(part.sealed.segment.vector(row, &mut buffer)?, (file, row));
                }
                continue;
            }
            let next = nodes.rows.len();
            let new = !live.is_empty() && nodes.add_old(at, node, &live);
            stays.push(if new { next } else { NO_NODE });
        }
        let is_base = same && Some(part.indexed.file) == step.base;
        if is_base && core.options().hnsw.builder == GraphBuilder::BuiltIn {
            base = index.base(stays, usize::from(core.options().hnsw.m));
        }
    }
    for segment in snapshot.segments.iter().filter(|s| step.with_uncovered && !s.covered) {
        for row in segment.live.iter() {
            let vector = segment.sealed.segment.vector(row, &mut buffer)?;
            nodes.add(vector, (segment.sealed.file, row));
        }
    }
    Ok((nodes, base))
}

/// Resolves rows that moved to other segments since they were gathered. A row of an uncovered
/// segment that was rewritten meanwhile got an index of its own there, and is left out.
pub(super) fn follow_rows(
    covered: &Covered,
    moves: &[Relocation],
    now: &Snapshot,
    rows: &NodeRows,
) -> NodeRows {
    let here = covered_of(now);
    rows.followed(|(file, row)| {
        let was_covered = *covered.get(&file)?;
        match here.get(&file) {
            Some(is_covered) => (*is_covered == was_covered).then_some((file, row)),
            None if !was_covered => None,
            None => resolve(moves, (file, row)).filter(|(file, _)| here.contains_key(file)),
        }
    })
}

/// The segments of a snapshot, and whether an index covers each.
pub(super) type Covered = HashMap<FileId, bool>;

pub(super) fn covered_of(snapshot: &Snapshot) -> Covered {
    snapshot.segments.iter().map(|s| (s.sealed.file, s.covered)).collect()
}
