//! Owns the list of all values of one text, each with its path, for the columns of a segment.

use super::json::{Raw, Scanner};
use super::path::{ANY, push_key};
use super::scalar::Scalar;
use super::{MAX_DEPTH, MAX_PATH_BYTES};

/// Calls `each` with the canonical path and the value of every field of an object: keys and
/// elements down to [`MAX_DEPTH`] steps. Leaves out paths of more than [`MAX_PATH_BYTES`], which no
/// filter can name. A text that is no object has no fields. O(text) for each level.
pub(crate) fn each(json: &[u8], each: &mut dyn FnMut(&str, &Scalar<'_>)) {
    let mut scanner = Scanner::new(json);
    if scanner.peek() == Some(b'{') {
        // A text that is not JSON from some place on has the values before it.
        let _ = Walk { path: String::new(), each }.object(&mut scanner, 0);
    }
}

struct Walk<'a> {
    path: String,
    each: &'a mut dyn FnMut(&str, &Scalar<'_>),
}

impl Walk<'_> {
    /// Reads the value at the current path, `steps` steps from the top.
    fn value(&mut self, s: &mut Scanner<'_>, steps: usize) -> Option<()> {
        if self.path.len() > MAX_PATH_BYTES {
            return s.skip();
        }
        match s.peek()? {
            b'{' => {
                (self.each)(&self.path, &Scalar::Container);
                if steps == MAX_DEPTH { s.skip() } else { self.object(s, steps) }
            }
            b'[' => {
                (self.each)(&self.path, &Scalar::Container);
                if steps == MAX_DEPTH {
                    return s.skip();
                }
                let len = self.path.len();
                self.path.push_str(ANY);
                let read = s.elements(|s, _| self.value(s, steps + 1));
                self.path.truncate(len);
                read
            }
            _ => {
                let value = s.scalar()?;
                (self.each)(&self.path, &value);
                Some(())
            }
        }
    }

    fn object(&mut self, s: &mut Scanner<'_>, steps: usize) -> Option<()> {
        let mut entries: Vec<(Raw<'_>, usize)> = Vec::new();
        let read = s.entries(|s, key| {
            entries.push((key, s.position()));
            s.skip()
        });
        let mut names: Vec<_> = entries.iter().map(|(key, at)| (key.text(), *at)).collect();
        // The last of several entries with one key comes last, and stays.
        names.sort_unstable();
        let len = self.path.len();
        for (i, (key, at)) in names.iter().enumerate() {
            if names.get(i + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            push_key(&mut self.path, key);
            let _ = self.value(&mut s.from(*at), steps + 1);
            self.path.truncate(len);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::number::Number;

    fn listed(json: &str) -> Vec<(String, Scalar<'static>)> {
        let mut all = Vec::new();
        each(json.as_bytes(), &mut |path, value| {
            let value = match value {
                Scalar::Text(text) => Scalar::Text(text.clone().into_owned().into()),
                Scalar::Container => Scalar::Container,
                Scalar::Null => Scalar::Null,
                Scalar::Bool(value) => Scalar::Bool(*value),
                Scalar::Number(number) => Scalar::Number(*number),
            };
            all.push((path.to_owned(), value));
        });
        all
    }

    #[test]
    fn every_value_is_listed_once_with_its_path() {
        let json = r#"{"b": [1, "x", {"c": null}], "a.b": true, "a": 1, "a": {"d": "y"}}"#;
        let number = Scalar::Number(Number::of_signed(1));
        let wanted = [
            ("a", Scalar::Container),
            ("a.d", Scalar::Text("y".into())),
            ("[\"a.b\"]", Scalar::Bool(true)),
            ("b", Scalar::Container),
            ("b[*]", number),
            ("b[*]", Scalar::Text("x".into())),
            ("b[*]", Scalar::Container),
            ("b[*].c", Scalar::Null),
        ];
        assert_eq!(listed(json), wanted.map(|(path, value)| (path.to_owned(), value)));
        assert_eq!(listed("[1, 2]"), []);
        assert_eq!(listed("5"), []);
    }

    #[test]
    fn what_is_too_deep_or_too_long_for_a_path_is_left_out() {
        let nested = |levels| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(listed(&nested(MAX_DEPTH - 1)).len(), MAX_DEPTH);
        assert_eq!(listed(&nested(MAX_DEPTH)).len(), MAX_DEPTH);
        assert_eq!(listed(&nested(1 << 17)).len(), MAX_DEPTH);
        let long = |bytes| listed(&format!("{{\"{}\": {{\"b\": 1}}}}", "k".repeat(bytes))).len();
        assert_eq!(long(MAX_PATH_BYTES - 2), 2);
        assert_eq!(long(MAX_PATH_BYTES - 1), 1);
        assert_eq!(long(MAX_PATH_BYTES + 1), 0);
    }
}
