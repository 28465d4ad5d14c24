//! Owns the decision which rows a repair writes: the newest readable version of each id, unless a
//! newer record says that it is dead. Without [`RepairPolicy::KeepDoubtful`], a row that a lost
//! record may have killed is not written either.
//!
//! RAM holds one table of ids and the deletes by filter from the log. Rows are read twice.

use std::borrow::Cow;
use std::collections::HashMap;

use super::changes::LoggedChanges;
use super::frames::{each_op, first_seq, log_source, missing};
use super::report::{Loss, RepairPolicy, RepairReport};
use super::sources::Sources;
use crate::error::Result;
use crate::filter::Matcher;
use crate::format::frame::FrameHead;
use crate::format::names::FileName;
use crate::format::op::OpKind;
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::log::Hole;
use crate::memory::Change;
use crate::segment::RowRef;

/// Minimum bytes of an insert in the log.
const MIN_INSERT_BYTES: u64 = 49;

/// Where the newest version of a memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The memory is dead, or its bytes are damaged.
    Gone,
    /// In this segment of the sources.
    Segment(u32),
    /// In the log: the last copy is in this file of the chain at this offset.
    Log(u32, u64),
}

/// A part of the log that is lost.
#[derive(Clone, Debug)]
struct Gap {
    file: u32,
    hole: Hole,
    /// Operations up to this sequence number may have been in it.
    upto: Seq,
}

/// The newest version of every memory.
pub(super) struct Survivors {
    table: HashMap<(u32, MemoryId), (Seq, State)>,
    filters: Vec<(u32, Matcher, Seq)>,
    changes: LoggedChanges,
    gaps: Vec<Gap>,
    doubt: RepairPolicy,
}

impl Survivors {
    pub(super) fn of(
        sources: &Sources<'_>,
        doubt: RepairPolicy,
        report: &mut RepairReport,
    ) -> Result<Self> {
        let (table, filters, changes, gaps) = Default::default();
        let mut survivors = Self { table, filters, changes, gaps, doubt };
        let mut damaged = Vec::new();
        survivors.take_segments(sources, &mut damaged);
        survivors.take_log(sources, report)?;
        survivors.report_rows(sources, damaged, report);
        Ok(survivors)
    }

    /// Records a version. The newest version wins, and for a row that was copied forward its last
    /// place.
    fn offer(&mut self, collection: u32, id: MemoryId, seq: Seq, state: State) {
        let entry = self.table.entry((collection, id)).or_insert((seq, state));
        if entry.0 < seq || (entry.0 == seq && entry.1 != State::Gone) {
            *entry = (seq, state);
        }
    }

    fn take_segments(&mut self, sources: &Sources<'_>, damaged: &mut Vec<(u32, LostAt)>) {
        for (at, source) in (0u32..).zip(&sources.segments) {
            let collection = source.collection as u32;
            for row in (0..source.rows).filter(|row| !source.dead.contains(*row)) {
                let (identity, lost) = match source.segment.row(row) {
                    Ok(row) => (Some((row.id, row.seq)), None),
                    Err(lost) => (lost.identity, Some((lost.offset, lost.reason))),
                };
                let given_up = source.doubtful && self.doubt == RepairPolicy::Strict;
                if let Some((id, seq)) = identity {
                    // Recorded even if the row is lost, so that no older version takes its place.
                    let state =
                        if lost.is_some() || given_up { State::Gone } else { State::Segment(at) };
                    self.offer(collection, id, seq, state);
                }
                if let Some((offset, reason)) = lost.filter(|_| !given_up) {
                    damaged.push((at, LostAt { identity, offset, reason }));
                }
            }
        }
    }

    /// Reads the whole log. A tail that recovery would accept as the end of a session is no damage.
    fn take_log(&mut self, sources: &Sources<'_>, report: &mut RepairReport) -> Result<()> {
        let mut unknown: Vec<MemoryId> = Vec::new();
        // Holes at the ends of files. The next frame shows whether they held operations.
        let mut open: Vec<(u32, Hole)> = Vec::new();
        for file in 0..sources.log.len() as u32 {
            let source = log_source(sources, file);
            let mut first = None;
            let mut visit = |head: &FrameHead, payload: &[u8], offset: u64| {
                first.get_or_insert_with(|| (head.last_seq, first_seq(head, payload)));
                self.take_frame(sources, file, head, payload, offset, &mut unknown);
                Ok(())
            };
            let holes = match source.read(|_, _, _| Ok(())) {
                Ok(_) => source
                    .read(|head, payload, offset| visit(head, payload, offset))
                    .map(|_| Vec::new()),
                Err(_) => source.salvage(&mut visit),
            };
            let holes = holes.unwrap_or_else(|_| vec![missing(source.entry)]);
            if let Some((upto, from)) = first {
                // This is the first log file that only a lost manifest named, and it starts no
                // later than where the known manifest ends. If the file before it is missing, this
                // file is the copy of it that an open made, and nothing is lost.
                let known = sources.manifest.last_seq.0.saturating_add(1);
                let copied = file as usize == sources.named_log && from.0 <= known;
                if copied {
                    open.retain(|(_, hole)| hole.offset > 0);
                }
                self.close_gaps(&mut open, upto);
            }
            for hole in holes.into_iter().filter(|hole| hole.bytes > 0 || hole.offset == 0) {
                match hole.next {
                    Some(upto) => self.gaps.push(Gap { file, hole, upto }),
                    None => open.push((file, hole)),
                }
            }
        }
        self.close_gaps(&mut open, Seq(u64::MAX));
        self.report_gaps(sources, report);
        if !unknown.is_empty() {
            let (file, rows) = (sources.dir.to_owned(), Some(unknown.len() as u64));
            let reason = "of a collection that no manifest names".to_owned();
            report.lost.push(Loss {
                file,
                offset: 0,
                reason,
                collection: None,
                rows,
                ids: unknown,
            });
        }
        Ok(())
    }

