//! Owns the budgets that workloads open stores with, and what was seen while they ran.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Event, StoreOptions};

/// A budget that stores are opened with: the smallest that there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    Heap,
    Disk,
    /// With it, rows are read from open files.
    Resident,
}

impl Budget {
    pub(super) fn of(self, options: StoreOptions) -> StoreOptions {
        match self {
            Self::Heap => options.heap_budget(16 << 20),
            Self::Disk => options.disk_budget(32 << 20),
            Self::Resident => options.resident_budget(1),
        }
    }
}

/// What workloads came by.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) merges: AtomicUsize,
    /// Graphs that were built anew.
    pub(super) built: AtomicUsize,
    /// Looks at graphs.
    pub(super) looks: AtomicUsize,
    /// Collections that had memtables sealed.
    pub(super) seals: AtomicUsize,
    /// Steps that gave bytes of segments back.
    pub(super) compactions: AtomicUsize,
    /// Writes that a budget had no room for.
    pub(super) refused: AtomicUsize,
    /// Builds during which a purge moved rows.
    pub(super) moved: AtomicUsize,
}

impl Seen {
    pub(super) fn note(&self, event: &Event) {
        let count = match event {
            Event::Indexed { merged: true, .. } => &self.merges,
            Event::Indexed { graph: true, .. } => &self.built,
            Event::RecallMeasured { .. } => &self.looks,
            Event::Sealed { .. } => &self.seals,
            Event::Compacted { .. } => &self.compactions,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
