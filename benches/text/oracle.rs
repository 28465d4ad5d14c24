//! Owns the comparison of scores with those of another implementation: the crate `bm25`, with the
//! words that Unicode finds.

use bm25::{EmbedderBuilder, Scorer, Tokenizer};
use unicode_segmentation::UnicodeSegmentation;

/// The words of a text, in lower case.
struct Words;

impl Tokenizer for Words {
    fn tokenize(&self, text: &str) -> Vec<String> {
        text.unicode_words().map(str::to_lowercase).collect()
    }
}

/// Texts with their scores by another implementation.
pub(crate) struct Oracle {
    embedder: bm25::Embedder<u64, Words>,
    scorer: Scorer<u64, u64>,
}

impl Oracle {
    pub(crate) fn new(texts: &[String]) -> Self {
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embedder = EmbedderBuilder::<u64, Words>::with_tokenizer_and_fit_to_corpus(Words, &all);
        let embedder = embedder.build();
        let mut scorer = Scorer::new();
        for (id, text) in (0..).zip(&all) {
            scorer.upsert(&id, embedder.embed(text));
        }
        Self { embedder, scorer }
    }

    /// Returns the scores of the best `k` texts, the best first.
    pub(crate) fn best(&self, query: &str, k: usize) -> Vec<f32> {
        let query = self.embedder.embed(query);
        self.scorer.matches(&query).into_iter().take(k).map(|one| one.score).collect()
    }

    /// Returns the score of one text.
    pub(crate) fn score(&self, id: u64, query: &str) -> f32 {
        self.scorer.score(&id, &self.embedder.embed(query)).unwrap_or_default()
    }
}
