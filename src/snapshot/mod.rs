//! Owns what a reader sees: one immutable `Snapshot` of a collection, made of parts. A writer
//! builds the next snapshot and swaps it in (I6).
//!
//! Invariants: a published part never changes. The parts hold every live memory exactly once. An
//! index covers only rows of segments of the same snapshot.

pub(crate) mod dead_since;
pub(crate) mod keys;
pub(crate) mod live_nodes;
mod name;
pub(crate) mod open;
pub(crate) mod reads;
pub(crate) mod recall;
pub(crate) mod relocation;
pub(crate) mod stage;
pub(crate) mod state;
pub(crate) mod uses;

use std::sync::Arc;

use crate::dir::guard::FileGuard;
use crate::error::Result;
use crate::format::names::FileName;
use crate::ids::{FileId, MemoryId, Seq};
use crate::index::Index;
use crate::memory::Change;
use crate::segment::{
    Active, ChangedRows, Changes, Liveness, Locator, NewRow, Row, RowBuffer, RowRef, Rows,
    SealedSegment, add_changes,
};
use crate::snapshot::live_nodes::LiveNodes;
use crate::sync::atomic::{AtomicBool, Ordering};

/// A sealed segment and its file.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) file: FileId,
    pub(crate) segment: SealedSegment,
    pub(crate) guard: FileGuard,
}

/// An index, its locator and their files.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) file: FileId,
    pub(crate) index: Arc<Index>,
    pub(crate) index_guard: Arc<FileGuard>,
    pub(crate) locator: Locator,
    pub(crate) locator_guard: FileGuard,
    /// True once every byte of both files was checked.
    pub(crate) checked: AtomicBool,
    pub(crate) live_nodes: LiveNodes,
}

impl Indexed {
    /// Returns the file name of its locator.
    pub(crate) fn locator_file(&self) -> FileName {
        FileName::Locator(self.locator.file())
    }

    /// Checks every byte of the index and its locator, unless that was done before. An index is
    /// used before this check, because its damage can cost only recall. Nothing may be built from
    /// it before.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.checked.load(Ordering::Acquire) {
            self.index.verify()?;
            self.locator.verify()?;
            self.checked.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// A memtable: the active one, or one that waits to be sealed.
#[derive(Clone, Debug)]
pub(crate) struct MemPart {
    /// Identifies the memtable within its collection. Numbers grow.
    pub(crate) number: u64,
    pub(crate) rows: Active,
    pub(crate) live: Liveness,
    /// What was changed of rows since they were written.
    pub(crate) changes: Changes,
    /// The newest operation that this memtable has seen.
    pub(crate) last_seq: Seq,
    /// The log file that was open when the memtable was frozen. Later operations are in it or in
    /// newer files.
    pub(crate) log_file: FileId,
}

/// A sealed segment with the liveness that this snapshot sees.
#[derive(Clone, Debug)]
pub(crate) struct SegPart {
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) live: Liveness,
    /// How many dead rows the newest `del` file holds. If `live.dead()` is more, the log still
    /// holds the other deletes.
    pub(crate) dead_on_disk: u32,
    /// What was changed of rows since they were written.
    pub(crate) changes: Changes,
    /// The newest change that the newest `del` file holds. Later ones are in the log.
    pub(crate) changed_on_disk: Seq,
    /// True if an index covers the rows.
    pub(crate) covered: bool,
}

impl ChangedRows for MemPart {
    type Written = Active;

    fn written(&self) -> &Active {
        &self.rows
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }
}

impl MemPart {
    /// Copies these rows with their changes.
    pub(crate) fn take(&self, rows: impl Iterator<Item = Row>) -> Result<Vec<NewRow>> {
        let mut buffer = RowBuffer::default();
        let mut taken = Vec::new();
        for row in rows {
            let expires_at = self.expires_at(row)?;
            let RowRef { id, seq, norm, vector, body } = self.row(row, &mut buffer)?;
            let (vector, body) = (vector.to_vec(), body.to_vec());
            taken.push(NewRow { id, seq, norm, vector, body, expires_at });
        }
        Ok(taken)
    }

    /// Adds changes of rows to those that they have.
    pub(crate) fn change(&mut self, changes: impl IntoIterator<Item = (Row, Change)>) {
        add_changes(&self.rows, &mut self.changes, changes);
    }
}

impl ChangedRows for SegPart {
    type Written = SealedSegment;

    fn written(&self) -> &SealedSegment {
        &self.sealed.segment
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }
}

impl SegPart {
    /// Adds changes of rows to those that they have.
    pub(crate) fn change(&mut self, changes: impl IntoIterator<Item = (Row, Change)>) {
        add_changes(&self.sealed.segment, &mut self.changes, changes);
    }

    /// Returns true if the newest `del` file holds every death and every change.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.live.dead() == self.dead_on_disk && self.changes.newest() == self.changed_on_disk
    }
}

