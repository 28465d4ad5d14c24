//! Owns the tests of metadata: invalid JSON, and types that are read as others.

use altiplano::{Batch, Collection, CollectionOptions, Error, Memory, Metric, Store};
use serde::{Deserialize, Serialize};

use crate::common::{manual, memory};

fn open(path: &std::path::Path) -> (Store, Collection) {
    let store = manual().open(path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(4, Metric::L2)).unwrap();
    (store, notes)
}

#[test]
fn text_that_is_not_json_is_refused_with_its_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let bad = [
        ("{not json", "line 1 column 2"),
        ("{\n  \"a\": 1,\n  \"b\" 2\n}", "line 3 column 7"),
        ("", "line 1 column 0"),
        ("{} {}", "line 1 column 4"),
        ("[1,]", "line 1 column 4"),
        ("{\"a\": NaN}", "line 1 column 7"),
        ("'a'", "line 1 column 1"),
    ];
    for (text, place) in bad {
        let batch = Batch::new().insert(memory(1, 4)).insert(memory(2, 4).metadata_json(text));
        let error = notes.apply(batch).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { name: "metadata_json", .. }), "{error}");
        assert!(error.to_string().contains(place), "{text:?}: {error}");
    }
    assert!(notes.is_empty().unwrap());
}

#[test]
fn json_is_kept_to_the_letter() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let fine = [
        "{\"n\": 123456789012345678901234567890.5000, \"a\": 1, \"a\": 2}",
        " [1e400, -0, \"\\u00e4\"]\n",
        "null",
        "\"text\"",
        &deep,
    ];
    for text in fine {
        notes.insert(memory(1, 4).metadata_json(text)).unwrap();
        let got = notes.get(1u64).unwrap().unwrap();
        assert_eq!(got.metadata_as_json(), Some(text));
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Point {
    x: f32,
    y: f32,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Swapped {
    y: f32,
    x: f32,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Grown {
    x: f32,
    y: f32,
    #[serde(default)]
    z: f32,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Shrunk {
    x: f32,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Retyped {
    x: f32,
    y: u32,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Nested<T> {
    name: String,
    places: Vec<T>,
}

fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(memory: &Memory, field: &str) {
    let error = memory.metadata_as::<T>().unwrap_err();
    assert!(matches!(error, Error::Metadata { .. }), "{error}");
    assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
}

#[test]
fn a_type_whose_fields_changed_is_an_error_that_names_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (store, notes) = open(&path);
    let point = Point { x: 1.0, y: 2.0 };
    let nested = || Nested { name: "n".into(), places: vec![point.clone()] };
    notes.insert(memory(1, 4).metadata(&point).unwrap()).unwrap();
    notes.insert(memory(2, 4).metadata(&nested()).unwrap()).unwrap();
    let check = |notes: &Collection| {
        let got = notes.get(1u64).unwrap().unwrap();
        assert_eq!(got.metadata_as::<Point>().unwrap().as_ref(), Some(&point));
        refused::<Swapped>(&got, "x");
        refused::<Grown>(&got, "z");
        refused::<Shrunk>(&got, "y");
        refused::<Retyped>(&got, "y");
        let got = notes.get(2u64).unwrap().unwrap();
        assert_eq!(got.metadata_as::<Nested<Point>>().unwrap(), Some(nested()));
        refused::<Nested<Swapped>>(&got, "x");
        refused::<Nested<Grown>>(&got, "z");
        refused::<Nested<Shrunk>>(&got, "y");
        refused::<Nested<Retyped>>(&got, "y");
    };
    check(&notes);
    notes.compact().unwrap();
    check(&notes);
    // Written back and read again by another process.
    notes.insert(notes.get(1u64).unwrap().unwrap()).unwrap();
    store.close().unwrap();
    check(&open(&path).1);
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Extra {
    page: u32,
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, u32>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Text(String),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Tagged {
    Url { url: String },
}

fn unsupported(error: altiplano::Result<Memory>) {
    let text = error.unwrap_err().to_string();
    for part in ["stored by position", "`#[serde(flatten)]`", "Memory::metadata_json"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("NotSupported") && !text.contains("MustHaveLength"), "{text}");
}

#[test]
fn a_type_that_cannot_be_read_by_position_is_refused_when_it_is_set() {
    let base = || memory(1, 4);
    let url = Tagged::Url { url: "https://example.org".into() };
    let extra = || Extra { page: 3, rest: [("line".to_owned(), 7)].into() };
    unsupported(base().metadata(&serde_json::json!({ "page": 3 })));
    unsupported(base().metadata(&extra()));
    unsupported(base().metadata(&[Untagged::Number(3), Untagged::Text("three".into())]));
    unsupported(base().metadata(&url));
    // The way out that the error names.
    let json = serde_json::to_string(&extra()).unwrap();
    assert_eq!(base().metadata_json(json).metadata_as::<Extra>().unwrap(), Some(extra()));
    // Typed metadata is not read as one of these types either.
    let error = base().metadata(&7u32).unwrap().metadata_as::<serde_json::Value>().unwrap_err();
    assert!(error.to_string().contains("stored by position"), "{error}");
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Skipping {
    page: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[test]
fn a_type_that_leaves_fields_out_is_refused_when_it_is_set() {
    let skipped = memory(1, 4).metadata(&Skipping { page: 3, line: None }).unwrap_err();
    let text = skipped.to_string();
    assert!(text.contains("Memory::metadata_json") && !text.contains("UnexpectedEnd"), "{text}");
}

#[test]
fn json_that_an_older_version_took_can_be_written_back() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    notes.insert(memory(1, 4).metadata_json("{\"a\": 1}")).unwrap();
    let got = notes.get(1u64).unwrap().unwrap();
    assert!(notes.insert(got.clone().metadata_json("{a")).is_err());
    notes.insert(got).unwrap();
    assert_eq!(notes.get(1u64).unwrap().unwrap().metadata_as_json(), Some("{\"a\": 1}"));
}
