//! Owns the fields at the top of a JSON object: read by name, and changed in the text, which stays
//! otherwise as it is.

use super::json::Scanner;
use super::value::FieldValue;

/// Returns the text with one more field, or with another value of the field of this name. `value`
/// is JSON. `None` if the text is not an object. O(text).
pub(crate) fn put(json: &str, name: &str, value: &str) -> Option<String> {
    let mut scanner = Scanner::new(json.as_bytes());
    let (mut old, mut any) = (None, false);
    scanner.entries(|s, key| {
        s.peek()?;
        let start = s.position();
        s.skip()?;
        any = true;
        if key.is(name) {
            old = Some(start..s.position());
        }
        Some(())
    })?;
    if let Some(old) = old {
        return Some([json.get(..old.start)?, value, json.get(old.end..)?].concat());
    }
    let end = scanner.position().checked_sub(1)?;
    let name = serde_json::to_string(name).ok()?;
    let comma = if any { "," } else { "" };
    Some([json.get(..end)?, comma, &name, ":", value, json.get(end..)?].concat())
}

/// Returns the text without the fields of this name. `None` if the text is not an object. O(text).
pub(crate) fn remove(json: &str, name: &str) -> Option<String> {
    let mut scanner = Scanner::new(json.as_bytes());
    let mut kept = String::new();
    scanner.entries(|s, key| {
        s.peek()?;
        let start = s.position();
        s.skip()?;
        if !key.is(name) {
            let comma = if kept.is_empty() { "" } else { "," };
            let key = serde_json::to_string(&*key.text()).ok()?;
            for part in [comma, &key, ":", json.get(start..s.position())?] {
                kept.push_str(part);
            }
        }
        Some(())
    })?;
    Some(["{", &kept, "}"].concat())
}

/// Returns the value of the field of this name; `None` if it is an object or a list, or if there is
/// none. O(text).
pub(crate) fn get(json: &str, name: &str) -> Option<FieldValue> {
    value(json.get(find(json, name)?..)?)
}

/// Returns the elements of the list in the field of this name, without objects and lists among
/// them. O(text).
pub(crate) fn get_list(json: &str, name: &str) -> Option<Vec<FieldValue>> {
    let list = json.get(find(json, name)?..)?;
    let mut scanner = Scanner::new(list.as_bytes());
    let mut values = Vec::new();
    scanner.elements(|s, _| {
        values.extend(list.get(s.position()..).and_then(value));
        s.skip()
    })?;
    Some(values)
}

/// Returns where the value of the last field of this name begins.
fn find(json: &str, name: &str) -> Option<usize> {
    let mut found = None;
    let mut scanner = Scanner::new(json.as_bytes());
    let _ = scanner.entries(|s, key| {
        if key.is(name) {
            found = Some(s.position());
        }
        s.skip()
    });
    found
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
        let put = |json: &str, name: &str| put(json, name, "5");
        assert_eq!(put("{}", "a").unwrap(), r#"{"a":5}"#);
        assert_eq!(put(" { } ", "a").unwrap(), r#" { "a":5} "#);
        assert_eq!(put(r#"{"b": [1]}"#, "a").unwrap(), r#"{"b": [1],"a":5}"#);
        assert_eq!(put(r#"{"a": {"b": 1} , "c":2}"#, "a").unwrap(), r#"{"a": 5 , "c":2}"#);
        assert_eq!(put(r#"{"a": 1, "a": 2}"#, "a").unwrap(), r#"{"a": 1, "a": 5}"#);
        assert_eq!(put("{}", "q\"\n").unwrap(), r#"{"q\"\n":5}"#);
        for other in ["[1]", "5", "\"a\"", "null", "", "{\"a\""] {
            assert_eq!(put(other, "a"), None, "{other}");
        }
    }

    #[test]
    fn values_come_back_with_their_type() {
        let json = r#"{"i": -5, "u": 18446744073709551615, "f": 2.0, "n": null, "b": true,
            "t": "tea\n", "o": {"x": 1}, "l": [1, "x", {"y": 2}, [3], null], "i": 7}"#;
        let value = |name| get(json, name);
        assert_eq!(value("i"), Some(7.into()));
        assert_eq!(value("u"), Some(u64::MAX.into()));
        assert_eq!(value("f"), Some(2.0.into()));
        assert_eq!(value("n"), Some(FieldValue::Null));
        assert_eq!(value("b"), Some(true.into()));
        assert_eq!(value("t"), Some("tea\n".into()));
        assert_eq!((value("o"), value("l"), value("x")), (None, None, None));
        let list = get_list(json, "l").unwrap();
        assert_eq!(list, [1.into(), "x".into(), FieldValue::Null]);
        assert_eq!(get_list(json, "t"), None);
    }
}
