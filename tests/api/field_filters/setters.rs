//! Owns the tests of the setters of single fields, and of what they do to the metadata.

use std::collections::BTreeSet;

use altiplano::{Error, FieldValue, Filter, Memory, Outcome, Patch, Timestamp};

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
        .field(r#"["a.b"]"#, 2)
        .field_list("tags", ["x", "y"])
        .field("year", 2025);
    let json = concat!(
        r#"{"year":2025,"source":"email","weight":0.30000000000000004,"#,
        r#""big":18446744073709551615,"read":false,"none":null,"at":"2026-05-01T09:30:00Z","#,
        r#""a":{"b":1},"a.b":2,"tags":["x","y"]}"#
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
            field("a.b").eq(1),
            field(r#"["a.b"]"#).eq(2),
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
        assert_eq!(got.field_value("a.b"), Some(1.into()));
        assert_eq!(got.field_value(r#"["a.b"]"#), Some(2.into()));
        assert_eq!(got.field_value("tags[1]"), Some("y".into()));
        assert_eq!((got.field_value("tags[*]"), got.field_value("a..b")), (None, None));
        assert!(got.field_values("a..b").is_empty());
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
    let mail = || memory().field("source", "mail").field("people.first", "Ada");
    for (memory, places) in [
        (mail().field("source.channel", 1), ["\"source.channel\"", "at \"source\" is not"]),
        (mail().field("people.first.name", 1), ["people.first.name", "at \"people.first\" is not"]),
        (mail().field("tags[0]", 1), ["\"tags[0]\"", "field_list"]),
        (mail().field_list("tags[*]", [1]), ["\"tags[*]\"", "field_list"]),
        (memory().field("a..b", 1), ["\"a..b\"", "column 3"]),
        (memory().field("", 1), ["\"\"", "column 1"]),
        (memory().remove_field("tags[0]"), ["\"tags[0]\"", "field_list"]),
        (mail().remove_field("a]"), ["\"a]\"", "column 2"]),
    ] {
        let error = refused(memory);
        assert!(matches!(error, Error::InvalidOption { name: "field", .. }), "{error}");
        assert!(places.iter().all(|place| error.to_string().contains(place)), "{error}");
    }
    let deep = |keys: usize| vec!["a"; keys].join(".");
    let error = refused(memory().field(deep(65), 1));
    assert!(matches!(error, Error::LimitExceeded { got: 65, limit: 64, .. }), "{error}");
    let error = refused(memory().field_list(deep(64), [1]));
    assert!(matches!(error, Error::LimitExceeded { got: 65, limit: 64, .. }), "{error}");
    let error = refused(memory().metadata_json("{").field("a", 1));
    assert!(matches!(error, Error::InvalidOption { name: "metadata_json", .. }), "{error}");
    let error = refused(memory().field("k".repeat(Memory::MAX_NAME_BYTES + 1), 1));
    assert!(matches!(error, Error::LimitExceeded { got: 1025, limit: 1024, .. }), "{error}");
    let error = refused(memory().field("text", "x".repeat(Memory::MAX_METADATA_BYTES)));
    assert!(matches!(error, Error::LimitExceeded { unit: "bytes", .. }), "{error}");
    assert!(notes.is_empty().unwrap());
}

#[test]
fn what_is_nested_as_deep_as_metadata_may_be_can_be_set_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let path = vec!["a"; 64].join(".");
    notes.insert(memory().field(&path, 7)).unwrap();
    assert_eq!(scanned(&notes, &Filter::field(&path).eq(7)).len(), 1);
    assert_eq!(notes.get(1).unwrap().unwrap().field_value(&path), Some(7.into()));
}

#[test]
fn nested_fields_are_patched_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    let json = r#"{"source": {"channel": "mail", "id": 7}, "people": [{"name": "Ada"}]}"#;
    notes.insert(memory().metadata_json(json)).unwrap();
    notes.insert(Memory::new(2, [0.0; DIM]).field("source", "mail")).unwrap();
    let chat = Patch::new().field("source.channel", "chat").field_list("places.seen", ["Lima"]);
    assert_eq!(notes.patch(1, chat.clone()).unwrap(), Outcome::Updated);
    for _ in 0..2 {
        let got = notes.get(1).unwrap().unwrap();
        let changed = concat!(
            r#"{"source": {"channel": "chat", "id": 7}, "people": [{"name": "Ada"}],"#,
            r#""places":{"seen":["Lima"]}}"#
        );
        assert_eq!(got.metadata_as_json(), Some(changed));
        assert_eq!(got.field_values("people[*].name"), ["Ada".into()]);
        assert_eq!(got.field_value("people[0].name"), Some("Ada".into()));
        assert_eq!(scanned(&notes, &Filter::field("source.channel").eq("chat")).len(), 1);
        store.compact().unwrap();
    }
    // All or none, with the memory named that stands in the way.
    let error = notes.update_where(Filter::All, chat).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "field", .. }), "{error}");
    assert!(error.to_string().contains("memory 2: \"source.channel\""), "{error}");
    let removes = Patch::new().remove_field("source.channel").remove_field("places.none");
    assert_eq!(notes.update_where(Filter::All, removes).unwrap(), 2);
    let got = notes.get(1).unwrap().unwrap();
    assert_eq!(
        (got.field_value("source.channel"), got.field_value("source.id")),
        (None, Some(7.into()))
    );
    for bad in [Patch::new().field("a[0]", 1), Patch::new().remove_field("a[*]")] {
        let error = notes.patch(9, bad).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { name: "field", .. }), "{error}");
    }
}

#[test]
fn an_update_sets_fields_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    notes.insert(memory().field("visits.total", 1)).unwrap();
    let outcome = notes.update(1, |memory| {
        let total = memory.field_value("visits.total").and_then(|value| value.as_i64());
        memory.set_field("visits.total", total.unwrap() + 1);
        memory.set_field_list("visits.by", ["Ada", "Ben"]);
    });
    assert_eq!(outcome.unwrap(), Outcome::Updated);
    let json = r#"{"visits":{"total":2,"by":["Ada","Ben"]}}"#;
    assert_eq!(notes.get(1).unwrap().unwrap().metadata_as_json(), Some(json));
    let error = notes.update(1, |memory| memory.set_field("visits.total.x", 1)).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "field", .. }), "{error}");
    assert_eq!(notes.get(1).unwrap().unwrap().metadata_as_json(), Some(json));
}

#[test]
fn missing_and_null_fields_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    notes.insert(memory().field("a.b", FieldValue::Null)).unwrap();
    notes.insert(Memory::new(2, [0.0; DIM]).field("a.c", 1)).unwrap();
    let found = |filter: Filter| scanned(&notes, &filter);
    assert_eq!(found(Filter::field("a.b").is_null()), BTreeSet::from([1]));
    assert_eq!(found(Filter::field("a.b").not_exists()), BTreeSet::from([2]));
}
