//! Owns `idx` files: writes an index and opens it again. Layout: `format.md`, "Index".
//!
//! The file is derived (I1): what cannot be read costs speed, never a memory. Header, section table,
//! the description and the `ef` table are checked at open; codes and graph are used before the
//! background pass has checked them, with every neighbor bounds-checked at use.

use std::path::Path;
use std::sync::Arc;

use super::Index;
use super::calibrate::{self, Beam, Coded, EfTable, SAMPLES};
use super::hnsw::build::{BuildParams, Built, build_graph, builder};
use super::hnsw::graph::{FlatGraph, Graph, Level, MAX_DEGREE, MAX_LEVELS, NO_NODE};
use super::hnsw::merge::Base;
use super::hnsw::pool::MAX_NODES;
use super::truth::Truth;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::cursor::Cursor;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::map_vec::MapVec;
use crate::options::{Metric, Quantization};
use crate::section::{Check, Identity, SectionFile, SectionWriter};
use crate::sync::OnceLock;
use crate::vector::codes::{CodeBuffer, CodeSpec, Fit, Frame, SignBlocks};
use crate::vector::kernel::blocks::ROWS;

const DESCRIPTION: u32 = 1;
pub(super) const CODES: u32 = 2;
/// What beams found against a scan of the same codes, in files of format version 1: not what users get.
const OLD_EF_TABLE: u32 = 3;
/// The signs of the codes side by side, in an index that is scanned.
pub(super) const SIGNS: u32 = 4;
/// What the codes are made of, and how far off they are.
const FRAME: u32 = 5;
/// What beams found against the truth.
const EF_TABLE: u32 = 6;
/// The lists of level 0, `2 m` places each: one read finds a list.
const LISTS: u32 = 16;
/// Nodes, offsets and neighbors of level l above it are sections `LISTS + 3 l`, `+ 1` and `+ 2`.
const LEVELS: u32 = LISTS + 3;

/// What an index is made of: distinct vectors, node by node.
pub(crate) struct IndexParts<'a> {
    frame: &'a Frame,
    fit: Fit,
    nodes: u32,
    /// The code of a node.
    code: Box<dyn Fn(u32) -> &'a [u8] + 'a>,
    graph: Option<&'a BuiltGraph>,
}

/// A graph with its calibration, over codes in the order of its nodes.
pub(crate) struct BuiltGraph {
    graph: FlatGraph,
    ef_table: EfTable,
    /// What [`Index::worn`] compares with.
    fresh_ef: u32,
}

impl<'a> IndexParts<'a> {
    /// An index without a graph. `code` gives the code of a node.
    pub(crate) fn scanned(
        frame: &'a Frame,
        fit: Fit,
        nodes: u32,
        code: impl Fn(u32) -> &'a [u8] + 'a,
    ) -> Self {
        Self { frame, fit, nodes, code: Box::new(code), graph: None }
    }

    /// An index with a graph over these codes.
    pub(crate) fn with_graph(codes: &'a CodeBuffer, fit: Fit, graph: &'a BuiltGraph) -> Self {
        let rows = codes.rows();
        let (frame, nodes) = (&**codes.frame(), rows.len() as u32);
        Self { frame, fit, nodes, code: Box::new(move |node| rows.row(node)), graph: Some(graph) }
    }
}

impl BuiltGraph {
    /// Builds a graph over these codes, from an older one if there is a `base`, and brings them into the
    /// order of its nodes. Gives for each node the row that it was made from; `truths`, by rows, serve to
    /// measure recall.
    pub(crate) fn build(
        codes: &mut CodeBuffer,
        fit: &Fit,
        base: Option<&GraphBase<'_>>,
        params: &BuildParams<'_>,
        truths: &[Truth<u32>],
    ) -> Result<(Self, MapVec<u32>)> {
        let builder = builder(params.builder);
        let graph_base = base.map(|base| &base.graph);
        let built = build_graph(builder, &codes.rows(), graph_base, params)?;
        let Built { graph, order } = built;
        params.check()?;
        codes.permute(&order);
        let mut nodes = MapVec::<u32>::zeroed(order.len());
        (0u32..).zip(&order[..]).for_each(|(node, row)| nodes[*row as usize] = node);
        let of_nodes = |truth: &Truth<u32>| truth.renamed(|row| nodes.get(row as usize).copied());
        let truths: Vec<Truth<u32>> = truths.iter().map(of_nodes).collect();
        let coded = Coded { frame: codes.frame(), fit, codes: codes.rows() };
        let ef_table = calibrate::measure(&graph.view(), coded, &truths, None);
        let own = ef_table.usual_ef() as u32;
        let fresh_ef = base.map_or(0, |base| base.fresh_ef);
        let fresh_ef = if fresh_ef > 0 { fresh_ef } else { own };
        Ok((Self { graph, ef_table, fresh_ef }, order))
    }
}

