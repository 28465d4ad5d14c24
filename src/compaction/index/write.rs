//! Owns the writing of an index and its locator from nodes.

use crate::compaction::index::nodes::{CodesIndex, NodeRows};
use crate::compaction::pending_files::NewFiles;
use crate::engine::Engine;
use crate::error::Result;
use crate::format::header::FileKind;
use crate::format::manifest::IndexEntry;
use crate::format::names::FileName;
use crate::index::{IndexParts, write_index};
use crate::segment::LocatorBuilder;

/// Writes an index without a graph, and its locator.
pub(in crate::compaction) fn write_codes_index(
    engine: &Engine,
    index: &CodesIndex<'_>,
    files: &mut NewFiles<'_>,
) -> Result<IndexEntry> {
    write(engine, &index.parts(), &index.rows, files)
}

pub(super) fn write(
    engine: &Engine,
    parts: &IndexParts<'_>,
    rows: &NodeRows,
    files: &mut NewFiles<'_>,
) -> Result<IndexEntry> {
    let (index, locator) = (engine.catalog.new_file()?, engine.catalog.new_file()?);
    files.add(FileName::Index(index));
    files.add(FileName::Locator(locator));
    let (disk, root) = (engine.dir.disk(), engine.dir.root());
    let index_len = write_index(disk, root, &engine.dir.header(FileKind::Index, index), parts)?;
    let mut builder = LocatorBuilder::new();
    (0..rows.len()).for_each(|node| builder.push(rows.of(node)));
    let locator_len = builder.write(disk, root, &engine.dir.header(FileKind::Locator, locator))?;
    let segments = builder.segments().to_vec();
    Ok(IndexEntry { index, index_len, locator, locator_len, segments })
}
