//! Owns the plain numbers a store tells about itself: statistics, plans, reports, events. Units are
//! in the names. Who computes them is elsewhere: `collection::stats`, `compaction`.

use std::fmt;
mod index;

use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Timestamp;
pub use index::{BeamStats, IndexStats};

/// What a store holds and what it costs.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Bytes of mapped files that are resident now; 0 where the system does not tell (it does on Linux).
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

/// A clock that is not believed: it is more than a day ahead of the last moment that the store saw and
/// of the time that passed since. Readers go by it all the same, so that what has expired by it is
/// hidden; but only what has expired by `believed` is destroyed. `Store::trust_clock` ends the doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockDoubt {
    /// What the clock shows.
    pub shown: Timestamp,
    /// The latest moment that is believed.
    pub believed: Timestamp,
    /// The clock is believed if it stays ahead for so much longer without being set back.
    pub wait: Duration,
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, believed, wait } = self;
        write!(f, "the clock shows {shown}, and no more than {believed} is believed for ")?;
        write!(f, "another {} s; Store::trust_clock ends the doubt", wait.as_secs())
    }
}

/// What one collection holds and what it costs.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// The part of `expired_rows` that is not reclaimed, not even by a purge, because the clock is not
    /// believed: see `StoreStats::clock_doubt`.
    pub withheld_rows: u64,
    /// Bytes of the live rows in RAM and on the disk: vectors, bodies and, on the disk, columns; without
    /// codes and graphs. Where some rows of a part are dead, all of its rows count as equally large.
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
    /// Bytes that background work is to write, about: the compaction debt. Segments that it would rewrite
    /// now count whole, an index that it would build now counts as large as it will be, and both until
    /// they are done. `Store::wait_idle` waits for it.
    pub debt_bytes: u64,
    /// The part of `debt_bytes` in an index.
    pub index_debt_bytes: u64,
    /// What the last look at its graph found, since the store was opened.
    pub canary: Option<RecallStats>,
    /// The newest compaction since the store was opened.
    pub last_compaction: Option<CompactionReport>,
    /// True when nothing bounds what the collection keeps: it has no default lifetime, and the store no
    /// `disk_budget`, or, for an in-memory collection, no `heap_budget`. The other budgets bound what
    /// work takes, not what is kept.
    pub retention_unset: bool,
}

/// What a look at a graph with a sample of the queries that were asked found. The background looks after
/// every build, when there are twice as many queries as the last time, and every ten minutes while there
/// are new ones; beams go by it, and by what the graph's own calibration says where queries are few.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RecallStats {
    /// The graph: the number in the file's name of its index.
    pub index: u64,
    /// How many queries it was looked at with.
    pub queries: usize,
    /// Recall@10, against exact distances, of the beam that was thought to give 0.95.
    pub recall: f32,
    /// The beam that gives a recall of 0.95.
    pub ef: usize,
    /// Whether merges have cost so much recall that the graph is going to be built anew.
    pub worn: bool,
    /// When.
    pub at: Timestamp,
}

/// One sealed segment.
#[derive(Clone, Debug, Default, PartialEq)]
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

/// One thing a compaction does, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Write the memtables to sealed segments.
    Seal {
        /// Live rows in them.
        rows: u64,
    },
    /// Remove a segment without reading it.
    Drop {
        /// The number in the file's name.
        segment: u64,
        /// Bytes that this gives back.
        bytes: u64,
    },
    /// Write the live rows of some segments to new ones.
    Rewrite {
        /// The numbers in the files' names; the segment that a `Seal` before it writes has none yet.
        segments: Vec<u64>,
        /// Why these.
        reason: Reason,
        /// Bytes of the inputs.
        bytes_before: u64,
        /// Predicted bytes of the outputs.
        bytes_after: u64,
    },
    /// Build an index in place of some, over their live rows.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A graph has lost recall by its merges and is built anew.
    Worn,
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
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What a compaction did.
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Rows that had expired before the call, for readers, and are still in files, because the clock is
    /// not believed. Always 0 where it is.
    pub withheld_rows: u64,
    /// Why rows are withheld.
    pub clock_doubt: Option<ClockDoubt>,
    /// Time it took.
    pub took: Duration,
}

impl PurgeReceipt {
    /// Whether everything that was dead before the call is gone from the files: nothing is pending, and
    /// nothing is withheld.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.withheld_rows == 0
    }
}

/// Something that a host may want to know about. The listener of `StoreOptions::on_event` is told of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A memtable became a sealed segment.
    Sealed {
        /// The collection.
        collection: String,
        /// Rows written.
        rows: u64,
    },
    /// A compaction is under way: so many of all rows are copied.
    Progress {
        /// The collection.
        collection: String,
        /// Rows copied so far.
        done: u64,
        /// Rows to copy.
        total: u64,
    },
    /// Segments were rewritten or dropped.
    Compacted {
        /// The collection.
        collection: String,
        /// What was done.
        report: CompactionReport,
    },
    /// An index was built.
    Indexed {
        /// The collection.
        collection: String,
        /// Rows covered.
        rows: u64,
        /// Whether it has a graph.
        graph: bool,
        /// Whether the graph was merged from an older one, not built anew.
        merged: bool,
        /// Distances measured to build the graph, where its builder counts them.
        evaluations: u64,
    },
    /// A graph was looked at with queries that were asked.
    Canary {
        /// The collection.
        collection: String,
        /// What was found.
        found: RecallStats,
    },
    /// An index file is missing or damaged: its rows are scanned until it is rebuilt.
    IndexDamaged {
        /// The collection.
        collection: String,
        /// What is wrong.
        reason: String,
    },
    /// Background work failed and will be tried again.
    BackgroundError {
        /// The collection, if the work was about one.
        collection: Option<String>,
        /// What went wrong.
        reason: String,
    },
    /// A collection was created that nothing bounds: it has no default lifetime, and the store no
    /// `disk_budget`, or, for an in-memory collection, no `heap_budget`. It grows for as long as
    /// memories are added.
    RetentionUnset {
        /// The collection.
        collection: String,
    },
}
