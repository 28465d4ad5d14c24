//! Owns `Answer`, what a recall found, and how hits of several tiers become candidates.

use std::collections::{BTreeMap, BTreeSet};

use super::candidate::Recalled;
use super::pack::LeftOut;
use super::prompt::PromptTemplate;
use crate::{Hit, TextSearch};

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

/// What the search of one tier found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) tier: &'a str,
    pub(super) hits: Vec<Hit>,
    /// How common the words of the question are in the tier; `None` if it was not asked for words.
    pub(super) words: Option<TextSearch>,
}

/// Returns the hits of all tiers as candidates, with their relevance over all of them: as
/// [`Fusion::weighted`](crate::Fusion::weighted) does for one collection. A memory that two tiers
/// have counts once.
pub(super) fn candidates(mut found: Vec<Found<'_>>, pool_exhausted: bool) -> Vec<Recalled> {
    by_words_of_all(&mut found);
    let hits = || found.iter().flat_map(|one| &one.hits);
    let similarity = |hit: &Hit| 1.0 - hit.distance;
    let similar = hits().map(similarity).filter(|value| value.is_finite());
    // If the pool took all memories, a similarity of 0 counts as far, so that of a few memories
    // which are all near none counts as far.
    let floor = if pool_exhausted { f32::INFINITY } else { 0.0 };
    let (low, high) = similar
        .fold((floor, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let best = hits().filter_map(|hit| hit.text_score).fold(0.0, f32::max);
    let mut seen = BTreeSet::new();
    let mut all = Vec::with_capacity(hits().count());
    for one in found {
        for hit in one.hits {
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
                all.push(Recalled::new(memory, one.tier, hit.distance, relevance));
            }
        }
    }
    all
}

/// Makes the scores by words of several tiers comparable. Each tier weighs a word by how rare it is
/// there; in one that is nearly empty, no word is rare. So the scores of a tier are multiplied by
/// what its words weigh over all tiers, against what they weigh in it. A memory with all the words
/// that its tier has gets what one collection would give it, up to the lengths of the texts.
fn by_words_of_all(found: &mut [Found<'_>]) {
    let mut all: BTreeMap<(String, bool), u64> = BTreeMap::new();
    let mut documents = 0;
    for words in found.iter().filter_map(|one| one.words.as_ref()) {
        documents += words.documents;
        for word in &words.words {
            *all.entry((word.word.clone(), word.is_prefix)).or_default() += word.documents;
        }
    }
    for one in found {
        let Some(words) = &one.words else { continue };
        let (mut here, mut over_all) = (0.0, 0.0);
        for word in words.words.iter().filter(|word| word.documents > 0) {
            here += idf(words.documents, word.documents);
            let count = all.get(&(word.word.clone(), word.is_prefix)).copied().unwrap_or_default();
            over_all += idf(documents, count);
        }
        let factor = if here > 0.0 { (over_all / here) as f32 } else { 1.0 };
        for score in one.hits.iter_mut().filter_map(|hit| hit.text_score.as_mut()) {
            *score *= factor;
        }
    }
}

/// The weight of a word that `count` of `documents` texts have, as BM25 has it.
fn idf(documents: u64, count: u64) -> f64 {
    let (documents, count) = (documents.max(count) as f64, count as f64);
    ((documents - count + 0.5) / (count + 0.5)).ln_1p()
}
