//! Owns the public handle of one named set of memories. `handle` is the handle with what it reads,
//! `batch` several writes as plain data, `write` how they are prepared and handed to the commit
//! pipeline of the store's one log (`engine::commit`).
//!
//! Readers load one immutable snapshot and take no lock (I6).

mod batch;
mod handle;
mod write;

pub use batch::{Applied, Batch, MAX_BATCH_BYTES, Outcome};
pub use handle::Collection;
