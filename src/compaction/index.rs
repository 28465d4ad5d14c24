//! Owns the building of indexes: gathers nodes from older indexes and uncovered segments, builds
//! codes and, where one pays, a graph, and swaps the result in. Rows may move while a graph is being
//! built: they are looked up again by id before the swap.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::files::NewFiles;
use super::policy::IndexStep;
use super::{Cancelled, check_cancelled};
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::recovery::open_index;
use crate::collection::snapshot::{IndexPart, SegPart, Snapshot};
use crate::error::Result;
use crate::format::header::FileKind;
use crate::format::manifest::IndexEntry;
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::index::{BuildParams, BuiltGraph, GraphBase, IndexParts, NO_NODE, write_index};
use crate::metrics::Event;
use crate::options::Builder;
use crate::sabotage::{self, Sabotage};
use crate::segment::{LocatorBuilder, Row, Rows};
use crate::vector::codes::{CodeBuffer, CodeRows, CodeSpec};
use crate::worker::lock;

/// The rows of each node.
type NodeRows = Vec<Vec<(FileId, Row)>>;

/// Where the code of a node is.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// In an older index, at this place of the list.
    Old(u32, u32),
    /// Among those encoded here.
    New(u32),
}

/// Distinct codes in the order of nodes, with the rows of each. Rows with equal codes share a node:
/// no search on codes can tell them apart, and equal nodes crowd each other out of a graph. Codes of
/// older indexes are not copied.
pub(super) struct CodesIndex<'a> {
    spec: CodeSpec,
    old: Vec<CodeRows<'a>>,
    new: CodeBuffer,
    sources: Vec<Source>,
    rows: NodeRows,
    /// Hash of a code → its node.
    nodes: HashMap<u64, u32>,
    scratch: CodeBuffer,
}

impl<'a> CodesIndex<'a> {
    pub(super) fn new(spec: CodeSpec) -> Self {
        Self {
            spec,
            old: Vec::new(),
            new: CodeBuffer::new(spec, 0),
            sources: Vec::new(),
            rows: Vec::new(),
            nodes: HashMap::new(),
            scratch: CodeBuffer::new(spec, 1),
        }
    }

    /// Adds a row by its stored vector.
    pub(super) fn add(&mut self, vector: &[f32], place: (FileId, Row)) {
        self.scratch.clear();
        self.scratch.push(vector);
        let scratch = std::mem::replace(&mut self.scratch, CodeBuffer::new(self.spec, 0));
        let code = scratch.rows().row(0);
        let next = Source::New(self.new.rows().len() as u32);
        if self.add_code(code, next, vec![place]) {
            self.new.push_row(code);
        }
        self.scratch = scratch;
    }

    /// Adds the rows of a node of an older index; false if another node has that code already.
    fn add_old(&mut self, at: u32, node: u32, places: Vec<(FileId, Row)>) -> bool {
        let code = self.old[at as usize].row(node);
        self.add_code(code, Source::Old(at, node), places)
    }

    /// Adds rows by their code; false if a node has that code already.
    fn add_code(&mut self, code: &[u8], source: Source, places: Vec<(FileId, Row)>) -> bool {
        let hash = hash(code);
        let known = self.nodes.get(&hash).copied();
        if let Some(node) = known.filter(|node| self.code(*node) == code) {
            self.rows[node as usize].extend(places);
            return false;
        }
        // Of two codes with one hash the later is looked for; both have their node.
        self.nodes.insert(hash, self.rows.len() as u32);
        self.sources.push(source);
        self.rows.push(places);
        true
    }

    /// The code of a node.
    fn code(&self, node: u32) -> &[u8] {
        match self.sources[node as usize] {
            Source::Old(at, node) => self.old[at as usize].row(node),
            Source::New(row) => self.new.rows().row(row),
        }
    }

    /// All codes in one piece, as graphs are built on.
    fn copy_codes(&self) -> CodeBuffer {
        let mut codes = CodeBuffer::new(self.spec, self.rows.len());
        (0..self.rows.len() as u32).for_each(|node| codes.push_row(self.code(node)));
        codes
    }

