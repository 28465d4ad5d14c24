//! Owns `Memory`, which users store and read: a vector with text, attributes and a lifetime. `data`
//! has the plain data, `fields` sets single fields of metadata, and `limits` checks limits. Other
//! checks (dimension, metric) are made where the collection is known. `expiry` decides when a
//! memory expires. `format::record` encodes it.

mod change;
mod data;
mod expiry;
mod fields;
mod keyed;
mod lifetime;
mod limits;
mod metadata;
mod patch;
mod stored;

pub use data::Memory;
pub use lifetime::Lifetime;
pub use patch::Patch;

pub(crate) use change::{Change, Uses};
pub(crate) use data::DEFAULT_IMPORTANCE;
pub(crate) use expiry::{end_of, expiry};
pub(crate) use lifetime::{End, Expiry};
pub(crate) use metadata::{Metadata, MetadataCodec};
