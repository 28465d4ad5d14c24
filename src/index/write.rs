//! Owns the writing of `idx` files. Layout: `format.md`, "Index".

use std::path::Path;

use super::built::BuiltGraph;
use super::hnsw::graph::{FlatGraph, NO_NODE};
use super::layout::{CODES, DESCRIPTION, EF_TABLE, FRAME, LEVELS, LISTS, SIGNS, kind_of};
use crate::disk::Disk;
use crate::error::Result;
use crate::format::header::FileHeader;
use crate::format::names::FileName;
use crate::section::{Check, SectionWriter};
use crate::vector::codes::{CodeBuffer, Fit, Frame};
use crate::vector::kernel::blocks::ROWS;

/// The content of an index: distinct vectors, node by node.
pub(crate) struct IndexParts<'a> {
    frame: &'a Frame,
    fit: Fit,
    nodes: u32,
    /// Returns the code of a node.
    code: Box<dyn Fn(u32) -> &'a [u8] + 'a>,
    graph: Option<&'a BuiltGraph>,
}

impl<'a> IndexParts<'a> {
    /// Returns an index without a graph. `code` returns the code of a node.
    pub(crate) fn scanned(
        frame: &'a Frame,
        fit: Fit,
        nodes: u32,
        code: impl Fn(u32) -> &'a [u8] + 'a,
    ) -> Self {
        Self { frame, fit, nodes, code: Box::new(code), graph: None }
    }

    /// Returns an index with a graph over these codes.
    pub(crate) fn with_graph(codes: &'a CodeBuffer, fit: Fit, graph: &'a BuiltGraph) -> Self {
        let rows = codes.rows();
        let (frame, nodes) = (&**codes.frame(), rows.len() as u32);
        Self { frame, fit, nodes, code: Box::new(move |node| rows.row(node)), graph: Some(graph) }
    }
}

/// Writes an index and syncs the file. Returns its length. The caller syncs the directory.
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
    for beam in parts.graph.iter().flat_map(|g| g.ef_table.beams()) {
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

/// Writes FastScan blocks only if every search is a scan: a graph search reads the sign bits in
/// front of the codes.
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

/// Returns the kind of the codes, whether there is a centre, the error of the codes, then the
/// centre.
fn describe_frame(parts: &IndexParts<'_>) -> Vec<u8> {
    let (centre, Fit { sure, look, share, recall, .. }) = (parts.frame.centre(), parts.fit);
    // The error was measured on a sample. The longest length must hold for every row.
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
