//! Owns the budgets that workloads open stores with, and counts what they reached.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Event, StoreOptions};

/// The smallest budgets that stores are opened with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    Heap,
    Disk,
    /// With this budget, rows are read from open files.
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

/// What workloads reached.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) merges: AtomicUsize,
    /// Number of graphs that were built from scratch.
    pub(super) built: AtomicUsize,
    /// Number of recall measurements.
    pub(super) looks: AtomicUsize,
    /// Number of seals.
    pub(super) seals: AtomicUsize,
    /// Number of steps that freed bytes of segments.
    pub(super) compactions: AtomicUsize,
    /// Number of writes that a budget refused.
    pub(super) refused: AtomicUsize,
    /// Number of builds during which a purge moved rows.
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
