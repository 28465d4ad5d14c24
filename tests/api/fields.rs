//! Owns the tests that all fields of a memory come back unchanged, wherever it lies, and that sizes
//! past the limits are refused.

use altiplano::{
    Collection, CollectionOptions, Error, Fields, Memory, MemoryId, Metric, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::common::{START, manual, vector};

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Source {
    page: u32,
    url: String,
    scores: Vec<f32>,
    nested: Option<Box<Source>>,
}

fn source() -> Source {
    let inner = Source { page: 0, url: String::new(), scores: vec![], nested: None };
    Source {
        page: 3,
        url: "https://example.org/ä".into(),
        scores: vec![0.5, -1.0],
        nested: Some(Box::new(inner)),
    }
}

fn full() -> Memory {
    let at = Timestamp::from_millis;
    Memory::new(1u64, vector(1, 4))
        .text("likes tea: ☕ and \0 bytes")
        .key("note/1")
        .namespace("user:42")
        .session("s-1")
        .kind("turn")
        .tag("b")
        .tag("a")
        .tag("b")
        .importance(0.25)
        .pinned(true)
        .created_at(at(5))
        .event_time(at(6))
        .valid(Some(at(7)), Some(at(8)))
        .superseded_by(99u64)
        .expires_at(START + std::time::Duration::from_secs(60))
        .tokens(12)
        .derived_from([MemoryId::from(3u64), MemoryId::from_u128(u128::MAX)])
        .metadata_with_schema(4, &source())
        .unwrap()
}

fn check_full(got: &Memory) {
    let at = |ms| Some(Timestamp::from_millis(ms));
    assert_eq!(got.id, MemoryId::from(1u64));
    assert_eq!(got.text.as_deref(), Some("likes tea: ☕ and \0 bytes"));
    assert_eq!(got.key.as_deref(), Some("note/1"));
    assert_eq!(got.namespace.as_deref(), Some("user:42"));
    assert_eq!(got.session.as_deref(), Some("s-1"));
    assert_eq!(got.kind.as_deref(), Some("turn"));
    assert_eq!(got.tags, ["b", "a"]);
    assert_eq!(got.importance, 0.25);
    assert!(got.pinned);
    assert_eq!(got.created_at, at(5));
    assert_eq!(got.event_time, at(6));
    assert_eq!((got.valid_from, got.valid_to), (at(7), at(8)));
    assert_eq!(got.superseded_by, Some(MemoryId::from(99u64)));
    assert_eq!(got.expiry(), Some(START + std::time::Duration::from_secs(60)));
    assert_eq!(got.tokens, Some(12));
    assert_eq!(got.derived_from, [MemoryId::from(3u64), MemoryId::from_u128(u128::MAX)]);
    assert_eq!(got.metadata_schema(), Some(4));
    assert_eq!(got.metadata_as::<Source>().unwrap(), Some(source()));
    assert_eq!(got.metadata_as_json(), None);
}

fn check_bare(got: &Memory) {
    assert_eq!((&got.text, &got.bytes), (&None, &None));
    assert_eq!(got.text.as_deref(), None);
    let names =
        [got.key.as_deref(), got.namespace.as_deref(), got.session.as_deref(), got.kind.as_deref()];
    assert_eq!(names, [None; 4]);
    assert!(got.tags.is_empty() && got.derived_from.is_empty() && !got.pinned);
    assert_eq!(got.importance, 0.5);
    assert_eq!(got.created_at, Some(START));
    let times = [got.event_time, got.expiry(), got.valid_from, got.valid_to];
    assert_eq!(times, [None; 4]);
    assert_eq!((got.superseded_by, got.tokens), (None, None));
    assert_eq!(got.metadata_schema(), None);
    assert_eq!(got.metadata_as::<Source>().unwrap(), None);
}

fn check_all(notes: &Collection) {
    check_full(&notes.get(1u64).unwrap().unwrap());
    check_bare(&notes.get(2u64).unwrap().unwrap());
    let json = notes.get(3u64).unwrap().unwrap();
    assert_eq!(json.metadata_as_json(), Some(r#"{"a": [1, null]}"#));
    assert!(matches!(json.metadata_as::<Source>(), Err(Error::Metadata { .. })));
    let value = json.metadata_as::<serde_json::Value>().unwrap().unwrap();
    assert_eq!(value["a"][0], 1);
    let bytes = notes.get(4u64).unwrap().unwrap();
    assert_eq!(bytes.bytes, Some(vec![0, 255, 7]));
    assert_eq!(bytes.text.as_deref(), None);
    let empty = notes.get(5u64).unwrap().unwrap();
    assert_eq!(empty.text.as_deref(), Some(""));
    assert_eq!(empty.namespace.as_deref(), Some(""));
    // A search returns the same, with the vector only where it was asked for.
    let query = vector(1, 4);
    let search = || notes.search(&query).k(1);
    let hit = &search().run().unwrap()[0];
    check_full(hit.memory.as_ref().unwrap());
    assert!(hit.memory.as_ref().unwrap().vector.is_empty());
    assert_eq!(hit.text(), Some("likes tea: ☕ and \0 bytes"));
    let hit = &search().fields(Fields::All).run().unwrap()[0];
    check_full(hit.memory.as_ref().unwrap());
    assert_eq!(hit.memory.as_ref().unwrap().vector, query);
    let hit = &search().fields(Fields::None).run().unwrap()[0];
    assert_eq!((hit.id, &hit.memory), (MemoryId::from(1u64), &None));
}

#[test]
fn everything_a_memory_says_comes_back_from_ram_disk_and_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let options = CollectionOptions::new(4, Metric::L2);
    let notes = store.collection("notes", options).unwrap();
    notes.insert(full()).unwrap();
    notes.insert(Memory::new(2u64, vector(2, 4))).unwrap();
    let json = Memory::new(3u64, vector(3, 4)).metadata_json(r#"{"a": [1, null]}"#);
    notes.insert(json).unwrap();
    let bytes = Memory::new(4u64, vector(4, 4)).bytes([0, 255, 7]);
    notes.insert(bytes).unwrap();
    let empty = Memory::new(5u64, vector(5, 4)).text("").namespace("");
    notes.insert(empty).unwrap();
    check_all(&notes);
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    check_all(&store.get_collection("notes").unwrap());
    store.compact().unwrap();
    check_all(&store.get_collection("notes").unwrap());
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    check_all(&store.get_collection("notes").unwrap());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn metadata_that_cannot_be_read_back_is_refused_and_another_type_is_an_error_of_the_field() {
    let value = serde_json::json!({"a": 1});
    let refused = Memory::new(1u64, [1.0]).metadata(&value).unwrap_err();
    assert!(matches!(refused, Error::Metadata { .. }));
    let memory = Memory::new(1u64, [1.0]).text("t").metadata(&7u8).unwrap();
    assert!(matches!(memory.metadata_as::<Source>(), Err(Error::Metadata { .. })));
    assert_eq!(memory.metadata_as::<u8>().unwrap(), Some(7));
    assert_eq!(memory.text.as_deref(), Some("t"));
}

#[test]
fn sizes_at_the_limit_are_taken_and_past_it_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(1, Metric::L2)).unwrap();
    let base = || Memory::new(1u64, [1.0]);
    let name = |len| "n".repeat(len);
    let tags = |n: usize| (0..n).fold(base(), |m, i| m.tag(i.to_string()));
    let sources = |n: u64| base().derived_from((0..n).map(MemoryId::from));
    let text = |len| base().text("x".repeat(len));
    let json = |len: usize| base().metadata_json("1".repeat(len));
    let fine = [
        text(Memory::MAX_CONTENT_BYTES),
        json(Memory::MAX_METADATA_BYTES),
        base().namespace(name(Memory::MAX_NAME_BYTES)),
        tags(Memory::MAX_TAGS),
        sources(Memory::MAX_DERIVED_FROM as u64),
    ];
    let refused = [
        text(Memory::MAX_CONTENT_BYTES + 1),
        base().bytes(vec![0; Memory::MAX_CONTENT_BYTES + 1]),
        json(Memory::MAX_METADATA_BYTES + 1),
        base().namespace(name(Memory::MAX_NAME_BYTES + 1)),
        base().session(name(Memory::MAX_NAME_BYTES + 1)),
        base().kind(name(Memory::MAX_NAME_BYTES + 1)),
        base().key(name(Memory::MAX_NAME_BYTES + 1)),
        base().tag(name(Memory::MAX_NAME_BYTES + 1)),
        tags(Memory::MAX_TAGS + 1),
        sources(Memory::MAX_DERIVED_FROM as u64 + 1),
    ];
    for memory in refused {
        let error = notes.insert(memory).unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { got, limit, .. } if got == limit + 1));
        assert!(notes.is_empty().unwrap());
    }
    let big = base().metadata(&vec![0u8; Memory::MAX_METADATA_BYTES]);
    assert!(matches!(big, Err(Error::LimitExceeded { .. })));
    for memory in fine {
        notes.insert(memory.clone()).unwrap();
        let got = notes.get(1u64).unwrap().unwrap();
        assert_eq!((&got.text, &got.bytes), (&memory.text, &memory.bytes));
        assert_eq!(got.metadata_as_json(), memory.metadata_as_json());
        assert_eq!(got.tags.len(), memory.tags.len());
        assert_eq!(got.derived_from, memory.derived_from);
    }
    notes.insert(text(Memory::MAX_CONTENT_BYTES)).unwrap();
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    let notes = store.get_collection("notes").unwrap();
    notes.compact().unwrap();
    let got = notes.get(1u64).unwrap().unwrap();
    assert_eq!(got.text.as_deref().unwrap().len(), Memory::MAX_CONTENT_BYTES);
}
