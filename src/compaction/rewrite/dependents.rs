//! Owns the files that depend on rows that move: newer deletes, locators of the indexes that knew
//! the rows, and codes of rows that no index knew. `job` writes the rows themselves.

use std::sync::Arc;

use crate::compaction::index::nodes::CodesIndex;
use crate::compaction::index::write::write_codes_index;
use crate::compaction::job::Job;
use crate::compaction::pending_files::NewFiles;
use crate::compaction::rewrite::row_map::{From, Input, RowMap};
use crate::error::Result;
use crate::format::header::FileKind;
use crate::format::manifest::{DeletesEntry, IndexEntry};
use crate::format::names::FileName;
use crate::ids::{FileId, Seq};
use crate::sabotage::broken;
use crate::segment::{LocatorBuilder, Row, RowBuffer, write_deletes};
use crate::snapshot::live_nodes::LiveNodes;
use crate::snapshot::open::{open_index, open_locator};
use crate::snapshot::{IndexPart, Indexed, SegPart, Snapshot};
use crate::sync::atomic::AtomicBool;
use crate::vector::codes::Frame;

/// Number of vectors by which codes are chosen.
const SAMPLE: usize = 512;

/// The new manifest entries besides the new segments.
pub(super) struct Followers {
    pub(super) deletes: Vec<NewDeletes>,
    /// Each affected index file, and its new locator; `None` if none of its rows is left.
    pub(super) locators: Vec<(FileId, Option<(IndexEntry, IndexPart)>)>,
    pub(super) codes: Option<(IndexEntry, IndexPart)>,
}

/// A new `del` file.
pub(super) struct NewDeletes {
    /// The segment.
    pub(super) of: FileId,
    pub(super) entry: DeletesEntry,
    /// The newest change that it holds.
    pub(super) changed: Seq,
}