    fn close_gaps(&mut self, open: &mut Vec<(u32, Hole)>, upto: Seq) {
        self.gaps.extend(open.drain(..).map(|(file, hole)| Gap { file, hole, upto }));
    }

    fn take_frame(
        &mut self,
        sources: &Sources<'_>,
        file: u32,
        head: &FrameHead,
        payload: &[u8],
        offset: u64,
        unknown: &mut Vec<MemoryId>,
    ) {
        each_op(sources, file, head, payload, |collection, op| match (collection, op.kind) {
            (Some(at), OpKind::Insert { id, vector, .. }) => {
                let fits = sources.manifest.collections.get(at as usize);
                if fits.is_some_and(|c| c.options.dimension == vector.len()) {
                    self.offer(at, id, op.seq, State::Log(file, offset));
                }
            }
            (Some(at), OpKind::Delete { id }) => self.offer(at, id, op.seq, State::Gone),
            (Some(at), OpKind::DeleteWhere { filter, .. }) => {
                self.filters.push((at, filter, op.seq));
            }
            (Some(at), OpKind::DeleteIds { ids }) => {
                ids.into_iter().for_each(|id| self.offer(at, id, op.seq, State::Gone));
            }
            (Some(at), kind) => self.changes.take(at, kind),
            (None, OpKind::Insert { id, .. })
                if op.collection >= sources.manifest.next_collection =>
            {
                unknown.push(id);
            }
            (None, _) => {}
        });
    }

    fn report_gaps(&self, sources: &Sources<'_>, report: &mut RepairReport) {
        for gap in &self.gaps {
            let Some(entry) = sources.log.get(gap.file as usize) else {
                continue;
            };
            let rows = (gap.hole.bytes > 0).then(|| gap.hole.bytes.div_ceil(MIN_INSERT_BYTES));
            report.lost.push(Loss {
                file: sources.path(FileName::Log(entry.file)),
                offset: gap.hole.offset,
                reason: format!("{}: what was logged there is lost", gap.hole.reason),
                collection: None,
                rows,
                ids: Vec::new(),
            });
        }
    }

    /// Lists damaged rows for which no newer version or delete is known.
    fn report_rows(
        &self,
        sources: &Sources<'_>,
        damaged: Vec<(u32, LostAt)>,
        report: &mut RepairReport,
    ) {
        let mut losses: HashMap<(u32, &str), Loss> = HashMap::new();
        for (at, row) in damaged {
            let Some(source) = sources.segments.get(at as usize) else {
                continue;
            };
            let newest = row.identity.and_then(|(id, seq)| {
                let (newest, _) = self.table.get(&(source.collection as u32, id))?;
                Some(*newest > seq)
            });
            if newest == Some(true) {
                continue;
            }
            let name = sources.manifest.collections.get(source.collection).map(|c| c.name.clone());
            let loss = losses.entry((at, row.reason)).or_insert_with(|| Loss {
                file: source.path.clone(),
                offset: row.offset,
                reason: row.reason.to_owned(),
                collection: name,
                rows: Some(0),
                ids: Vec::new(),
            });
            loss.rows = loss.rows.map(|rows| rows + 1);
            loss.ids.extend(row.identity.map(|(id, _)| id));
        }
        let mut losses: Vec<Loss> = losses.into_values().collect();
        losses.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
        report.lost.extend(losses);
    }

    /// Returns the first lost part of the log that may have killed a row.
    fn doubt_of(&self, sources: &Sources<'_>, collection: u32, state: State) -> Option<usize> {
        let of = sources.manifest.collections.get(collection as usize)?;
        self.gaps.iter().position(|gap| match state {
            State::Gone => false,
            State::Log(file, offset) => (gap.file, gap.hole.offset) > (file, offset),
            State::Segment(_) => {
                let from = sources.log.get(gap.file as usize).map(|l| l.file);
                gap.upto > of.covers_seq && from >= Some(of.log_from)
            }
        })
    }

