//! Owns the public handle of one named set of memories. `handle` has the handle, its reads by id
//! and its searches, `keys` those by key, `lists` lists and counts. `batch` has several writes as
//! plain data, `update` the changes that keep the vector. `write` prepares writes and hands them to
//! the commit pipeline of the store (`engine::commit`). `scope` has the handle of one namespace,
//! `scope_lists` its lists. `snapshot` has the handle of one moment, `scope_snapshot` that of one
//! namespace at one moment. `uses` counts uses.
//!
//! Readers load one immutable snapshot and take no lock (I6).

mod batch;
mod handle;
mod keys;
mod lists;
mod scope;
mod scope_lists;
mod scope_snapshot;
mod snapshot;
mod update;
mod uses;
mod write;

pub use batch::{Applied, Batch, Outcome};
pub use handle::Collection;
pub use scope::Scope;
pub use scope_snapshot::ScopeSnapshot;
pub use snapshot::CollectionSnapshot;
