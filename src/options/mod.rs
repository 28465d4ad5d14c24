//! Owns the options that users choose, and the one place where each is checked. Plain data. `store`
//! has the options of a store and `collection` those of a collection. `settings` has the values
//! that result from a collection's options; `format::manifest` stores them. `values` has the types
//! of single options, `text` their form as text, and
//! `text_index` the options of an index of words.

mod collection;
mod settings;
mod store;
mod text;
mod text_index;
mod values;

pub use collection::CollectionOptions;
pub use settings::CollectionSettings;
pub use store::{Background, IoMode, StoreOptions};
pub use text_index::TextIndex;
pub use values::{Durability, GraphBuilder, HnswParams, Metric};

pub(crate) use crate::quantization::Quantization;
pub(crate) use store::Listener;
