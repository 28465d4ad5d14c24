//! Owns `Search`: what a query asks for, and the hits it gets. How candidates are found is
//! `search::run`.

mod run;
mod shortlist;
mod ways;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::collection::Collection;
use crate::collection::eligible::FilterFn;
use crate::collection::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::format::record;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::options::Metric;
use crate::segment::{Row, RowBuffer, Rows};
use crate::vector::metric::restore;

/// Recall that a search aims at unless it says otherwise.
const DEFAULT_RECALL: f32 = 0.95;
/// Most results of one search.
const MAX_K: usize = 1 << 20;

/// How candidates are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum SearchMode {
    /// Whatever is expected to be cheaper, index by index.
    #[default]
    Auto,
    /// By measuring every code.
    Scan,
    /// Through the graph wherever there is one.
    Graph,
}

/// How much of a memory a hit brings along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Fields {
    /// The id and the distance only.
    None,
    /// Everything but the vector.
    #[default]
    Payload,
    /// Everything, the vector included.
    All,
}

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
    /// The memory, as far as [`Search::fields`] asked for it.
    pub memory: Option<Memory>,
}

impl Hit {
    /// The memory's text, if it has one and fields were asked for.
    pub fn text(&self) -> Option<&str> {
        self.memory.as_ref()?.text.as_deref()
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
    /// The search asked for it, by [`Search::mode`] or [`Search::exact`].
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
    /// Recall@10 of this way, measured against exact distances when the index was built or looked at.
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

/// A search in the making. Nothing happens before [`Search::run`].
#[must_use = "a search does nothing until it is run"]
pub struct Search<'a> {
    collection: &'a Collection,
    query: &'a [f32],
    /// What is searched; what there is when it is run, if `None`.
    snapshot: Option<Arc<Snapshot>>,
    k: usize,
    ef: Option<usize>,
    recall: f32,
    filter: Filter,
    closure: Option<Box<FilterFn<'a>>>,
    exact: bool,
    mode: SearchMode,
    fields: Fields,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        collection: &'a Collection,
        query: &'a [f32],
        snapshot: Option<Arc<Snapshot>>,
    ) -> Self {
        Self {
            collection,
            query,
            snapshot,
            k: 10,
            ef: None,
            recall: DEFAULT_RECALL,
            filter: Filter::All,
            closure: None,
            exact: false,
            mode: SearchMode::Auto,
            fields: Fields::Payload,
        }
    }

    /// How many results, at most about a million. Default = 10. As many come back whenever that
    /// many memories match.
    #[doc(alias = "limit")]
    #[doc(alias = "top_k")]
    pub const fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// The width of the beam in graphs. Default: what [`Search::target_recall`] needs.
    pub const fn ef(mut self, ef: usize) -> Self {
        self.ef = Some(ef);
        self
    }

    /// The share of the true nearest that should be found, 0 to 1. Default = 0.95. A graph is searched
    /// only if it was measured to find as much, against exact distances, on average over queries like the
    /// rows; otherwise a way is taken that costs more and finds them. What is measured are ten results;
    /// for more a beam is taken that is wider in proportion, and nothing is promised of it.
    pub const fn target_recall(mut self, recall: f32) -> Self {
        self.recall = recall;
        self
    }

    /// Only memories that match; several filters must all match.
    #[doc(alias = "where")]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = std::mem::replace(&mut self.filter, Filter::All).and(filter);
        self
    }

    /// Only memories of this namespace.
    pub fn namespace(self, name: impl Into<String>) -> Self {
        self.filter(Filter::namespace(name))
    }

    /// Only memories of this session. Sessions belong to the collection: ask for the namespace as well
    /// where users number theirs alike.
    pub fn session(self, name: impl Into<String>) -> Self {
        self.filter(Filter::session(name))
    }

    /// Only memories of this kind.
    pub fn kind(self, name: impl Into<String>) -> Self {
        self.filter(Filter::kind(name))
    }

    /// Only memories with this tag.
    pub fn tag(self, name: impl Into<String>) -> Self {
        self.filter(Filter::tag(name))
    }

    /// Only memories made in this range of time.
    pub fn created(self, range: impl std::ops::RangeBounds<Timestamp>) -> Self {
        self.filter(Filter::created(range))
    }

    /// Only memories for which the closure is true. It sees them without their vectors, and is
    /// called for candidates only; data that a [`Filter`] can express is found faster with one.
    pub fn filter_fn(mut self, closure: impl Fn(&Memory) -> bool + Send + Sync + 'a) -> Self {
        self.closure = Some(Box::new(closure));
        self
    }

    /// Measures every eligible memory exactly: O(rows), and right.
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// How candidates are looked for. Default = [`SearchMode::Auto`].
    pub const fn mode(mut self, mode: SearchMode) -> Self {
        self.mode = mode;
        self
    }

    /// How much of each memory comes back. Default = [`Fields::Payload`], without vectors.
    pub const fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Returns the nearest memories, nearest first, ties by id.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`] or [`Error::InvalidVector`] for the query; [`Error::Corrupt`] if a row
    /// that belongs in the answer is damaged on disk.
    pub fn run(self) -> Result<Vec<Hit>> {
        self.explain().map(|(hits, _)| hits)
    }

    /// Returns the nearest memories, and what finding them took.
    ///
    /// # Errors
    ///
    /// As for [`Search::run`].
    pub fn explain(self) -> Result<(Vec<Hit>, Explanation)> {
        if self.k > MAX_K {
            return Err(Error::limit("k", (self.k, "results"), MAX_K, "ask for fewer"));
        }
        if !(0.0..=1.0).contains(&self.recall) {
            let reason = format!("{} is not between 0 and 1", self.recall);
            return Err(Error::option("target_recall", reason));
        }
        self.filter.check()?;
        let engine = &self.collection.engine;
        engine.check_open()?;
        let begun = engine.monotonic();
        let answer = run::run(&self);
        engine.pace.note_search(engine.monotonic().saturating_sub(begun));
        answer
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("collection", &self.collection.name())
            .field("k", &self.k)
            .field("ef", &self.ef)
            .field("target_recall", &self.recall)
            .field("filter", &self.filter)
            .field("filter_fn", &self.closure.is_some())
            .field("exact", &self.exact)
            .field("mode", &self.mode)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// The memory at a row.
pub(super) fn read_memory(
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
fn score(metric: Metric, distance: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - distance,
        Metric::Dot => -distance,
        Metric::L2 => 1.0 / (1.0 + distance),
    }
}