/// An older graph that a new one starts from.
pub(crate) struct GraphBase<'a> {
    graph: Base<'a>,
    fresh_ef: u32,
}

impl Index {
    /// Its graph as the start of a new one. `rows` tells for each node the row that it is then, those that
    /// stay before all others, or `NO_NODE`. Nothing if the graph cannot be started from: it is another
    /// kind, damaged, or nothing of it stays.
    pub(crate) fn base(&self, rows: Vec<u32>, m: usize) -> Option<GraphBase<'_>> {
        let graph = Base::new(self.graph()?, rows, m)?;
        Some(GraphBase { graph, fresh_ef: self.fresh_ef })
    }

    /// Whether its graph should be built anew: merges have cost it too much recall, or what it finds was
    /// never measured against the truth, as in files of format version 1.
    pub(crate) fn worn(&self) -> bool {
        let unknown = self.has_graph() && self.ef_table.beams().is_empty();
        unknown || self.fresh_ef > 0 && self.ef_table.is_worn(self.fresh_ef as usize, SAMPLES)
    }
}

/// Writes an index and syncs the file; tells its length. The directory is the caller's.
pub(crate) fn write_index(
    disk: &dyn Disk,
    dir: &Path,
    header: &FileHeader,
    parts: &IndexParts<'_>,
) -> Result<u64> {
    let name = FileName::Index(header.file);
    let mut writer = SectionWriter::create(disk, dir, name, header)?;
    writer.section(DESCRIPTION, Check::Blocks, &describe(parts))?;
    writer.section(FRAME, Check::Blocks, &describe_frame(parts))?;
    writer.begin(CODES, Check::Blocks)?;
    for node in 0..parts.nodes {
        writer.write((parts.code)(node))?;
    }
    write_signs(parts, &mut writer)?;
    let mut table = Vec::new();
    for beam in parts.graph.iter().flat_map(|g| &g.ef_table.0) {
        table.extend_from_slice(&beam.ef.to_le_bytes());
        table.extend_from_slice(&beam.recall.to_le_bytes());
        table.extend_from_slice(&beam.error.to_le_bytes());
        table.extend_from_slice(&beam.evaluations.to_le_bytes());
    }
    writer.section(EF_TABLE, Check::Blocks, &table)?;
    let Some(graph) = parts.graph.map(|g| &g.graph) else {
        return writer.finish();
    };
    write_lists(graph, &mut writer)?;
    for (level, kind) in graph.levels.iter().skip(1).zip((LEVELS..).step_by(3)) {
        for (array, kind) in
            [&level.nodes[..], &level.offsets, &level.neighbors].into_iter().zip(kind..)
        {
            writer.section(kind, Check::Blocks, bytemuck::cast_slice(array))?;
        }
    }
    writer.finish()
}

/// Only where every search is a scan: a graph is searched by the signs in front of the codes.
fn write_signs(parts: &IndexParts<'_>, writer: &mut SectionWriter) -> Result<()> {
    let (Some(bytes), None) = (parts.frame.spec.block_bytes(), parts.graph) else {
        return Ok(());
    };
    writer.begin(SIGNS, Check::Blocks)?;
    let mut block = Vec::with_capacity(bytes);
    let mut rows = Vec::with_capacity(ROWS);
    for first in (0..parts.nodes).step_by(ROWS) {
        rows.clear();
        rows.extend((first..parts.nodes).take(ROWS).map(&parts.code));
        parts.frame.spec.encode_block(&rows, &mut block);
        writer.write(&block)?;
    }
    Ok(())
}

