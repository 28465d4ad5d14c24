//! Owns the rules by which words are made of a text.

use super::language::Language;

/// Longest word in bytes. Of a longer word the beginning is kept.
pub(crate) const MAX_WORD_BYTES: usize = 64;

/// The version of the rules in this file and of the stemmers. It must grow with every change of
/// them.
const RULES: u32 = 1;

/// Makes the words of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Analyzer {
    /// The language of stems; `None` if words are kept as they are.
    pub(crate) language: Option<Language>,
}

impl Analyzer {
    /// Returns a number that stands for the language and the version of the rules. The versions of
    /// Unicode that the rules rest on are part of it.
    pub(crate) fn code(self) -> u32 {
        let language = self.language.map_or(0, |language| language as u32 + 1);
        rules::unicode() << 16 | RULES << 8 | language
    }

    /// Returns what makes words of this code; `None` if this version has no such rules.
    pub(crate) fn of_code(code: u32) -> Option<Self> {
        let language = match code & 0xFF {
            0 => None,
            number => Some(*Language::ALL.get(number as usize - 1)?),
        };
        Some(Self { language }).filter(|analyzer| analyzer.code() == code)
    }

    /// Calls `visit` with each word of a text, in order. A word is what Unicode calls a word and
    /// has a letter or a digit (UAX #29), in lower case, cut to [`MAX_WORD_BYTES`], and its stem if
    /// there is a language.
    pub(crate) fn words(self, text: &str, visit: &mut dyn FnMut(&str)) {
        rules::words(self.language, text, visit);
    }
}

/// Returns the beginning of a word, cut between two characters.
#[cfg(feature = "text")]
fn cut(word: &str) -> &str {
    if word.len() <= MAX_WORD_BYTES {
        return word;
    }
    // A character takes four bytes at most.
    let ends = (MAX_WORD_BYTES - 3..=MAX_WORD_BYTES).rev();
    ends.filter_map(|end| word.get(..end)).next().unwrap_or(word)
}

#[cfg(feature = "text")]
mod rules {
    use frostem::{Algorithm, Stemmer};
    use unicode_segmentation::UnicodeSegmentation;

    use super::{Language, cut};

    /// Returns the versions of Unicode that find words and that lower their case.
    pub(super) fn unicode() -> u32 {
        let (words, ..) = unicode_segmentation::UNICODE_VERSION;
        u32::from(words as u8) << 8 | u32::from(char::UNICODE_VERSION.0)
    }

    pub(super) fn words(language: Option<Language>, text: &str, visit: &mut dyn FnMut(&str)) {
        let stemmer = language.map(|language| Stemmer::new(algorithm(language)));
        let mut lower = String::new();
        for word in text.unicode_words() {
            let word = if !word.is_ascii() {
                lower = word.to_lowercase();
                &lower
            } else if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
                lower.clear();
                lower.push_str(word);
                lower.make_ascii_lowercase();
                &lower
            } else {
                word
            };
            let word = cut(word);
            match stemmer {
                Some(stemmer) => match cut(&stemmer.stem(word)) {
                    // A word must not vanish.
                    "" => visit(word),
                    stem => visit(stem),
                },
                None => visit(word),
            }
        }
    }

    const fn algorithm(language: Language) -> Algorithm {
        match language {
            Language::English => Algorithm::English,
            Language::German => Algorithm::German,
            Language::French => Algorithm::French,
            Language::Spanish => Algorithm::Spanish,
            Language::Italian => Algorithm::Italian,
            Language::Portuguese => Algorithm::Portuguese,
            Language::Dutch => Algorithm::Dutch,
            Language::Swedish => Algorithm::Swedish,
            Language::Norwegian => Algorithm::Norwegian,
            Language::Danish => Algorithm::Danish,
            Language::Finnish => Algorithm::Finnish,
            Language::Russian => Algorithm::Russian,
        }
    }
}

/// Without the feature no collection has a text index, so nobody asks for words.
#[cfg(not(feature = "text"))]
mod rules {
    use super::Language;

    pub(super) const fn unicode() -> u32 {
        0
    }

    pub(super) fn words(_: Option<Language>, _: &str, _: &mut dyn FnMut(&str)) {}
}

#[cfg(all(test, feature = "text"))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    fn words(language: Option<Language>, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        Analyzer { language }.words(text, &mut |word| all.push(word.to_owned()));
        all
    }

    #[test]
    fn words_are_what_unicode_calls_words_in_lower_case() {
        let text = "The quick (\"Brown\") fox can't jump 32.3 feet, right? ÄÖÜ 北京 ΟΔΟΣ \u{1f600}";
        let expected = [
            "the", "quick", "brown", "fox", "can't", "jump", "32.3", "feet", "right", "äöü", "北",
            "京", "οδος",
        ];
        assert_eq!(words(None, text), expected);
        assert!(words(None, " .,;!- \u{1f600}").is_empty());
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        for letter in ["a", "é", "И", "𐐨"] {
            let [cut] = &words(None, &letter.repeat(100))[..] else { panic!("one word") };
            assert!((61..=64).contains(&cut.len()), "{letter}: {}", cut.len());
        }
    }

    #[test]
    fn stems_are_those_of_the_language() {
        let english = words(Some(Language::English), "Connected connections CONNECTING");
        assert_eq!(english, ["connect", "connect", "connect"]);
        assert_eq!(words(Some(Language::German), "Automaten Häuser"), ["automat", "haus"]);
        assert_eq!(
            words(Some(Language::Russian), "книги")[0],
            words(Some(Language::Russian), "книга")[0]
        );
    }

    #[test]
    fn every_language_has_a_code_of_its_own() {
        let languages =
            [None, Some(Language::English), Some(Language::German), Some(Language::Russian)];
        let codes: std::collections::BTreeSet<u32> =
            languages.map(|language| Analyzer { language }.code()).into();
        assert_eq!(codes.len(), languages.len());
        assert_eq!(Analyzer::default().code() & 0xFFFF, 0x100, "the rules that files name");
        assert_eq!(Analyzer { language: Some(Language::Russian) }.code() & 0xFF, 12);
        for language in languages.into_iter().chain(Language::ALL.map(Some)) {
            let analyzer = Analyzer { language };
            assert_eq!(Analyzer::of_code(analyzer.code()), Some(analyzer));
        }
        for code in [0, 0x100, 13, Analyzer::default().code() + 13, u32::MAX] {
            assert_eq!(Analyzer::of_code(code), None, "{code:x}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn words_are_short_and_never_empty(
            text in prop_oneof!["\\PC{0,80}", "[a-zäöüßéèêçñåøæœа-яё' ]{0,80}"],
            language in prop::sample::select(Language::ALL.to_vec())
        ) {
            let stems = words(Some(language), &text);
            let all = words(None, &text);
            prop_assert_eq!(stems.len(), all.len());
            prop_assert_eq!(all.len(), text.unicode_words().count());
            prop_assert!(stems.iter().chain(&all).all(|w| (1..=MAX_WORD_BYTES).contains(&w.len())));
        }
    }
}
