//! Owns how the agent layer reads a text without a model: its sentences and its words.
//!
//! Invariant: what is returned depends on the text alone, and is part of it. The rules of `words`
//! are part of the vectors in `hashing`: a change of them needs a new version there.

/// Words after which a period ends no sentence. "Ms" is a title and "ms" are milliseconds.
const ABBREVIATIONS: [&str; 18] = [
    "Ave", "Dept", "Dr", "Fig", "Inc", "Jr", "Mr", "Mrs", "Ms", "Prof", "Sr", "St", "Vol",
    "approx", "ca", "cf", "est", "vs",
];

/// The most common words of English: those that build sentences, and those of greetings and
/// thanks. Other languages have none here. Sorted.
const COMMON: [&str; 161] = [
    "a", "about", "after", "again", "all", "already", "also", "am", "an", "and", "any", "are",
    "as", "at", "be", "because", "been", "before", "being", "but", "by", "bye", "can", "cool",
    "could", "day", "did", "do", "does", "doing", "done", "down", "else", "even", "every", "fine",
    "for", "from", "get", "go", "going", "good", "got", "great", "had", "has", "have", "having",
    "he", "hello", "help", "her", "here", "hey", "hi", "him", "his", "hope", "how", "i", "if",
    "in", "into", "is", "it", "its", "just", "know", "let", "like", "lol", "lot", "lots", "many",
    "may", "me", "more", "morning", "most", "much", "must", "my", "need", "nice", "night", "no",
    "nor", "not", "now", "of", "off", "oh", "ok", "okay", "on", "one", "only", "or", "other",
    "our", "out", "over", "please", "really", "right", "said", "same", "see", "she", "should",
    "so", "some", "soon", "sorry", "still", "such", "sure", "thank", "thanks", "that", "the",
    "their", "them", "then", "there", "these", "they", "thing", "things", "this", "those", "to",
    "today", "tomorrow", "too", "up", "us", "very", "want", "was", "way", "we", "welcome", "well",
    "were", "what", "when", "where", "which", "while", "who", "why", "will", "with", "would",
    "yeah", "yes", "yet", "you", "your", "yours",
];

/// Returns true for a word, in lower case, that says next to nothing by itself in English.
/// Contractions such as "don't" count as what is before the apostrophe and its "n".
pub(super) fn is_common(word: &str) -> bool {
    let stem = word.split(['\'', '’']).next().unwrap_or(word);
    let has = |word: &str| COMMON.binary_search(&word).is_ok();
    has(stem) || (stem.len() < word.len() && stem.strip_suffix('n').is_some_and(has))
}

/// Returns the words of a text in their order: letters and digits, with apostrophes between
/// letters, and with marks between digits, as in 7:40. Ideographs and kana are words of one
/// character each.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = &rest[rest.find(char::is_alphanumeric)?..];
        let (word, after) = rest.split_at(word_length(rest));
        rest = after;
        Some(word)
    })
}

/// Returns the length in bytes of the word at the beginning of a text.
fn word_length(text: &str) -> usize {
    let mut letters = text.char_indices().peekable();
    let mut before = None;
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        let between = |of: fn(char) -> bool| before.is_some_and(of) && next.is_some_and(of);
        match letter {
            _ if is_ideograph(letter) => {
                return if at == 0 { letter.len_utf8() } else { at };
            }
            _ if letter.is_alphanumeric() => {}
            '\'' | '’' if between(char::is_alphabetic) => {}
            '.' | ',' | ':' | '/' | '-' if between(char::is_numeric) => {}
            _ => return at,
        }
        before = Some(letter);
    }
    text.len()
}

/// Returns true for a character that is a word by itself: those of Chinese, and kana.
pub(super) fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Returns the sentences of a text in their order, without the space around them. A sentence ends
/// with a line, or with `.`, `!`, `?` or `…` before a space, except after an abbreviation, an
/// initial, and a number that begins it (`2. Buy milk`). The marks of Chinese end it anywhere.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (sentence, after) = rest.split_at(sentence_length(rest));
            rest = after;
            let sentence = sentence.trim();
            if !sentence.is_empty() {
                return Some(sentence);
            }
        }
    })
}

/// Returns the length in bytes of the first sentence of a text.
fn sentence_length(text: &str) -> usize {
    for (at, letter) in text.char_indices() {
        let end = at + letter.len_utf8();
        match letter {
            '\n' | '\r' => return end,
            '。' | '！' | '？' => return end + closing(&text[end..]),
            '.' | '!' | '?' | '…' => {
                let end = end + closing(&text[end..]);
                let after = &text[end..];
                let is_end = after.chars().next().is_none_or(char::is_whitespace);
                if is_end && !(letter == '.' && goes_on(&text[..at], after)) {
                    return end;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Returns the length in bytes of the quotes and brackets that close at the beginning of a text.
fn closing(text: &str) -> usize {
    let is_closing = |letter: char| "\"')]”’»」』".contains(letter);
    text.find(|letter: char| !is_closing(letter)).unwrap_or(text.len())
}

/// Returns true if a period between these two does not end a sentence.
fn goes_on(before: &str, after: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || "([\"".contains(c)).next();
    let word = word.unwrap_or(before);
    let is_first = word.len() == before.trim_start().len();
    let next_is_capital = after.trim_start().starts_with(char::is_uppercase);
    if word.contains('.') {
        // "7 a.m. We left" are two, "U.S. Army" and "e.g. tea" are not.
        return !(next_is_capital && word.ends_with(char::is_lowercase));
    }
    let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    let is_initial = word.chars().count() == 1 && word.starts_with(char::is_alphabetic);
    is_initial || (is_number && is_first) || ABBREVIATIONS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).collect()
    }

    #[test]
    fn the_common_words_are_sorted_and_lower() {
        assert!(COMMON.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(is_common("the") && is_common("don't") && is_common("it’s"));
        assert!(!is_common("lima") && !is_common("o'brien"));
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        let text = "Dr. Smith (from J. Doe Inc.) paid 3.50 at 7 a.m. We left! \"Really?\" Yes… e.g. \
                    tea\n1. Buy milk. 2. Rest";
        let found = [
            "Dr. Smith (from J. Doe Inc.) paid 3.50 at 7 a.m.",
            "We left!",
            "\"Really?\"",
            "Yes…",
            "e.g. tea",
            "1. Buy milk.",
            "2. Rest",
        ];
        assert_eq!(split(text), found);
        assert_eq!(split("他对花生过敏。他住在利马！"), ["他对花生过敏。", "他住在利马！"]);
        assert_eq!(split("It took 95 ms. Ms. Li left."), ["It took 95 ms.", "Ms. Li left."]);
        assert_eq!(split(" \n "), [""; 0]);
    }

    #[test]
    fn words_keep_what_belongs_together() {
        let found: Vec<&str> =
            words("Don't call +51 987-654 at 7:40, (LA2047) on 3/5: 'ok' 利马 x.y").collect();
        let expected = [
            "Don't", "call", "51", "987-654", "at", "7:40", "LA2047", "on", "3/5", "ok", "利",
            "马", "x", "y",
        ];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_lost(text in "(?s).{0,60}", near in "[a-zA.!?。1 \n\"')利]{0,40}") {
            for text in [text, near] {
                let joined: String = split(&text).concat();
                let bare = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                prop_assert_eq!(bare(&joined), bare(&text));
                let letters = |t: &str| t.chars().filter(|c| c.is_alphanumeric()).count();
                prop_assert_eq!(words(&text).map(letters).sum::<usize>(), letters(&text));
            }
        }
    }
}
