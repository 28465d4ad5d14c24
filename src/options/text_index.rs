//! Owns `TextIndex`: the options of a collection's index of words.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::words::{Analyzer, Language};

/// The options of an index of the words of all texts.
///
/// The numbers are those of Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
/// Framework: BM25 and Beyond", 2009): `k1` is how much a word counts that a text repeats, and `b`
/// how much a long text is held against its words.
///
/// ```
/// use altiplano::{Language, TextIndex};
/// let index = TextIndex::new().language(Language::English).k1(1.5);
/// assert_eq!((index.language, index.k1, index.b), (Some(Language::English), 1.5, 0.75));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TextIndex {
    /// The language whose stems are compared in place of words. Default = none: words are compared
    /// in lower case, and otherwise as they are.
    pub language: Option<Language>,
    /// How much a repeated word counts, 0 to 100. Default = 1.2.
    pub k1: f32,
    /// How much the length of a text counts, 0 to 1. Default = 0.75.
    pub b: f32,
}

impl TextIndex {
    /// Returns the default options.
    pub const fn new() -> Self {
        Self { language: None, k1: 1.2, b: 0.75 }
    }

    /// Compares the stems of words in this language. Texts in other languages are indexed too, with
    /// the same rules, so a query still finds their words.
    #[must_use]
    pub const fn language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// Sets how much a repeated word counts, 0 to 100. With 0 it counts once.
    #[must_use]
    pub const fn k1(mut self, k1: f32) -> Self {
        self.k1 = k1;
        self
    }

    /// Sets how much the length of a text counts, 0 to 1. With 0 it does not.
    #[must_use]
    pub const fn b(mut self, b: f32) -> Self {
        self.b = b;
        self
    }

    /// Returns what makes the words.
    pub(crate) const fn analyzer(&self) -> Analyzer {
        Analyzer { language: self.language }
    }

    /// Checks every range.
    pub(super) fn validate(&self) -> Result<()> {
        // The ranges refuse NaN too.
        let range = |name, got: f32, most: f32| match (0.0..=most).contains(&got) {
            true => Ok(()),
            false => Err(Error::option(name, format!("{got} is not between 0 and {most}"))),
        };
        range("text_index (k1)", self.k1, 100.0)?;
        range("text_index (b)", self.b, 1.0)
    }

    /// Fails in a build that cannot make words.
    pub(super) fn supported(&self) -> Result<()> {
        if cfg!(feature = "text") {
            return Ok(());
        }
        let reason = "altiplano was built without its feature `text`: build it with that feature, \
                      which is among the default ones";
        Err(Error::option("text_index", reason))
    }
}

impl Default for TextIndex {
    fn default() -> Self {
        Self::new()
    }
}
