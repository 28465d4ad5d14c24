//! What an agent needs of its memory, above the store: text in, text out, and rules about what
//! stays.
//!
//! This layer uses the public API of the crate only. Whatever it does, a program can do by itself.

mod candidate;
mod traits;

pub use candidate::Recalled;
pub use traits::{ArchiveSink, BoxError, Embedder, Summarizer, TokenCounter};
