//! Owns what a reader sees: one immutable `Snapshot` of a collection, made of parts. A writer
//! builds the next one and swaps it in (I6).
//!
//! Invariants: a part never changes once published; the rows of all parts hold every live memory
//! exactly once; an index covers rows of segments of the same snapshot only.

pub(crate) mod dead_since;
pub(crate) mod open;
pub(crate) mod recall;
pub(crate) mod relocation;
pub(crate) mod stage;
pub(crate) mod state;

use std::sync::Arc;

use crate::dir::guard::FileGuard;
use crate::error::Result;
use crate::format::names::FileName;
use crate::ids::{FileId, MemoryId, Seq};
use crate::index::Index;
use crate::segment::{Active, Liveness, Locator, Row, Rows, SealedSegment};
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
    /// Whether every byte of both files was checked.
    pub(crate) checked: AtomicBool,
}

impl Indexed {
    /// The name of its locator.
    pub(crate) fn locator_file(&self) -> FileName {
        FileName::Locator(self.locator.file())
    }

    /// Checks every byte of the index and its locator, unless that was done before. They are in use
    /// until then: damage can cost recall, and must be found before anything is made from them.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.checked.load(Ordering::Acquire) {
            self.index.verify()?;
            self.locator.verify()?;
            self.checked.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// Rows in RAM: the active segment, or one that waits to be sealed.
#[derive(Clone, Debug)]
pub(crate) struct MemPart {
    /// Tells memtables of one collection apart; grows.
    pub(crate) number: u64,
    pub(crate) rows: Active,
    pub(crate) live: Liveness,
    /// Newest operation that this memtable has seen.
    pub(crate) last_seq: Seq,
    /// The log file that was open when the memtable was frozen: later operations are in it or in
    /// younger ones.
    pub(crate) log_file: FileId,
}

/// A sealed segment with the liveness that this snapshot sees.
#[derive(Clone, Debug)]
pub(crate) struct SegPart {
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) live: Liveness,
    /// How many dead rows the newest `del` file holds: less than `live.dead()` means that the log
    /// still carries some.
    pub(crate) dead_on_disk: u32,
    /// Whether an index covers the rows.
    pub(crate) covered: bool,
}

/// An index with the places of its segments in this snapshot.
#[derive(Clone, Debug)]
pub(crate) struct IndexPart {
    pub(crate) indexed: Arc<Indexed>,
    /// For each segment of the locator's list, its place in `Snapshot::segments`.
    pub(crate) slots: Arc<[Option<u32>]>,
}

/// Everything a reader of one collection sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Newest operation whose effect is here.
    pub(crate) visible: Seq,
    /// Oldest first; the last one is active.
    pub(crate) memtables: Vec<MemPart>,
    pub(crate) segments: Vec<SegPart>,
    pub(crate) indexes: Vec<IndexPart>,
}

/// Where a row is in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// In the memtable at this place of the list.
    Memtable(u32, Row),
    /// In the segment at this place of the list.
    Segment(u32, Row),
}

impl Snapshot {
    /// The rows behind a place.
    pub(crate) fn rows_at(&self, place: Place) -> Option<(&dyn Rows, &Liveness, Row)> {
        match place {
            Place::Memtable(part, row) => {
                let part = self.memtables.get(part as usize)?;
                Some((&part.rows as &dyn Rows, &part.live, row))
            }
            Place::Segment(part, row) => {
                let part = self.segments.get(part as usize)?;
                Some((&part.sealed.segment as &dyn Rows, &part.live, row))
            }
        }
    }

    /// Whether there is nothing but an active segment: a small collection, for which no job is due.
    pub(crate) fn has_active_only(&self) -> bool {
        self.memtables.len() <= 1 && self.segments.is_empty() && self.indexes.is_empty()
    }

    /// Every part as rows with their liveness: memtables first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&dyn Rows, &Liveness)> {
        let memtables = self.memtables.iter().map(|p| (&p.rows as &dyn Rows, &p.live));
        let segments = self.segments.iter().map(|p| (&p.sealed.segment as &dyn Rows, &p.live));
        memtables.chain(segments)
    }

    /// Places of the parts, in the order of [`Snapshot::parts`], as functions of a row.
    pub(crate) fn place(&self, part: usize, row: Row) -> Place {
        match part.checked_sub(self.memtables.len()) {
            None => Place::Memtable(part as u32, row),
            Some(segment) => Place::Segment(segment as u32, row),
        }
    }

    /// The live row with this id, if there is one. Live means not deleted; it may have expired.
    pub(crate) fn find(&self, id: MemoryId) -> Result<Option<Place>> {
        for (part, (rows, live)) in self.parts().enumerate() {
            if let Some(row) = rows.find(id)?.into_iter().find(|&row| live.is_live(row)) {
                return Ok(Some(self.place(part, row)));
            }
        }
        Ok(None)
    }

    /// How many nodes of an index stand for at least one row that is not deleted. O(nodes).
    pub(crate) fn live_nodes(&self, part: &IndexPart) -> u64 {
        let live = |(segment, row): (u32, Row)| {
            self.segments.get(segment as usize).is_some_and(|s| s.live.is_live(row))
        };
        (0..part.indexed.index.nodes()).filter(|n| part.places(*n).any(live)).count() as u64
    }

    /// Works out which segments the indexes cover and where. Called whenever either list changed.
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
    /// The places of a node's rows in the snapshot that this part belongs to.
    pub(crate) fn places(&self, node: u32) -> impl Iterator<Item = (u32, Row)> {
        self.indexed.locator.entries(node).filter_map(|(slot, row)| {
            let segment = self.slots.get(slot as usize).copied().flatten()?;
            Some((segment, row))
        })
    }
}
