//! Owns one rewrite: reads the live rows of memtables or segments, writes them to new segments in
//! order of ids, and swaps these in.
//!
//! Invariants: at every moment, the effect of an operation is in files or in the log. Outputs are
//! read back and checked before their inputs may be removed. Each row keeps its sequence number.

use std::collections::HashMap;

use crate::compaction::job::Job;
use crate::compaction::marks::{idle_marks, mark_covered};
use crate::compaction::pending_files::NewFiles;
use crate::compaction::rewrite::dependents::{
    Followers, follow_indexes, old_deletes, write_followers,
};
use crate::compaction::rewrite::row_map::{From, GONE, Input, Order, Output, RowMap};
use crate::error::Result;
use crate::event::Event;
use crate::format::header::FileKind;
use crate::format::manifest::{CollectionEntry, SegmentEntry};
use crate::format::names::FileName;
use crate::ids::{FileId, Seq};
use crate::map_vec::MapVec;
use crate::memory::Change;
use crate::report::CompactionReport;
use crate::sabotage::broken;
use crate::segment::{Changes, Row, RowSource, segment_cap, write_segment};
use crate::snapshot::open::open_segment;
use crate::snapshot::{SegPart, Snapshot};
use crate::sync::lock;

/// One rewrite, from reading its inputs to the swap.
pub(super) struct Rewrite<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) inputs: &'a [Input<'a>],
    /// The newest operation that the files cover afterwards, and the first log file that is still
    /// needed. `None` if they do not change.
    pub(super) covers: Option<(Seq, FileId)>,
}

