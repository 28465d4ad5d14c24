//! Owns the parameters of a search, as plain data. The builder that sets them is `search`.

use serde::Serialize;

use crate::filter::Filter;
use crate::memory::Memory;

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

/// Which fields of a memory a hit contains.
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

/// The parameters of a search.
pub(super) struct Request<'a> {
    pub(super) query: &'a [f32],
    pub(super) k: usize,
    pub(super) ef: Option<usize>,
    pub(super) recall: f32,
    pub(super) filter: Filter,
    pub(super) closure: Option<Box<FilterFn<'a>>>,
    pub(super) exact: bool,
    pub(super) mode: SearchMode,
    pub(super) fields: Fields,
}

impl<'a> Request<'a> {
    pub(super) fn new(query: &'a [f32]) -> Self {
        Self {
            query,
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
}