fn write_lists(graph: &FlatGraph, writer: &mut SectionWriter) -> Result<()> {
    let stride = 2 * graph.m as usize;
    writer.begin(LISTS, Check::Blocks)?;
    let view = graph.view();
    let mut list = Vec::with_capacity(stride);
    for node in 0..graph.nodes {
        list.clear();
        list.extend(view.levels.iter().take(1).flat_map(|level| level.neighbors(node)));
        list.resize(stride, NO_NODE);
        writer.write(bytemuck::cast_slice(&list))?;
    }
    Ok(())
}

fn describe(parts: &IndexParts<'_>) -> Vec<u8> {
    let graph = parts.graph.map(|g| &g.graph);
    let mut out = Vec::new();
    for number in [
        parts.nodes,
        parts.frame.spec.dimension as u32,
        parts.frame.spec.row_bytes() as u32,
        graph.map_or(0, |g| g.levels.len() as u32),
        graph.map_or(0, |g| g.entry),
        graph.map_or(0, |g| g.m),
        parts.graph.map_or(0, |g| g.fresh_ef),
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out
}

/// Kind of the codes, whether there is a centre, what is known of the errors; then the centre.
fn describe_frame(parts: &IndexParts<'_>) -> Vec<u8> {
    let (centre, Fit { sure, look, share, recall, .. }) = (parts.frame.centre(), parts.fit);
    // What was measured is of a sample; this one holds for every row.
    let lengths = (0..parts.nodes).map(|node| parts.frame.spec.length((parts.code)(node)));
    let longest = lengths.fold(0.0f32, f32::max);
    let mut out = Vec::new();
    out.extend_from_slice(&kind_of(parts.frame.spec.codes).to_le_bytes());
    out.extend_from_slice(&u32::from(!centre.is_empty()).to_le_bytes());
    for number in [sure, look, longest, share, recall].iter().chain(centre) {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out
}

/// The kinds of codes by their numbers in files.
const KINDS: [(u32, Quantization); 5] = [
    (1, Quantization::Int8),
    (2, Quantization::None),
    (3, Quantization::Bits4),
    (4, Quantization::Bits2),
    (5, Quantization::Bits1),
];

fn kind_of(codes: Quantization) -> u32 {
    KINDS.iter().find(|(_, kind)| *kind == codes).map_or(0, |(number, _)| *number)
}

impl Index {
    /// Opens an index of a collection for which these codes were asked. An error means that its rows must
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
            && file.bytes(SIGNS).is_none_or(|s| SignBlocks::new(spec, s, nodes).is_some())
            && levels as usize <= MAX_LEVELS
            && nodes <= MAX_NODES
            && (levels == 0 || entry < nodes);
        if !fits {
            return Err(file.corrupt_in(DESCRIPTION, 0, "the index does not fit its collection"));
        }
        let ef_table = match file.bytes(EF_TABLE) {
            Some(_) => ef_table(&file)?,
            // What an older table says is not what users get.
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
}

/// What the codes of an index of format version 1 are made of: the vectors as they are, of which under
/// cosine alone the greatest length is known. So others have no bound, and are measured exactly.
fn first_frame(wanted: CodeSpec) -> (Frame, Fit) {
    let longest = if wanted.metric == Metric::Cosine { 1.0 } else { f32::INFINITY };
    (Frame::new(wanted, Vec::new()), Fit::assumed(wanted, longest))
}

fn frame(file: &SectionFile, wanted: CodeSpec) -> Result<(Frame, Fit)> {
    let error =
        |e: crate::format::DecodeError| -> Error { file.corrupt_in(FRAME, e.offset, e.reason) };
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
    let error =
        |e: crate::format::DecodeError| -> Error { file.corrupt_in(EF_TABLE, e.offset, e.reason) };
    let mut cursor = Cursor::new(file.checked(EF_TABLE)?);
    let mut table = Vec::new();
    while !cursor.is_empty() {
        let (ef, recall) = (cursor.u32().map_err(error)?, cursor.f32().map_err(error)?);
        let (spread, evaluations) = (cursor.f32().map_err(error)?, cursor.u32().map_err(error)?);
        table.push(Beam { ef, recall, error: spread, evaluations });
    }
    Ok(EfTable(table))
}

/// The graph of an open file, if all its arrays are there.
pub(super) fn graph(file: &SectionFile, nodes: u32, levels: u32, entry: u32) -> Option<Graph<'_>> {
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
