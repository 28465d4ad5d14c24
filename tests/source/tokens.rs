//! Owns the reader of Rust text: words and punctuation with their lines, without comments. Every
//! string is one token.

/// A word or a piece of punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Returns the tokens of a text. A string literal is its text in double quotes; `::` is one token.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line) = (0, 1);
    let mut all: Vec<Token> = Vec::new();
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        if c == '/' && next == '/' {
            at = find(&chars, at, |rest| rest[0] == '\n');
        } else if c == '/' && next == '*' {
            at = end_of_comment(&chars, at);
        } else if let Some(end) = end_of_string(&chars, at) {
            at = end;
            let text: String = chars[start..end].iter().collect();
            all.push(Token { text, line });
        } else if c == '\'' {
            at = end_of_quote(&chars, at);
        } else if c.is_alphanumeric() || c == '_' {
            at = find(&chars, at, |rest| !rest[0].is_alphanumeric() && rest[0] != '_');
            all.push(Token { text: chars[start..at].iter().collect(), line });
        } else {
            at += if c == ':' && next == ':' { 2 } else { 1 };
            if !c.is_whitespace() {
                all.push(Token { text: chars[start..at].iter().collect(), line });
            }
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    all
}

/// Returns the first position from `at` on where `here` holds, or the end.
fn find(chars: &[char], at: usize, here: impl Fn(&[char]) -> bool) -> usize {
    (at..chars.len()).find(|i| here(&chars[*i..])).unwrap_or(chars.len())
}

/// Returns the position behind a block comment, which may contain others.
fn end_of_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the position behind a string literal, plain, raw or of bytes, if one begins here.
fn end_of_string(chars: &[char], at: usize) -> Option<usize> {
    let mut open = at;
    while matches!(chars.get(open), Some('b' | 'c')) && open < at + 1 {
        open += 1;
    }
    let is_raw = chars.get(open) == Some(&'r');
    let hashes = open + usize::from(is_raw);
    let quote = if is_raw { find(chars, hashes, |rest| rest[0] != '#') } else { open };
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    if is_raw {
        let closing = quote - hashes;
        let closes = |rest: &[char]| {
            rest[0] == '"'
                && rest[1..].iter().take(closing).filter(|c| **c == '#').count() == closing
        };
        return Some((find(chars, quote + 1, closes) + 1 + closing).min(chars.len()));
    }
    let mut end = quote + 1;
    while end < chars.len() && chars[end] != '"' {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    Some((end + 1).min(chars.len()))
}

/// Returns the position behind a character literal, or behind the quote of a lifetime.
fn end_of_quote(chars: &[char], at: usize) -> usize {
    match chars.get(at + 1) {
        Some('\\') => find(chars, at + 3, |rest| rest[0] == '\'') + 1,
        Some(_) if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at + 1,
    }
    .min(chars.len())
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn texts(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_skipped_and_strings_are_one_token() {
        assert_eq!(texts("a // b::c\n/* d /* e */ f */ g"), ["a", "g"]);
        assert_eq!(
            texts(r#"x("crate::\"y", b"z")"#),
            ["x", "(", r#""crate::\"y""#, ",", "b\"z\"", ")"]
        );
        assert_eq!(texts("r#\"a \" b\"# c"), ["r#\"a \" b\"#", "c"]);
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(texts(r"'{' '\'' '\u{1F}' a::b"), ["a", "::", "b"]);
        assert_eq!(texts("&'a T"), ["&", "a", "T"]);
    }

    #[test]
    fn every_token_has_its_line() {
        let lines: Vec<usize> = tokens("a\n\"b\nc\" d\ne").iter().map(|t| t.line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
    }
}
