//! Owns `CollectionSettings`: every option of a collection with the value in force. It decides how
//! `CollectionOptions`, which a caller passes, become settings.

use std::time::Duration;

use serde::Serialize;

use super::collection::CollectionOptions;
use super::text_index::TextIndex;
use super::values::{Durability, HnswParams, Metric};
use crate::error::{Error, Result};
use crate::quantization::Quantization;
use crate::words::Analyzer;

/// Rows of a full memtable, by default.
const MEMTABLE_ROWS: u32 = 4096;

/// The settings of an existing collection: every option with the value in force.
///
/// `CollectionOptions::from` turns them into options that create an equal collection elsewhere.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Metric, Quantization, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// let notes = store.collection("notes", CollectionOptions::new(384, Metric::Cosine))?;
/// assert_eq!(notes.settings().quantization, Quantization::Bits4);
/// let copy = store.collection("copy", notes.settings())?;
/// assert_eq!(copy.settings(), notes.settings());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CollectionSettings {
    /// Number of floats in a vector.
    pub dimension: usize,
    /// The measure of distance between two vectors.
    pub metric: Metric,
    /// The name of the model that makes the vectors, if there is one.
    pub embedding_space: Option<String>,
    /// The compact form of vectors that searches read.
    pub quantization: Quantization,
    /// The parameters of the graph.
    pub hnsw: HnswParams,
    /// What a write waits for, unless the write itself sets it.
    pub durability: Durability,
    /// The lifetime of memories that have none of their own; `None` means for ever.
    pub default_ttl: Option<Duration>,
    /// Whether the collection is in RAM only.
    pub in_memory: bool,
    /// Number of rows at which the memtable is sealed.
    pub memtable_rows: u32,
    /// Whether a key is unique within its namespace.
    pub unique_keys: bool,
    /// How long a memory with an end lives at least after it was read; `None` if reads change
    /// nothing.
    pub refresh_on_read: Option<Duration>,
    /// The index of the words of texts; `None` if they are not indexed.
    pub text_index: Option<TextIndex>,
}

impl From<CollectionOptions> for CollectionSettings {
    /// Returns the settings of a new collection. An option that is not given has its default.
    fn from(options: CollectionOptions) -> Self {
        let dimension = options.dimension;
        Self {
            quantization: options
                .quantization
                .unwrap_or_else(|| Quantization::default_for(dimension)),
            hnsw: options.hnsw.unwrap_or_default(),
            durability: options.durability.unwrap_or_default(),
            default_ttl: options.default_ttl.unwrap_or_default(),
            in_memory: options.in_memory.unwrap_or_default(),
            memtable_rows: options.memtable_rows.unwrap_or(MEMTABLE_ROWS),
            unique_keys: options.unique_keys.unwrap_or_default(),
            refresh_on_read: options.refresh_on_read.unwrap_or_default(),
            text_index: options.text_index.unwrap_or_default(),
            dimension,
            metric: options.metric,
            embedding_space: options.embedding_space,
        }
    }
}

impl From<CollectionSettings> for CollectionOptions {
    /// Returns options that give every one of these settings.
    fn from(settings: CollectionSettings) -> Self {
        Self {
            dimension: settings.dimension,
            metric: settings.metric,
            embedding_space: settings.embedding_space,
            quantization: Some(settings.quantization),
            hnsw: Some(settings.hnsw),
            durability: Some(settings.durability),
            default_ttl: Some(settings.default_ttl),
            in_memory: Some(settings.in_memory),
            memtable_rows: Some(settings.memtable_rows),
            unique_keys: Some(settings.unique_keys),
            refresh_on_read: Some(settings.refresh_on_read),
            text_index: Some(settings.text_index),
        }
    }
}

impl CollectionSettings {
    /// Returns the settings after the collection `name` is opened with these options. A given
    /// option must agree with a fixed setting and replaces any other. The rest stays.
    pub(crate) fn changed(&self, name: &str, wanted: CollectionOptions) -> Result<Self> {
        if self.dimension != wanted.dimension {
            return Err(Error::Dimension { expected: self.dimension, got: wanted.dimension });
        }
        agree("metric", name, self.metric, Some(wanted.metric))?;
        agree("quantization", name, self.quantization, wanted.quantization)?;
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
        now.unique_keys = wanted.unique_keys.unwrap_or(now.unique_keys);
        now.refresh_on_read = wanted.refresh_on_read.unwrap_or(now.refresh_on_read);
        now.text_index = wanted.text_index.unwrap_or(now.text_index);
        Ok(now)
    }

    /// Checks every range.
    pub(crate) fn validate(&self) -> Result<()> {
        let range = |name, got: u64, low: u64, high: u64| {
            if (low..=high).contains(&got) {
                return Ok(());
            }
            Err(Error::option(name, format!("{got} is not between {low} and {high}")))
        };
        range("dimension", self.dimension as u64, 1, CollectionOptions::MAX_DIMENSION as u64)?;
        range("m", self.hnsw.m.into(), 4, 128)?;
        range("ef_construction", self.hnsw.ef_construction.into(), self.hnsw.m.into(), 4096)?;
        range("memtable_rows", self.memtable_rows.into(), 64, 65_536)?;
        if let Some(name) = &self.embedding_space {
            range("embedding_space (its length)", name.len() as u64, 1, 1024)?;
        }
        if self.refresh_on_read == Some(Duration::ZERO) {
            return Err(Error::option(
                "refresh_on_read",
                "zero prolongs nothing; no_refresh_on_read turns it off",
            ));
        }
        if self.default_ttl == Some(Duration::ZERO) {
            return Err(Error::option(
                "default_ttl",
                "zero would hide every memory at once; no_default_ttl means for ever",
            ));
        }
        self.text_index.map_or(Ok(()), |index| index.validate())
    }

    /// Fails if this build of the crate lacks what the settings need.
    pub(crate) fn supported(&self) -> Result<()> {
        self.text_index.map_or(Ok(()), |index| index.supported())
    }

    /// Returns what makes the words of texts, if these are indexed.
    pub(crate) fn analyzer(&self) -> Option<Analyzer> {
        self.text_index.map(|index| index.analyzer())
    }
}

/// Fails if a setting that is fixed at creation is given with another value.
fn agree<T: PartialEq + std::fmt::Display>(
    option: &'static str,
    collection: &str,
    now: T,
    wanted: Option<T>,
) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != now => {
            let reason = format!(
                "the collection {collection:?} was created with {now}, not with {wanted}; this \
                 cannot change later, so open it with {now} or choose another name for a new \
                 collection"
            );
            Err(Error::option(option, reason))
        }
        _ => Ok(()),
    }
}

impl CollectionOptions {
    /// Checks every range, and that this build can do what is asked.
    pub(crate) fn validate(&self) -> Result<()> {
        let settings = CollectionSettings::from(self.clone());
        settings.validate()?;
        settings.supported()
    }
}

impl PartialEq for CollectionOptions {
    fn eq(&self, other: &Self) -> bool {
        CollectionSettings::from(self.clone()) == CollectionSettings::from(other.clone())
    }
}
