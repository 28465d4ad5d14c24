//! Owns the building of indexes: gathers nodes from older indexes and uncovered segments, builds
//! codes and, where one pays, a graph, and swaps the result in. Rows may move while a graph is being
//! built: they are followed before the swap.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::control::Control;
use super::files::NewFiles;
use super::nodes::{CodesIndex, NodeRows, Place};
use super::policy::IndexStep;
use super::survey::Survey;
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::moves::{Move, follow};
use crate::collection::recovery::open_index;
use crate::collection::snapshot::{FileGuard, IndexPart, Indexed, Snapshot};
use crate::error::Result;
use crate::event::Event;
use crate::format::header::FileKind;
use crate::format::manifest::IndexEntry;
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::index::{
    BuildParams, BuiltGraph, GraphBase, Index, IndexParts, NO_NODE, Truth, heap_bytes_per_row,
    write_index,
};
use crate::options::GraphBuilder;
use crate::sabotage::{self, Sabotage};
use crate::segment::{LocatorBuilder, RowBuffer, Rows};
use crate::sync::lock;
use crate::vector::codes::{CodeBuffer, Fit, Frame};

/// Rows that may seem as near by code as those that a graph is searched for. With more, beams would be filled
/// with them.
const BEHIND_A_GRAPH: u64 = 400;

/// Writes an index without a graph, and its locator.
pub(super) fn write_codes_index(
    engine: &Engine,
    index: &CodesIndex<'_>,
    files: &mut NewFiles,
) -> Result<IndexEntry> {
    write(engine, &index.parts(), &index.rows, files)
}

fn write(
    engine: &Engine,
    parts: &IndexParts<'_>,
    rows: &NodeRows,
    files: &mut NewFiles,
) -> Result<IndexEntry> {
    let (index, locator) = (engine.new_file()?, engine.new_file()?);
    files.add(FileName::Index(index));
    files.add(FileName::Locator(locator));
    let (disk, dir) = (engine.disk.as_ref(), engine.dir());
    let index_len = write_index(disk, dir, &engine.header(FileKind::Index, index), parts)?;
    let mut builder = LocatorBuilder::new();
    (0..rows.len()).for_each(|node| builder.push(rows.of(node)));
    let locator_len = builder.write(disk, dir, &engine.header(FileKind::Locator, locator))?;
    let segments = builder.segments().to_vec();
    Ok(IndexEntry { index, index_len, locator, locator_len, segments })
}

