//! Owns the tests of the setters of single fields, and of what they do to the metadata.

use altiplano::{Error, FieldValue, Filter, Memory, Timestamp};

use super::{DIM, open, scanned};

fn memory() -> Memory {
    Memory::new(1, [0.0; DIM])
}

#[test]
fn fields_are_stored_as_json_found_and_read_back() {
    let at = Timestamp::from_millis(1_777_627_800_000);
    let memory = memory()
        .field("year", 2024)
        .field("source", "email")
        .field("weight", 0.1 + 0.2)
        .field("big", u64::MAX)
        .field("read", false)
        .field("none", None::<i32>)
        .field("at", at)
        .field("a.b", 1)
        .field_list("tags", ["x", "y"])
        .field("year", 2025);
    let json = concat!(
        r#"{"year":2025,"source":"email","weight":0.30000000000000004,"#,
        r#""big":18446744073709551615,"read":false,"none":null,"at":"2026-05-01T09:30:00Z","#,
        r#""a.b":1,"tags":["x","y"]}"#
    );
    assert_eq!(memory.metadata_as_json(), Some(json));
    assert_eq!(memory.metadata_schema(), Some(0));
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    notes.insert(memory).unwrap();
    let field = Filter::field;
    for _ in 0..2 {
        for filter in [
            field("year").eq(2025),
            field("source").starts_with("em"),
            field("weight").eq(0.1 + 0.2),
            field("big").eq(u64::MAX),
            field("read").eq(false),
            field("none").eq(FieldValue::Null),
            field("at").between(at, at),
            field(r#"["a.b"]"#).eq(1),
            field("tags").contains("y"),
            field("tags[1]").eq("y"),
        ] {
            assert_eq!(scanned(&notes, &filter).len(), 1, "{filter:?}");
        }
        let got = notes.get(1).unwrap().unwrap();
        assert_eq!(got.metadata_as_json(), Some(json));
        assert_eq!(got.field_value("year"), Some(2025.into()));
        assert_eq!(got.field_value("weight"), Some((0.1 + 0.2).into()));
        assert_eq!(got.field_value("big"), Some(u64::MAX.into()));
        assert_eq!(got.field_value("none"), Some(FieldValue::Null));
        assert_eq!(got.field_value("at"), Some("2026-05-01T09:30:00Z".into()));
        assert_eq!((got.field_value("tags"), got.field_value("nothing")), (None, None));
        assert_eq!(got.field_values("tags"), ["x".into(), "y".into()]);
        assert!(got.field_values("year").is_empty());
        store.compact().unwrap();
    }
}

#[test]
fn a_field_is_added_to_metadata_that_is_there() {
    let with = memory().metadata_json(r#"{ "a": {"b": 1} }"#).field("c", 2).field("a", 3);
    assert_eq!(with.metadata_as_json(), Some(r#"{ "a": 3 ,"c":2}"#));
    let typed = memory().metadata(&5u32).unwrap();
    assert_eq!((typed.field_value("a"), typed.field_values("a")), (None, vec![]));
}

#[test]
fn what_cannot_be_a_field_is_reported_by_the_insert() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let refused = |memory: Memory| notes.insert(memory).unwrap_err();
    for (memory, place) in [
        (memory().field("weight", f64::NAN), "\"weight\""),
        (memory().field_list("w", [1.0, f64::INFINITY]), "\"w\""),
        (memory().metadata_json("[1]").field("a", 1), "not a JSON object"),
        (memory().metadata(&5u32).unwrap().field("a", 1), "not a JSON object"),
    ] {
        let error = refused(memory);
        assert!(matches!(error, Error::InvalidOption { name: "field", .. }), "{error}");
        assert!(error.to_string().contains(place), "{error}");
    }
    let error = refused(memory().metadata_json("{").field("a", 1));
    assert!(matches!(error, Error::InvalidOption { name: "metadata_json", .. }), "{error}");
    let error = refused(memory().field("k".repeat(Memory::MAX_NAME_BYTES + 1), 1));
    assert!(matches!(error, Error::LimitExceeded { got: 1025, limit: 1024, .. }), "{error}");
    let error = refused(memory().field("text", "x".repeat(Memory::MAX_METADATA_BYTES)));
    assert!(matches!(error, Error::LimitExceeded { unit: "bytes", .. }), "{error}");
    assert!(notes.is_empty().unwrap());
}