impl Rewrite<'_> {
    /// Moves the live rows of the inputs to new segments. Returns the number of these rows.
    pub(super) fn run(&self, report: &mut CompactionReport) -> Result<u64> {
        let Self { inputs, covers, .. } = *self;
        let Job { engine, core, .. } = *self.job;
        self.job.check()?;
        let mut files = NewFiles::new(engine);
        let moved = self.write_segments(&mut files)?;
        let total: u64 = inputs.iter().map(|i| u64::from(i.rows.rows())).sum();
        let kept = moved.order.len() as u64;

        let _structure = lock(&core.structure);
        let current = core.snapshot();
        let followers =
            write_followers(self.job, &current, inputs, &moved, covers.is_some(), &mut files)?;
        engine.dir.sync_names()?;
        let parts = self.open_outputs(&moved)?;
        // Effects that are in the files already must not be lost from the log (I4).
        engine.log.sync()?;
        broken!(UnlinkSegmentEarly => remove_segments(self.job, inputs));
        let idle = idle_marks(engine);
        let old_deletes = old_deletes(self.job, inputs, &followers);
        engine.catalog.commit(|manifest| {
            if let Some(entry) = manifest.collection_mut(core.id) {
                edit(entry, inputs, &moved, &followers, covers);
            }
            mark_covered(manifest, &idle);
        })?;
        files.keep();
        self.swap(&moved, parts, followers);
        // No snapshot reads these files, so they are removed at once.
        for name in old_deletes {
            let _ = engine.dir.remove(name);
        }
        report.written += moved.segments.len();
        report.rows_reclaimed += total - kept;
        Ok(kept)
    }

    /// Merges the live rows of the inputs by id and writes them to segments no larger than the cap.
    fn write_segments(&self, files: &mut NewFiles<'_>) -> Result<RowMap> {
        let (inputs, now) = (self.inputs, self.job.engine.time.destroy_by());
        // The id of each row, then its input and its number there.
        let mut keyed = MapVec::<[u128; 2]>::new();
        for (input, source) in (0u32..).zip(inputs) {
            let unexpired = source.rows.unexpired(now)?;
            let stays = |row: &Row| unexpired.as_ref().is_none_or(|rows| rows.is_live(*row));
            for row in source.live.iter().filter(stays) {
                let place = u64::from(input) << 32 | u64::from(row);
                keyed.push([source.rows.id(row)?.as_u128(), place.into()]);
            }
        }
        keyed.sort_unstable();
        let place = |[_, place]: &[u128; 2]| ((place >> 32) as u32, *place as Row);
        let order: Order = keyed.iter().map(place).collect();
        drop(keyed);
        let rows: u64 = inputs.iter().map(|i| u64::from(i.rows.rows())).sum();
        let bytes: u64 = inputs.iter().map(|i| i.bytes).sum();
        let cap = segment_cap(self.live_bytes() + bytes);
        let per_segment = (cap * rows.max(1) / bytes.max(1)).max(64) as usize;
        // Parts of equal size: a full and a tiny segment would be merged again soon.
        let parts = order.len().div_ceil(per_segment).max(1);
        let per_segment = order.len().div_ceil(parts).max(1);
        let mut segments = Vec::new();
        for (i, part) in order.chunks(per_segment).enumerate() {
            let start = i * per_segment;
            let output = Output { inputs, order: part };
            segments.push((start, self.write_segment(&output, start, order.len(), files)?));
        }
        let mut places: HashMap<From, Vec<u32>> =
            inputs.iter().map(|i| (i.from, vec![GONE; i.rows.rows() as usize])).collect();
        for (place, (input, row)) in (0u32..).zip(&order) {
            if let Some(places) = places.get_mut(&inputs[*input as usize].from) {
                places[*row as usize] = place;
            }
        }
        Ok(RowMap { order, segments, places })
    }

    fn live_bytes(&self) -> u64 {
        let part = |s: &SegPart| {
            let rows = u64::from(s.live.rows().max(1));
            s.sealed.segment.len() * u64::from(s.live.live()) / rows
        };
        self.job.core.snapshot().segments.iter().map(part).sum()
    }

    fn write_segment(
        &self,
        output: &Output<'_>,
        start: usize,
        total: usize,
        files: &mut NewFiles<'_>,
    ) -> Result<SegmentEntry> {
        let Job { engine, core, .. } = *self.job;
        let file = engine.catalog.new_file()?;
        files.add(FileName::Segment(file));
        let header = engine.dir.header(FileKind::Segment, file);
        let (all, rows) = output.inputs.iter().fold((0, 0), |(bytes, rows), input| {
            (bytes + input.bytes, rows + u64::from(input.rows.rows()))
        });
        let mut written = 0;
        let mut progress = |row: Row| {
            let bytes = u64::from(row - written) * (all / rows.max(1));
            written = row;
            let (done, total) = ((start + row as usize) as u64, total as u64);
            let collection = core.name().to_owned();
            engine.events.emit(&Event::Progress { collection, done, total });
            self.job.step(bytes)
        };
        let (disk, root) = (engine.dir.disk(), engine.dir.root());
        let what = (core.spec.dimension, core.options().analyzer());
        let len = write_segment(disk, root, &header, what, output, &mut progress)?;
        Ok(SegmentEntry { file, len, rows: output.rows(), deletes: None, dead_since: None })
    }

    /// Reads the outputs back and checks them, before their inputs may be removed.
    fn open_outputs(&self, moved: &RowMap) -> Result<Vec<SegPart>> {
        let mut parts = Vec::new();
        for (_, entry) in &moved.segments {
            let part = open_segment(&self.job.engine.dir, entry, self.job.core.spec.dimension)?;
            part.sealed.segment.verify_written()?;
            // Searches read fewer of its pages than the check.
            part.sealed.segment.release();
            parts.push(part);
        }
        Ok(parts)
    }

    /// Publishes the result. Applies deletes that arrived since the inputs were read.
    fn swap(&self, moved: &RowMap, mut parts: Vec<SegPart>, followers: Followers) {
        let (inputs, core) = (self.inputs, self.job.core);
        let token = self.job.engine.log.hold();
        let mut next = Snapshot::clone(&core.snapshot());
        for input in inputs {
            let now = match input.from {
                From::Memtable(number) => {
                    let part = next.memtables.iter().find(|m| m.number == number);
                    part.map(|m| (&m.live, &m.changes))
                }
                From::Segment(file) => {
                    let part = next.segments.iter().find(|s| s.sealed.file == file);
                    part.map(|s| (&s.live, &s.changes))
                }
            };
            let Some((now_live, changes)) = now else { continue };
            carry_changes(moved, input, changes, &mut parts);
            broken!(DropCarriedDeletes => continue);
            for row in input.live.iter().filter(|row| !now_live.is_live(*row)) {
                if let Some((segment, row)) = moved.find_at(input.from, row) {
                    parts[segment].live.kill(row);
                }
            }
        }
        let mut tables = lock(&core.tables);
        let mut obsolete = Vec::new();
        next.memtables.retain(|m| !inputs.iter().any(|i| i.from == From::Memtable(m.number)));
        tables.ids.retain(|t| !inputs.iter().any(|i| i.from == From::Memtable(t.number)));
        next.segments.retain(|s| {
            let goes = inputs.iter().any(|i| i.from == From::Segment(s.sealed.file));
            if goes {
                s.sealed.guard.mark_obsolete();
                obsolete.push(s.sealed.file);
            }
            !goes
        });
        for part in &mut next.segments {
            if let Some(new) = followers.deletes.iter().find(|new| new.of == part.sealed.file) {
                (part.dead_on_disk, part.changed_on_disk) = (new.entry.dead, new.changed);
            }
        }
        next.segments.append(&mut parts);
        follow_indexes(&mut next, followers);
        next.relink();
        core.publish(next);
        drop(tables);
        drop(token);
        // Noted only now: a build that starts to record and loads the old snapshot before this
        // point must see the relocations.
        core.moves.note(|| moved.moves(inputs));
    }
}

