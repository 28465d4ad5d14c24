//! Owns `Scanner`, which reads JSON text value by value, without copying. `None` means that the
//! text is no JSON from here on.
//!
//! Invariant: skipping a value takes no stack, however deep it is nested.

use std::borrow::Cow;

use super::number::Number;
use super::scalar::Scalar;

/// A place in a text.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The inside of a JSON string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    bytes: &'a [u8],
    escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns the offset in the text.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Returns this text from an offset on.
    pub(super) const fn from(&self, at: usize) -> Self {
        Self { bytes: self.bytes, at }
    }

    /// Returns the next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        let found = self.peek()? == wanted;
        self.at += usize::from(found);
        found.then_some(())
    }

    /// Calls `each` with every key of an object. `each` must read the value.
    pub(super) fn entries(
        &mut self,
        mut each: impl FnMut(&mut Self, Raw<'a>) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.peek()?;
            let key = self.string()?;
            self.take(b':')?;
            each(self, key)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    /// Calls `each` with the position of every element of a list. `each` must read the element.
    pub(super) fn elements(
        &mut self,
        mut each: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        let mut position = 0;
        loop {
            each(self, position)?;
            position += 1;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    /// Reads a string, from its opening quote on.
    fn string(&mut self) -> Option<Raw<'a>> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let (start, mut escaped) = (self.at + 1, false);
        let mut at = start;
        loop {
            match *self.bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(Raw { bytes: self.bytes.get(start..at)?, escaped })
    }

    /// Reads a value that is no object and no list.
    pub(super) fn scalar(&mut self) -> Option<Scalar<'a>> {
        match self.peek()? {
            b'"' => self.string().map(|raw| Scalar::Text(raw.text())),
            b'n' => self.word(b"null").map(|()| Scalar::Null),
            b't' => self.word(b"true").map(|()| Scalar::Bool(true)),
            b'f' => self.word(b"false").map(|()| Scalar::Bool(false)),
            b'-' | b'0'..=b'9' => self.number().map(Scalar::Number),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..)?.starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found.then_some(())
    }

    fn number(&mut self) -> Option<Number> {
        let rest = self.bytes.get(self.at..)?;
        let digits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let len = rest.iter().take_while(|byte| digits(byte)).count();
        let text = std::str::from_utf8(rest.get(..len)?).ok()?;
        self.at += len;
        if let Ok(whole) = text.parse() {
            return Some(Number::of_signed(whole));
        }
        if let Ok(whole) = text.parse() {
            return Some(Number::of_unsigned(whole));
        }
        text.parse().ok().map(Number::of_float)
    }

    /// Skips the next value.
    pub(super) fn skip(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b',' | b':' => return None,
                _ => self.skip_word(),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Skips a number, a bool or null.
    fn skip_word(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| {
            matches!(
                byte,
                b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"' | b' ' | b'\n' | b'\t' | b'\r'
            )
        };
        self.at += rest.iter().take_while(|byte| !ends(byte)).count();
    }
}

impl<'a> Raw<'a> {
    /// Returns true if the string is this text.
    pub(super) fn is(&self, text: &str) -> bool {
        match self.escaped {
            false => self.bytes == text.as_bytes(),
            true => self.text() == text,
        }
    }

    /// Returns the text. Half of a surrogate pair, which JSON allows and a text cannot hold,
    /// becomes U+FFFD.
    pub(super) fn text(&self) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(self.bytes);
        if !self.escaped {
            return text;
        }
        Cow::Owned(unescaped(&text))
    }
}

fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        let escape = chars.next();
        rest = chars.as_str();
        match escape {
            Some('u') => {
                let (c, left) = unit(rest);
                out.push(c);
                rest = left;
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some(c) => out.push(c),
            None => {}
        }
    }
    out.push_str(rest);
    out
}

/// Reads the character behind `\u`, and the second half of a pair if there is one.
fn unit(text: &str) -> (char, &str) {
    let hex = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let Some(first) = hex(text) else {
        return (char::REPLACEMENT_CHARACTER, text);
    };
    let rest = text.get(4..).unwrap_or_default();
    if let Some(c) = char::from_u32(first) {
        return (c, rest);
    }
    let second = rest.strip_prefix("\\u").and_then(hex);
    match second.filter(|second| first < 0xDC00 && (0xDC00..0xE000).contains(second)) {
        Some(second) => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            (c, rest.get(6..).unwrap_or_default())
        }
        None => (char::REPLACEMENT_CHARACTER, rest),
    }
}

/// Returns how many objects and lists of a JSON text lie in each other at most.
pub(crate) fn depth(json: &[u8]) -> usize {
    let (mut scanner, mut depth, mut most) = (Scanner::new(json), 0usize, 0);
    while let Some(byte) = scanner.bytes.get(scanner.at) {
        match byte {
            b'"' => {
                if scanner.string().is_none() {
                    break;
                }
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        scanner.at += 1;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_as_they_are_written() {
        fn read(json: &str) -> Option<Scalar<'_>> {
            Scanner::new(json.as_bytes()).scalar()
        }
        let text = |text: &str| Some(Scalar::Text(Cow::Owned(text.to_owned())));
        assert_eq!(read(" null"), Some(Scalar::Null));
        assert_eq!(read("true"), Some(Scalar::Bool(true)));
        assert_eq!(read("false"), Some(Scalar::Bool(false)));
        assert_eq!(read("-0"), Some(Scalar::Number(Number::of_float(0.0))));
        assert_eq!(
            read("18446744073709551615"),
            Some(Scalar::Number(Number::of_unsigned(u64::MAX)))
        );
        assert_eq!(
            read("18446744073709551616"),
            Some(Scalar::Number(Number::of_float(18446744073709551616.0)))
        );
        assert_eq!(read("0.30000000000000004"), Some(Scalar::Number(Number::of_float(0.1 + 0.2))));
        assert_eq!(read("1E+2"), Some(Scalar::Number(Number::of_signed(100))));
        assert_eq!(read(r#""tea""#), text("tea"));
        assert_eq!(read(r#""\"\\\/\b\f\n\r\tä☕""#), text("\"\\/\u{8}\u{c}\n\r\tä☕"));
        assert_eq!(read(r#""\u00e4\uD83D\uDE00\ud800x\udc00""#), text("ä😀\u{fffd}x\u{fffd}"));
        for bad in ["", "nul", "x", "-", "1.2.3", "\"a", "\"a\\", "{", "[", "]", ","] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(matches!(read(r#""\u12""#), Some(Scalar::Text(_))));
    }

    #[test]
    fn a_value_is_skipped_as_a_whole_however_deep_it_is() {
        let deep = format!("{}1{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(depth(deep.as_bytes()), 1 << 20);
        for value in
            ["null", "-1.5e3", r#""]}\"""#, "[]", r#"{"a": [1, {"]": "}"}], "b": {}}"#, &deep]
        {
            let json = format!(" {value} , rest");
            let mut scanner = Scanner::new(json.as_bytes());
            scanner.skip().unwrap();
            assert_eq!(scanner.position(), value.len() + 1, "{}", &value[..value.len().min(40)]);
            assert_eq!(scanner.peek(), Some(b','));
        }
        for bad in ["", " ", "[", "{\"a\":", "]", ",", ":", "[1, \"", "[[]"] {
            assert_eq!(Scanner::new(bad.as_bytes()).skip(), None, "{bad}");
        }
        assert_eq!(depth(br#"{"a": "[[[[", "b": [{}]}"#), 3);
    }
}
