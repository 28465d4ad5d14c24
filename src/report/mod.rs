//! Owns the plans and reports of compaction, purge and backup. Plain data. `compaction` and
//! `store::backup` fill them in.
//! `report::text` shows them.

mod text;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::clock::ClockDoubt;
pub(crate) use text::{Bytes, Count};

/// One step of a compaction, and its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Step {
    /// Write the memtables to sealed segments.
    #[non_exhaustive]
    Seal {
        /// Live rows in the memtables.
        rows: u64,
    },
    /// Remove a segment without reading it.
    #[non_exhaustive]
    Drop {
        /// The number in the file's name.
        segment: u64,
        /// Bytes that this frees.
        bytes: u64,
    },
    /// Write the live rows of some segments to new ones.
    #[non_exhaustive]
    Rewrite {
        /// The numbers in the files' names. The output of a `Seal` step before it has no number
        /// yet.
        segments: Vec<u64>,
        /// Why these segments.
        reason: Reason,
        /// Bytes of the inputs.
        bytes_before: u64,
        /// Predicted bytes of the outputs.
        bytes_after: u64,
    },
    /// Build an index over the live rows of the indexes that it replaces, and of uncovered
    /// segments.
    #[non_exhaustive]
    Index {
        /// The numbers of the indexes that are replaced.
        replaces: Vec<u64>,
        /// Segments that no index covers yet.
        uncovered: usize,
        /// Live rows that the index will cover.
        rows: u64,
        /// True if the index gets a graph.
        graph: bool,
        /// The index whose graph is the base of a merge, so that only new nodes are inserted.
        /// `None` if the graph is built from scratch.
        base: Option<u64>,
        /// Why now.
        reason: Reason,
    },
}

/// Why a step is part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Reason {
    /// Merges have cost a graph recall, so it is rebuilt.
    RecallDegraded,
    /// The share of dead or expired rows exceeds its limit.
    DeadShare,
    /// Dead rows have reached their deadline.
    Deadline,
    /// Many small segments or indexes slow searches down.
    Small,
    /// No index covers the rows.
    Uncovered,
    /// There are enough rows outside a graph for a graph to pay.
    GraphPays,
    /// The words of a segment are missing, were made by other rules, or are wanted no more.
    Words,
    /// Many rows of a segment have changes beside them, which take heap.
    Changes,
}

/// The steps that a compaction would take, without taking them. Returned by
/// [`Store::plan`](crate::Store::plan).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What a compaction did: the files and rows that it handled, and the bytes before and after.
/// Returned by [`Store::compact`](crate::Store::compact), and part of
/// [`Event::Compacted`](crate::Event::Compacted).
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
    /// Rows whose bytes were freed.
    pub rows_reclaimed: u64,
    /// Bytes of the collection's files before.
    pub bytes_before: u64,
    /// Bytes of the collection's files after.
    pub bytes_after: u64,
    /// The duration.
    pub took: Duration,
}

/// What [`Store::backup`](crate::Store::backup) or [`Store::restore`](crate::Store::restore) made:
/// the files of the copy, and how they came there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// The manifest of the copy: the number in its file's name.
    pub generation: u64,
    /// Sequence number of the newest operation in the copy.
    pub seq: u64,
    /// Number of files of the copy, without its manifest and its lock.
    pub files: usize,
    /// The part of them that share their bytes with the store, as hard links.
    pub files_linked: usize,
    /// The part of them that were copied byte by byte.
    pub files_copied: usize,
    /// The part of them that an earlier backup had left there.
    pub files_kept: usize,
    /// Number of files of an earlier backup that were removed.
    pub files_removed: usize,
    /// Bytes of the files of the copy.
    pub bytes: u64,
    /// The part of `bytes` that was linked or copied now.
    pub bytes_new: u64,
    /// The part of `bytes` that was copied now.
    pub bytes_copied: u64,
    /// The duration.
    pub took: Duration,
}

/// What [`Store::purge`](crate::Store::purge) removed and what it had to leave. Keep it where a
/// deletion must be proven: it can be displayed as text and serialised.
/// [`PurgeReceipt::is_complete`] says whether nothing was left.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PurgeReceipt {
    /// The manifest that was in force at the end of the purge: the number in its file's name.
    pub generation: u64,
    /// Dead and expired rows that were removed: the purge copied only the other rows.
    pub rows: u64,
    /// Number of files that were removed.
    pub files_removed: usize,
    /// Bytes that the file system had allocated for these files.
    pub bytes_removed: u64,
    /// Files that no longer belong to the store but that an iterator, a search or a handle to a
    /// dropped collection still holds. Each is removed when its last reader releases it. Stores
    /// that were opened read-only, in this or another process, are not known here: each keeps what
    /// it has open until it is refreshed or closed.
    pub pending: Vec<PathBuf>,
    /// Rows that had expired for readers before the call and are still in files, because the clock
    /// is not believed. 0 if it is believed.
    pub withheld_rows: u64,
    /// Why rows are withheld, if they are.
    pub clock_doubt: Option<ClockDoubt>,
    /// The duration.
    pub took: Duration,
}

impl PurgeReceipt {
    /// Returns true if everything that was dead before the call is gone from the files: nothing is
    /// pending, and nothing is withheld.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.withheld_rows == 0
    }
}

/// The result of forgetting a namespace. See `Store::forget`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ForgetReceipt {
    /// The namespace.
    pub namespace: String,
    /// How many visible memories were deleted, by the name of the collection. Collections without a
    /// memory of the namespace are left out.
    pub deleted: Vec<(String, u64)>,
    /// The purge that followed, which counts what it withheld of other namespaces, and why.
    pub purge: PurgeReceipt,
}

impl ForgetReceipt {
    /// Returns how many visible memories were deleted, in all collections.
    pub fn memories(&self) -> u64 {
        self.deleted.iter().map(|(_, count)| count).sum()
    }

    /// Returns true if everything that was deleted is gone from the files: no file is pending. A
    /// deleted memory is never withheld, so [`PurgeReceipt::withheld_rows`] does not count.
    pub fn is_complete(&self) -> bool {
        self.purge.pending.is_empty()
    }
}
