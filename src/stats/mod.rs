//! Owns the plain numbers that a store and its parts report about themselves. Units are in the
//! names. Who computes them is elsewhere. How they are shown is `stats::text`.

mod text;

use serde::Serialize;

use crate::clock::{ClockDoubt, Timestamp};
use crate::quantization::Quantization;
use crate::report::CompactionReport;

/// What a store holds and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StoreStats {
    /// One entry per collection, by name.
    pub collections: Vec<CollectionStats>,
    /// Bytes of every file of the store but its reserve, as the file system allocated them.
    pub disk_bytes: u64,
    /// Bytes of the file `RESERVE`, which `disk_bytes` leaves out: see
    /// `StoreOptions::reserve_bytes`. 0 while it is given up on a full disk.
    pub reserve_bytes: u64,
    /// The part of `disk_bytes` in log files.
    pub log_bytes: u64,
    /// Number of log files.
    pub log_files: usize,
    /// Bytes of mapped files. How much of it is resident is the kernel's decision.
    pub mapped_bytes: u64,
    /// Bytes of mapped files that are resident now; 0 where the system does not tell (it does on
    /// Linux).
    pub resident_bytes: u64,
    /// Segments that are kept open to be read: see `IoMode::Pread`.
    pub open_files: usize,
    /// Heap bytes of active segments, liveness, tables and graph builds, as counted by the store.
    pub heap_bytes: u64,
    /// The part of `heap_bytes` in graph builds that are under way.
    pub job_heap_bytes: u64,
    /// Files that are no longer part of the store but that an open snapshot still holds.
    pub held_files: usize,
    /// Bytes of those files.
    pub held_bytes: u64,
    /// Sequence number of the last operation that is visible.
    pub visible_seq: u64,
    /// Sequence number up to which the log is known to be on the disk.
    pub synced_seq: u64,
    /// How often the listener panicked since the store was opened: see `StoreOptions::on_event`.
    pub listener_panics: u64,
    /// Events that the listener was not told of, because too many waited for it.
    pub events_lost: u64,
    /// Why rows that have expired are not reclaimed, if the clock is not believed. See
    /// `CollectionStats::withheld_rows` for how many there are.
    pub clock_doubt: Option<ClockDoubt>,
    /// Whether background compaction and index building are held up by `Store::pause_background`.
    pub background_paused: bool,
    /// Why writes are refused, if they are.
    pub poisoned: Option<String>,
    /// The instruction set that distances are measured with.
    pub kernels: &'static str,
}

/// What one collection holds and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CollectionStats {
    /// The name.
    pub name: String,
    /// Memories that a reader sees now.
    pub live_rows: u64,
    /// Rows that were deleted or replaced and still take space.
    pub dead_rows: u64,
    /// Rows that have expired and still take space.
    pub expired_rows: u64,
    /// The part of `expired_rows` that is not reclaimed, not even by a purge, because the clock is
    /// not believed: see `StoreStats::clock_doubt`.
    pub withheld_rows: u64,
    /// Bytes of the live rows in RAM and on the disk: vectors, bodies and, on the disk, columns;
    /// without codes and graphs. Where some rows of a part are dead, all of its rows count as
    /// equally large.
    pub live_bytes: u64,
    /// Bytes of dead and expired rows in sealed segments, that a compaction would give back.
    pub dead_bytes: u64,
    /// Rows in RAM: the active segment and those waiting to be sealed.
    pub memtable_rows: u64,
    /// Heap bytes of the memtables, with their codes.
    pub heap_bytes: u64,
    /// Sealed segments.
    pub segments: Vec<SegmentStats>,
    /// Indexes over them.
    pub indexes: Vec<IndexStats>,
    /// Bytes that background work is to write, about: the compaction debt. Segments that it would
    /// rewrite now count whole, an index that it would build now counts as large as it will be, and
    /// both until they are done. `Store::wait_idle` waits for it.
    pub debt_bytes: u64,
    /// The part of `debt_bytes` in an index.
    pub index_debt_bytes: u64,
    /// Recall of its graph, measured on a sample of recent queries, since the store was opened.
    pub recall: Option<RecallStats>,
    /// The newest compaction since the store was opened.
    pub last_compaction: Option<CompactionReport>,
    /// True when nothing bounds what the collection keeps: it has no default lifetime, and the
    /// store no `disk_budget`, or, for an in-memory collection, no `heap_budget`. The other budgets
    /// bound what work takes, not what is kept.
    pub retention_unset: bool,
}

/// Recall of a graph, measured on a sample of recent queries. The background measures it after
/// every build, when there are twice as many queries as the last time, and every ten minutes while
/// there are new ones. Searches choose the width of their beam by it, and by what was measured at
/// the build where queries are few.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecallStats {
    /// The graph: the number in the file's name of its index.
    pub index: u64,
    /// How many queries it was measured with.
    pub queries: usize,
    /// Recall@10, against exact distances, of the beam that was thought to give 0.95.
    pub recall: f32,
    /// The beam that gives a recall of 0.95.
    pub ef: usize,
    /// Whether merges have cost so much recall that the graph is going to be built anew.
    pub degraded: bool,
    /// When it was measured.
    pub at: Timestamp,
}

/// One sealed segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SegmentStats {
    /// The number in the file's name.
    pub file: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// All rows.
    pub rows: u64,
    /// Rows that were deleted or replaced.
    pub dead_rows: u64,
    /// Rows that have expired.
    pub expired_rows: u64,
}

/// What a width of the beam gives in a graph, measured when it was built, with queries made of its
/// rows and against exact distances of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BeamStats {
    /// The width of the beam.
    pub ef: u32,
    /// Recall@10 of what a search gives.
    pub recall: f32,
    /// Standard error of that.
    pub error: f32,
    /// Distances by code, on average.
    pub evaluations: u32,
}

/// One index: codes, and a graph where one pays.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IndexStats {
    /// The number in the file's name.
    pub file: u64,
    /// Bytes of the index and its locator.
    pub bytes: u64,
    /// Distinct vectors.
    pub nodes: u64,
    /// Nodes with at least one live row.
    pub live_nodes: u64,
    /// Whether it has a graph.
    pub graph: bool,
    /// The codes that fit its rows: those that were asked for, or finer ones.
    /// [`Quantization::None`] are the vectors.
    pub quantization: Option<Quantization>,
    /// Whether a centre was taken off the vectors before they were coded.
    pub centred: bool,
    /// How far off a product by code is at most, as a part of both lengths: by this bound a search
    /// decides which rows it measures exactly.
    pub code_error: f32,
    /// About which part of the rows a search by code measures exactly in vain.
    pub code_share: f32,
    /// Recall@10 of a search by codes, without the graph.
    pub code_recall: f32,
    /// What searches of the graph give, by their beams. A search takes the first that reaches its
    /// recall for certain; where none does, it does not use the graph.
    pub beams: Vec<BeamStats>,
}
