//! Owns `Answer`, what a recall found, and how hits of several tiers become candidates.

use std::collections::BTreeSet;

use super::candidate::Recalled;
use super::pack::LeftOut;
use super::prompt::PromptTemplate;
use crate::Hit;

/// Weight of words against vectors; the best of several on two corpora, as in `Fusion`.
const TEXT_WEIGHT: f32 = 0.4;

/// What a recall found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The memories, most useful first.
    pub items: Vec<Recalled>,
    /// Tokens of the prompt, as [`Answer::to_prompt`] renders it. 0 without a budget.
    pub tokens_used: usize,
    /// True if the text of the last memory was cut to fit.
    pub truncated: bool,
    /// What was left out, and why.
    pub left_out: Vec<LeftOut>,
    /// How many memories were ranked.
    pub pool: usize,
    /// True if a tier had more memories than the pool takes. Then one that fits the question less,
    /// but matters more or is newer, may not have been ranked: see
    /// [`Recall::pool`](crate::agent::Recall::pool).
    pub pool_exhausted: bool,
    pub(super) template: PromptTemplate,
}

impl Answer {
    /// Renders the memories as a block of a prompt: one line each, with date, tier and id.
    pub fn to_prompt(&self) -> String {
        self.template.render(&self.items)
    }

    /// Renders the memories by another template. The token budget was for the one that
    /// [`Recall::template`](crate::agent::Recall::template) set.
    pub fn to_prompt_with(&self, template: &PromptTemplate) -> String {
        template.render(&self.items)
    }
}

impl IntoIterator for Answer {
    type Item = Recalled;
    type IntoIter = std::vec::IntoIter<Recalled>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// Returns the hits of all tiers as candidates, with their relevance over all of them: as
/// [`Fusion::weighted`](crate::Fusion::weighted) does for one collection. A memory that two tiers
/// have counts once.
pub(super) fn candidates(hits: Vec<(&str, Hit)>, pool_exhausted: bool) -> Vec<Recalled> {
    let similarity = |hit: &Hit| 1.0 - hit.distance;
    let similar = hits.iter().map(|(_, hit)| similarity(hit)).filter(|value| value.is_finite());
    // If the pool took all memories, a similarity of 0 counts as far, so that of a few memories
    // which are all near none counts as far.
    let floor = if pool_exhausted { f32::INFINITY } else { 0.0 };
    let (low, high) = similar
        .fold((floor, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let best = hits.iter().filter_map(|(_, hit)| hit.text_score).fold(0.0, f32::max);
    let mut seen = BTreeSet::new();
    let mut all = Vec::with_capacity(hits.len());
    for (tier, hit) in hits {
        let near = match high - low {
            span if span > 0.0 => ((similarity(&hit) - low) / span).clamp(0.0, 1.0),
            _ => 1.0,
        };
        let relevance = match hit.text_score {
            Some(text) if best > 0.0 => TEXT_WEIGHT * text / best + (1.0 - TEXT_WEIGHT) * near,
            _ => near,
        };
        if let Some(memory) = hit.memory
            && seen.insert(memory.id)
        {
            all.push(Recalled::new(memory, tier, hit.distance, relevance));
        }
    }
    all
}
