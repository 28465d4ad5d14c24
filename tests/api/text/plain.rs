//! Owns a plain search by words: the definition of BM25, over every visible memory, in `f64`.

use std::collections::BTreeMap;

use altiplano::Memory;
use unicode_segmentation::UnicodeSegmentation;

/// Returns the words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

/// What is asked, as plain data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) words: String,
    pub(crate) phrases: Vec<String>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) all: bool,
}

/// The visible memories of a collection.
pub(crate) struct Plain {
    /// The words of each text that has some, and its memory.
    texts: Vec<(Vec<String>, Memory)>,
    pub(crate) k1: f64,
    pub(crate) b: f64,
}

impl Plain {
    pub(crate) fn new(memories: impl IntoIterator<Item = Memory>) -> Self {
        let of = |memory: Memory| (words(memory.text.as_deref().unwrap_or_default()), memory);
        let texts = memories.into_iter().map(of).filter(|(words, _)| !words.is_empty()).collect();
        Self { texts, k1: 1.2, b: 0.75 }
    }

    /// Returns the ids of the memories that match, with their scores, the best first.
    pub(crate) fn search(
        &self,
        asked: &Asked,
        passes: impl Fn(&Memory) -> bool,
    ) -> Vec<(u128, f64)> {
        // Each part of the query: a word or a prefix, how often it is asked, whether it must be.
        let mut parts: BTreeMap<(String, bool), (f64, bool)> = BTreeMap::new();
        let mut add = |word: String, is_prefix: bool, must: bool| {
            let part = parts.entry((word, is_prefix)).or_default();
            *part = (part.0 + 1.0, part.1 || must);
        };
        words(&asked.words).into_iter().for_each(|word| add(word, false, asked.all));
        let phrases: Vec<Vec<String>> = asked.phrases.iter().map(|text| words(text)).collect();
        phrases.iter().flatten().for_each(|word| add(word.clone(), false, true));
        asked.prefixes.iter().for_each(|word| add(word.to_lowercase(), true, asked.all));
        let times = |text: &[String], (word, is_prefix): &(String, bool)| {
            let same =
                |of: &&String| if *is_prefix { of.starts_with(&**word) } else { *of == word };
            text.iter().filter(same).count() as f64
        };
        let total = self.texts.len() as f64;
        let mean = self.texts.iter().map(|(words, _)| words.len()).sum::<usize>() as f64 / total;
        let rarity: Vec<f64> = parts
            .keys()
            .map(|part| {
                let with = self.texts.iter().filter(|(text, _)| times(text, part) > 0.0).count();
                (1.0 + (total - with as f64 + 0.5) / (with as f64 + 0.5)).ln()
            })
            .collect();
        let mut found = Vec::new();
        for (text, memory) in &self.texts {
            let mut score = 0.0;
            let mut whole = true;
            for ((part, (asked, must)), rarity) in parts.iter().zip(&rarity) {
                let times = times(text, part);
                whole &= !must || times > 0.0;
                let length = text.len() as f64 / mean;
                let norm = self.k1 * (1.0 - self.b + self.b * length);
                if times > 0.0 {
                    score += asked * rarity * times * (self.k1 + 1.0) / (times + norm);
                }
            }
            whole &= phrases.iter().all(|phrase| text.windows(phrase.len()).any(|at| at == phrase));
            if whole && score > 0.0 && passes(memory) {
                found.push((memory.id.as_u128(), score));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }
}
