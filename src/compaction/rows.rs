//! Owns sealing and rewriting: reads the live rows of memtables or segments, writes them to new
//! segments in order of ids, and swaps those in.
//!
//! Invariants: an operation's effect is in files or in the log at every moment; outputs are read
//! back and checked before their inputs may go; each row keeps its sequence number.

mod followers;
mod moved;

use std::collections::HashMap;
use std::sync::Arc;

use followers::{Followers, follow_indexes};
use moved::{From, GONE, Input, Moved, Order, Output};

use super::check::check_indexes;
use super::control::Control;
use super::files::NewFiles;
use super::marks::{idle_marks, mark_covered};
use super::policy::RowStep;
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::recovery::open_segment;
use crate::collection::snapshot::{SegPart, Snapshot};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::format::header::FileKind;
use crate::format::manifest::{CollectionEntry, SegmentEntry};
use crate::format::names::FileName;
use crate::ids::{FileId, MemoryId, Seq};
use crate::report::CompactionReport;
use crate::sabotage::{self, Sabotage};
use crate::segment::{Row, RowSource, Rows, segment_cap, write_segment};
use crate::sync::lock;

/// Seals the frozen memtables, and the active one if `all`. Tells whether there were any.
pub(super) fn seal(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    all: bool,
    report: &mut CompactionReport,
    control: &Control<'_>,
) -> Result<bool> {
    if all {
        freeze(engine, core)?;
    }
    let snapshot = core.snapshot();
    let frozen = snapshot.memtables.len().saturating_sub(1);
    if frozen == 0 {
        return Ok(false);
    }
    let sealed = &snapshot.memtables[..frozen];
    let inputs: Vec<Input<'_>> = sealed
        .iter()
        .map(|m| Input {
            rows: &m.rows,
            live: &m.live,
            from: From::Memtable(m.number),
            bytes: m.rows.heap_bytes() as u64,
        })
        .collect();
    let mut last_seq = sealed.iter().map(|m| m.last_seq).max().unwrap_or_default();
    let mut log_from = sealed.last().map(|m| m.log_file).unwrap_or_default();
    if sabotage::on(Sabotage::CoverTooMuch) {
        last_seq = engine.visible_seq();
    }
    if sabotage::on(Sabotage::LetGoOfLog) {
        log_from = FileId(log_from.0.saturating_add(1));
    }
    let covers = Some((last_seq, log_from));
    let job = Job { engine, core, control };
    // More of the log goes than a segment of the rest takes.
    let (live, all) = sealed.iter().fold((0u64, 0u64), |(live, all), m| {
        (live + u64::from(m.live.live()), all + u64::from(m.rows.rows()))
    });
    let rows = match job.run(&inputs, covers, report) {
        Err(Error::DiskFull { .. }) if live * 2 <= all && engine.spend_reserve() => {
            job.run(&inputs, covers, report)?
        }
        result => result?,
    };
    report.sealed += 1;
    engine.made_room();
    engine.emit(&Event::Sealed { collection: core.name.clone(), rows });
    Ok(true)
}

/// Makes the active memtable a frozen one, if it has rows.
fn freeze(engine: &Engine, core: &Core) -> Result<()> {
    let token = engine.committer.hold();
    let Some(log) = token.as_ref() else {
        return Ok(());
    };
    let mut next = Snapshot::clone(&core.snapshot());
    if next.memtables.last().is_some_and(|m| m.rows.rows() > 0) {
        core.push_memtable(&mut next, &mut lock(&core.tables), log.file());
        core.publish(next);
    }
    Ok(())
}

/// Carries out one step of a plan.
pub(super) fn rewrite(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    step: &RowStep,
    report: &mut CompactionReport,
    control: &Control<'_>,
) -> Result<()> {
    check_indexes(engine, core)?;
    let snapshot = core.snapshot();
    let inputs: Vec<Input<'_>> = snapshot
        .segments
        .iter()
        .filter(|s| step.inputs.contains(&s.sealed.file))
        .map(|s| Input {
            rows: &s.sealed.segment,
            live: &s.live,
            from: From::Segment(s.sealed.file),
            bytes: s.sealed.segment.len(),
        })
        .collect();
    Job { engine, core, control }.run(&inputs, None, report)?;
    if step.drop {
        report.dropped += inputs.len();
    } else {
        report.rewritten += inputs.len();
    }
    Ok(())
}

