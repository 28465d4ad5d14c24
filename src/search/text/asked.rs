//! Owns `Asked`: a query by words in the form in which a collection's words are stored.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::search::text::TextQuery;
use crate::words::Analyzer;

/// Most words of a phrase.
const MAX_PHRASE: usize = 64;

/// A word, or all words with a prefix, of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// As it is stored.
    pub(super) word: String,
    pub(super) is_prefix: bool,
    /// How often the query has it.
    pub(super) times: f32,
    /// True if a memory without it is no result.
    pub(super) required: bool,
}

/// A query with its words as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) struct Asked {
    /// Each word once.
    pub(super) parts: Vec<Part>,
    /// Words that must follow each other.
    pub(super) phrases: Vec<Vec<String>>,
}

impl Asked {
    /// Makes the words of a query.
    pub(in crate::search) fn new(query: &TextQuery, analyzer: Analyzer) -> Result<Self> {
        query.check()?;
        let mut asked = Self { parts: Vec::new(), phrases: Vec::new() };
        let mut known = HashMap::new();
        let mut add = |asked: &mut Self, word: String, is_prefix: bool, required: bool| {
            let at = *known.entry((word.clone(), is_prefix)).or_insert(asked.parts.len());
            match asked.parts.get_mut(at) {
                Some(part) => {
                    part.times += 1.0;
                    part.required |= required;
                }
                None => asked.parts.push(Part { word, is_prefix, times: 1.0, required }),
            }
        };
        for word in words(analyzer, &query.words) {
            add(&mut asked, word, false, query.all);
        }
        for phrase in &query.phrases {
            let words = words(analyzer, phrase);
            if words.len() > MAX_PHRASE {
                let way_out = "a shorter phrase is as rare; ask for a part of it";
                let got = (words.len(), "words");
                return Err(Error::limit("phrase", got, MAX_PHRASE, way_out));
            }
            if words.is_empty() {
                let reason = format!("the phrase {phrase:?} has no word");
                return Err(Error::option("phrase", reason));
            }
            words.iter().for_each(|word| add(&mut asked, word.clone(), false, true));
            if words.len() > 1 {
                asked.phrases.push(words);
            }
        }
        for prefix in &query.prefixes {
            // A prefix has no stem of its own.
            let mut parts = words(Analyzer::default(), prefix).into_iter();
            match (parts.next(), parts.next()) {
                (Some(word), None) => add(&mut asked, word, true, query.all),
                _ => {
                    let reason = format!("{prefix:?} is not the beginning of one word");
                    return Err(Error::option("prefix", reason));
                }
            }
        }
        Ok(asked)
    }

    /// Returns true if these words hold every phrase.
    pub(super) fn has_phrases(&self, words: &[String]) -> bool {
        let holds = |phrase: &Vec<String>| words.windows(phrase.len()).any(|at| at == phrase);
        self.phrases.iter().all(holds)
    }
}

/// Returns the words of a text, in order.
pub(super) fn words(analyzer: Analyzer, text: &str) -> Vec<String> {
    let mut all = Vec::new();
    analyzer.words(text, &mut |word| all.push(word.to_owned()));
    all
}
