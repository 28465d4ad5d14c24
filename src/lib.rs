//! Altiplano: an embedded vector memory store that stays flat.
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests may damage files by hand")
)]

mod clock;
mod collection;
mod compaction;
mod disk;
mod error;
mod filter;
pub mod format;
mod ids;
mod index;
mod log;
mod manifest;
mod memory;
mod metrics;
mod options;
mod retention;
mod section;
mod segment;
mod store;
mod vector;
mod worker;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use collection::{
    Applied, Batch, Collection, Explanation, Fields, Hit, Iter, Outcome, Search, SearchPath,
};
pub use error::{Error, Result};
pub use filter::Filter;
pub use ids::MemoryId;
pub use memory::{
    Content, MAX_CONTENT_BYTES, MAX_DERIVED_FROM, MAX_METADATA_BYTES, MAX_NAME_BYTES, MAX_TAGS,
    Memory, MetadataCodec,
};
pub use metrics::{
    CollectionStats, CompactionReport, Event, IndexStats, Plan, Reason, SegmentStats, Step,
    StoreStats,
};
pub use options::{
    Background, Codes, CollectionOptions, Durability, HnswParams, MAX_DIMENSION, Metric,
    StoreOptions,
};
pub use store::{Store, VerifyReport};
