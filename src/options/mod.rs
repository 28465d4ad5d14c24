//! Owns what users choose: options of a store (`store`) and of a collection (`collection`), checked
//! in one place each. Plain data. `settings` is what the options of a collection come to, and the
//! manifest stores that (`format::manifest`). `values` are the choices that options are made of,
//! `text` how these are shown.

mod collection;
mod settings;
mod store;
mod text;
mod values;

pub use collection::CollectionOptions;
pub use settings::CollectionSettings;
pub use store::{Background, IoMode, StoreOptions};
pub use values::{Durability, GraphBuilder, HnswParams, Metric};

pub(crate) use crate::quantization::Quantization;
pub(crate) use store::Listener;