/// An index with the positions of its segments in this snapshot.
#[derive(Clone, Debug)]
pub(crate) struct IndexPart {
    pub(crate) indexed: Arc<Indexed>,
    /// For each segment in the locator's list, its position in `Snapshot::segments`.
    pub(crate) slots: Arc<[Option<u32>]>,
}

/// Everything a reader of one collection sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The newest operation whose effect is in the snapshot.
    pub(crate) visible: Seq,
    /// Oldest first; the last one is active.
    pub(crate) memtables: Vec<MemPart>,
    pub(crate) segments: Vec<SegPart>,
    pub(crate) indexes: Vec<IndexPart>,
}

/// Where a row is in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// In the memtable at this position of the list.
    Memtable(u32, Row),
    /// In the segment at this position of the list.
    Segment(u32, Row),
}

impl Snapshot {
    /// Returns the rows, liveness and row number behind a place.
    pub(crate) fn rows_at(&self, place: Place) -> Option<(&dyn Rows, &Liveness, Row)> {
        match place {
            Place::Memtable(part, row) => {
                let part = self.memtables.get(part as usize)?;
                Some((part as &dyn Rows, &part.live, row))
            }
            Place::Segment(part, row) => {
                let part = self.segments.get(part as usize)?;
                Some((part as &dyn Rows, &part.live, row))
            }
        }
    }

    /// Returns true if there is only an active memtable: a small collection, for which no job is
    /// due.
    pub(crate) fn has_active_only(&self) -> bool {
        self.memtables.len() <= 1 && self.segments.is_empty() && self.indexes.is_empty()
    }

    /// Returns every part as rows with their liveness, memtables first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&dyn Rows, &Liveness)> {
        let memtables = self.memtables.iter().map(|p| (p as &dyn Rows, &p.live));
        let segments = self.segments.iter().map(|p| (p as &dyn Rows, &p.live));
        memtables.chain(segments)
    }

    /// Returns the rows of the part at this position in [`Snapshot::parts`]. O(1).
    pub(crate) fn part(&self, part: usize) -> Option<&dyn Rows> {
        self.rows_at(self.place(part, 0)).map(|(rows, _, _)| rows)
    }

    /// Returns the changes of every part, in the order of [`Snapshot::parts`].
    pub(crate) fn parts_changes(&self) -> impl Iterator<Item = &Changes> {
        let segments = self.segments.iter().map(|part| &part.changes);
        self.memtables.iter().map(|part| &part.changes).chain(segments)
    }

    /// Returns the place of a row of the part at this position in [`Snapshot::parts`].
    pub(crate) fn place(&self, part: usize, row: Row) -> Place {
        match part.checked_sub(self.memtables.len()) {
            None => Place::Memtable(part as u32, row),
            Some(segment) => Place::Segment(segment as u32, row),
        }
    }

    /// Returns the live row with this id, if there is one. Live means not deleted; the row may have
    /// expired.
    pub(crate) fn find(&self, id: MemoryId) -> Result<Option<Place>> {
        for (part, (rows, live)) in self.parts().enumerate() {
            if let Some(row) = rows.find(id)?.into_iter().find(|&row| live.is_live(row)) {
                return Ok(Some(self.place(part, row)));
            }
        }
        Ok(None)
    }

    /// Returns how many nodes of an index have at least one row that is not deleted. O(nodes) after
    /// a row of the index died or moved, O(segments) otherwise.
    pub(crate) fn live_nodes(&self, part: &IndexPart) -> u64 {
        let segment = |at: Option<u32>| self.segments.get(at? as usize);
        let dead = part.slots.iter().map(|at| Some(segment(*at)?.live.dead()));
        part.indexed.live_nodes.get(dead, || {
            let live = |(at, row)| segment(Some(at)).is_some_and(|s| s.live.is_live(row));
            (0..part.indexed.index.nodes()).filter(|n| part.places(*n).any(live)).count() as u64
        })
    }

    /// Recomputes which segments the indexes cover, and the positions of these segments. Called
    /// whenever either list changed.
    pub(crate) fn relink(&mut self) {
        for part in &mut self.segments {
            part.covered = false;
        }
        for i in 0..self.indexes.len() {
            let list = self.indexes[i].indexed.locator.segments();
            let slots: Arc<[Option<u32>]> = list
                .iter()
                .map(|file| {
                    let at = self.segments.iter().position(|s| s.sealed.file == *file)?;
                    self.segments[at].covered = true;
                    u32::try_from(at).ok()
                })
                .collect();
            self.indexes[i].slots = slots;
        }
    }
}

impl IndexPart {
    /// Returns the places of a node's rows in the snapshot of this part.
    pub(crate) fn places(&self, node: u32) -> impl Iterator<Item = (u32, Row)> {
        self.indexed.locator.entries(node).filter_map(|(slot, row)| {
            let segment = self.slots.get(slot as usize).copied().flatten()?;
            Some((segment, row))
        })
    }
}
