//! What an agent needs of its memory, above the store: text in, text out, and rules about what
//! stays.
//!
//! This layer uses the public API of the crate only. Whatever it does, a program can do by itself.

mod candidate;
pub mod decay;
mod extractive;
mod hashing;
mod importance;
mod pack;
mod prompt;
mod rank;
mod signals;
mod text;
mod tokens;
mod traits;

pub use candidate::Recalled;
pub use extractive::Extractive;
pub use hashing::HashingEmbedder;
pub use importance::{Importance, ImportanceEstimate, WordStatistics};
pub use pack::{LeftOut, LeftOutReason, Packed, Packing};
pub use prompt::PromptTemplate;
pub use rank::{Gated, GenerativeAgents, Multiplicative, Rank, Ranker};
pub use tokens::EstimatedTokens;
pub use traits::{ArchiveSink, BoxError, Embedder, Summarizer, TokenCounter};