    fn parts(&self) -> IndexParts<'_> {
        IndexParts::scanned(self.spec, self.rows.len() as u32, |node| self.code(node))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A fast hash of a code; only ever compared within one process.
fn hash(code: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(code);
    hasher.finish()
}

/// Writes an index without a graph, and its locator.
pub(super) fn write_codes_index(
    engine: &Engine,
    index: &CodesIndex<'_>,
    files: &mut NewFiles,
) -> Result<IndexEntry> {
    write(engine, &index.parts(), index.rows.iter().cloned(), files)
}

fn write(
    engine: &Engine,
    parts: &IndexParts<'_>,
    rows: impl Iterator<Item = Vec<(FileId, Row)>>,
    files: &mut NewFiles,
) -> Result<IndexEntry> {
    let (index, locator) = (engine.new_file()?, engine.new_file()?);
    files.add(FileName::Index(index));
    files.add(FileName::Locator(locator));
    let (disk, dir) = (engine.disk.as_ref(), engine.dir());
    let index_len = write_index(disk, dir, &engine.header(FileKind::Index, index), parts)?;
    let mut builder = LocatorBuilder::new();
    rows.for_each(|rows| builder.push(rows));
    let locator_len = builder.write(disk, dir, &engine.header(FileKind::Locator, locator))?;
    let segments = builder.segments().to_vec();
    Ok(IndexEntry { index, index_len, locator, locator_len, segments })
}

/// Carries out one step of a plan.
pub(super) fn build(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    step: &IndexStep,
    cancelled: Cancelled<'_>,
) -> Result<()> {
    check_cancelled(cancelled, core)?;
    let snapshot = core.snapshot();
    let (mut nodes, base) = gather(core, &snapshot, step)?;
    let total: usize = nodes.rows.iter().map(Vec::len).sum();
    let graph = match step.graph && !nodes.is_empty() {
        true => Some(build_graph(engine, core, &snapshot, (&mut nodes, base), cancelled)?),
        false => None,
    };
    let parts = match &graph {
        Some(built) => IndexParts::with_graph(&built.codes, &built.graph),
        None => nodes.parts(),
    };
    let (merged, evaluations) = graph.as_ref().map_or((false, 0), |g| (g.merged, g.evaluations));
    let rows = nodes.rows.clone();
    check_cancelled(cancelled, core)?;

    let _structure = lock(&core.structure);
    let current = core.snapshot();
    let rows = look_up_again(&snapshot, &current, rows)?;
    let mut files = NewFiles::new(engine);
    let entry = match rows.iter().any(|rows| !rows.is_empty()) {
        true => Some(write(engine, &parts, rows.into_iter(), &mut files)?),
        false => None,
    };
    if !sabotage::on(Sabotage::SkipNameSync) {
        engine.disk.sync_dir(engine.dir())?;
    }
    let part = match &entry {
        Some(entry) => Some(open_index(engine, entry, core.spec)?),
        None => None,
    };
    if let Some(part) = &part {
        part.indexed.check()?;
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

/// The live rows of the indexes that go and of the segments that have none; and, if the step has a base,
/// that with what becomes of each of its nodes.
fn gather<'a>(
    core: &Core,
    snapshot: &'a Snapshot,
    step: &IndexStep,
) -> Result<(CodesIndex<'a>, Option<GraphBase<'a>>)> {
    let mut nodes = CodesIndex::new(core.spec);
    let is_base = |part: &IndexPart| Some(part.indexed.file) == step.base;
    let mut replaced: Vec<&IndexPart> =
        snapshot.indexes.iter().filter(|i| step.replaces.contains(&i.indexed.file)).collect();
    // What stays of the base comes before all others.
    replaced.sort_by_key(|part| !is_base(part));
    let mut base = None;
    for (at, part) in (0u32..).zip(replaced) {
        nodes.old.push(part.indexed.index.codes());
        let mut stays = Vec::new();
        for node in 0..part.indexed.index.nodes() {
            let live: Vec<(FileId, Row)> = part
                .places(node)
                .filter_map(|(segment, row)| {
                    let segment = snapshot.segments.get(segment as usize)?;
                    segment.live.is_live(row).then_some((segment.sealed.file, row))
                })
                .collect();
            let next = nodes.rows.len() as u32;
            let new = !live.is_empty() && nodes.add_old(at, node, live);
            stays.push(if new { next } else { NO_NODE });
        }
        if is_base(part) && core.options().hnsw.builder == Builder::Flat {
            base = part.indexed.index.base(stays, usize::from(core.options().hnsw.m));
        }
    }
    for segment in snapshot.segments.iter().filter(|s| step.with_uncovered && !s.covered) {
        for row in segment.live.iter() {
            nodes.add(segment.sealed.segment.vector(row)?, (segment.sealed.file, row));
        }
    }
    Ok((nodes, base))
}

/// A graph that was built, over codes in the order of its nodes.
struct Graph {
    codes: CodeBuffer,
    graph: BuiltGraph,
    merged: bool,
    evaluations: u64,
}

/// Builds the graph; codes and rows come to be in the order of its nodes.
fn build_graph(
    engine: &Engine,
    core: &Core,
    snapshot: &Snapshot,
    (nodes, base): (&mut CodesIndex<'_>, Option<GraphBase<'_>>),
    cancelled: Cancelled<'_>,
) -> Result<Graph> {
    let hnsw = core.options().hnsw;
    let params = BuildParams {
        m: usize::from(hnsw.m),
        ef_construction: usize::from(hnsw.ef_construction),
        builder: hnsw.builder,
        pool: Arc::clone(engine.pool()?),
        cancelled: Arc::new(AtomicBool::new(false)),
        evaluations: Arc::default(),
    };
    let segments: HashMap<FileId, &SegPart> =
        snapshot.segments.iter().map(|s| (s.sealed.file, s)).collect();
    let rows = &nodes.rows;
    let stored = |node: u32| {
        let place = rows.get(node as usize).and_then(|rows| rows.first());
        let vector = place.and_then(|(file, row)| {
            segments.get(file).and_then(|s| s.sealed.segment.vector(*row).ok())
        });
        // A row that cannot be read serves calibration no more; its node has its code all the same.
        vector.map_or_else(|| vec![0.0; core.spec.dimension], <[f32]>::to_vec)
    };
    let mut codes = nodes.copy_codes();
    // The builder asks an atomic flag, the worker a closure: one watches the other.
    let finished = AtomicBool::new(false);
    let built = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !finished.load(Ordering::Acquire) {
                if check_cancelled(cancelled, core).is_err() {
                    params.cancelled.store(true, Ordering::Relaxed);
                }
                std::thread::park_timeout(std::time::Duration::from_millis(50));
            }
        });
        let built = BuiltGraph::build(&mut codes, base.as_ref(), &params, stored);
        finished.store(true, Ordering::Release);
        watch.thread().unpark();
        built
    });
    let (graph, order) = built?;
    let mut rows = std::mem::take(&mut nodes.rows);
    nodes.rows = order.iter().map(|at| std::mem::take(&mut rows[*at as usize])).collect();
    let evaluations = params.evaluations.load(Ordering::Relaxed);
    Ok(Graph { codes, graph, merged: base.is_some(), evaluations })
}