/// Adds to the outputs the changes of an input that arrived since it was read.
fn carry_changes(moved: &RowMap, input: &Input<'_>, changes: &Changes, parts: &mut [SegPart]) {
    broken!(DropCarriedChanges => return);
    let mut carried: Vec<Vec<(Row, Change)>> = vec![Vec::new(); parts.len()];
    let newer = changes.iter().filter(|(_, change)| change.newest() > input.changes.newest());
    for (row, change) in newer {
        if let Some((segment, row)) = moved.find_at(input.from, row) {
            carried[segment].push((row, change));
        }
    }
    for (part, changes) in parts.iter_mut().zip(carried) {
        part.change(changes);
    }
}

/// Updates the manifest entry of a collection.
fn edit(
    entry: &mut CollectionEntry,
    inputs: &[Input<'_>],
    moved: &RowMap,
    followers: &Followers,
    covers: Option<(Seq, FileId)>,
) {
    entry.segments.retain(|s| !inputs.iter().any(|i| i.from == From::Segment(s.file)));
    for new in &followers.deletes {
        if let Some(segment) = entry.segments.iter_mut().find(|s| s.file == new.of) {
            segment.deletes = Some(new.entry.clone());
        }
    }
    entry.segments.extend(moved.segments.iter().map(|(_, s)| s.clone()));
    for (file, new) in &followers.locators {
        match new {
            Some((new, _)) => {
                entry
                    .indexes
                    .iter_mut()
                    .filter(|i| i.index == *file)
                    .for_each(|i| *i = new.clone());
            }
            None => entry.indexes.retain(|i| i.index != *file),
        }
    }
    // An index that could not be opened may name segments that are gone now.
    let segments: Vec<FileId> = entry.segments.iter().map(|s| s.file).collect();
    entry.indexes.retain(|i| i.segments.iter().all(|s| segments.contains(s)));
    entry.indexes.extend(followers.codes.iter().map(|(index, _)| index.clone()));
    if let Some((seq, log_from)) = covers {
        entry.covers_seq = entry.covers_seq.max(seq);
        entry.log_from = entry.log_from.max(log_from);
    }
}

/// Removes segments that a manifest still names: see `Sabotage::UnlinkSegmentEarly`.
fn remove_segments(job: &Job<'_>, inputs: &[Input<'_>]) {
    for input in inputs {
        if let From::Segment(file) = input.from {
            let _ = job.engine.dir.remove(FileName::Segment(file));
        }
    }
}
