//! Owns what a search asks for, as plain data. The builder that fills it in is `search`.

use crate::filter::Filter;
use crate::memory::Memory;

/// Recall that a search aims at unless it says otherwise.
const DEFAULT_RECALL: f32 = 0.95;

/// A closure of the caller.
pub(super) type FilterFn<'a> = dyn Fn(&Memory) -> bool + Send + Sync + 'a;

/// How candidates are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fields {
    /// The id and the distance only.
    None,
    /// Everything but the vector.
    #[default]
    All,
    /// Everything.
    WithVector,
}

/// What a search asks for.
pub(super) struct Request<'a> {
    pub(super) query: &'a [f32],
    pub(super) k: usize,
    pub(super) ef: Option<usize>,
    pub(super) recall: f32,
    pub(super) filter: Filter,
    pub(super) closure: Option<Box<FilterFn<'a>>>,
    pub(super) exact: bool,
    pub(super) path: SearchMode,
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
            path: SearchMode::Auto,
            fields: Fields::Payload,
        }
    }
}
