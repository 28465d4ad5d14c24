//! Owns the tests of filters and metadata that are refused: with a typed error that names the place
//! and the way out, and without an effect.

use altiplano::{Error, FieldFilter, FieldTest, FieldValue, Filter, Memory, Timestamp};

use super::{DIM, open};
use crate::common::{ids, memory};

/// Returns the error of a search, a scan, a delete and a batch, which must be the same.
fn refusal(filter: &Filter) -> Error {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    notes.insert(memory(1, DIM)).unwrap();
    let dressed = [filter.clone(), !filter.clone(), filter.clone() & Filter::kind("k")];
    let mut errors = Vec::new();
    for filter in dressed {
        errors.push(notes.search(&[0.0; DIM]).filter(filter.clone()).run().unwrap_err());
        errors.push(notes.scan(filter.clone()).next().unwrap().unwrap_err());
        errors.push(notes.delete_where(filter).unwrap_err());
    }
    assert_eq!(ids(&notes), [1]);
    let first = errors.remove(0);
    assert!(errors.iter().all(|other| other.to_string() == first.to_string()), "{errors:?}");
    assert!(serde_json::to_string(filter).is_err(), "{filter:?}");
    first
}

#[test]
fn a_path_that_cannot_be_read_is_named_with_its_column() {
    for (path, place) in [
        ("", "column 1"),
        ("a..b", "column 3"),
        ("a[", "column 3"),
        ("[*].a", "column 2"),
        ("a[\"x", "column 5"),
        ("a]b", "column 2"),
    ] {
        let error = refusal(&Filter::field(path).exists());
        assert!(matches!(error, Error::InvalidOption { name: "field", .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(place) && text.contains(&format!("{path:?}")), "{text}");
        assert!(text.contains("expected"), "{text}");
    }
    let longest = "k".repeat(Memory::MAX_NAME_BYTES);
    let error = refusal(&Filter::field(format!("{longest}k")).exists());
    assert!(
        matches!(error, Error::LimitExceeded { got: 1025, limit: 1024, unit: "bytes", .. }),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    notes.insert(Memory::new(1, [0.0; DIM]).field(&longest, 5)).unwrap();
    for _ in 0..2 {
        assert_eq!(notes.scan(Filter::field(&longest).eq(5)).count(), 1);
        store.compact().unwrap();
    }
}

#[test]
fn a_test_that_no_value_can_pass_is_refused() {
    let a = || Filter::field("a.b");
    let moment = Timestamp::from_millis(5);
    for (filter, place) in [
        (a().eq(f64::NAN), "NaN"),
        (a().one_of([FieldValue::from(1), f64::NAN.into()]), "NaN"),
        (a().contains(f32::NAN), "NaN"),
        (a().lt(FieldValue::Null), "null"),
        (a().ge(true), "true"),
        (a().between(false, true), "false"),
        (a().between(2, 1.5), "ends before that, at 1.5"),
        (a().between("b", "a"), "\"b\""),
        (a().between(1, "x"), "different types"),
        (a().between(moment, 10), "different types"),
        (a().between(Timestamp::MAX, moment), "1970-01-01T00:00:00.005Z"),
        (a().between(f64::NAN, 1), "NaN"),
    ] {
        let error = refusal(&filter);
        assert!(matches!(error, Error::InvalidOption { name: "field", .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("\"a.b\"") && text.contains(place), "{text}");
    }
    let (from, to) = (Timestamp::from_millis(9), moment);
    for (filter, option) in [
        (Filter::expires(from..to), "expires"),
        (Filter::tokens(std::ops::Range { start: 9, end: 5 }), "tokens"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (_store, notes) = open(&dir.path().join("s"));
        let error = notes.delete_where(filter).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { name, .. } if name == option), "{error}");
    }
}

#[test]
fn as_many_values_as_a_filter_may_have_are_taken_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    // One for the filter itself.
    let most = (1 << 20) - 1;
    let of = |values: i64| Filter::field("a").one_of(0..values);
    assert_eq!(notes.scan(of(most)).count(), 0);
    let error = notes.scan(of(most + 1)).next().unwrap().unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { got: 1_048_577, .. }), "{error}");
}

#[test]
fn metadata_nested_too_deeply_is_refused_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    let nested =
        |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let with = |json: String| Memory::new(1, [0.0; DIM]).metadata_json(json);
    let error = notes.insert(with(nested(65))).unwrap_err();
    assert!(
        matches!(error, Error::LimitExceeded { got: 65, limit: 64, unit: "levels", .. }),
        "{error}"
    );
    assert!(notes.is_empty().unwrap());
    notes.insert(with(nested(64))).unwrap();
    let path = format!("a{}", "[*]".repeat(63));
    for _ in 0..2 {
        assert_eq!(notes.scan(Filter::field(&path).eq(1)).count(), 1);
        assert_eq!(notes.scan(Filter::field("a[*][0]").exists()).count(), 1);
        assert_eq!(notes.scan(Filter::field(format!("{path}.b")).exists()).count(), 0);
        store.compact().unwrap();
    }
    // What is no object has no fields, and may be as deep as it likes.
    notes.insert(with("[".repeat(100) + &"]".repeat(100))).unwrap();
}

