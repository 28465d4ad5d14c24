//! Owns the results of a search: hits, groups of hits, and the explanation of how they were found.
//! Also reads a memory from a row.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::record;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::options::Metric;
use crate::search::request::Fields;
use crate::segment::{Row, RowBuffer, Rows};
use crate::vector::metric::restore;

/// One result. It owns its data and keeps no file open.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// The memory's id.
    pub id: MemoryId,
    /// The memory's place in the history of the store: see [`Memory::seq`].
    pub seq: u64,
    /// Exact distance from the query; smaller is nearer. Infinite if the search had no vector.
    pub distance: f32,
    /// By how much results are ordered, the largest first. Of a search by a vector, the distance as
    /// a similarity: the cosine, the dot product, or 1 / (1 + distance). Of a search by words,
    /// [`text_score`](Self::text_score). Of a search by both, the sum that
    /// [`Fusion`](crate::Fusion) describes.
    pub score: f32,
    /// The BM25 score of the memory's text; 0 if it does not match. `None` if the search had no
    /// words.
    pub text_score: Option<f32>,
    /// The memory, as far as [`Search::fields`](crate::Search::fields) asked for it.
    pub memory: Option<Memory>,
}

impl Hit {
    /// Returns the field [`text`](field@Memory::text) of the memory. `None` if the memory has no
    /// text, or if the search asked for no fields ([`Fields::None`](crate::Fields::None)).
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

/// Results with one value of an attribute, nearest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// The value that all hits of the group have: a session, a namespace, …
    pub value: String,
    /// At least one hit. The nearest is first; ties by id.
    pub hits: Vec<Hit>,
}

/// How rows were searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum AccessPath {
    /// Through a graph. The best candidates by code were measured exactly.
    Graph,
    /// By all codes. The best candidates were measured exactly.
    Codes,
    /// By the codes of the rows that match a filter. The best candidates were measured exactly.
    MatchingCodes,
    /// Every row was measured exactly.
    Rows,
}

/// Why an access path was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum AccessReason {
    /// It is the cheapest of the paths that reach the target recall.
    Cheapest,
    /// The search asked for it, by [`Search::mode`](crate::Search::mode) or
    /// [`Search::exact`](crate::Search::exact).
    AskedFor,
    /// Few rows are eligible.
    FewRows,
    /// There is a graph, but no measured beam reaches the target recall.
    GraphMissesTarget,
    /// A graph search was given up when it had cost as much as this path.
    GraphGaveUp,
    /// By code, too many rows could not be distinguished from the nearest.
    CodesTooCoarse,
}

/// How the rows of one index were searched, or all rows if they were measured exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PartSearch {
    /// The number in the file name of the index; `None` if all rows were measured.
    pub index: Option<u64>,
    /// Number of eligible rows.
    pub rows: u64,
    /// The access path.
    pub path: AccessPath,
    /// The reason for this path.
    pub reason: AccessReason,
    /// Recall@10 of this path, measured against exact distances when the index was built or when
    /// the recall monitor last measured it.
    pub recall: f32,
}

/// What a search did, to explain why it was fast or slow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// How the rows of each index were searched. Rows in RAM and rows outside of indexes are not
    /// listed: their search always finds the nearest. If one answer takes several searches, for
    /// several queries or for groups, the parts of each are listed.
    pub parts: Vec<PartSearch>,
    /// Upper bound of the number of eligible rows.
    pub eligible_rows: u64,
    /// Codes measured by scanning.
    pub scanned: u64,
    /// Codes measured in graphs, and codes of matching rows.
    pub evaluations: u64,
    /// Nodes of graphs whose neighbors were visited.
    pub hops: u64,
    /// Full vectors measured: the best by code, or all matching rows if there are few.
    pub reranked: u64,
    /// Number of indexes searched through their graph.
    pub graphs: u32,
    /// Graph searches that found too few results and were followed by a scan.
    pub fallbacks: u32,
    /// Rows whose metadata was parsed, because no column answers the filter for them. Rows in RAM
    /// have no columns.
    pub fields_from_rows: u64,
    /// What was done for the query by words; `None` if there was none.
    pub text: Option<TextSearch>,
}

/// How a query by words was answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TextSearch {
    /// Visible memories of the collection with at least one word in their text.
    pub documents: u64,
    /// The words that were looked for, as the text index stores them.
    pub words: Vec<WordCount>,
    /// Memories that match by words and pass the filter. The order of words in phrases and closures
    /// may leave out some of them.
    pub matches: u64,
    /// Entries that were read: one is a word of a memory.
    pub postings: u64,
    /// Rows that had no words in the text index, so that these were made from their text. It is 0
    /// once compaction has indexed all rows.
    pub words_from_rows: u64,
}

/// A word of a query by words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WordCount {
    /// The word, as the text index stores it.
    pub word: String,
    /// True if it stands for all words that begin with it.
    pub is_prefix: bool,
    /// How many visible memories of the collection have it.
    pub documents: u64,
}

impl Explanation {
    /// Adds what a further search for the same answer did. Parsed metadata is counted where the
    /// filter is answered.
    pub(super) fn add(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.eligible_rows = self.eligible_rows.max(other.eligible_rows);
        self.scanned += other.scanned;
        self.evaluations += other.evaluations;
        self.hops += other.hops;
        self.reranked += other.reranked;
        self.graphs += other.graphs;
        self.fallbacks += other.fallbacks;
        self.text = other.text.or(self.text.take());
    }
}

/// Reads the fields that were asked for. Without the vector, no byte of it is read.
pub(crate) fn read_fields(
    metric: Metric,
    rows: &dyn Rows,
    row: Row,
    fields: Fields,
) -> Result<Memory> {
    let mut buffer = RowBuffer::default();
    let (id, seq, vector, body) = match fields {
        Fields::None => {
            let mut memory = Memory::new(rows.id(row)?, Vec::new());
            memory.origin.seq = Some(rows.first_seq(row)?);
            memory.origin.version = Some(rows.version(row)?);
            memory.origin.bytes = Some(row_bytes(rows, rows.body_bytes(row)?));
            return Ok(memory);
        }
        Fields::Attributes | Fields::Payload => {
            (rows.id(row)?, rows.seq(row)?, Vec::new(), rows.body(row, &mut buffer)?)
        }
        Fields::All => {
            let found = rows.row(row, &mut buffer)?;
            let vector = restore(metric, found.vector, found.norm);
            (found.id, found.seq, vector, found.body)
        }
    };
    let read = match fields {
        Fields::Attributes => record::decode_attributes(id, body),
        _ => record::decode_memory(id, vector, body),
    };
    let mut memory =
        read.map_err(|e| Error::Metadata { reason: format!("memory {id}: {}", e.reason) })?;
    // A row that an update wrote has the number of the insert in its body.
    memory.origin.version = memory.origin.version.max(Some(seq));
    memory.origin.seq = memory.origin.seq.or(Some(seq));
    memory.origin.bytes = Some(row_bytes(rows, body.len()));
    Ok(memory)
}

/// Returns the bytes of a row with a body of this length.
fn row_bytes(rows: &dyn Rows, body: usize) -> u64 {
    (rows.dimension() * size_of::<f32>() + body) as u64
}

/// Returns a distance as a similarity.
pub(super) fn score(metric: Metric, distance: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - distance,
        Metric::Dot => -distance,
        Metric::L2 => 1.0 / (1.0 + distance),
    }
}
