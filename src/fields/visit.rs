//! Owns the search for the values at one path of one text. It reads the text once and copies only
//! texts with escapes.

use super::json::Scanner;
use super::path::{Path, Step};
use super::scalar::Scalar;

/// What is at a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// True if there is a value, also null, an object or a list.
    pub(crate) exists: bool,
    /// True if a value passed the test.
    pub(crate) passes: bool,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.exists |= other.exists;
        self.passes |= other.passes;
    }
}

/// Tests the values at a path of a text. `test` gets each value that is no object and no list. With
/// `elements`, it also gets such elements of a list at the path; its second argument is true for
/// them. O(text).
pub(crate) fn visit(
    json: &[u8],
    path: &Path,
    elements: bool,
    test: &mut dyn FnMut(&Scalar<'_>, bool) -> bool,
) -> Found {
    let (mut found, mut scanner) = (Found::default(), Scanner::new(json));
    let mut asked = Asked { elements, test };
    // A text that is not JSON from some place on has the values before it.
    let _ = asked.descend(&mut scanner, path.steps(), &mut found);
    found
}

struct Asked<'a> {
    elements: bool,
    test: &'a mut dyn FnMut(&Scalar<'_>, bool) -> bool,
}

impl Asked<'_> {
    /// Recurses at most as deep as the path is long.
    fn descend(&mut self, s: &mut Scanner<'_>, steps: &[Step], found: &mut Found) -> Option<()> {
        let next = s.peek()?;
        let Some((step, rest)) = steps.split_first() else {
            return self.at_end(s, next, found);
        };
        match (step, next) {
            (Step::Key(wanted), b'{') => {
                let mut last = Found::default();
                let read = s.entries(|s, key| {
                    if !key.is(wanted) {
                        return s.skip();
                    }
                    last = Found::default();
                    self.descend(s, rest, &mut last)
                });
                found.add(last);
                read
            }
            (Step::Any, b'[') => s.elements(|s, _| self.descend(s, rest, found)),
            (Step::At(wanted), b'[') => s.elements(|s, position| match position == *wanted {
                true => self.descend(s, rest, found),
                false => s.skip(),
            }),
            _ => s.skip(),
        }
    }

    fn at_end(&mut self, s: &mut Scanner<'_>, next: u8, found: &mut Found) -> Option<()> {
        match next {
            b'[' if self.elements => {
                found.exists = true;
                s.elements(|s, _| match s.peek()? {
                    b'{' | b'[' => s.skip(),
                    _ => {
                        let value = s.scalar()?;
                        found.passes |= (self.test)(&value, true);
                        Some(())
                    }
                })
            }
            b'{' | b'[' => {
                found.exists = true;
                s.skip()
            }
            _ => {
                let value = s.scalar()?;
                found.exists = true;
                found.passes |= (self.test)(&value, false);
                Some(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, path: &str) -> (Found, Vec<(String, bool)>) {
        let mut seen = Vec::new();
        let path = Path::parse(path).unwrap();
        let found = visit(json.as_bytes(), &path, true, &mut |value, element| {
            let Scalar::Text(text) = value else { return false };
            seen.push((text.clone().into_owned(), element));
            text == "yes"
        });
        (found, seen)
    }

    #[test]
    fn the_last_of_several_fields_with_one_name_counts() {
        let (found, _) = at(r#"{"a": "yes", "b": 1, "a": "no"}"#, "a");
        assert_eq!(found, Found { exists: true, passes: false });
        let (found, _) = at(r#"{"a": {"b": "yes"}, "a": 5}"#, "a.b");
        assert_eq!(found, Found::default());
        let (found, _) = at(r#"{"a": 5, "\u0061": {"b": "yes"}}"#, "a.b");
        assert!(found.passes);
    }

    #[test]
    fn values_are_found_at_keys_elements_and_positions() {
        let json = r#" {"a": [{"b": "yes"}, {"b": ["no", "yes"]}, 7, []], "c": {}, "d": null} "#;
        let texts = |path| at(json, path).1;
        assert_eq!(texts("a[*].b").len(), 3);
        assert_eq!(texts("a[0].b"), [("yes".to_owned(), false)]);
        assert_eq!(texts("a[1].b"), [("no".to_owned(), true), ("yes".to_owned(), true)]);
        assert_eq!(texts("a[1].b[1]"), [("yes".to_owned(), false)]);
        for (path, exists) in
            [("a", true), ("c", true), ("d", true), ("c.x", false), ("a[3]", true), ("a[4]", false)]
        {
            assert_eq!(at(json, path).0, Found { exists, passes: false }, "{path}");
        }
        assert_eq!(at("[1]", "a").0, Found::default());
        let cut = &json[..40];
        assert!(at(cut, "a[*].b").0.passes, "what stands before the fault is read");
    }
}
