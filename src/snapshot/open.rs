//! Owns the opening of files as parts of a snapshot. Reads only. The open of a store and a job that
//! reads back its outputs both use it.

use std::sync::Arc;

use crate::dir::StoreDir;
use crate::error::{Error, Result};
use crate::format::manifest::{IndexEntry, SegmentEntry};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::index::Index;
use crate::segment::{
    Changes, DeadAndChanged, Liveness, Locator, Rows, SealedSegment, read_deletes,
};
use crate::snapshot::live_nodes::LiveNodes;
use crate::snapshot::{IndexPart, Indexed, Sealed, SegPart, Snapshot};
use crate::sync::atomic::AtomicBool;
use crate::vector::codes::CodeSpec;

/// Opens a segment with its dead rows.
pub(crate) fn open_segment(
    dir: &StoreDir,
    entry: &SegmentEntry,
    dimension: usize,
) -> Result<SegPart> {
    let (disk, root, store) = (dir.disk(), dir.root(), dir.store());
    let (file, permit) = ((entry.file, entry.len), dir.permit_to_read());
    let segment = SealedSegment::open(disk, root, store, file, dimension, permit)?;
    let name = FileName::Segment(entry.file);
    let rows = segment.rows();
    if rows != entry.rows {
        let reason = format!("the segment has {rows} rows, the manifest says {}", entry.rows);
        return Err(Error::corrupt(dir.path(name), 0, reason));
    }
    let DeadAndChanged { dead, changed } = match &entry.deletes {
        None => DeadAndChanged::default(),
        Some(deletes) => {
            let file = (deletes.file, deletes.len);
            read_deletes(disk, root, store, file, (entry.file, rows))?
        }
    };
    let live = Liveness::without(rows, &dead);
    let guard = dir.guard(name, entry.len);
    let sealed = Arc::new(Sealed { file: entry.file, segment, guard });
    let (dead_on_disk, changes) = (live.dead(), Changes::default());
    let changed_on_disk =
        changed.iter().map(|(_, change)| change.newest()).max().unwrap_or_default();
    let mut part = SegPart { sealed, live, dead_on_disk, changes, changed_on_disk, covered: false };
    part.change(changed);
    Ok(part)
}

/// Opens an index with its locator.
pub(crate) fn open_index(dir: &StoreDir, entry: &IndexEntry, spec: CodeSpec) -> Result<IndexPart> {
    let (file, len) = (entry.index, entry.index_len);
    let index = Index::open(dir.disk(), dir.root(), dir.store(), file, len, spec)?;
    let locator = open_locator(dir, entry, index.nodes())?;
    let indexed = Indexed {
        file: entry.index,
        index: Arc::new(index),
        index_guard: Arc::new(dir.guard(FileName::Index(entry.index), entry.index_len)),
        locator,
        locator_guard: dir.guard(FileName::Locator(entry.locator), entry.locator_len),
        checked: AtomicBool::new(false),
        live_nodes: LiveNodes::default(),
    };
    Ok(IndexPart { indexed: Arc::new(indexed), slots: Arc::new([]) })
}

/// Opens a locator and checks that it names the same segments as the manifest.
pub(crate) fn open_locator(dir: &StoreDir, entry: &IndexEntry, nodes: u32) -> Result<Locator> {
    let file = (entry.locator, entry.locator_len);
    let locator = Locator::open(dir.disk(), dir.root(), dir.store(), file, nodes)?;
    if locator.segments() != entry.segments {
        let path = dir.path(FileName::Locator(entry.locator));
        return Err(Error::corrupt(path, 0, "the locator names other segments than the manifest"));
    }
    Ok(locator)
}

/// Removes every index that shares a segment, directly or indirectly, with a damaged index. Each
/// row of a segment must be in exactly one index, or the whole segment in none.
pub(crate) fn drop_coverage(snapshot: &mut Snapshot, mut damaged: Vec<FileId>) {
    loop {
        let touched = snapshot
            .indexes
            .iter()
            .position(|i| i.indexed.locator.segments().iter().any(|s| damaged.contains(s)));
        let Some(at) = touched else { return };
        let part = snapshot.indexes.remove(at);
        damaged.extend_from_slice(part.indexed.locator.segments());
    }
}
