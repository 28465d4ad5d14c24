//! Owns `Memory`, what a user stores and gets back: a vector with text, attributes and a lifetime.
//! Plain data (`data`); limits are checked in `limits`, everything else (dimension, metric) where a
//! collection is known. When a memory expires is `expiry`. How it becomes bytes is
//! `format::record`.

mod data;
mod expiry;
mod lifetime;
mod limits;
mod metadata;

pub use data::Memory;
pub use lifetime::Lifetime;

pub(crate) use data::DEFAULT_IMPORTANCE;
pub(crate) use expiry::expiry;
pub(crate) use lifetime::{End, Expiry};
pub(crate) use metadata::{Metadata, MetadataCodec};
