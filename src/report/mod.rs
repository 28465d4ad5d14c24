//! Owns what compaction and purge say: plans, and reports of what was done. Plain data. Who makes
//! them is `compaction`. How they are shown is `report::text`.

mod text;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::clock::ClockDoubt;
pub(crate) use text::{Bytes, Count};

/// One thing a compaction does, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Step {
    /// Write the memtables to sealed segments.
    #[non_exhaustive]
    Seal {
        /// Live rows in them.
        rows: u64,
    },
    /// Remove a segment without reading it.
    #[non_exhaustive]
    Drop {
        /// The number in the file's name.
        segment: u64,
        /// Bytes that this gives back.
        bytes: u64,
    },
    /// Write the live rows of some segments to new ones.
    #[non_exhaustive]
    Rewrite {
        /// The numbers in the files' names; the segment that a `Seal` before it writes has none
        /// yet.
        segments: Vec<u64>,
        /// Why these.
        reason: Reason,
        /// Bytes of the inputs.
        bytes_before: u64,
        /// Predicted bytes of the outputs.
        bytes_after: u64,
    },
    /// Build an index in place of some, over their live rows.
    #[non_exhaustive]
    Index {
        /// The numbers of the indexes that go.
        replaces: Vec<u64>,
        /// Segments that no index covers yet.
        uncovered: usize,
        /// Live rows that it will cover.
        rows: u64,
        /// Whether it gets a graph.
        graph: bool,
        /// The index whose graph the new one starts from, so that what stays is not built again.
        base: Option<u64>,
        /// Why now.
        reason: Reason,
    },
}

/// Why a step is part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Reason {
    /// A graph has lost recall by its merges and is built anew.
    RecallDegraded,
    /// The share of dead or expired rows passed its limit.
    DeadShare,
    /// Dead rows have waited as long as they may.
    Deadline,
    /// Many small segments or indexes slow searches down.
    Small,
    /// No index covers the rows.
    Uncovered,
    /// There are enough rows without a graph for one to pay.
    GraphPays,
}

/// What a compaction would do, or what is due now.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What a compaction did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompactionReport {
    /// Segments sealed from memtables.
    pub sealed: usize,
    /// Segments removed without reading.
    pub dropped: usize,
    /// Segments read and rewritten.
    pub rewritten: usize,
    /// Segments written, sealed ones included.
    pub written: usize,
    /// Indexes built.
    pub indexes_built: usize,
    /// Rows whose bytes were given back.
    pub rows_reclaimed: u64,
    /// Bytes of the collection's files before.
    pub bytes_before: u64,
    /// Bytes of the collection's files after.
    pub bytes_after: u64,
    /// Time it took.
    pub took: Duration,
}

/// What a purge did. See `Store::purge`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PurgeReceipt {
    /// The manifest that was in force when it ended: the number in its file's name.
    pub generation: u64,
    /// Dead and expired rows that were left behind when the others were copied.
    pub rows: u64,
    /// Files that were there before and are gone.
    pub files_removed: usize,
    /// Bytes that the file system had allocated for them.
    pub bytes_removed: u64,
    /// Files that are no longer part of the store but that an iterator, a search or another reader
    /// in this process still holds: each goes when the last of them lets go.
    pub pending: Vec<PathBuf>,
    /// Rows that had expired before the call, for readers, and are still in files, because the
    /// clock is not believed. Always 0 where it is.
    pub withheld_rows: u64,
    /// Why rows are withheld.
    pub clock_doubt: Option<ClockDoubt>,
    /// Time it took.
    pub took: Duration,
}

impl PurgeReceipt {
    /// Whether everything that was dead before the call is gone from the files: nothing is pending,
    /// and nothing is withheld.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.withheld_rows == 0
    }
}
