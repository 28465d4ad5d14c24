//! What an agent needs of its memory, above the store: text in, text out, and rules about what
//! stays.
//!
//! This layer uses the public API of the crate only: whatever it does, a program can do by itself.
//! The page [`agents`](crate::guide::agents) of the guide explains it.

mod answer;
mod archive;
mod candidate;
mod care;
mod consolidate;
mod copies;
mod core;
pub mod decay;
mod duplicates;
mod event;
mod extractive;
mod feedback;
mod group;
mod handle;
mod hashing;
mod importance;
mod moves;
mod near;
mod new_memory;
mod options;
mod pack;
mod prompt;
mod rank;
mod recall;
mod reembed;
mod remember;
mod retention;
mod session;
mod signals;
mod stats;
mod text;
mod tidy;
mod tier;
mod tokens;
mod traits;
mod worker;

pub use answer::Answer;
pub use candidate::Recalled;
pub use consolidate::{ConsolidateOptions, Consolidated};
pub use copies::{Cluster, Duplicate};
pub use duplicates::{Decision, Duplicates, Merge};
pub use event::{AgentEvent, Cause, EventListener};
pub use extractive::Extractive;
pub use feedback::Feedback;
pub use handle::Agent;
pub use hashing::HashingEmbedder;
pub use importance::{Importance, ImportanceEstimate, WordStatistics};
pub use new_memory::NewMemory;
pub use options::AgentOptions;
pub use pack::{LeftOut, LeftOutReason, Packed, Packing};
pub use prompt::PromptTemplate;
pub use rank::{Gated, GenerativeAgents, Multiplicative, Rank, Ranker};
pub use recall::Recall;
pub use reembed::Reembedded;
pub use remember::Remembered;
pub use retention::{ForgetPlan, Planned, Retention, RetentionPolicy, Rule, Score, Verdict};
pub use session::{EndPolicy, Session};
pub use stats::{AgentStats, TierStats};
pub use tier::{Exit, Tier};
pub use tokens::EstimatedTokens;
pub use traits::{ArchiveSink, BoxError, Embedder, Summarizer, TokenCounter};

#[cfg(test)]
mod tests;
