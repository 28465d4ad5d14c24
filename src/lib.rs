//! Altiplano is an embedded store for the memories of AI agents: vectors with text, metadata and
//! lifetimes, in one directory, in one process. It stays flat: deleted and expired memories are gone
//! for readers at once, and a compactor gives their bytes back by itself, files and RAM, however long
//! the agent lives. No server, no async runtime, no cron.
//!
//! ```
//! use std::time::Duration;
//! use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};
//!
//! # fn main() -> altiplano::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! let store = Store::open(dir.path().join("agent.alt"))?;
//! let notes = store.collection("notes", CollectionOptions::new(3, Metric::Cosine))?;
//!
//! notes.insert(
//!     Memory::new(7, [0.2, 0.9, 0.1])
//!         .text("likes tea")
//!         .namespace("user:42")
//!         .ttl(Duration::from_secs(90 * 86_400)),
//! )?;
//! let hits = notes.search(&[0.1, 1.0, 0.0]).namespace("user:42").k(10).run()?;
//! assert_eq!(hits[0].text(), Some("likes tea"));
//!
//! notes.delete(7)?;
//! notes.delete_where(Filter::namespace("user:42"))?;
//! store.close()?;
//! # Ok(()) }
//! ```
//!
//! # Where things are
//!
//! A [`Store`] is a directory with a lock and a log; background threads serve all stores of a process
//! ([`Background`]). It holds [`Collection`]s,
//! each with one dimension and [`Metric`]. A [`Memory`] goes in through [`Collection::insert`] or a
//! [`Batch`], and is found with [`Collection::search`], [`Collection::get`] or [`Collection::scan`].
//! A [`Filter`] is plain data that says which memories are meant. The files are specified in
//! [`format`](mod@format).
//!
//! # What is promised
//!
//! In short; [`reliability`] has the whole of it, and how it is tested.
//!
//! - **Durability.** A write that was acknowledged under [`Durability::Sync`] survives the death of the
//!   process and a power cut; under [`Durability::Buffered`] the death of the process, and a power
//!   cut after its delay. What a power cut takes is the youngest part of history, batches whole.
//! - **Deletes and expiry.** A deleted or expired memory is in no answer from that moment on. Its
//!   bytes are reclaimed when a segment is 15 % dead, and at the latest a day after they died; at
//!   once by [`Collection::compact`]. [`Store::purge`] leaves nothing of them in any file, and gives
//!   a receipt that says whether it is complete.
//! - **Results.** If `k` live memories match, `k` come back. Distances are exact; which of the
//!   nearest are found is a matter of recall ([`Search::target_recall`]).
//! - **Damage.** Bytes on disk are checked where they are used. Damage is an
//!   [`Error::Corrupt`] that names the file, never a wrong answer and never a panic.
//!   [`Store::verify_with`] looks for it, [`StoreOptions::repair`] salvages what is left.
//!
//! # What is not
//!
//! - Files are memory-mapped. Another program that truncates a file of an open store in place can
//!   end the process with SIGBUS, as in every program that maps files.
//! - Nothing is encrypted; use an encrypted file system.
//! - Checksums find damage, not malice.
//! - One process writes. Any number may read beside it ([`StoreOptions::open_read_only`]).
//! - Network file systems break the assumptions that [`format`](mod@format) lists.
//! - bincode, which encodes metadata, is unmaintained (RUSTSEC-2025-0141): it is pinned, used in one
//!   file, and its input is checksummed and limited.
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests may damage files by hand"))]

mod clock;
mod collection;
mod compaction;
mod dir;
mod disk;
mod engine;
mod error;
mod filter;
pub mod format;
mod ids;
mod index;
mod log;
mod manifest;
mod map_vec;
mod memory;
mod metrics;
mod options;
mod poison;
pub mod reliability;
mod sabotage;
mod search;
mod section;
mod segment;
mod snapshot;
mod splitmix;
mod store;
mod sync;
#[cfg(any(test, feature = "__fuzzing", feature = "__bench"))]
#[doc(hidden)]
pub mod testing;
mod vector;
mod worker;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use collection::{Applied, Batch, Collection, MAX_BATCH_BYTES, Outcome};
pub use error::{Error, Result};
pub use filter::Filter;
pub use ids::MemoryId;
pub use memory::{
    Content, MAX_CONTENT_BYTES, MAX_DERIVED_FROM, MAX_METADATA_BYTES, MAX_NAME_BYTES, MAX_TAGS,
    Memory, MetadataCodec,
};
pub use metrics::{
    BeamStats, ClockDoubt, CollectionStats, CompactionReport, Event, IndexStats, Plan,
    PurgeReceipt, Reason, RecallStats, SegmentStats, Step, StoreStats,
};
pub use options::{
    Background, CollectionOptions, Durability, GraphBuilder, HnswParams, IoMode, MAX_DIMENSION,
    Metric, Quantization, StoreOptions,
};
pub use search::{
    AccessPath, AccessReason, Explanation, Fields, Hit, Iter, PartSearch, Search, SearchMode,
};
pub use store::{Loss, RepairPolicy, RepairReport, Salvaged, Store, VerifyLevel, VerifyReport};
