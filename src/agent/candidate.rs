//! Owns `Recalled`: a memory that a recall may return, with the signals that rank it.

use serde::Serialize;

use crate::Memory;

/// A memory that was recalled, with its place among the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recalled {
    /// The memory.
    pub memory: Memory,
    /// The tier that it is in.
    pub tier: String,
    /// Exact distance from the query; smaller is nearer.
    pub distance: f32,
    /// How well it fits the query, 0 to 1: by its vector and, where words are indexed, by its
    /// words.
    pub relevance: f32,
    /// By how much it is ranked, the largest first: see [`Rank`](crate::agent::Rank).
    pub score: f32,
    /// The parts of the score, by name.
    pub components: Vec<(&'static str, f32)>,
}

impl Recalled {
    /// Returns a candidate that is not ranked yet: its score is its relevance.
    pub fn new(memory: Memory, tier: impl Into<String>, distance: f32, relevance: f32) -> Self {
        let (tier, components) = (tier.into(), Vec::new());
        Self { memory, tier, distance, relevance, score: relevance, components }
    }

    /// Returns the text of the memory, or "" if it has none.
    pub fn text(&self) -> &str {
        self.memory.text.as_deref().unwrap_or_default()
    }
}
