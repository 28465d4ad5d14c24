//! Owns the estimate of the importance of a text, for memories whose caller gives none.
//!
//! Invariants: an estimate is from 0 to 1. Another sentence never lowers it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::text::{is_common, is_ideograph, sentences, words};

/// Words with content whose sum makes an importance of ½.
const HALF: f64 = 4.0;

/// Number of memories at which the statistics of a store count as much as the form of a word. In a
/// store with few memories every word is rare.
const TRUSTED: f64 = 50.0;

/// What the form of a word adds to its weight: a number, and a name.
const NUMBER: f64 = 0.8;
const NAME: f64 = 0.5;

/// Estimates how important a text is, from 0 to 1, where the caller does not say.
///
/// ```
/// use altiplano::agent::{Importance, ImportanceEstimate, WordStatistics};
///
/// let none = WordStatistics::default();
/// let estimate = |text| ImportanceEstimate.estimate(text, &none);
/// assert!(estimate("Thanks a lot, see you tomorrow!") < 0.2);
/// assert!(estimate("Flight LA2047 to Lima leaves on 3 May at 7:40") > 0.5);
/// ```
pub trait Importance: Send + Sync {
    /// Returns the importance of a text, 0 to 1. `words` says how common its words are among the
    /// memories so far.
    fn estimate(&self, text: &str, words: &WordStatistics) -> f32;
}

impl fmt::Debug for dyn Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Importance")
    }
}

/// How many memories there are, and how many have which words.
///
/// ```
/// use altiplano::agent::WordStatistics;
/// let words = WordStatistics::new(1_000, [("tea".to_owned(), 3), ("the".to_owned(), 990)]);
/// assert_eq!(words.documents(), 1_000);
/// assert_eq!(words.frequency("tea"), Some(3));
/// assert_eq!(words.frequency("coffee"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordStatistics {
    documents: u64,
    frequencies: HashMap<String, u64>,
}

impl WordStatistics {
    /// Returns the statistics of `documents` memories, with the numbers of those that have a word.
    /// Words are in lower case.
    pub fn new(documents: u64, frequencies: impl IntoIterator<Item = (String, u64)>) -> Self {
        Self { documents, frequencies: frequencies.into_iter().collect() }
    }

    /// Returns the number of memories; 0 if nothing is known.
    pub const fn documents(&self) -> u64 {
        self.documents
    }

    /// Returns how many memories have a word, in lower case. `None` if it is not known.
    pub fn frequency(&self, word: &str) -> Option<u64> {
        self.frequencies.get(word).copied()
    }
}

/// The estimate that the crate has: how much a text says, by its words. It knows no meanings. "My
/// name is Anna" says little by this measure, so give an importance where you know one.
///
/// Each distinct word adds its weight, 0 to 1, and the sum x becomes x / (x + 4). The weight is the
/// information of the word (Shannon, 1948), the idf of Spärck Jones (1972), as a part of its
/// largest value: log((N + 1) / (n + 1)) / log(N + 1), for n of N memories that have the word. As
/// long as there are few memories, or none, the form of a word stands in for it: long words say
/// more than short ones, and the most common English words nothing. With N memories the statistics
/// count N / (N + 50). A number adds 0.8 and a name 0.5: a word with a capital that begins no
/// sentence. That a text matters by its rarer words was proposed by Luhn (1958).
///
/// O(text · log words).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportanceEstimate;

impl Importance for ImportanceEstimate {
    fn estimate(&self, text: &str, words: &WordStatistics) -> f32 {
        estimate(text, &|word| words.frequency(word), words.documents())
    }
}

/// Returns the importance of a text by [`ImportanceEstimate`], where `frequency` returns how many
/// of `documents` memories have a word, in lower case, if that is known.
pub(super) fn estimate(text: &str, frequency: &dyn Fn(&str) -> Option<u64>, documents: u64) -> f32 {
    let mut seen = BTreeSet::new();
    let (mut sum, mut names) = (0.0, BTreeSet::new());
    for sentence in sentences(text) {
        for (place, word) in words(sentence).enumerate() {
            let lower = word.to_lowercase();
            let is_name = place > 0 && word.starts_with(char::is_uppercase) && !is_common(&lower);
            if is_name && names.insert(lower.clone()) {
                sum += NAME;
            }
            if !seen.contains(&lower) {
                sum += weight(&lower, frequency(&lower), documents);
                seen.insert(lower);
            }
        }
    }
    (sum / (sum + HALF)) as f32
}

/// Returns the weight of a word in lower case, without that of a name.
fn weight(word: &str, frequency: Option<u64>, documents: u64) -> f64 {
    let form = form(word);
    let number = if word.contains(char::is_numeric) { NUMBER } else { 0.0 };
    let Some(frequency) = frequency.filter(|_| documents > 1) else { return form + number };
    let all = documents as f64;
    let rarity = ((all + 1.0) / (frequency.min(documents) as f64 + 1.0)).ln() / (all + 1.0).ln();
    number + (all * rarity + TRUSTED * form) / (all + TRUSTED)
}

/// Returns how much a word says by its form, 0 to 1.
fn form(word: &str) -> f64 {
    if is_common(word) {
        return 0.02;
    }
    if word.starts_with(is_ideograph) {
        return 0.15;
    }
    ((word.chars().count() as f64 - 1.0) / 8.0).clamp(0.05, 1.0)
}
