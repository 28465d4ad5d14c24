//! Owns open indexes: `idx` files that are read and searched. Layout: `format.md`, "Index".
//!
//! The file is derived (I1): damage costs speed, never a memory. Header, section table, the
//! description and the `ef` table are checked at open. Codes and graph are used before the
//! background has checked them, so every neighbor is bounds-checked at use.

use std::path::Path;
use std::sync::Arc;

use super::built::GraphBase;
use super::calibrate::{self, Coded};
use super::cost::Costs;
use super::ef_table::{Beam, EfTable, SAMPLES};
use super::hnsw::base::Base;
use super::hnsw::graph::{Graph, Level, MAX_DEGREE, MAX_LEVELS};
use super::hnsw::pool::MAX_NODES;
use super::hnsw::search::{Accept, search};
use super::hnsw::search_level::{Scratch, SearchInfo};
use super::layout::{
    CODES, DESCRIPTION, EF_TABLE, FRAME, KINDS, LEVELS, LISTS, OLD_EF_TABLE, SIGNS,
};
use super::scan::Scan;
use super::top::Candidate;
use super::truth::Truth;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::DecodeError;
use crate::format::cursor::Cursor;
use crate::format::header::{FileKind, StoreId};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::options::Metric;
use crate::section::{Identity, SectionFile};
use crate::sync::OnceLock;
use crate::vector::codes::{CodeRows, CodeSpec, FastScanBlocks, Fit, Frame, Measure, Query};

/// An open index.
#[derive(Debug)]
pub(crate) struct Index {
    file: SectionFile,
    frame: Arc<Frame>,
    fit: Fit,
    nodes: u32,
    pub(super) ef_table: EfTable,
    /// The beam width of its graph, or of the graph from which it was merged, when freshly built.
    pub(super) fresh_ef: u32,
    levels: u32,
    entry: u32,
    /// The costs of its access paths, once they were needed.
    costs: OnceLock<Costs>,
}