/// Writes the files that go with the new segments: deletes, locators, and codes of rows without an
/// index.
pub(super) fn write_followers(
    job: &Job<'_>,
    current: &Snapshot,
    inputs: &[Input<'_>],
    moved: &RowMap,
    covers: bool,
    files: &mut NewFiles<'_>,
) -> Result<Followers> {
    let is_input = |file| inputs.iter().any(|i| i.from == From::Segment(file));
    let mut deletes = Vec::new();
    for part in current.segments.iter().filter(|s| !is_input(s.sealed.file)) {
        broken!(ForgetDeletes => break);
        if covers && !part.is_on_disk() {
            let entry = write_new_deletes(job, current.visible, part, files)?;
            deletes.push(NewDeletes {
                of: part.sealed.file,
                entry,
                changed: part.changes.newest(),
            });
        }
    }
    let mut locators = Vec::new();
    for part in &current.indexes {
        if part.indexed.locator.segments().iter().any(|file| is_input(*file)) {
            let new = move_locator(job, part, moved, files)?;
            locators.push((part.indexed.file, new));
        }
    }
    let codes = index_uncovered(job, current, inputs, moved, files)?;
    Ok(Followers { deletes, locators, codes })
}

/// Returns the `del` files of segments that are removed or get newer deletes.
pub(super) fn old_deletes(
    job: &Job<'_>,
    inputs: &[Input<'_>],
    followers: &Followers,
) -> Vec<FileName> {
    let changes = |file| {
        inputs.iter().any(|i| i.from == From::Segment(file))
            || followers.deletes.iter().any(|new| new.of == file)
    };
    let manifest = job.engine.catalog.manifest();
    let of_core = manifest.collections.iter().filter(|c| c.id == job.core.id);
    of_core
        .flat_map(|c| &c.segments)
        .filter(|s| changes(s.file))
        .filter_map(|s| s.deletes.as_ref().map(|d| FileName::Deletes(d.file)))
        .collect()
}

fn write_new_deletes(
    job: &Job<'_>,
    covers_seq: Seq,
    part: &SegPart,
    files: &mut NewFiles<'_>,
) -> Result<DeletesEntry> {
    let file = job.engine.catalog.new_file()?;
    files.add(FileName::Deletes(file));
    let header = job.engine.dir.header(FileKind::Deletes, file);
    let (disk, root) = (job.engine.dir.disk(), job.engine.dir.root());
    let (of, dead) = ((part.sealed.file, part.live.rows()), part.live.dead_rows());
    let changed = part.changes.iter();
    broken!(ForgetChanges => {
        let len = write_deletes(disk, root, &header, of, &dead, std::iter::empty())?;
        return Ok(DeletesEntry { file, len, covers_seq, dead: part.live.dead() })
    });
    let len = write_deletes(disk, root, &header, of, &dead, changed)?;
    Ok(DeletesEntry { file, len, covers_seq, dead: part.live.dead() })
}

/// Returns the index with its new locator after the move; `None` if none of its rows is left.
fn move_locator(
    job: &Job<'_>,
    part: &IndexPart,
    moved: &RowMap,
    files: &mut NewFiles<'_>,
) -> Result<Option<(IndexEntry, IndexPart)>> {
    let all_gone =
        |file: &FileId| moved.order.is_empty() && moved.places.contains_key(&From::Segment(*file));
    if part.indexed.locator.segments().iter().all(all_gone) {
        // The index is removed unread, as its segments are.
        return Ok(None);
    }
    let mut builder = LocatorBuilder::new();
    for rows in part.indexed.locator.nodes() {
        builder.push(rows.into_iter().filter_map(|(file, row)| {
            if moved.places.contains_key(&From::Segment(file)) {
                let (file, moved) = moved.find(From::Segment(file), row)?;
                broken!(KeepLocators => return Some((file, row)));
                Some((file, moved))
            } else {
                Some((file, row))
            }
        }));
    }
    if builder.is_empty() {
        return Ok(None);
    }
    let locator = job.engine.catalog.new_file()?;
    files.add(FileName::Locator(locator));
    let header = job.engine.dir.header(FileKind::Locator, locator);
    let locator_len = builder.write(job.engine.dir.disk(), job.engine.dir.root(), &header)?;
    let entry = IndexEntry {
        index: part.indexed.file,
        index_len: part.indexed.index.len(),
        locator,
        locator_len,
        segments: builder.segments().to_vec(),
    };
    let opened = open_locator(&job.engine.dir, &entry, part.indexed.index.nodes())?;
    opened.verify()?;
    let indexed = Indexed {
        file: part.indexed.file,
        index: Arc::clone(&part.indexed.index),
        index_guard: Arc::clone(&part.indexed.index_guard),
        locator: opened,
        locator_guard: job.engine.dir.guard(FileName::Locator(locator), locator_len),
        // A rewrite checks the index before it collects its inputs.
        checked: AtomicBool::new(true),
        live_nodes: LiveNodes::default(),
    };
    Ok(Some((entry, IndexPart { indexed: Arc::new(indexed), slots: Arc::new([]) })))
}

/// Builds an index without a graph for the rows from memtables and from segments that no index
/// covers.
fn index_uncovered(
    job: &Job<'_>,
    current: &Snapshot,
    inputs: &[Input<'_>],
    moved: &RowMap,
    files: &mut NewFiles<'_>,
) -> Result<Option<(IndexEntry, IndexPart)>> {
    let covered = |from| match from {
        From::Memtable(_) => false,
        From::Segment(file) => current.segments.iter().any(|s| s.sealed.file == file && s.covered),
    };
    let rows: Vec<(u32, Row)> = moved
        .order
        .iter()
        .copied()
        .filter(|(input, _)| !covered(inputs[*input as usize].from))
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let mut buffer = RowBuffer::default();
    let mut sample = Vec::new();
    for (input, row) in rows.iter().step_by(rows.len().div_ceil(SAMPLE)) {
        sample.push(inputs[*input as usize].rows.vector(*row, &mut buffer)?.to_vec());
    }
    let known = job.core.coder().map(|(frame, _)| frame);
    let count = rows.len() as u64;
    let (frame, fit) = Frame::choose(job.core.spec, known.as_ref(), &sample, count, u64::MAX);
    drop(sample);
    let mut index = CodesIndex::new(frame, fit);
    for (input, row) in rows {
        let input = &inputs[input as usize];
        if let Some(place) = moved.find(input.from, row) {
            index.add(input.rows.vector(row, &mut buffer)?, place);
        }
    }
    if index.is_empty() {
        return Ok(None);
    }
    let entry = write_codes_index(job.engine, &index, files)?;
    let part = open_index(&job.engine.dir, &entry, job.core.spec)?;
    part.indexed.check()?;
    job.core.code_like(&part.indexed.index);
    Ok(Some((entry, part)))
}

/// Puts the new locators and indexes into the next snapshot.
pub(super) fn follow_indexes(next: &mut Snapshot, followers: Followers) {
    for (file, new) in followers.locators {
        let Some(at) = next.indexes.iter().position(|i| i.indexed.file == file) else {
            continue;
        };
        let old = match new {
            Some((_, part)) => std::mem::replace(&mut next.indexes[at], part),
            None => {
                let old = next.indexes.remove(at);
                old.indexed.index_guard.mark_obsolete();
                old
            }
        };
        old.indexed.locator_guard.mark_obsolete();
    }
    next.indexes.extend(followers.codes.map(|(_, part)| part));
}
