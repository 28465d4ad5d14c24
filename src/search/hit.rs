//! Owns what a search gives back: the hits, and how they were found. Also reads a memory from a
//! row.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::record;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::options::Metric;
use crate::segment::{Row, RowBuffer, Rows};
use crate::vector::metric::restore;

/// One result. It is owned and keeps no file open.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// The memory's id.
    pub id: MemoryId,
    /// Its place in the history of the store: see [`Memory::seq`].
    pub seq: u64,
    /// Exact distance from the query; smaller is nearer.
    pub distance: f32,
    /// The same as a similarity, larger is nearer: the cosine, the dot product, or 1 / (1 + L2).
    pub score: f32,
    /// The memory, as far as [`Search::fields`](crate::Search::fields) asked for it.
    pub memory: Option<Memory>,
}

impl Hit {
    /// The memory's text, if it has one and fields were asked for.
    pub fn text(&self) -> Option<&str> {
        self.memory.as_ref()?.text.as_deref()
    }
}

impl fmt::Display for Hit {
    /// One line: the id, the score and the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.3})", self.id, self.score)?;
        self.text().map_or(Ok(()), |text| write!(f, " {text}"))
    }
}

/// How rows were searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum AccessPath {
    /// Through a graph, the best by code measured exactly.
    Graph,
    /// By all codes, the best of them measured exactly.
    Codes,
    /// By the codes of the rows that match a filter, the best of them measured exactly.
    MatchingCodes,
    /// Every row was measured exactly.
    Rows,
}

/// Why rows were searched in a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum AccessReason {
    /// It costs least of those that reach the recall.
    Cheapest,
    /// The search asked for it, by [`Search::mode`](crate::Search::mode) or [`Search::exact`](crate::Search::exact).
    AskedFor,
    /// They are few.
    FewRows,
    /// There is a graph, and no beam that was measured finds as much as the search asks for.
    GraphMissesTarget,
    /// A graph was searched, and given up when it had cost as much as this way does.
    GraphGaveUp,
    /// By code, too many rows could not be told from the nearest.
    CodesTooCoarse,
}

/// How the rows of one index were searched; or all rows, where they were measured exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PartSearch {
    /// The number in the file's name of the index; `None` where all rows were measured.
    pub index: Option<u64>,
    /// Rows that could be results.
    pub rows: u64,
    /// How they were searched.
    pub path: AccessPath,
    /// Why in that way.
    pub reason: AccessReason,
    /// Recall@10 of this way, measured against exact distances when the index was built or looked
    /// at.
    pub recall: f32,
}

/// What a search did, for those who want to know why it was fast or slow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// How the rows of each index were searched. Rows in RAM and those that no index covers are not
    /// among them: they are searched in a way that finds what is nearest.
    pub parts: Vec<PartSearch>,
    /// Rows that could be results at most.
    pub eligible_rows: u64,
    /// Codes measured by scanning.
    pub scanned: u64,
    /// Codes measured in graphs, and those of rows that match a filter.
    pub evaluations: u64,
    /// Nodes of graphs whose neighbors were looked at.
    pub hops: u64,
    /// Full vectors measured: the best by code, or all rows that match where they are few.
    pub reranked: u64,
    /// Indexes searched through their graph.
    pub graphs: u32,
    /// Graph searches that did not find enough and were followed by a scan.
    pub fallbacks: u32,
}

/// The memory at a row.
pub(crate) fn read_memory(
    metric: Metric,
    rows: &dyn Rows,
    row: Row,
    with_vector: bool,
) -> Result<Memory> {
    let mut buffer = RowBuffer::default();
    let found = rows.row(row, &mut buffer)?;
    let vector = if with_vector { restore(metric, found.vector, found.norm) } else { Vec::new() };
    let mut memory = record::decode_memory(found.id, vector, found.body)
        .map_err(|e| Error::Metadata { reason: format!("memory {}: {}", found.id, e.reason) })?;
    memory.origin.seq = Some(found.seq);
    Ok(memory)
}

/// A distance as a similarity.
pub(super) fn score(metric: Metric, distance: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - distance,
        Metric::Dot => -distance,
        Metric::L2 => 1.0 / (1.0 + distance),
    }
}
