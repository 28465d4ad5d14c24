//! Owns `idx` files: writes an index and opens it again. Layout: `format.md`, "Index".
//!
//! The file is derived (I1): what cannot be read costs speed, never a memory. Header, section table,
//! the description and the `ef` table are checked at open; codes and graph are used before the
//! background pass has checked them, with every neighbor bounds-checked at use.

use std::path::Path;

use super::hnsw::build::{BuildParams, Built, build_graph, default_builder};
use super::hnsw::graph::{FlatGraph, Graph, Level, MAX_LEVELS};
use super::{Index, calibrate};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::cursor::Cursor;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::section::{Check, Identity, SectionFile, SectionWriter};
use crate::vector::codes::{CodeBuffer, CodeSpec};

const DESCRIPTION: u32 = 1;
pub(super) const CODES: u32 = 2;
const EF_TABLE: u32 = 3;
/// Nodes, offsets and neighbors of level l are sections `LEVELS + 3 l`, `+ 1` and `+ 2`.
const LEVELS: u32 = 16;

/// What an index is made of: distinct vectors, node by node.
pub(crate) struct IndexParts {
    spec: CodeSpec,
    codes: CodeBuffer,
    graph: Option<FlatGraph>,
    ef_table: Vec<(u32, f32)>,
}

impl IndexParts {
    /// An index without a graph.
    pub(crate) fn scanned(spec: CodeSpec, codes: CodeBuffer) -> Self {
        Self {
            spec,
            codes,
            graph: None,
            ef_table: Vec::new(),
        }
    }

    /// An index with a graph, and for each of its nodes the row of `codes` that it was made from.
    /// `stored` gives the vector of a row. `None` if this build of the crate has no graph builder.
    pub(crate) fn with_graph(
        spec: CodeSpec,
        codes: &CodeBuffer,
        params: &BuildParams,
        stored: impl Fn(u32) -> Vec<f32>,
    ) -> Result<Option<(Self, Vec<u32>)>> {
        let Some(builder) = default_builder() else {
            return Ok(None);
        };
        let Built { graph, order } = build_graph(builder, &codes.rows(), params, &stored)?;
        params.check()?;
        let mut ordered = CodeBuffer::new(spec, order.len());
        order
            .iter()
            .for_each(|row| ordered.push_row(codes.rows().row(*row)));
        let original = |node: u32| stored(order.get(node as usize).copied().unwrap_or_default());
        let ef_table = calibrate::measure(&graph.view(), &ordered.rows(), original);
        Ok(Some((
            Self {
                spec,
                codes: ordered,
                graph: Some(graph),
                ef_table,
            },
            order,
        )))
    }

    fn nodes(&self) -> u32 {
        self.codes.rows().len() as u32
    }
}

/// Whether this build of the crate can build graphs.
pub(crate) fn builds_graphs() -> bool {
    default_builder().is_some()
}

/// Writes an index and syncs the file; tells its length. The directory is the caller's.
pub(crate) fn write_index(
    disk: &dyn Disk,
    dir: &Path,
    header: &FileHeader,
    parts: &IndexParts,
) -> Result<u64> {
    let name = FileName::Index(header.file);
    let mut writer = SectionWriter::create(disk, dir, name, header)?;
    writer.section(DESCRIPTION, Check::Blocks, &describe(parts))?;
    writer.section(CODES, Check::Blocks, parts.codes.bytes())?;
    let mut table = Vec::new();
    for (ef, recall) in &parts.ef_table {
        table.extend_from_slice(&ef.to_le_bytes());
        table.extend_from_slice(&recall.to_le_bytes());
    }
    writer.section(EF_TABLE, Check::Blocks, &table)?;
    let levels = parts.graph.iter().flat_map(|g| &g.levels);
    for (level, kind) in levels.zip((LEVELS..).step_by(3)) {
        for (array, kind) in [&level.nodes, &level.offsets, &level.neighbors]
            .into_iter()
            .zip(kind..)
        {
            writer.section(kind, Check::Blocks, bytemuck::cast_slice(array))?;
        }
    }
    writer.finish()
}

fn describe(parts: &IndexParts) -> Vec<u8> {
    let graph = parts.graph.as_ref();
    let mut out = Vec::new();
    for number in [
        parts.nodes(),
        parts.spec.dimension as u32,
        parts.spec.row_bytes() as u32,
        graph.map_or(0, |g| g.levels.len() as u32),
        graph.map_or(0, |g| g.entry),
        graph.map_or(0, |g| g.m),
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out
}

impl Index {
    /// Opens an index. An error means that its rows must be scanned until it is rebuilt.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        store: StoreId,
        file: FileId,
        len: u64,
        spec: CodeSpec,
    ) -> Result<Self> {
        let identity = Identity {
            name: FileName::Index(file),
            kind: FileKind::Index,
            store,
            len,
        };
        let file = SectionFile::open(disk, dir, &identity)?;
        let mut cursor = Cursor::new(file.checked(DESCRIPTION)?);
        let mut number = || {
            cursor
                .u32()
                .map_err(|e| file.corrupt_in(DESCRIPTION, e.offset, e.reason))
        };
        let (nodes, dimension, row_bytes) = (number()?, number()?, number()?);
        let (levels, entry, _m) = (number()?, number()?, number()?);
        let fits = dimension as usize == spec.dimension
            && row_bytes as usize == spec.row_bytes()
            && file
                .bytes(CODES)
                .is_some_and(|c| c.len() == nodes as usize * spec.row_bytes())
            && levels as usize <= MAX_LEVELS
            && (levels == 0 || entry < nodes);
        if !fits {
            return Err(file.corrupt_in(DESCRIPTION, 0, "the index does not fit its collection"));
        }
        let ef_table = ef_table(&file)?;
        let index = Self {
            file,
            spec,
            nodes,
            ef_table,
            levels,
            entry,
        };
        if index.has_graph() && index.graph().is_none() {
            return Err(index.file.corrupt(0, "the graph is incomplete"));
        }
        Ok(index)
    }
}

fn ef_table(file: &SectionFile) -> Result<Vec<(u32, f32)>> {
    let error =
        |e: crate::format::DecodeError| -> Error { file.corrupt_in(EF_TABLE, e.offset, e.reason) };
    let mut cursor = Cursor::new(file.checked(EF_TABLE)?);
    let mut table = Vec::new();
    while !cursor.is_empty() {
        table.push((cursor.u32().map_err(error)?, cursor.f32().map_err(error)?));
    }
    Ok(table)
}

/// The graph of an open file, if all its arrays are there.
pub(super) fn graph(file: &SectionFile, nodes: u32, levels: u32, entry: u32) -> Option<Graph<'_>> {
    if levels == 0 {
        return None;
    }
    let array = |kind| bytemuck::try_cast_slice::<u8, u32>(file.bytes(kind)?).ok();
    let levels = (LEVELS..)
        .step_by(3)
        .take(levels as usize)
        .map(|kind| {
            Some(Level {
                nodes: array(kind)?,
                offsets: array(kind + 1)?,
                neighbors: array(kind + 2)?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let m = file.bytes(DESCRIPTION)?.get(20..24)?;
    let m = u32::from_le_bytes(m.try_into().ok()?);
    Some(Graph {
        levels,
        entry,
        nodes,
        m,
    })
}