impl Index {
    /// Opens an index of a collection whose codes are `wanted`. An error means that its rows must
    /// be scanned until it is rebuilt.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        store: StoreId,
        file: FileId,
        len: u64,
        wanted: CodeSpec,
    ) -> Result<Self> {
        let identity = Identity { name: FileName::Index(file), kind: FileKind::Index, store, len };
        let file = SectionFile::open(disk, dir, &identity)?;
        let mut cursor = Cursor::new(file.checked(DESCRIPTION)?);
        let mut number =
            || cursor.u32().map_err(|e| file.corrupt_in(DESCRIPTION, e.offset, e.reason));
        let (nodes, dimension, row_bytes) = (number()?, number()?, number()?);
        let (levels, entry, _m, fresh_ef) = (number()?, number()?, number()?, number()?);
        let (frame, fit) = match file.bytes(FRAME) {
            Some(_) => frame(&file, wanted)?,
            None => first_frame(wanted),
        };
        let spec = frame.spec;
        let fits = dimension as usize == spec.dimension
            && row_bytes as usize == spec.row_bytes()
            && file.bytes(CODES).is_some_and(|c| c.len() == nodes as usize * spec.row_bytes())
            && file.bytes(SIGNS).is_none_or(|s| FastScanBlocks::new(spec, s, nodes).is_some())
            && levels as usize <= MAX_LEVELS
            && nodes <= MAX_NODES
            && (levels == 0 || entry < nodes);
        if !fits {
            return Err(file.corrupt_in(DESCRIPTION, 0, "the index does not fit its collection"));
        }
        let ef_table = match file.bytes(EF_TABLE) {
            Some(_) => ef_table(&file)?,
            // An older table does not have the recall that users get, so it is not used.
            None => file.checked(OLD_EF_TABLE).map(|_| EfTable::default())?,
        };
        let index = Self {
            file,
            frame: Arc::new(frame),
            fit,
            nodes,
            ef_table,
            fresh_ef,
            levels,
            entry,
            costs: OnceLock::new(),
        };
        if index.has_graph() && index.graph().is_none() {
            return Err(index.file.corrupt(0, "the graph is incomplete"));
        }
        Ok(index)
    }

    /// Returns the frame of its codes.
    pub(crate) const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Returns the error of its codes.
    pub(crate) const fn fit(&self) -> &Fit {
        &self.fit
    }

    /// Returns the costs of its access paths on this machine.
    pub(crate) fn costs(&self, clock: &dyn Clock) -> Costs {
        *self.costs.get_or_init(|| Costs::of(self.frame.spec, clock))
    }

    /// Returns the number of distinct vectors that it covers.
    pub(crate) const fn nodes(&self) -> u32 {
        self.nodes
    }

    pub(crate) const fn has_graph(&self) -> bool {
        self.levels > 0
    }

    /// Releases the resident pages of its file.
    pub(crate) fn release(&self) {
        self.file.release();
    }

    /// Returns the number of mapped bytes.
    pub(crate) fn len(&self) -> u64 {
        self.file.len()
    }

    /// Returns the codes, node by node.
    pub(crate) fn codes(&self) -> CodeRows<'_> {
        CodeRows::new(self.frame.spec, self.file.bytes(CODES).unwrap_or(&[]))
    }

    /// Removes from `nodes` those that cannot be nearer than `bound`, and replaces the content of
    /// `out` by the distances of the rest by code.
    pub(crate) fn nearer(
        &self,
        query: &Query,
        bound: f32,
        nodes: &mut Vec<u32>,
        out: &mut Vec<f32>,
    ) {
        let codes = self.codes();
        let measure = query.over(&codes);
        measure.ask(nodes);
        measure.sift(bound, self.fit.look, nodes, out);
        measure.distances(nodes, out);
    }

    /// Measures every node by code, in order. Calls `offer` with each node nearer than the bound;
    /// `offer` returns the new bound.
    ///
    /// O(nodes).
    pub(crate) fn scan(&self, query: &Query, mut bound: f32, offer: impl FnMut(Candidate) -> f32) {
        let (codes, signs) = (self.codes(), self.signs());
        Scan::new(query, self.fit.look).run(&codes, signs.as_ref(), 0, &mut bound, offer);
    }

    /// Returns the FastScan blocks of its sign bits. An index without a graph has them if its codes
    /// have signs.
    pub(crate) fn signs(&self) -> Option<FastScanBlocks<'_>> {
        FastScanBlocks::new(self.frame.spec, self.file.bytes(SIGNS)?, self.nodes)
    }

    /// Searches the graph: leaves about the `ef` nearest accepted nodes, nearest first, in
    /// `scratch`. Without `accept` all nodes are accepted. Without a graph it finds nothing.
    pub(crate) fn search(
        &self,
        query: &Query,
        ef: usize,
        accept: Option<&mut Accept<'_>>,
        limit: usize,
        scratch: &mut Scratch,
    ) -> SearchInfo {
        match self.graph() {
            Some(graph) => {
                let codes = self.codes();
                search(&graph, &query.over(&codes), ef, accept, limit, scratch)
            }
            None => SearchInfo::default(),
        }
    }

    /// Returns the recall of each `ef`, as calibrated when the graph was built.
    pub(crate) const fn ef_table(&self) -> &EfTable {
        &self.ef_table
    }

    /// Measures the recall of each `ef` among the accepted nodes, for queries with known true
    /// neighbors. Without a graph the table is empty.
    pub(crate) fn measure(&self, truths: &[Truth<u32>], accept: &dyn Fn(u32) -> bool) -> EfTable {
        let coded = Coded { frame: &self.frame, fit: &self.fit, codes: self.codes() };
        match self.graph() {
            Some(graph) => calibrate::measure(&graph, coded, truths, Some(accept)),
            None => EfTable::default(),
        }
    }

    /// Returns the graph as stored. Neighbors are checked at use.
    fn graph(&self) -> Option<Graph<'_>> {
        graph(&self.file, self.nodes, self.levels, self.entry)
    }

    /// Checks every byte and every neighbor.
    pub(crate) fn verify(&self) -> Result<()> {
        self.file.verify()?;
        self.verify_structure()
    }

    /// Checks everything except the bytes of the codes.
    pub(crate) fn verify_structure(&self) -> Result<()> {
        self.file.verify_but(&[CODES])?;
        let recall = |r: f32| (0.0..=1.0).contains(&r);
        let sound = |b: &Beam| b.ef > 0 && recall(b.recall) && recall(b.error);
        let sound = self.ef_table.beams().iter().all(sound);
        if !sound || !self.ef_table.beams().is_sorted_by(|a, b| a.ef < b.ef) {
            return Err(self.file.corrupt(0, "the ef table is out of order"));
        }
        match self.graph() {
            Some(graph) => graph.validate().map_err(|reason| self.file.corrupt(0, reason)),
            None if self.has_graph() => Err(self.file.corrupt(0, "the graph is incomplete")),
            None => Ok(()),
        }
    }

    /// Returns its graph as the base of a new one. `rows` has the new row of each node, or
    /// `NO_NODE`; rows of nodes that stay come first. `None` if there is no graph, or if
    /// [`Base::new`] refuses it.
    pub(crate) fn base(&self, rows: Vec<u32>, m: usize) -> Option<GraphBase<'_>> {
        let graph = Base::new(self.graph()?, rows, m)?;
        Some(GraphBase { graph, fresh_ef: self.fresh_ef })
    }

    /// Returns true if its graph should be rebuilt. Either merges have cost too much recall, or its
    /// recall was never measured against the truth, as in files of format version 1.
    pub(crate) fn worn(&self) -> bool {
        let unknown = self.has_graph() && self.ef_table.beams().is_empty();
        unknown || self.fresh_ef > 0 && self.ef_table.is_worn(self.fresh_ef as usize, SAMPLES)
    }
}

