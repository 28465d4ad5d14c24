//! Owns the building of indexes: gathers nodes from older indexes and uncovered segments, builds
//! codes and, where it pays, a graph, and swaps the result in. Rows may move while a graph is
//! built. Their relocations are resolved before the swap.

pub(super) mod check;
mod gather;
pub(super) mod nodes;
pub(super) mod recall;
mod survey;
pub(super) mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::compaction::index::gather::{
    Replaced, choose_codes, covered_of, follow_rows, gather, heap_per_row,
};
use crate::compaction::index::nodes::{CodesIndex, NodeRows, Place};
use crate::compaction::index::survey::Survey;
use crate::compaction::index::write::write;
use crate::compaction::job::Job;
use crate::compaction::pending_files::NewFiles;
use crate::compaction::policy::IndexStep;
use crate::error::Result;
use crate::event::Event;
use crate::format::manifest::IndexEntry;
use crate::format::names::FileName;
use crate::index::{BuildParams, BuiltGraph, GraphBase, IndexParts, Truth};
use crate::snapshot::open::open_index;
use crate::snapshot::{IndexPart, Snapshot};
use crate::sync::lock;
use crate::vector::codes::{CodeBuffer, Fit};

/// Carries out one index step of a plan.
pub(super) fn build(job: &Job<'_>, step: &IndexStep) -> Result<()> {
    let Job { engine, core, control } = *job;
    job.check()?;
    let watch = core.moves.watch();
    let snapshot = core.snapshot();
    let replaced = Replaced::of(&snapshot, step);
    let survey = Survey::of_step(core, &snapshot, step);
    let truths = if step.graph { survey.truths(step.base.is_some(), job)? } else { Vec::new() };
    let (frame, fit) = choose_codes(job, step, &replaced, &survey);
    drop(survey);
    let (nodes, base) = gather(core, &snapshot, step, &replaced, (frame, fit))?;
    let covered = covered_of(&snapshot);
    let with_graph = step.graph && !nodes.is_empty();
    // Released early, because a build takes long and segments that are rewritten meanwhile should
    // leave the disk before it ends.
    drop(snapshot);
    let total = nodes.rows.rows();
    let made = match with_graph {
        true => {
            let truths = by_nodes(&truths, &nodes.rows);
            Made::Graph(build_graph(job, (nodes, base), &truths)?)
        }
        false => Made::Quantization(nodes),
    };
    let (merged, evaluations) = made.cost();
    job.check()?;

    let _structure = lock(&core.structure);
    let current = core.snapshot();
    let rows = follow_rows(&covered, &watch.take(), &current, made.rows());
    let mut files = NewFiles::new(engine);
    let entry = match rows.rows() {
        0 => None,
        _ => Some(write(engine, &made.parts(), &rows, &mut files)?),
    };
    engine.dir.sync_names()?;
    // The files hold all of it by now. It must not be in RAM twice when they are read back.
    drop((rows, made));
    control.charge(entry.as_ref().map_or(0, |e| e.index_len + e.locator_len));
    let part = entry.as_ref().map(|entry| open_new(job, entry)).transpose()?;
    // The deletes of rows that the index leaves out may be in the log only. If the log were lost
    // and the index not, these rows would live and be in no index of a covered segment (I11).
    engine.log.sync()?;
    let lost = commit(job, step, &current, entry)?;
    files.keep();
    for name in lost {
        // The file may be missing. If it stays, it is an orphan.
        let _ = engine.dir.remove(name);
    }
    if let Some(part) = &part {
        core.code_like(&part.indexed.index);
        if step.graph {
            core.recall.note_built(part.indexed.file, merged);
        }
    }
    swap(job, step, part);
    let (collection, rows) = (core.name().to_owned(), total as u64);
    engine.events.emit(&Event::Indexed {
        collection,
        rows,
        graph: step.graph,
        merged,
        evaluations,
    });
    Ok(())
}

/// Reads a new index back and checks it, before the indexes that it replaces may go.
fn open_new(job: &Job<'_>, entry: &IndexEntry) -> Result<IndexPart> {
    let part = open_index(&job.engine.dir, entry, job.core.spec)?;
    part.indexed.check()?;
    // Searches read fewer of these pages than the check.
    part.indexed.index.release();
    part.indexed.locator.release();
    Ok(part)
}

/// Names the new index in the manifest instead of the replaced ones. Returns the files of indexes
/// that are not in use, which are removed as well.
fn commit(
    job: &Job<'_>,
    step: &IndexStep,
    current: &Snapshot,
    entry: Option<IndexEntry>,
) -> Result<Vec<FileName>> {
    let open = |i: &IndexEntry| current.indexes.iter().any(|o| o.indexed.file == i.index);
    let mut lost = Vec::new();
    job.engine.catalog.commit(|manifest| {
        if let Some(collection) = manifest.collection_mut(job.core.id) {
            // An index that could not be opened or was found damaged is not in the snapshot, and
            // goes as well.
            let damaged = collection.indexes.iter().filter(|i| !open(i));
            lost.extend(
                damaged.flat_map(|i| [FileName::Index(i.index), FileName::Locator(i.locator)]),
            );
            collection.indexes.retain(|i| open(i) && !step.replaces.contains(&i.index));
            collection.indexes.extend(entry);
        }
    })?;
    Ok(lost)
}

/// Publishes the new index instead of the replaced ones.
fn swap(job: &Job<'_>, step: &IndexStep, part: Option<IndexPart>) {
    let Job { engine, core, .. } = *job;
    let token = engine.log.hold();
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

/// Returns the truths with nodes instead of rows.
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

/// The content of a new index.
enum Made<'a> {
    Quantization(CodesIndex<'a>),
    Graph(Graph),
}

/// A built graph, over codes in the order of its nodes.
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

    /// Returns true if an older graph was merged, and the number of distances that the build
    /// computed.
    const fn cost(&self) -> (bool, u64) {
        match self {
            Self::Quantization(_) => (false, 0),
            Self::Graph(built) => (built.merged, built.evaluations),
        }
    }
}

/// Builds the graph, and reorders codes and rows by its nodes.
fn build_graph(
    job: &Job<'_>,
    (nodes, base): (CodesIndex<'_>, Option<GraphBase<'_>>),
    truths: &[Truth<u32>],
) -> Result<Graph> {
    let hnsw = job.core.options().hnsw;
    let params = BuildParams {
        m: usize::from(hnsw.m),
        ef_construction: usize::from(hnsw.ef_construction),
        builder: hnsw.builder,
        pool: job.engine.threads.for_build(hnsw.builder)?,
        checkpoint: &|| job.step(0),
        evaluations: Arc::default(),
    };
    let per_row = heap_per_row(job.core, nodes.frame());
    let _held = job.engine.admission.heap().hold(u64::from(nodes.rows.len()) * per_row);
    let fit = nodes.fit();
    let (mut codes, rows) = nodes.into_codes();
    let built = BuiltGraph::build(&mut codes, &fit, base.as_ref(), &params, truths);
    let (graph, order) = built?;
    let rows = rows.reordered(&order);
    let evaluations = params.evaluations.load(Ordering::Relaxed);
    Ok(Graph { codes, fit, rows, graph, merged: base.is_some(), evaluations })
}
