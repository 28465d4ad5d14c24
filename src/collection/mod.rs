//! Owns the public handle of one named set of memories. `handle` has the handle and its reads,
//! `keys` those by key. `batch` has several writes as plain data, `update` the changes that keep
//! the vector. `write` prepares writes and hands them to the commit pipeline of the store
//! (`engine::commit`). `scope` has the handle of one namespace.
//!
//! Readers load one immutable snapshot and take no lock (I6).

mod batch;
mod handle;
mod keys;
mod scope;
mod update;
mod write;

pub use batch::{Applied, Batch, Outcome};
pub use handle::Collection;
pub use scope::Scope;