#[test]
fn filters_that_other_programs_write_are_read_or_refused() {
    let read = |json: &str| serde_json::from_str::<Filter>(json);
    let a = || Filter::field("a");
    for (json, filter) in [
        (r#"{"Field":{"path":"a","test":{"Eq":"email"}}}"#, a().eq("email")),
        (r#"{"Field":{"path":"a","test":{"Ne":null}}}"#, a().ne(FieldValue::Null)),
        (r#"{"Field":{"path":"a","test":{"Lt":-9223372036854775808}}}"#, a().lt(i64::MIN)),
        (r#"{"Field":{"path":"a","test":{"Le":18446744073709551615}}}"#, a().le(u64::MAX)),
        (r#"{"Field":{"path":"a","test":{"Gt":0.1}}}"#, a().gt(0.1)),
        (
            r#"{"Field":{"path":"a","test":{"Ge":{"Time":"1970-01-01T00:00:00.005Z"}}}}"#,
            a().ge(Timestamp::from_millis(5)),
        ),
        (r#"{"Field":{"path":"a","test":{"Between":[1,2.5]}}}"#, a().between(1, 2.5)),
        (
            r#"{"Field":{"path":"a","test":{"OneOf":[true,"x",5]}}}"#,
            a().one_of([FieldValue::from(true), "x".into(), 5.into()]),
        ),
        (r#"{"Field":{"path":"a","test":{"NoneOf":[1]}}}"#, a().none_of([1])),
        (r#"{"Field":{"path":"a","test":"Exists"}}"#, a().exists()),
        (r#"{"Field":{"path":"a","test":{"Contains":"x"}}}"#, a().contains("x")),
        (r#"{"Field":{"path":"a","test":{"StartsWith":"x"}}}"#, a().starts_with("x")),
        (r#"{"ValidAt":"1970-01-01T00:00:00.005Z"}"#, Filter::valid_at(Timestamp::from_millis(5))),
        (r#"{"Superseded":false}"#, Filter::superseded(false)),
        (r#"{"DerivedFrom":"7"}"#, Filter::derived_from(7)),
        (r#""HasSession""#, Filter::has_session()),
        (
            r#"{"Expires":{"from":null,"to":"1970-01-01T00:00:00.005Z"}}"#,
            Filter::expires(..Timestamp::from_millis(5)),
        ),
        (r#"{"Tokens":{"from":5,"to":null}}"#, Filter::tokens(5..)),
        (r#"{"NamespaceUnder":"user:42/"}"#, Filter::namespace_under("user:42/")),
    ] {
        assert_eq!(serde_json::to_string(&filter).unwrap(), json);
        assert_eq!(read(json).unwrap(), filter, "{json}");
    }
    for bad in [
        r#"{"Field":{"path":"a"}}"#,
        r#"{"Field":{"path":"a","test":{"Eq":[1]}}}"#,
        r#"{"Field":{"path":"a","test":{"Eq":{"Date":1}}}}"#,
        r#"{"Field":{"path":"a","test":{"Eq":{"Time":5,"x":1}}}}"#,
        r#"{"Field":{"path":"a","test":{"Like":"x"}}}"#,
        r#"{"Field":{"path":"a","test":"Exists","or":1}}"#,
        r#"{"Tokens":{"from":-1}}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    // What no check passes is read, and refused where it is used.
    let filter = read(r#"{"Field":{"path":"a..b","test":"Exists"}}"#).unwrap();
    assert_eq!(filter, Filter::Field(FieldFilter::new("a..b", FieldTest::Exists)));
    assert!(matches!(refusal(&filter), Error::InvalidOption { name: "field", .. }));
}

#[test]
fn filters_on_fields_come_back_from_binary_formats() {
    let config = bincode::config::standard().with_fixed_int_encoding();
    let at = Timestamp::from_millis(-5);
    let values = [
        FieldValue::Null,
        true.into(),
        (-5).into(),
        u64::MAX.into(),
        0.1.into(),
        "x".into(),
        at.into(),
    ];
    let filter = Filter::field("a").one_of(values)
        & Filter::valid_at(at)
        & Filter::superseded(true)
        & Filter::derived_from(7)
        & Filter::has_session()
        & Filter::expires(at..)
        & Filter::tokens(..=9)
        & Filter::namespace_under("a");
    let bytes = bincode::serde::encode_to_vec(&filter, config).unwrap();
    let read = bincode::serde::decode_from_slice::<Filter, _>(&bytes, config).unwrap().0;
    assert_eq!(read, filter);
}