/// Writes newer deletes of all segments, and lets the log before `log_from` go.
pub(super) fn cover(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    log_from: FileId,
    control: &Control<'_>,
) -> Result<()> {
    let covers = Some((Seq::ZERO, log_from));
    Job { engine, core, control }.run(&[], covers, &mut CompactionReport::default())?;
    Ok(())
}

/// One job, from reading its inputs to the swap.
struct Job<'a> {
    engine: &'a Arc<Engine>,
    core: &'a Arc<Core>,
    control: &'a Control<'a>,
}

impl Job<'_> {
    /// Moves the live rows of the inputs to new segments; tells how many there were.
    fn run(
        &self,
        inputs: &[Input<'_>],
        covers: Option<(Seq, FileId)>,
        report: &mut CompactionReport,
    ) -> Result<u64> {
        self.control.check(self.core)?;
        let mut files = NewFiles::new(self.engine);
        let moved = self.write_segments(inputs, &mut files)?;
        let total: u64 = inputs.iter().map(|i| u64::from(i.rows.rows())).sum();
        let kept = moved.order.len() as u64;

        let _structure = lock(&self.core.structure);
        let current = self.core.snapshot();
        let followers = self.write_followers(&current, inputs, &moved, covers, &mut files)?;
        let (disk, dir) = (&self.engine.disk, self.engine.dir());
        if !sabotage::on(Sabotage::SkipNameSync) {
            disk.sync_dir(dir)?;
        }
        let parts = self.open_outputs(&moved)?;
        // What the files already have must not be lost with the log, in part (I4).
        if !sabotage::on(Sabotage::SkipPrefixSync) {
            self.engine.sync_log()?;
        }
        if sabotage::on(Sabotage::UnlinkSegmentEarly) {
            for input in inputs {
                if let From::Segment(file) = input.from {
                    let _ = disk.remove(&self.engine.path(FileName::Segment(file)));
                }
            }
        }
        let idle = idle_marks(self.engine);
        let old_deletes = self.old_deletes(inputs, &followers);
        self.engine.commit_manifest(|manifest| {
            if let Some(entry) = manifest.collection_mut(self.core.id) {
                edit(entry, inputs, &moved, &followers, covers);
            }
            mark_covered(manifest, &idle);
        })?;
        files.keep();
        self.swap(inputs, &moved, parts, followers);
        // No snapshot reads them: they can go at once.
        for name in old_deletes {
            let _ = self.engine.disk.remove(&self.engine.path(name));
        }
        report.written += moved.segments.len();
        report.rows_reclaimed += total - kept;
        Ok(kept)
    }

    /// Merges the live rows of the inputs by id and writes them, cut at the cap.
    fn write_segments(&self, inputs: &[Input<'_>], files: &mut NewFiles) -> Result<Moved> {
        let now = self.engine.destroy_by();
        let mut keyed: Vec<(MemoryId, u32, Row)> = Vec::new();
        for (input, source) in (0u32..).zip(inputs) {
            let unexpired = source.rows.unexpired(now)?;
            let stays = |row: &Row| unexpired.as_ref().is_none_or(|rows| rows.is_live(*row));
            for row in source.live.iter().filter(stays) {
                keyed.push((source.rows.id(row)?, input, row));
            }
        }
        keyed.sort_unstable();
        let order: Order = keyed.into_iter().map(|(_, input, row)| (input, row)).collect();
        let rows: u64 = inputs.iter().map(|i| u64::from(i.rows.rows())).sum();
        let bytes: u64 = inputs.iter().map(|i| i.bytes).sum();
        let cap = segment_cap(self.live_bytes() + bytes);
        let per_segment = (cap * rows.max(1) / bytes.max(1)).max(64) as usize;
        // Even parts: a full segment and a tiny one would be merged again soon.
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
        Ok(Moved { order, segments, places })
    }

    fn live_bytes(&self) -> u64 {
        let part = |s: &SegPart| {
            let rows = u64::from(s.live.rows().max(1));
            s.sealed.segment.len() * u64::from(s.live.live()) / rows
        };
        self.core.snapshot().segments.iter().map(part).sum()
    }

    fn write_segment(
        &self,
        output: &Output<'_>,
        start: usize,
        total: usize,
        files: &mut NewFiles,
    ) -> Result<SegmentEntry> {
        let file = self.engine.new_file()?;
        files.add(FileName::Segment(file));
        let header = self.engine.header(FileKind::Segment, file);
        let (disk, dir) = (self.engine.disk.as_ref(), self.engine.dir());
        let (all, rows) = output.inputs.iter().fold((0, 0), |(bytes, rows), input| {
            (bytes + input.bytes, rows + u64::from(input.rows.rows()))
        });
        let mut written = 0;
        let mut progress = |row: Row| {
            let bytes = u64::from(row - written) * (all / rows.max(1));
            written = row;
            let (done, total) = ((start + row as usize) as u64, total as u64);
            let collection = self.core.name.clone();
            self.engine.emit(&Event::Progress { collection, done, total });
            self.control.step(self.core, bytes)
        };
        let dimension = self.core.spec.dimension;
        let len = write_segment(disk, dir, &header, dimension, output, &mut progress)?;
        Ok(SegmentEntry { file, len, rows: output.rows(), deletes: None, dead_since: None })
    }

    /// Reads the outputs back and checks them, before their inputs may go.
    fn open_outputs(&self, moved: &Moved) -> Result<Vec<SegPart>> {
        let mut parts = Vec::new();
        for (_, entry) in &moved.segments {
            let part = open_segment(self.engine, entry, self.core.spec.dimension)?;
            part.sealed.segment.verify()?;
            // Searches read less of it.
            part.sealed.segment.release();
            parts.push(part);
        }
        Ok(parts)
    }

    /// Makes readers see the result. Deletes that arrived since the inputs were read are carried
    /// over.
    fn swap(
        &self,
        inputs: &[Input<'_>],
        moved: &Moved,
        mut parts: Vec<SegPart>,
        followers: Followers,
    ) {
        let token = self.engine.committer.hold();
        let mut next = Snapshot::clone(&self.core.snapshot());
        for input in inputs {
            let now_live = match input.from {
                From::Memtable(number) => {
                    next.memtables.iter().find(|m| m.number == number).map(|m| &m.live)
                }
                From::Segment(file) => {
                    next.segments.iter().find(|s| s.sealed.file == file).map(|s| &s.live)
                }
            };
            let Some(now_live) = now_live else { continue };
            if sabotage::on(Sabotage::DropCarriedDeletes) {
                continue;
            }
            for row in input.live.iter().filter(|row| !now_live.is_live(*row)) {
                if let Some((segment, row)) = moved.find_at(input.from, row) {
                    parts[segment].live.kill(row);
                }
            }
        }
        let mut tables = lock(&self.core.tables);
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
            if let Some((_, entry)) =
                followers.deletes.iter().find(|(file, _)| *file == part.sealed.file)
            {
                part.dead_on_disk = entry.dead;
            }
        }
        next.segments.append(&mut parts);
        follow_indexes(&mut next, followers);
        next.relink();
        self.core.publish(next);
        drop(tables);
        drop(token);
        // Not before: whoever began to watch in between, and then saw the snapshot from before, would miss
        // the moves.
        self.core.note_moves(|| moved.moves(inputs));
    }
}

/// Brings a collection's manifest entry up to date.
fn edit(
    entry: &mut CollectionEntry,
    inputs: &[Input<'_>],
    moved: &Moved,
    followers: &Followers,
    covers: Option<(Seq, FileId)>,
) {
    entry.segments.retain(|s| !inputs.iter().any(|i| i.from == From::Segment(s.file)));
    for (file, deletes) in &followers.deletes {
        if let Some(segment) = entry.segments.iter_mut().find(|s| s.file == *file) {
            segment.deletes = Some(deletes.clone());
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
    // An index that could not be opened names segments that are gone now.
    let segments: Vec<FileId> = entry.segments.iter().map(|s| s.file).collect();
    entry.indexes.retain(|i| i.segments.iter().all(|s| segments.contains(s)));
    entry.indexes.extend(followers.codes.iter().map(|(index, _)| index.clone()));
    if let Some((seq, log_from)) = covers {
        entry.covers_seq = entry.covers_seq.max(seq);
        entry.log_from = entry.log_from.max(log_from);
    }
}