/// Follows rows that moved to other segments since `then`, by id and sequence number. A row whose
/// segment had no index and has been rewritten got an index of its own there, and is left out.
fn look_up_again(then: &Snapshot, now: &Snapshot, rows: NodeRows) -> Result<NodeRows> {
    let here: HashMap<FileId, bool> =
        now.segments.iter().map(|s| (s.sealed.file, s.covered)).collect();
    let before: HashMap<FileId, &SegPart> =
        then.segments.iter().map(|s| (s.sealed.file, s)).collect();
    let follow = |(file, row): (FileId, Row)| -> Result<Option<(FileId, Row)>> {
        let Some(part) = before.get(&file) else {
            return Ok(None);
        };
        match here.get(&file) {
            Some(covered) if *covered == part.covered => return Ok(Some((file, row))),
            Some(_) => return Ok(None),
            None if !part.covered => return Ok(None),
            None => {}
        }
        let (id, seq) = (part.sealed.segment.id(row)?, part.sealed.segment.seq(row)?);
        for segment in &now.segments {
            for found in segment.sealed.segment.find(id)? {
                if segment.sealed.segment.seq(found)? == seq {
                    return Ok(Some((segment.sealed.file, found)));
                }
            }
        }
        Ok(None)
    };
    rows.into_iter()
        .map(|rows| {
            let found = rows.into_iter().map(follow).collect::<Result<Vec<_>>>()?;
            Ok(found.into_iter().flatten().collect())
        })
        .collect()
}
