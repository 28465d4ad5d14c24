//! Owns the values at a path of a JSON object: read, set and removed in the text, which stays
//! otherwise as it is. Setting and removing takes the keys of a path alone, see `Path::keys`.

use std::ops::Range;

use super::json::Scanner;
use super::path::{Path, Step};
use super::value::FieldValue;

/// Why no value can be set: what this number of first keys names is there and is not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoObject(pub(crate) usize);

/// What an object has at a key.
struct Entry {
    /// Where the value of the last entry with this key is; `None` if there is no such entry.
    value: Option<Range<usize>>,
    /// Where the closing bracket of the object is.
    end: usize,
    /// Whether the object has any entry.
    any: bool,
}

/// Looks for a key in the object that begins at this place. `None` if no object begins there.
fn entry(json: &str, at: usize, key: &str) -> Option<Entry> {
    let mut scanner = Scanner::new(json.as_bytes()).from(at);
    let (mut value, mut any) = (None, false);
    scanner.entries(|s, found| {
        s.peek()?;
        let start = s.position();
        s.skip()?;
        any = true;
        if found.is(key) {
            value = Some(start..s.position());
        }
        Some(())
    })?;
    Some(Entry { value, end: scanner.position().checked_sub(1)?, any })
}

/// Returns the text with this value at the end of these keys. Objects that are missing on the way
/// are made. `value` is JSON. O(text) for each key.
pub(crate) fn put(json: &str, keys: &[&str], value: &str) -> Result<String, NoObject> {
    let mut at = 0;
    for (i, key) in keys.iter().enumerate() {
        let entry = entry(json, at, key).ok_or(NoObject(i))?;
        let last = i + 1 == keys.len();
        let (place, new) = match entry.value {
            Some(old) if !last => {
                at = old.start;
                continue;
            }
            Some(old) => (old, value.to_owned()),
            None => {
                let comma = if entry.any { "," } else { "" };
                let new = nested(keys.get(i..).unwrap_or_default(), value);
                (entry.end..entry.end, [comma, &new].concat())
            }
        };
        return spliced(json, place, &new).ok_or(NoObject(i));
    }
    Ok(json.to_owned())
}

/// Returns the entry of the first key, with an object for each further key.
fn nested(keys: &[&str], value: &str) -> String {
    let mut text = String::new();
    for (i, key) in keys.iter().enumerate() {
        let open = if i == 0 { "" } else { "{" };
        text = [&text, open, &quoted(key), ":"].concat();
    }
    [&text, value, &"}".repeat(keys.len().saturating_sub(1))].concat()
}

/// Returns a text in quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn spliced(json: &str, place: Range<usize>, new: &str) -> Option<String> {
    Some([json.get(..place.start)?, new, json.get(place.end..)?].concat())
}

/// Returns the text without the value at the end of these keys. The objects on the way stay. `None`
/// if there is no such value. O(text) for each key.
pub(crate) fn remove(json: &str, keys: &[&str]) -> Option<String> {
    let (last, way) = keys.split_last()?;
    let mut at = 0;
    for key in way {
        at = entry(json, at, key)?.value?.start;
    }
    let mut scanner = Scanner::new(json.as_bytes()).from(at);
    scanner.peek()?;
    let (start, mut kept, mut found) = (scanner.position(), String::new(), false);
    scanner.entries(|s, key| {
        s.peek()?;
        let start = s.position();
        s.skip()?;
        if key.is(last) {
            found = true;
            return Some(());
        }
        let comma = if kept.is_empty() { "" } else { "," };
        for part in [comma, &quoted(&key.text()), ":", json.get(start..s.position())?] {
            kept.push_str(part);
        }
        Some(())
    })?;
    let kept = ["{", &kept, "}"].concat();
    if found { spliced(json, start..scanner.position(), &kept) } else { None }
}

/// Returns the values at a path, without objects and lists. O(text) for each step.
pub(crate) fn values(json: &str, path: &Path) -> Vec<FieldValue> {
    let mut values = Vec::new();
    // A text that is not JSON from some place on has the values before it.
    let _ = collect(json, 0, path.steps(), &mut values);
    values
}

/// Recurses at most as deep as the path is long.
fn collect(json: &str, at: usize, steps: &[Step], values: &mut Vec<FieldValue>) -> Option<()> {
    let mut scanner = Scanner::new(json.as_bytes()).from(at);
    let next = scanner.peek()?;
    let Some((step, rest)) = steps.split_first() else {
        values.extend(value(json.get(at..)?));
        return Some(());
    };
    match (step, next) {
        (Step::Key(key), b'{') => {
            let mut last = None;
            let _ = scanner.entries(|s, found| {
                if found.is(key) {
                    last = Some(s.position());
                }
                s.skip()
            });
            collect(json, last?, rest, values)
        }
        (Step::Any | Step::At(_), b'[') => scanner.elements(|s, position| {
            if matches!(step, Step::Any) || *step == Step::At(position) {
                let _ = collect(json, s.position(), rest, values);
            }
            s.skip()
        }),
        _ => None,
    }
}