    /// Calls `give` once for every survivor, with the position of its collection in the manifest.
    pub(super) fn each(
        &mut self,
        sources: &Sources<'_>,
        report: &mut RepairReport,
        mut give: impl FnMut(usize, &RowRef<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut given_up: HashMap<(usize, u32), Vec<MemoryId>> = HashMap::new();
        for (at, source) in (0u32..).zip(&sources.segments) {
            for at_row in (0..source.rows).filter(|row| !source.dead.contains(*row)) {
                if let Ok(row) = source.segment.row(at_row) {
                    let of = (source.collection as u32, State::Segment(at), source.doubtful);
                    let row = (&row, source.change(at_row));
                    self.one(sources, of, row, report, &mut given_up, &mut give)?;
                }
            }
        }
        for file in 0..sources.log.len() as u32 {
            let source = log_source(sources, file);
            let mut visit = |head: &FrameHead, payload: &[u8], offset: u64| {
                let mut result = Ok(());
                each_op(sources, file, head, payload, |collection, op| {
                    if let (Some(at), OpKind::Insert { id, norm, vector, body }) =
                        (collection, op.kind)
                        && result.is_ok()
                    {
                        let row = RowRef { id, seq: op.seq, norm, vector: &vector, body: &body };
                        let of = (at, State::Log(file, offset), false);
                        let row = (&row, None);
                        result = self.one(sources, of, row, report, &mut given_up, &mut give);
                    }
                });
                result
            };
            match source.read(|_, _, _| Ok(())) {
                Ok(_) => drop(source.read(|head, payload, offset| visit(head, payload, offset))?),
                // A file that cannot be read at all was reported before.
                Err(_) if source.salvage(|_, _, _| Ok(())).is_err() => {}
                Err(_) => drop(source.salvage(visit)?),
            }
        }
        self.report_given_up(sources, given_up, report);
        Ok(())
    }

    fn one(
        &mut self,
        sources: &Sources<'_>,
        (collection, state, doubtful): (u32, State, bool),
        (row, change): (&RowRef<'_>, Option<Change>),
        report: &mut RepairReport,
        given_up: &mut HashMap<(usize, u32), Vec<MemoryId>>,
        give: &mut impl FnMut(usize, &RowRef<'_>) -> Result<()>,
    ) -> Result<()> {
        let key = (collection, row.id);
        if self.table.get(&key) != Some(&(row.seq, state)) {
            return Ok(());
        }
        // Of equal versions in one place, only the first is written.
        self.table.insert(key, (row.seq, State::Gone));
        let Some((version, body)) = self.as_changed(collection, row, change) else {
            return Ok(());
        };
        let row = &RowRef { body: &body, ..*row };
        let Ok(attributes) = record::attributes(row.id, row.body) else {
            return Ok(());
        };
        // A row that was changed later survived the delete.
        let newer = |of: &(u32, Matcher, Seq)| of.0 == collection && of.2 > version;
        if self.filters.iter().any(|of| newer(of) && of.1.matches(&attributes)) {
            return Ok(());
        }
        let gap = self.doubt_of(sources, collection, state);
        if let Some(gap) = gap.filter(|_| self.doubt == RepairPolicy::Strict) {
            given_up.entry((gap, collection)).or_default().push(row.id);
            return Ok(());
        }
        report.revived += u64::from(gap.is_some() || doubtful);
        give(collection as usize, row)
    }

    /// Returns the newest operation in a row, and its body with the changes.
    /// `None` if the body cannot be decoded.
    fn as_changed<'r>(
        &self,
        collection: u32,
        row: &RowRef<'r>,
        change: Option<Change>,
    ) -> Option<(Seq, Cow<'r, [u8]>)> {
        let attributes = record::attributes(row.id, row.body).ok()?;
        let history = record::history(row.body).ok()?;
        let newest = change.map_or(history.newest(row.seq), |change| change.newest());
        let written = record::uses(row.body).ok()?;
        match self.changes.of(collection, &attributes, (newest, written), change) {
            None => Some((newest, Cow::Borrowed(row.body))),
            Some(change) => {
                let body = record::with_change(row.body, &change).ok()?;
                Some((change.newest(), Cow::Owned(body)))
            }
        }
    }

    fn report_given_up(
        &self,
        sources: &Sources<'_>,
        given_up: HashMap<(usize, u32), Vec<MemoryId>>,
        report: &mut RepairReport,
    ) {
        let mut given_up: Vec<_> = given_up.into_iter().collect();
        given_up.sort_unstable_by_key(|(of, _)| *of);
        for ((gap, collection), ids) in given_up {
            let Some(gap) = self.gaps.get(gap) else {
                continue;
            };
            let Some(entry) = sources.log.get(gap.file as usize) else {
                continue;
            };
            let of = sources.manifest.collections.get(collection as usize);
            report.lost.push(Loss {
                file: sources.path(FileName::Log(entry.file)),
                offset: gap.hole.offset,
                reason: "a lost record may have deleted or replaced these".to_owned(),
                collection: of.map(|c| c.name.clone()),
                rows: Some(ids.len() as u64),
                ids,
            });
        }
    }
}

/// A damaged row.
struct LostAt {
    identity: Option<(MemoryId, Seq)>,
    offset: u64,
    reason: &'static str,
}
