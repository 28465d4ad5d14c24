//! Owns `Extractive`: a summary without a model, made of sentences of the memories themselves.
//!
//! Invariant: the summary depends on the memories alone. It has no sentence that they do not have.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{is_common, is_ideograph, sentences, words};
use super::traits::{BoxError, Summarizer};
use crate::Memory;

/// Part of the words that two sentences share from which on they say the same (Jaccard).
const SAME: f64 = 0.6;

/// Most letters of a word that is taken for a function word because it is everywhere: in most
/// languages those are short, and names and things are not.
const SHORT: usize = 3;

/// Sentences from which on the frequency of a word says that it is a function word.
const ENOUGH_SENTENCES: usize = 8;

/// Fewest words with content, or a name or number, that a sentence needs.
const LEAST_WORDS: usize = 3;

/// Weight of a number, and of a name, beside that of a word.
const NUMBER: f64 = 2.0;
const NAME: f64 = 1.5;

/// Part of its weight that a question keeps: it asks more than it tells.
const QUESTION: f64 = 0.5;

/// Summarises memories by choosing from their sentences, without a model. It costs nothing and
/// invents nothing. It cannot join two sentences, nor say something in fewer words.
///
/// The method is SumBasic (Nenkova and Vanderwende, "The impact of frequency on summarization",
/// 2005): a word weighs as much as its part of all words, the sentence of the largest weight is
/// taken, the weights of its words are squared, and so on. It differs from the paper in these
/// points:
///
/// - The weight of a sentence is its sum over the number of its words and three more. The mean of
///   the paper prefers the shortest sentences.
/// - Names and numbers weigh more, and questions less. The first sentence of a memory weighs a
///   tenth more than the last.
/// - Common words of English count for nothing, nor do words of up to three letters that are in
///   more than a third of at least eight sentences, in any language.
/// - A sentence that shares three fifths of its words with one that was taken is not taken, nor is
///   one with too few words to say something, such as "Thanks a lot!".
///
/// Sentences keep their order. Those of an earlier summary come first and may all stay, so facts do
/// not fade as summaries are summarised, until there are too many.
///
/// The text is one summary; there is none if no sentence says something. O(sentences · words) for
/// each sentence of the summary.
///
/// ```
/// use altiplano::Memory;
/// use altiplano::agent::{Extractive, Summarizer};
///
/// let turns = [
///     "Good morning! How are you?",
///     "Fine, thanks. My sister Anna moved to Lima in March.",
///     "Oh, nice!",
///     "Her new phone number is +51 987 654 321. See you tomorrow!",
/// ];
/// let turns: Vec<Memory> =
///     (1..).zip(turns).map(|(id, text)| Memory::new(id as u64, [1.0]).text(text)).collect();
/// let summary = Extractive::new().summarize(&turns, None).unwrap();
/// let facts = "My sister Anna moved to Lima in March. Her new phone number is +51 987 654 321.";
/// assert_eq!(summary, [facts]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extractive {
    max_sentences: usize,
    max_share: f32,
}

impl Default for Extractive {
    fn default() -> Self {
        Self { max_sentences: 12, max_share: 0.3 }
    }
}

impl Extractive {
    /// Returns a summariser that keeps 0.3 of the sentences and 12 at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest number of sentences. Default = 12.
    #[must_use]
    pub const fn max_sentences(self, sentences: usize) -> Self {
        Self { max_sentences: sentences, ..self }
    }

    /// Sets the largest part of the sentences of the memories, 0 to 1, rounded up. Default = 0.3.
    /// NaN counts as 0. Sentences of an earlier summary come on top.
    #[must_use]
    pub const fn max_share(self, share: f32) -> Self {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        Self { max_share: share, ..self }
    }
}

impl Summarizer for Extractive {
    fn summarize(
        &self,
        memories: &[Memory],
        carry: Option<&Memory>,
    ) -> Result<Vec<String>, BoxError> {
        let mut all = Vec::new();
        add_sentences(&mut all, carry);
        let carried = all.len();
        memories.iter().for_each(|memory| add_sentences(&mut all, Some(memory)));
        let share = (f64::from(self.max_share) * (all.len() - carried) as f64).ceil() as usize;
        let most = self.max_sentences.min(carried + share);
        let chosen = choose(&mut all, most);
        let mut summary = String::new();
        for at in chosen {
            let text = all[at].text;
            if !summary.is_empty() {
                summary.push(' ');
            }
            summary += text;
            // Without it the next summary would take two sentences for one.
            if text.ends_with(char::is_alphanumeric) {
                summary.push('.');
            }
        }
        Ok(if summary.is_empty() { Vec::new() } else { vec![summary] })
    }
}

