//! Owns the parameters of a search, as plain data. The builder that sets them is `search`.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::search::group::GroupBy;
use crate::search::text::{Fusion, TextQuery};

/// Largest number of results of one search, or of memories of one page.
pub(super) const MAX_RESULTS: usize = 1 << 20;

/// Default target recall of a search.
const DEFAULT_RECALL: f32 = 0.95;

/// A closure of the caller.
pub(super) type FilterFn<'a> = dyn Fn(&Memory) -> bool + Send + Sync + 'a;

/// How candidates are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum SearchMode {
    /// The cheapest access path, chosen for each index.
    #[default]
    Auto,
    /// By measuring every code.
    Scan,
    /// Through the graph wherever there is one.
    Graph,
}

/// Which fields of a memory are returned, in a hit or in a page of a list.
///
/// Fields that were not asked for are empty. A memory read without its vector cannot be inserted
/// again as it is. One read without its text can, and loses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Fields {
    /// The id and the sequence number only; in a hit, also the distance.
    None,
    /// Everything but the vector, the text and the bytes.
    Attributes,
    /// Everything but the vector.
    #[default]
    Payload,
    /// Everything, the vector included.
    All,
}

/// The first query of a search.
#[derive(Clone, Debug)]
pub(super) enum Query<'a> {
    Vector(&'a [f32]),
    /// The vector of this memory, which is no result itself. With a namespace, a memory of another
    /// is as none.
    Memory {
        id: MemoryId,
        namespace: Option<String>,
    },
    /// None: the search goes by words, unless vectors are added.
    Words,
}

/// The parameters of a search.
pub(super) struct Request<'a> {
    pub(super) query: Query<'a>,
    /// Further queries. The distance of a memory is the smallest to any query.
    pub(super) others: Vec<Vec<f32>>,
    /// The query by words.
    pub(super) text: Option<TextQuery>,
    pub(super) fusion: Fusion,
    /// Candidates of either side in a search by both.
    pub(super) pool: Option<usize>,
    pub(super) k: usize,
    pub(super) offset: usize,
    pub(super) max_distance: f32,
    pub(super) min_score: f32,
    /// The attribute to group by, and the most results of one group.
    pub(super) group: Option<(GroupBy, usize)>,
    pub(super) ef: Option<usize>,
    pub(super) recall: f32,
    pub(super) filter: Filter,
    pub(super) closure: Option<Box<FilterFn<'a>>>,
    pub(super) exact: bool,
    pub(super) mode: SearchMode,
    pub(super) fields: Fields,
    /// True if the search is not a read, which prolongs lives.
    pub(super) is_peek: bool,
}

impl<'a> Request<'a> {
    pub(super) fn new(query: Query<'a>) -> Self {
        Self {
            query,
            others: Vec::new(),
            text: None,
            fusion: Fusion::default(),
            pool: None,
            k: 10,
            offset: 0,
            max_distance: f32::INFINITY,
            min_score: f32::NEG_INFINITY,
            group: None,
            ef: None,
            recall: DEFAULT_RECALL,
            filter: Filter::All,
            closure: None,
            exact: false,
            mode: SearchMode::Auto,
            fields: Fields::Payload,
            is_peek: false,
        }
    }

    /// Adds the parameters to the debug text of a search.
    pub(super) fn show(&self, to: &mut fmt::DebugStruct<'_, '_>) {
        to.field("queries", &(&self.query, self.others.len()))
            .field("text", &self.text)
            .field("fusion", &(self.fusion, self.pool))
            .field("k", &self.k)
            .field("offset", &self.offset)
            .field("max_distance", &self.max_distance)
            .field("min_score", &self.min_score)
            .field("group_by", &self.group)
            .field("ef", &self.ef)
            .field("target_recall", &self.recall)
            .field("filter", &self.filter)
            .field("filter_fn", &self.closure.is_some())
            .field("exact", &self.exact)
            .field("mode", &self.mode)
            .field("fields", &self.fields)
            .field("peek", &self.is_peek);
    }

    /// Returns true if memories are looked for by a vector.
    pub(super) fn has_vector(&self) -> bool {
        !matches!(self.query, Query::Words) || !self.others.is_empty()
    }

    /// Refuses options that are out of range.
    pub(super) fn check(&self) -> Result<()> {
        let limited = |what, results: usize, way_out| match results {
            ..=MAX_RESULTS => Ok(()),
            _ => Err(Error::limit(what, (results, "results"), MAX_RESULTS, way_out)),
        };
        limited("k", self.k, "ask for fewer")?;
        let results = self.k.saturating_add(self.offset);
        limited("k and offset", results, "filter or list instead of paging on")?;
        if let Some((by, n)) = &self.group {
            by.check()?;
            if *n == 0 {
                let reason = "0 results in a group; ask for at least 1";
                return Err(Error::option("group_by", reason));
            }
            let what = "k groups of results";
            limited(what, results.saturating_mul(*n), "ask for fewer groups or fewer in each")?;
        }
        limited("pool", self.pool.unwrap_or_default(), "ask for a smaller one")?;
        self.fusion.check()?;
        if !self.has_vector() && self.max_distance < f32::INFINITY {
            let reason = "a search by words has no distances; set a vector, or min_score";
            return Err(Error::option("max_distance", reason));
        }
        if !(0.0..=1.0).contains(&self.recall) {
            let reason = format!("{} is not between 0 and 1", self.recall);
            return Err(Error::option("target_recall", reason));
        }
        for (name, value) in [("max_distance", self.max_distance), ("min_score", self.min_score)] {
            if value.is_nan() {
                return Err(Error::option(name, "it is NaN; give a number"));
            }
        }
        self.filter.check()
    }
}
