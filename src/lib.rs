//! An embedded vector memory store for AI agents. Its RAM, disk and recall stay flat for as long as
//! the agent lives.
//!
//! A store keeps vectors with text, metadata and lifetimes in one directory, for one process.
//! Readers no longer see a memory once it is deleted or has expired. A compactor then reclaims its
//! bytes. There is no server, no async runtime and no cron job.
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
//! In the examples of this documentation, `dir` is a temporary directory that a hidden line makes:
//! `let dir = tempfile::tempdir().unwrap();`. Give [`Store::open`] any path on a local disk.
//!
//! This page teaches the rest in ten minutes. The [`guide`] has a [cookbook](guide::cookbook) of
//! fifteen tasks, a page on the [memory of an agent](guide::agents), one on
//! [asking](guide::asking) by filters, lists and counts, one on [copies](guide::copies) by
//! snapshots and backups,
//! [tuning](guide::tuning), [how compaction decides](guide::compaction), a
//! [comparison](guide::comparison) with other libraries, and an [FAQ](guide::faq). [`reliability`]
//! says what happens when things break. [`format`](mod@format) specifies the files.
//!
//! # Concepts
//!
//! | word | meaning |
//! |---|---|
//! | **store** | a directory with a lock and a log: [`Store`] |
//! | **collection** | memories of one dimension and one [`Metric`], in one store: [`Collection`] |
//! | **memory** | an id, a vector, and optional text, names, times and metadata: [`Memory`] |
//! | **namespace** | a name that scopes memories: a user, an agent, a project |
//! | **scope** | a handle of one namespace, which sees and changes no other: [`Scope`] |
//! | **field** | a value in the metadata of a memory, found by its path: [`Filter::field`] |
//! | **filter** | plain data that says which memories are meant: [`Filter`] |
//! | **patch** | plain data that says what changes in a memory: [`Patch`] |
//! | **batch** | several writes, all or none: [`Batch`] |
//! | **snapshot** | a collection or a store at one moment: [`CollectionSnapshot`] |
//! | **row** | a memory as it is stored; a replaced memory leaves a dead row |
//! | **memtable, segment** | rows in RAM, and a sealed file of rows |
//! | **code** | a vector in a few bits per dimension, which searches read first: [`Quantization`] |
//! | **index** | codes of many rows and, where one pays, an HNSW graph |
//! | **compaction** | rewrites live rows, so that the bytes of dead rows are reclaimed |
//!
//! Handles are cheap to clone, and any thread may use them. The store is open as long as there is a
//! handle, or until [`Store::close`].
//!
//! # The life of a memory
//!
#![doc = include_str!("guide/life.svg")]
//!
//! **Insert.** The memory is checked, appended to the log and put into a memtable. When
//! [`Collection::insert`] returns, the memory survives a power cut, and every later search can find
//! it. Writes of several threads share one sync. [`Durability::Buffered`] does not wait for the
//! disk.
//!
//! **Seal.** A full memtable is written to a segment: sorted by id, checksummed and memory-mapped.
//! A segment never changes.
//!
//! **Index.** Rows get codes. From 30,000 rows on they also get a graph. Until then searches scan
//! the codes, which finds practically every neighbor and takes some nanoseconds per row.
//!
//! **Change.** A new lifetime, importance or pin is one short record in the log, and is kept beside
//! the row. Any other change writes the row again, with the same sequence number.
//!
//! **Delete, replace, expire.** A delete is one entry in the log and one bit in memory. Expiry
//! writes nothing: readers compare times. From that instant on no answer contains the memory, not
//! even after a crash.
//!
//! **Compact.** Dead bytes are reclaimed when 15 % of a segment is dead, and after a day at the
//! latest ([`StoreOptions::reclaim_within`]). [`Collection::compact`] does it now. [`Store::purge`]
//! leaves nothing of the dead in any file, and returns a receipt.
//!
//! # The files, and what compaction does to them
//!
#![doc = include_str!("guide/files.svg")]
//!
//! The manifest names every live file. A compaction writes new files under names that no manifest
//! knows, and syncs and checks them. Then it renames a new manifest into place. Only that rename
//! changes the store. A crash before it leaves the old store, a crash after it leaves the new one.
//! Old files are removed when no reader holds them.
//!
//! # Finding
//!
//! [`Collection::search`] creates a [`Search`]. [`Search::run`] returns the nearest memories first.
//!
//! - If `k` live memories match, `k` come back, however rare the matches are.
//! - Distances are exact: candidates are found by codes and then measured on the stored vectors.
//! - Which of the nearest are found is a matter of recall. [`Search::target_recall`] is 0.95 unless
//!   you say otherwise. It is measured on each index, against exact distances. Where a graph does
//!   not reach the target, the search takes a slower way that does. [`Search::exact`] measures
//!   every row.
//! - A search sees one moment: every batch whole, whatever writers do meanwhile.
//!
//! Without a query, [`Collection::get`] finds by id and [`Collection::get_by_key`] by key.
//! [`Collection::list`] lists in an order, page by page, and [`Collection::recent`] the newest
//! turns of a session. [`Collection::count`] counts what matches a filter, and
//! [`Collection::namespaces`] by name. [`Collection::scan`] iterates over everything that matches.
//!
//! # Changing
//!
//! [`Collection::insert`] replaces a memory as a whole. What changes only a part keeps the vector,
//! is atomic, and does nothing where the memory is gone:
//!
//! - [`Collection::patch`] and [`Collection::update_where`] apply a [`Patch`] to one memory or to
//!   all that match,
//! - [`Collection::update`] calls a closure, and again if another thread was faster,
//! - [`Collection::touch`] sets another lifetime, with less than 100 bytes in the log,
//! - [`Collection::supersede`] adds a fact that takes the place of an older one,
//! - [`Collection::note_uses`] counts uses, in RAM at first.
//!
//! A [`Scope`] does the same within one namespace and touches no other.
//!
//! # Forgetting
//!
//! Nothing is forgotten by default. Choose one or several:
//!
//! - a lifetime per memory ([`Memory::ttl`]) or per collection
//!   ([`CollectionOptions::default_ttl`]), which reads can prolong
//!   ([`CollectionOptions::refresh_on_read`]),
//! - [`Collection::delete`] and [`Collection::delete_where`],
//! - [`Store::forget`], for everything of a user, out of every file,
//! - a budget: [`StoreOptions::disk_budget`] refuses inserts, never deletes,
//! - rules about what is worth keeping: [`agent`], a layer for text in and text out.
//!
//! # What is promised
//!
//! - **Durability.** A write that was acknowledged under [`Durability::Sync`] survives the death of
//!   the process and a power cut. Under weaker levels a power cut may take the newest writes,
//!   always as whole batches.
//! - **Deletes and expiry.** A deleted or expired memory never comes back.
//! - **Results.** `k` matches give `k` hits, with exact distances.
//! - **Damage.** Bytes on the disk are checked where they are used. Damage is an [`Error::Corrupt`]
//!   that names the file, never a wrong answer and never a panic. [`Store::verify_with`] looks for
//!   damage, and [`StoreOptions::repair`] salvages what can be read.
//! - **Copies.** [`Store::backup`] copies an open store as of one moment, which is a prefix of its
//!   history. A crash leaves the backup from before or the new one.
//!
//! # What is not
//!
//! - One process writes. Others read beside it ([`StoreOptions::open_read_only`]).
//! - Files are memory-mapped. A program that truncates a file of an open store can end the process
//!   with SIGBUS.
//! - Nothing is encrypted, and checksums find damage, not malice.
//! - Network file systems break the assumptions that [`reliability`] lists.
//! - bincode, which encodes metadata, is unmaintained (RUSTSEC-2025-0141). It is pinned, used in
//!   one file, and its input is checksummed and limited.
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests may damage files by hand"))]