/// Carries out one step of a plan.
pub(super) fn build(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    step: &IndexStep,
    control: &Control<'_>,
) -> Result<()> {
    control.check(core)?;
    let watch = core.watch_moves();
    let snapshot = core.snapshot();
    let replaced = Replaced::of(&snapshot, step);
    let survey = Survey::of_step(core, &snapshot, step);
    let truths = if step.graph { survey.truths(step.base.is_some(), control)? } else { Vec::new() };
    let (frame, fit) = choose_codes(engine, core, step, &replaced, &survey);
    drop(survey);
    let (nodes, base) = gather(core, &snapshot, step, &replaced, (frame, fit))?;
    let covered = covered_of(&snapshot);
    let with_graph = step.graph && !nodes.is_empty();
    // A build takes long: segments that are rewritten meanwhile leave the disk before it ends.
    drop(snapshot);
    let total = nodes.rows.rows();
    let made = match with_graph {
        true => {
            let truths = by_nodes(&truths, &nodes.rows);
            Made::Graph(build_graph(engine, core, (nodes, base), &truths, control)?)
        }
        false => Made::Quantization(nodes),
    };
    let (merged, evaluations) = made.cost();
    control.check(core)?;

    let _structure = lock(&core.structure);
    let current = core.snapshot();
    let rows = follow_rows(&covered, &watch.take(), &current, made.rows());
    let mut files = NewFiles::new(engine);
    let entry = match rows.rows() {
        0 => None,
        _ => Some(write(engine, &made.parts(), &rows, &mut files)?),
    };
    if !sabotage::on(Sabotage::SkipNameSync) {
        engine.disk.sync_dir(engine.dir())?;
    }
    // All of it is in the files by now, and not to be in RAM twice when those are read back.
    drop((rows, made));
    control.charge(entry.as_ref().map_or(0, |e| e.index_len + e.locator_len));
    let part = match &entry {
        Some(entry) => Some(open_index(engine, entry, core.spec)?),
        None => None,
    };
    if let Some(part) = &part {
        part.indexed.check()?;
        // Searches read less of them.
        part.indexed.index.release();
        part.indexed.locator.release();
    }
    // Rows that the index leaves out are dead by operations that may be in the log alone: were those
    // lost and the index not, the rows would live, and be in no index of a segment that has one (I11).
    if !sabotage::on(Sabotage::SkipPrefixSync) {
        engine.sync_log()?;
    }
    let open = |i: &IndexEntry| current.indexes.iter().any(|o| o.indexed.file == i.index);
    let mut lost = Vec::new();
    engine.commit_manifest(|manifest| {
        if let Some(collection) = manifest.collection_mut(core.id) {
            // What could not be opened or was found damaged is not in the snapshot, and goes as well.
            let damaged = collection.indexes.iter().filter(|i| !open(i));
            lost.extend(damaged.flat_map(|i| {
                let files = [FileName::Index(i.index), FileName::Locator(i.locator)];
                files.map(|name| engine.path(name))
            }));
            collection.indexes.retain(|i| open(i) && !step.replaces.contains(&i.index));
            collection.indexes.extend(entry);
        }
    })?;
    files.keep();
    for path in lost {
        // It may be missing; what stays behind is an orphan.
        let _ = engine.disk.remove(&path);
    }
    if let Some(part) = &part {
        core.code_like(&part.indexed.index);
        if step.graph {
            core.canary.note_built(part.indexed.file, merged);
        }
    }
    swap(engine, core, step, part);
    let (collection, rows) = (core.name.clone(), total as u64);
    engine.emit(&Event::Indexed { collection, rows, graph: step.graph, merged, evaluations });
    Ok(())
}

/// Makes readers see the new index in place of those that go.
fn swap(engine: &Engine, core: &Core, step: &IndexStep, part: Option<IndexPart>) {
    let token = engine.committer.hold();
    let mut next = Snapshot::clone(&core.snapshot());
    next.indexes.retain(|i| {
        let goes = step.replaces.contains(&i.indexed.file);
        if goes {
            i.indexed.index_guard.mark_obsolete();
            i.indexed.locator_guard.mark_obsolete();
        }
        !goes
    });
    next.indexes.extend(part);
    next.relink();
    core.publish(next);
    drop(token);
}

/// The indexes that go, with their places in the snapshot, and what keeps their files: all that a build
/// holds of it.
struct Replaced(Vec<(usize, Arc<Index>, Arc<FileGuard>)>);

