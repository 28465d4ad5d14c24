//! Owns `Event`, what a store tells its listener. Plain data. Who sends events is elsewhere.

use std::fmt;

use serde::Serialize;

use crate::report::{CompactionReport, Count};
use crate::stats::RecallStats;

/// Something that a host may want to know about. The listener of `StoreOptions::on_event` is told
/// of it.
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
    /// A compaction is under way: so many of all rows are copied.
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
        /// What was done.
        report: CompactionReport,
    },
    /// An index was built.
    #[non_exhaustive]
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
    /// The recall of a graph was measured with queries that were asked.
    #[non_exhaustive]
    RecallMeasured {
        /// The collection.
        collection: String,
        /// What was measured.
        found: RecallStats,
    },
    /// An index file is missing or damaged: its rows are scanned until it is rebuilt.
    #[non_exhaustive]
    IndexDamaged {
        /// The collection.
        collection: String,
        /// What is wrong.
        reason: String,
    },
    /// Background work failed and will be tried again.
    #[non_exhaustive]
    BackgroundError {
        /// The collection, if the work was about one.
        collection: Option<String>,
        /// What went wrong.
        reason: String,
    },
    /// A collection was created that nothing bounds: it has no default lifetime, and the store no
    /// `disk_budget`, or, for an in-memory collection, no `heap_budget`. It grows for as long as
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