/// Returns the value at the start of a text, unless it is an object or a list.
fn value(json: &str) -> Option<FieldValue> {
    let mut scanner = Scanner::new(json.as_bytes());
    if matches!(scanner.peek()?, b'{' | b'[') {
        return None;
    }
    let start = scanner.position();
    scanner.skip()?;
    let text = json.get(start..scanner.position())?;
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_added_or_replaced_and_the_rest_of_the_text_stays() {
        let put = |json: &str, name: &str| put(json, &[name], "5");
        assert_eq!(put("{}", "a").unwrap(), r#"{"a":5}"#);
        assert_eq!(put(" { } ", "a").unwrap(), r#" { "a":5} "#);
        assert_eq!(put(r#"{"b": [1]}"#, "a").unwrap(), r#"{"b": [1],"a":5}"#);
        assert_eq!(put(r#"{"a": {"b": 1} , "c":2}"#, "a").unwrap(), r#"{"a": 5 , "c":2}"#);
        assert_eq!(put(r#"{"a": 1, "a": 2}"#, "a").unwrap(), r#"{"a": 1, "a": 5}"#);
        assert_eq!(put("{}", "q\"\n").unwrap(), r#"{"q\"\n":5}"#);
        for other in ["[1]", "5", "\"a\"", "null", "", "{\"a\""] {
            assert_eq!(put(other, "a"), Err(NoObject(0)), "{other}");
        }
    }

    #[test]
    fn objects_on_the_way_are_entered_or_made() {
        let put = |json: &str, keys: &[&str]| put(json, keys, "5");
        assert_eq!(put("{}", &["a", "b", "c"]).unwrap(), r#"{"a":{"b":{"c":5}}}"#);
        let json = r#"{"x": 1, "a": { "b": 2, "c": {} } }"#;
        let changed = put(json, &["a", "b"]).unwrap();
        assert_eq!(changed, r#"{"x": 1, "a": { "b": 5, "c": {} } }"#);
        let changed = put(json, &["a", "c", "d"]).unwrap();
        assert_eq!(changed, r#"{"x": 1, "a": { "b": 2, "c": {"d":5} } }"#);
        let changed = put(json, &["a", "e", "f"]).unwrap();
        assert_eq!(changed, r#"{"x": 1, "a": { "b": 2, "c": {} ,"e":{"f":5}} }"#);
        let twice = r#"{"a": {"b": 1}, "a": {"b": 2}}"#;
        assert_eq!(put(twice, &["a", "b"]).unwrap(), r#"{"a": {"b": 1}, "a": {"b": 5}}"#);
        for (keys, at) in [(&["x", "y"][..], 1), (&["a", "b", "c"], 2)] {
            assert_eq!(put(json, keys), Err(NoObject(at)));
        }
    }

    #[test]
    fn a_value_is_removed_and_the_objects_on_the_way_stay() {
        let json = r#"{"x": 1, "a": { "b": 2, "c": 3, "b": 4 }, "y": [1]}"#;
        let removed = |keys: &[&str]| remove(json, keys);
        assert_eq!(removed(&["a", "b"]).unwrap(), r#"{"x": 1, "a": {"c":3}, "y": [1]}"#);
        assert_eq!(removed(&["a"]).unwrap(), r#"{"x":1,"y":[1]}"#);
        assert_eq!(remove(r#"{"a":{"b":1}}"#, &["a", "b"]).unwrap(), r#"{"a":{}}"#);
        for keys in [&["z"][..], &["a", "z"], &["x", "b"], &["y", "b"], &["z", "b"]] {
            assert_eq!(removed(keys), None, "{keys:?}");
        }
        assert_eq!(remove("[1]", &["a"]), None);
    }

    #[test]
    fn values_come_back_with_their_type() {
        let json = r#"{"i": -5, "u": 18446744073709551615, "f": 2.0, "n": null, "b": true,
            "t": "tea\n", "o": {"x": 1}, "l": [1, "x", {"y": 2}, [3], null], "i": 7}"#;
        let at = |path| values(json, &Path::parse(path).unwrap());
        assert_eq!(at("i"), [7.into()]);
        assert_eq!(at("u"), [u64::MAX.into()]);
        assert_eq!(at("f"), [2.0.into()]);
        assert_eq!(at("n"), [FieldValue::Null]);
        assert_eq!(at("b"), [true.into()]);
        assert_eq!(at("t"), ["tea\n".into()]);
        assert_eq!((at("o"), at("l"), at("x")), (vec![], vec![], vec![]));
        assert_eq!(at("o.x"), [1.into()]);
        assert_eq!(at("l[*]"), [1.into(), "x".into(), FieldValue::Null]);
        assert_eq!(at("l[1]"), ["x".into()]);
        assert_eq!(at("l[*].y"), [2.into()]);
        assert_eq!(at("l[3][*]"), [3.into()]);
        assert_eq!((at("t[*]"), at("l[9]"), at("i.x")), (vec![], vec![], vec![]));
    }
}