/// Returns the frame of an index of format version 1: the vectors themselves. Their greatest length
/// is known only under cosine. Under other metrics the error has no bound, so the vectors are
/// measured exactly.
fn first_frame(wanted: CodeSpec) -> (Frame, Fit) {
    let longest = if wanted.metric == Metric::Cosine { 1.0 } else { f32::INFINITY };
    (Frame::new(wanted, Vec::new()), Fit::assumed(wanted, longest))
}

fn frame(file: &SectionFile, wanted: CodeSpec) -> Result<(Frame, Fit)> {
    let error = |e: DecodeError| -> Error { file.corrupt_in(FRAME, e.offset, e.reason) };
    let mut cursor = Cursor::new(file.checked(FRAME)?);
    let (kind, centred) = (cursor.u32().map_err(error)?, cursor.u32().map_err(error)?);
    let Some((_, codes)) = KINDS.iter().find(|(number, _)| *number == kind) else {
        return Err(file.corrupt_in(FRAME, 0, "the codes of the index are of an unknown kind"));
    };
    let mut number = || -> Result<f32> {
        let number = cursor.f32().map_err(error)?;
        if number.is_finite() { Ok(number) } else { Err(file.corrupt_in(FRAME, 8, NOT_FINITE)) }
    };
    let (sure, look, longest) = (number()?, number()?, number()?);
    let fit = Fit { sure, look, longest, share: number()?, recall: number()? };
    let dimension = if centred > 0 { wanted.dimension } else { 0 };
    let centre = (0..dimension).map(|_| number()).collect::<Result<Vec<f32>>>()?;
    if !cursor.is_empty() {
        return Err(file.corrupt_in(FRAME, 0, "the frame of the codes is too long"));
    }
    Ok((Frame::new(CodeSpec { codes: *codes, ..wanted }, centre), fit))
}

const NOT_FINITE: &str = "the frame of the codes holds NaN or infinity";

fn ef_table(file: &SectionFile) -> Result<EfTable> {
    let error = |e: DecodeError| -> Error { file.corrupt_in(EF_TABLE, e.offset, e.reason) };
    let mut cursor = Cursor::new(file.checked(EF_TABLE)?);
    let mut table = Vec::new();
    while !cursor.is_empty() {
        let (ef, recall) = (cursor.u32().map_err(error)?, cursor.f32().map_err(error)?);
        let (spread, evaluations) = (cursor.f32().map_err(error)?, cursor.u32().map_err(error)?);
        table.push(Beam { ef, recall, error: spread, evaluations });
    }
    Ok(EfTable::new(table))
}

/// Returns the graph of an open file, if all its arrays are present.
fn graph(file: &SectionFile, nodes: u32, levels: u32, entry: u32) -> Option<Graph<'_>> {
    if levels == 0 {
        return None;
    }
    let array = |kind| bytemuck::try_cast_slice::<u8, u32>(file.bytes(kind)?).ok();
    let m = file.bytes(DESCRIPTION)?.get(20..24)?;
    let m = u32::from_le_bytes(m.try_into().ok()?);
    let stride = m.checked_mul(2).filter(|stride| *stride as usize <= MAX_DEGREE)? as usize;
    let (neighbors, none): (_, &[u32]) = (array(LISTS)?, &[]);
    let lowest = Level { nodes: none, offsets: none, neighbors, stride };
    let upper = (LEVELS..).step_by(3).take(levels as usize - 1).map(|kind| {
        let (nodes, offsets, neighbors) = (array(kind)?, array(kind + 1)?, array(kind + 2)?);
        Some(Level { nodes, offsets, neighbors, stride: 0 })
    });
    let levels = std::iter::once(Some(lowest)).chain(upper).collect::<Option<Vec<_>>>()?;
    Some(Graph { levels, entry, nodes, m })
}