pub mod agent;
mod clock;
mod collection;
mod compaction;
mod dir;
mod disk;
mod engine;
mod error;
mod event;
mod fields;
mod filter;
pub mod format;
pub mod guide;
mod ids;
mod index;
mod log;
mod manifest;
mod map_vec;
mod memory;
mod options;
mod poison;
mod quantization;
pub mod reliability;
mod report;
mod sabotage;
mod search;
mod section;
mod segment;
mod snapshot;
mod splitmix;
mod stats;
mod store;
mod sync;
#[cfg(any(test, feature = "__fuzzing", feature = "__bench"))]
#[doc(hidden)]
pub mod testing;
mod value_error;
mod vector;
mod words;
mod worker;

pub use clock::{Clock, ClockDoubt, ManualClock, SystemClock, Timestamp};
pub use collection::{
    Applied, Batch, Collection, CollectionSnapshot, Outcome, Scope, ScopeSnapshot,
};
pub use error::{Budget, Error, Result};
pub use event::Event;
pub use fields::FieldValue;
pub use filter::{FieldFilter, FieldRef, FieldTest, Filter};
pub use ids::MemoryId;
pub use memory::{Lifetime, Memory, Patch};
pub use options::{
    Background, CollectionOptions, CollectionSettings, Durability, GraphBuilder, HnswParams,
    IoMode, Metric, StoreOptions, TextIndex,
};
pub use quantization::Quantization;
pub use report::{BackupReport, CompactionReport, ForgetReceipt, Plan, PurgeReceipt, Reason, Step};
pub use search::list::{Cursor, Direction, List, Order, Page, Window};
pub use search::names::NameCount;
pub use search::{
    AccessPath, AccessReason, Explanation, Fields, Fusion, Group, GroupBy, Hit, Iter, PartSearch,
    Search, SearchMode, TextQuery, TextSearch, WordCount,
};
pub use stats::{BeamStats, CollectionStats, IndexStats, RecallStats, SegmentStats, StoreStats};
pub use store::{
    BackupOptions, Loss, RepairPolicy, RepairReport, Salvaged, Store, StoreSnapshot, VerifyLevel,
    VerifyReport,
};
pub use value_error::ValueError;
pub use words::Language;

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
