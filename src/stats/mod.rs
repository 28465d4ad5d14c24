//! Owns the statistics of a store and its parts. Plain data. Units are in the names. Other modules
//! compute the values. `stats::text` shows them.

mod text;

use std::time::Duration;

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
    /// Bytes of every file of the store except its reserve, in whole blocks of 4 KiB.
    pub disk_bytes: u64,
    /// Bytes of the file `RESERVE`, which `disk_bytes` leaves out: see
    /// [`StoreOptions::reserve_bytes`](crate::StoreOptions::reserve_bytes). 0 while it is removed
    /// because the disk is full.
    pub reserve_bytes: u64,
    /// The part of `disk_bytes` in log files.
    pub log_bytes: u64,
    /// Number of log files.
    pub log_files: usize,
    /// Bytes of mapped files. How much of it is resident is the kernel's decision.
    pub mapped_bytes: u64,
    /// Bytes of mapped files that were resident when the system was last asked: see
    /// [`Store::resident_bytes`](crate::Store::resident_bytes). 0 before.
    pub resident_bytes: u64,
    /// Number of segments that are kept open for reading: see
    /// [`IoMode::Pread`](crate::IoMode::Pread).
    pub open_files: usize,
    /// Heap bytes of memtables, liveness, tables and graph builds, as counted by the store.
    pub heap_bytes: u64,
    /// The part of `heap_bytes` in graph builds that are under way.
    pub job_heap_bytes: u64,
    /// Number of snapshots that can be read: see [`Store::snapshot`](crate::Store::snapshot).
    pub snapshots: usize,
    /// Age of the oldest of them.
    pub oldest_snapshot_age: Option<Duration>,
    /// Number of files that no longer belong to the store but that a snapshot, an iterator or
    /// another reader still holds.
    pub held_files: usize,
    /// Bytes of those files.
    pub held_bytes: u64,
    /// Sequence number of the newest visible operation.
    pub visible_seq: u64,
    /// Sequence number up to which the log is known to be on the disk.
    pub synced_seq: u64,
    /// How often the listener panicked since the store was opened: see
    /// [`StoreOptions::on_event`](crate::StoreOptions::on_event).
    pub listener_panics: u64,
    /// Events that were dropped because too many waited for the listener.
    pub events_lost: u64,
    /// Why expired rows are not reclaimed, if the clock is not believed.
    /// [`CollectionStats::withheld_rows`](crate::CollectionStats::withheld_rows) counts these rows.
    pub clock_doubt: Option<ClockDoubt>,
    /// True while background compaction and index building are paused by
    /// [`Store::pause_background`](crate::Store::pause_background).
    pub background_paused: bool,
    /// Why writes are refused, if they are.
    pub poisoned: Option<String>,
    /// The instruction set that distances are computed with.
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
    /// Rows with changes that are kept beside them: see `Patch`. A rewrite of their segment works
    /// them in.
    pub changed_rows: u64,
    /// Heap bytes of these changes.
    pub changed_bytes: u64,
    /// The part of `expired_rows` that is not reclaimed, not even by a purge, because the clock is
    /// not believed: see [`StoreStats::clock_doubt`](crate::StoreStats::clock_doubt).
    pub withheld_rows: u64,
    /// Bytes of the live rows in RAM and on the disk: vectors, bodies and, on the disk, columns,
    /// without codes and graphs. If some rows of a part are dead, all of its rows count as equally
    /// large.
    pub live_bytes: u64,
    /// Bytes of dead and expired rows in sealed segments, which a compaction would free.
    pub dead_bytes: u64,
    /// Rows in RAM: in the active memtable and in memtables that wait to be sealed.
    pub memtable_rows: u64,
    /// Heap bytes of the memtables, including their codes and words.
    pub heap_bytes: u64,
    /// Bytes of the columns of fields in the segments: see `Filter::field`.
    pub field_bytes: u64,
    /// How many bytes these columns may take: in each segment a quarter of the vectors' bytes, and
    /// at least 64 KiB.
    pub field_bytes_limit: u64,
    /// How many columns were left out because they would exceed that. The rows answer for them.
    pub field_columns_left_out: u64,
    /// Bytes of the words in the segments: see
    /// [`CollectionOptions::text_index`](crate::CollectionOptions::text_index).
    pub word_bytes: u64,
    /// Sealed segments.
    pub segments: Vec<SegmentStats>,
    /// Indexes over the segments.
    pub indexes: Vec<IndexStats>,
    /// Estimated bytes that background work will write: the compaction debt. A segment that is due
    /// for a rewrite counts in full. An index that is due counts with its future size. Both count
    /// until they are done. [`Store::wait_idle`](crate::Store::wait_idle) waits for that.
    pub debt_bytes: u64,
    /// The part of `debt_bytes` in indexes.
    pub index_debt_bytes: u64,
    /// Recall of its graph, measured on a sample of recent queries since the store was opened.
    pub recall: Option<RecallStats>,
    /// The report of the newest compaction since the store was opened.
    pub last_compaction: Option<CompactionReport>,
    /// True if nothing bounds what the collection keeps. It has no default lifetime, and the store
    /// has no `disk_budget`, or no `heap_budget` for an in-memory collection. The other budgets
    /// bound the cost of work, not what is kept.
    pub retention_unset: bool,
}

/// Recall of a graph, measured on a sample of recent queries.
///
/// The background measures it after every build, when the number of queries has doubled, and every
/// ten minutes while there are new queries. Searches choose their beam width by it. While there are
/// few queries, they use what was measured at the build.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecallStats {
    /// The graph: the number in the file name of its index.
    pub index: u64,
    /// Number of queries in the measurement.
    pub queries: usize,
    /// Recall@10, against exact distances, of the beam that was expected to reach 0.95.
    pub recall: f32,
    /// The beam that reaches a recall of 0.95.
    pub ef: usize,
    /// True if merges have cost so much recall that the graph will be rebuilt.
    pub degraded: bool,
    /// When the recall was measured.
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
    /// The part of the bytes in the words of texts; 0 if these are not indexed.
    pub word_bytes: u64,
}

/// The recall and cost of one beam width in a graph. It was measured when the graph was built, with
/// queries derived from the graph's rows, against exact distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BeamStats {
    /// The width of the beam.
    pub ef: u32,
    /// Recall@10 of a search.
    pub recall: f32,
    /// Standard error of the recall.
    pub error: f32,
    /// Mean number of distances by code per search.
    pub evaluations: u32,
}

/// One index: codes, and a graph if one pays.
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
    /// True if the index has a graph.
    pub graph: bool,
    /// The quantization that fits its rows: the requested one, or a finer one.
    /// [`Quantization::None`] stands for the vectors themselves.
    pub quantization: Option<Quantization>,
    /// True if a centre was subtracted from the vectors before they were coded.
    pub centred: bool,
    /// Bound on the error of a dot product by code, as a fraction of the product of both lengths.
    /// By this bound a search decides which rows to measure exactly.
    pub code_error: f32,
    /// Estimated fraction of the rows that a search by code measures exactly without need.
    pub code_share: f32,
    /// Recall@10 of a search by codes, without the graph.
    pub code_recall: f32,
    /// Recall and cost of the graph for each beam width. A search takes the first width that
    /// reliably reaches its target recall. If none does, it does not use the graph.
    pub beams: Vec<BeamStats>,
}