impl Replaced {
    /// What stays of the base comes before all others.
    fn of(snapshot: &Snapshot, step: &IndexStep) -> Self {
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

/// Which codes the rows get, and how far off these are. For a graph they must tell more: its beam is as good
/// as nothing where too many rows seem as near by code. Those of the graph that a new one starts from are kept
/// while they serve.
fn choose_codes(
    engine: &Engine,
    core: &Core,
    step: &IndexStep,
    replaced: &Replaced,
    survey: &Survey<'_>,
) -> (Arc<Frame>, Fit) {
    let of_base = replaced.0.first().filter(|_| step.base.is_some());
    let of_core = || core.coder().map(|(frame, _)| frame);
    let known = of_base.map(|(_, index, _)| Arc::clone(index.frame())).or_else(of_core);
    let (sample, rows) = (survey.sample(), survey.len());
    let choose = |most| Frame::choose(core.spec, known.as_ref(), &sample, rows, most);
    let (frame, fit) = choose(if step.graph { BEHIND_A_GRAPH } else { u64::MAX });
    let per_row = heap_per_row(core, &frame);
    let has_room = |bytes: u64| rows.saturating_mul(per_row) <= bytes / 2;
    if !step.graph || engine.heap_budget.limit().is_none_or(has_room) {
        return (frame, fit);
    }
    // There is no heap to build a graph on finer codes.
    choose(u64::MAX)
}

/// Heap bytes a row that building a graph on such codes takes.
fn heap_per_row(core: &Core, frame: &Frame) -> u64 {
    let hnsw = core.options().hnsw;
    heap_bytes_per_row(frame.spec.row_bytes(), usize::from(hnsw.m), hnsw.builder)
}

/// The truth by nodes in place of rows.
fn by_nodes(truths: &[Truth<Place>], rows: &NodeRows) -> Vec<Truth<u32>> {
    let named = truths.iter().flat_map(|t| t.nearest.iter().chain(&t.probe.made_from));
    let mut nodes: HashMap<Place, Option<u32>> = named.map(|place| (*place, None)).collect();
    for node in 0..rows.len() {
        for place in rows.of(node) {
            nodes.entry(place).and_modify(|known| *known = Some(node));
        }
    }
    truths.iter().map(|t| t.renamed(|place| nodes.get(&place).copied().flatten())).collect()
}

/// The live rows of the indexes that go and of the segments that have none, by their codes in this frame;
/// and, if the step has a base in the same frame, that with what becomes of each of its nodes.
fn gather<'a>(
    core: &Core,
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
        if is_base && core.options().hnsw.builder == GraphBuilder::Flat {
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

/// What an index is written from.
enum Made<'a> {
    Quantization(CodesIndex<'a>),
    Graph(Graph),
}

/// A graph that was built, over codes in the order of its nodes.
struct Graph {
    codes: CodeBuffer,
    fit: Fit,
    rows: NodeRows,
    graph: BuiltGraph,
    merged: bool,
    evaluations: u64,
}

impl Made<'_> {
    const fn rows(&self) -> &NodeRows {
        match self {
            Self::Quantization(nodes) => &nodes.rows,
            Self::Graph(graph) => &graph.rows,
        }
    }

    fn parts(&self) -> IndexParts<'_> {
        match self {
            Self::Quantization(nodes) => nodes.parts(),
            Self::Graph(built) => IndexParts::with_graph(&built.codes, built.fit, &built.graph),
        }
    }

    /// Whether an older graph was merged, and the distances that were measured.
    const fn cost(&self) -> (bool, u64) {
        match self {
            Self::Quantization(_) => (false, 0),
            Self::Graph(built) => (built.merged, built.evaluations),
        }
    }
}

/// Builds the graph; codes and rows come to be in the order of its nodes.
fn build_graph(
    engine: &Engine,
    core: &Core,
    (nodes, base): (CodesIndex<'_>, Option<GraphBase<'_>>),
    truths: &[Truth<u32>],
    control: &Control<'_>,
) -> Result<Graph> {
    let hnsw = core.options().hnsw;
    let params = BuildParams {
        m: usize::from(hnsw.m),
        ef_construction: usize::from(hnsw.ef_construction),
        builder: hnsw.builder,
        pool: engine.pool_for_build(hnsw.builder)?,
        checkpoint: &|| control.step(core, 0),
        evaluations: Arc::default(),
    };
    let per_row = heap_per_row(core, nodes.frame());
    let _held = engine.heap_budget.hold(u64::from(nodes.rows.len()) * per_row);
    let fit = nodes.fit();
    let (mut codes, rows) = nodes.into_codes();
    let built = BuiltGraph::build(&mut codes, &fit, base.as_ref(), &params, truths);
    let (graph, order) = built?;
    let rows = rows.reordered(&order);
    let evaluations = params.evaluations.load(Ordering::Relaxed);
    Ok(Graph { codes, fit, rows, graph, merged: base.is_some(), evaluations })
}

/// Follows rows that moved to other segments since they were gathered. A row whose segment had no index
/// and has been rewritten got an index of its own there, and is left out.
fn follow_rows(covered: &Covered, moves: &[Move], now: &Snapshot, rows: &NodeRows) -> NodeRows {
    let here = covered_of(now);
    rows.followed(|(file, row)| {
        let was_covered = *covered.get(&file)?;
        match here.get(&file) {
            Some(is_covered) => (*is_covered == was_covered).then_some((file, row)),
            None if !was_covered => None,
            None => follow(moves, (file, row)).filter(|(file, _)| here.contains_key(file)),
        }
    })
}

/// Which segments there are, and whether an index covers them.
type Covered = HashMap<FileId, bool>;

fn covered_of(snapshot: &Snapshot) -> Covered {
    snapshot.segments.iter().map(|s| (s.sealed.file, s.covered)).collect()
}
