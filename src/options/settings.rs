//! Owns `Settings`, what a collection is: every option with the value that holds. `CollectionOptions`
//! says which of them a caller gives; here it is decided what that comes to.

use std::time::Duration;

use super::{CollectionOptions, Durability, HnswParams, MAX_DIMENSION, Metric, Quantization};
use crate::error::{Error, Result};

/// Rows of a full memtable, unless another number is given.
pub(super) const MEMTABLE_ROWS: u32 = 4096;

/// The options of a collection that exists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) dimension: usize,
    pub(crate) metric: Metric,
    pub(crate) embedding_space: Option<String>,
    pub(crate) codes: Quantization,
    pub(crate) hnsw: HnswParams,
    pub(crate) durability: Durability,
    pub(crate) default_ttl: Option<Duration>,
    pub(crate) in_memory: bool,
    pub(crate) memtable_rows: u32,
}

impl Settings {
    /// Of a new collection: what is not given has its default.
    pub(crate) fn new(options: CollectionOptions) -> Self {
        Self {
            codes: options.code_kind(),
            hnsw: options.hnsw_params(),
            durability: options.durability_level(),
            default_ttl: options.default_lifetime(),
            in_memory: options.is_in_memory(),
            memtable_rows: options.memtable_row_limit(),
            dimension: options.dimension,
            metric: options.metric,
            embedding_space: options.embedding_space,
        }
    }

    /// The settings after the collection `name` is opened with these options: what they give must
    /// agree or is taken over, what they do not give stays.
    pub(crate) fn changed(&self, name: &str, wanted: CollectionOptions) -> Result<Self> {
        if self.dimension != wanted.dimension {
            return Err(Error::Dimension { expected: self.dimension, got: wanted.dimension });
        }
        agree("metric", name, self.metric, Some(wanted.metric))?;
        agree("codes", name, self.codes, wanted.codes)?;
        agree("in_memory", name, self.in_memory, wanted.in_memory)?;
        match (&self.embedding_space, &wanted.embedding_space) {
            (Some(expected), Some(got)) if expected != got => {
                let (expected, got) = (expected.clone(), got.clone());
                return Err(Error::EmbeddingSpace { expected, got });
            }
            _ => {}
        }
        let mut now = self.clone();
        now.embedding_space = wanted.embedding_space.or(now.embedding_space);
        now.hnsw = wanted.hnsw.unwrap_or(now.hnsw);
        now.durability = wanted.durability.unwrap_or(now.durability);
        now.default_ttl = wanted.default_ttl.unwrap_or(now.default_ttl);
        now.memtable_rows = wanted.memtable_rows.unwrap_or(now.memtable_rows);
        Ok(now)
    }

    /// Options that give every one of these.
    pub(crate) fn to_options(&self) -> CollectionOptions {
        CollectionOptions {
            dimension: self.dimension,
            metric: self.metric,
            embedding_space: self.embedding_space.clone(),
            codes: Some(self.codes),
            hnsw: Some(self.hnsw),
            durability: Some(self.durability),
            default_ttl: Some(self.default_ttl),
            in_memory: Some(self.in_memory),
            memtable_rows: Some(self.memtable_rows),
        }
    }

    /// Checks every range.
    pub(crate) fn validate(&self) -> Result<()> {
        let range = |name, got: u64, low: u64, high: u64| {
            if (low..=high).contains(&got) {
                return Ok(());
            }
            Err(Error::option(name, format!("{got} is not between {low} and {high}")))
        };
        range("dimension", self.dimension as u64, 1, MAX_DIMENSION as u64)?;
        range("m", self.hnsw.m.into(), 4, 128)?;
        range("ef_construction", self.hnsw.ef_construction.into(), self.hnsw.m.into(), 4096)?;
        range("memtable_rows", self.memtable_rows.into(), 64, 65_536)?;
        if let Some(name) = &self.embedding_space {
            range("embedding_space (its length)", name.len() as u64, 1, 1024)?;
        }
        if self.default_ttl == Some(Duration::ZERO) {
            return Err(Error::option("default_ttl", "zero would hide every memory at once"));
        }
        Ok(())
    }
}

/// What is fixed at creation and given must be what it was.
fn agree<T: PartialEq + std::fmt::Debug>(
    option: &'static str,
    collection: &str,
    now: T,
    wanted: Option<T>,
) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != now => {
            let reason = format!(
                "the collection {collection:?} was created with {now:?}, not with {wanted:?}"
            );
            Err(Error::option(option, reason))
        }
        _ => Ok(()),
    }
}
