//! Owns `TextQuery`: words, phrases and prefixes as a caller asks for them.

use crate::error::{Error, Result};

/// Most bytes of a query by words.
const MAX_BYTES: usize = 64 << 10;
/// Most phrases and prefixes of a query.
const MAX_PARTS: usize = 64;

/// A question by words, for [`Collection::search_text`](crate::Collection::search_text) and
/// [`Search::text`](crate::Search::text).
///
/// A text alone is its words: memories with any of them are found, and those with more, or rarer,
/// words come first. No character has a special meaning, so what a user typed can be asked as it
/// is. Phrases and prefixes are added by calls.
///
/// A query without any word, such as `"?!"`, finds nothing by words. Common words count little and
/// are not left out, so a query of such words finds the memories that have them.
///
/// At most 64 KiB of text, 64 phrases and 64 prefixes.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Memory, Metric, Store, TextIndex, TextQuery};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// let options = CollectionOptions::new(2, Metric::Cosine).text_index(TextIndex::new());
/// let notes = store.collection("notes", options)?;
/// notes.insert(Memory::new(1, [0.0, 1.0]).text("The night train to Lima leaves at nine."))?;
/// notes.insert(Memory::new(2, [0.0, 1.0]).text("A train of thought at night."))?;
/// let ids = |query: TextQuery| -> altiplano::Result<Vec<u128>> {
///     Ok(notes.search_text(query).run()?.iter().map(|hit| hit.id.as_u128()).collect())
/// };
/// assert_eq!(ids("train to Lima".into())?, [1, 2]);
/// assert_eq!(ids(TextQuery::new("train Lima").all_words())?, [1]);
/// assert_eq!(ids(TextQuery::default().phrase("night train"))?, [1]);
/// assert_eq!(ids(TextQuery::default().prefix("thou"))?, [2]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TextQuery {
    pub(super) words: String,
    pub(super) phrases: Vec<String>,
    pub(super) prefixes: Vec<String>,
    pub(super) all: bool,
}

impl TextQuery {
    /// Returns a query for the words of a text.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    /// Adds words that a memory must have one after the other, in this order. Of several phrases it
    /// must have all. The words also count for the score. A memory that has the words is read to
    /// see their order, so a phrase costs more than its words.
    #[must_use]
    pub fn phrase(mut self, phrase: impl Into<String>) -> Self {
        self.phrases.push(phrase.into());
        self
    }

    /// Adds the words that begin with this text. They count as one word, which occurs as often as
    /// they do together. Where the text index has a language, its stems are compared: `"runn"` does
    /// not find "running", whose stem is "run". Takes as long as all of these words.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// Finds only memories that have every word, and a word for every prefix.
    #[must_use]
    #[doc(alias = "and")]
    pub const fn all_words(mut self) -> Self {
        self.all = true;
        self
    }

    /// Refuses a query that is too large.
    pub(in crate::search) fn check(&self) -> Result<()> {
        let texts = self.phrases.iter().chain(&self.prefixes).chain([&self.words]);
        let bytes = texts.map(String::len).sum();
        if bytes > MAX_BYTES {
            let way_out = "ask by a part of the text, such as its first sentences";
            return Err(Error::limit("query by words", (bytes, "bytes"), MAX_BYTES, way_out));
        }
        for (what, parts) in [("phrases", self.phrases.len()), ("prefixes", self.prefixes.len())] {
            if parts > MAX_PARTS {
                let way_out = "ask for fewer, or in several searches";
                return Err(Error::limit(what, (parts, "of them"), MAX_PARTS, way_out));
            }
        }
        Ok(())
    }
}

impl From<&str> for TextQuery {
    fn from(words: &str) -> Self {
        Self::new(words)
    }
}

impl From<&String> for TextQuery {
    fn from(words: &String) -> Self {
        Self::new(words.as_str())
    }
}

impl From<String> for TextQuery {
    fn from(words: String) -> Self {
        Self::new(words)
    }
}