/// A sentence that may be taken.
struct Sentence<'a> {
    text: &'a str,
    /// Its words with content, in lower case and once each, with what they weigh beside others.
    words: BTreeMap<String, f64>,
    /// How much its place and its kind are worth.
    factor: f64,
}

/// Adds the sentences of a memory.
fn add_sentences<'a>(all: &mut Vec<Sentence<'a>>, memory: Option<&'a Memory>) {
    let text = memory.and_then(|memory| memory.text.as_deref()).unwrap_or_default();
    for (at, text) in sentences(text).enumerate() {
        let mut found = BTreeMap::new();
        for (place, word) in words(text).enumerate() {
            let lower = word.to_lowercase();
            if !is_common(&lower) {
                let value: &mut f64 = found.entry(lower).or_insert(0.0);
                *value = value.max(value_of(word, place));
            }
        }
        let is_question = text.ends_with(['?', '？']);
        let kind = if is_question { QUESTION } else { 1.0 };
        let factor = kind * (1.0 + 0.1 / (1.0 + at as f64));
        all.push(Sentence { text, words: found, factor });
    }
}

/// Returns what a word weighs beside others: more for a number, and for a name, which is taken from
/// its capital inside of a sentence.
fn value_of(word: &str, place: usize) -> f64 {
    match word.chars().next() {
        _ if word.contains(char::is_numeric) => NUMBER,
        Some(first) if place > 0 && first.is_uppercase() => NAME,
        _ => 1.0,
    }
}

/// Returns the places of the sentences that are taken, in order.
fn choose(all: &mut [Sentence<'_>], most: usize) -> BTreeSet<usize> {
    leave_out_function_words(all);
    let mut weights = weights(all);
    let mut waiting: Vec<usize> = (0..all.len()).filter(|at| says_something(&all[*at])).collect();
    let mut taken = BTreeSet::new();
    while taken.len() < most {
        let score = |at: usize| {
            let sentence = &all[at];
            let sum: f64 = sentence.words.iter().map(|(word, value)| weights[word] * value).sum();
            sentence.factor * sum / (sentence.words.len() as f64 + 3.0)
        };
        // The first of the largest.
        let best = waiting.iter().copied().reduce(|a, b| if score(b) > score(a) { b } else { a });
        let Some(best) = best else { break };
        taken.insert(best);
        let chosen = &all[best].words;
        waiting.retain(|at| *at != best && similarity(chosen, &all[*at].words) < SAME);
        for word in chosen.keys() {
            weights.entry(word.clone()).and_modify(|weight| *weight *= *weight);
        }
    }
    taken
}

/// Removes short words without digits that are in more than a third of the sentences.
fn leave_out_function_words(all: &mut [Sentence<'_>]) {
    if all.len() < ENOUGH_SENTENCES {
        return;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in all.iter().flat_map(|sentence| sentence.words.keys()) {
        *counts.entry(word).or_default() += 1;
    }
    let is_function = |word: &str| {
        let is_short = word.chars().count() <= SHORT && !word.contains(char::is_numeric);
        is_short && !word.contains(is_ideograph)
    };
    let most = all.len() / 3;
    let out = counts.iter().filter(|(word, count)| **count > most && is_function(word));
    let out: Vec<String> = out.map(|(word, _)| (*word).to_owned()).collect();
    for sentence in all {
        sentence.words.retain(|word, value| *value > 1.0 || !out.contains(word));
    }
}

/// Returns the part that each word has of all words.
fn weights(all: &[Sentence<'_>]) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for word in all.iter().flat_map(|sentence| sentence.words.keys()) {
        *counts.entry(word.clone()).or_default() += 1.0;
    }
    let total: f64 = counts.values().sum();
    counts.values_mut().for_each(|count| *count /= total);
    counts
}

/// Returns true for a sentence with enough words, or with a name or a number and another word.
fn says_something(sentence: &Sentence<'_>) -> bool {
    let has_name = sentence.words.values().any(|value| *value > 1.0);
    sentence.words.len() >= if has_name { 2 } else { LEAST_WORDS }
}

/// Returns the part of the words of either sentence that both have.
fn similarity(a: &BTreeMap<String, f64>, b: &BTreeMap<String, f64>) -> f64 {
    let both = a.keys().filter(|word| b.contains_key(*word)).count();
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}
