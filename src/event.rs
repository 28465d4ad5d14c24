//! Owns `Event`, which a store sends to its listener. Plain data. `engine::events` delivers events.

use std::fmt;

use serde::Serialize;

use crate::report::{CompactionReport, Count};
use crate::stats::RecallStats;

/// Something that a store reports while it runs. The listener that was set with
/// [`StoreOptions::on_event`](crate::StoreOptions::on_event) receives it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Event {
    /// A memtable became a sealed segment.
    #[non_exhaustive]
    Sealed {
        /// The collection.
        collection: String,
        /// Rows written.
        rows: u64,
    },
    /// A compaction is under way: `done` of `total` rows are copied.
    #[non_exhaustive]
    Progress {
        /// The collection.
        collection: String,
        /// Rows copied so far.
        done: u64,
        /// Rows to copy.
        total: u64,
    },
    /// Segments were rewritten or dropped.
    #[non_exhaustive]
    Compacted {
        /// The collection.
        collection: String,
        /// The report of the compaction.
        report: CompactionReport,
    },
    /// An index was built.
    #[non_exhaustive]
    Indexed {
        /// The collection.
        collection: String,
        /// Rows covered.
        rows: u64,
        /// True if the index has a graph.
        graph: bool,
        /// True if the graph was merged from an older one, false if it was rebuilt.
        merged: bool,
        /// Distances computed to build the graph, if its builder counts them.
        evaluations: u64,
    },
    /// The recall of a graph was measured with recent queries.
    #[non_exhaustive]
    RecallMeasured {
        /// The collection.
        collection: String,
        /// The measured recall.
        found: RecallStats,
    },
    /// An index file is missing or damaged. Its rows are scanned until it is rebuilt.
    #[non_exhaustive]
    IndexDamaged {
        /// The collection.
        collection: String,
        /// What is wrong.
        reason: String,
    },
    /// Background work failed and will be retried.
    #[non_exhaustive]
    BackgroundError {
        /// The collection, if the work was about one.
        collection: Option<String>,
        /// What went wrong.
        reason: String,
    },
    /// A collection was created that nothing bounds. It has no default lifetime, and the store has
    /// no `disk_budget`, or no `heap_budget` for an in-memory collection. It grows as long as
    /// memories are added.
    #[non_exhaustive]
    RetentionUnset {
        /// The collection.
        collection: String,
    },
}

impl fmt::Display for Event {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed { collection, rows } => {
                write!(f, "{collection}: {} sealed", Count(*rows, "row"))
            }
            Self::Progress { collection, done, total } => {
                write!(f, "{collection}: {done} of {total} rows copied")
            }
            Self::Compacted { collection, report } => write!(f, "{collection}: {report}"),
            Self::Indexed { collection, rows, graph, merged, .. } => {
                let kind = match (graph, merged) {
                    (false, _) => "codes without a graph",
                    (true, false) => "a new graph",
                    (true, true) => "a merged graph",
                };
                write!(f, "{collection}: {} indexed, {kind}", Count(*rows, "row"))
            }
            Self::RecallMeasured { collection, found } => write!(f, "{collection}: {found}"),
            Self::IndexDamaged { collection, reason } => {
                write!(f, "{collection}: an index is damaged and will be built again: {reason}")
            }
            Self::BackgroundError { collection: Some(collection), reason } => {
                write!(f, "{collection}: background work failed and will be tried again: {reason}")
            }
            Self::BackgroundError { collection: None, reason } => {
                write!(f, "background work failed and will be tried again: {reason}")
            }
            Self::RetentionUnset { collection } => {
                write!(
                    f,
                    "{collection}: nothing bounds what it keeps; set default_ttl or disk_budget"
                )
            }
        }
    }
}
