//! Owns the tests of what errors, outcomes and counts say to people.

use altiplano::{
    Batch, Collection, CollectionOptions, Error, Memory, MemoryId, Metric, Outcome, Patch, Store,
    Timestamp,
};

use crate::common::{manual, memory};

fn open(path: &std::path::Path) -> (Store, Collection) {
    let store = manual().open(path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(4, Metric::Cosine)).unwrap();
    (store, notes)
}

#[test]
fn a_hit_that_is_written_back_without_its_vector_is_told_the_ways_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    notes.insert(memory(1, 4)).unwrap();
    let hits = notes.search(&[1.0; 4]).run().unwrap();
    let error = notes.insert(hits[0].memory.clone().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Dimension { expected: 4, got: 0, .. }), "{error}");
    for word in ["is empty", "Fields::All", "Collection::patch", "4 dimensions"] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    let error = notes.insert(Memory::new(1, [1.0; 3])).unwrap_err();
    assert!(error.to_string().starts_with("3 dimensions were given"), "{error}");
}

#[test]
fn a_bad_vector_is_told_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let error = notes.search(&[0.0; 4]).run().unwrap_err();
    assert!(error.to_string().starts_with("invalid vector of the query: "), "{error}");
    let error = notes.insert(Memory::new(7, [f32::NAN; 4])).unwrap_err();
    assert!(error.to_string().starts_with("invalid vector of memory 7: "), "{error}");
}

#[test]
fn a_fact_that_ends_before_it_begins_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let at = |millis| Some(Timestamp::from_millis(millis));
    notes.insert(memory(1, 4).valid(at(5), at(5))).unwrap();
    for error in [
        notes.insert(memory(2, 4).valid(at(6), at(5))).unwrap_err(),
        notes.patch(1, Patch::new().valid(at(6), at(5))).unwrap_err(),
        notes.update(1, |memory| memory.valid_from = at(6)).unwrap_err(),
    ] {
        assert!(matches!(error, Error::InvalidOption { name: "valid", .. }), "{error}");
        assert!(error.to_string().contains("1970-01-01T00:00:00.006Z"), "{error}");
    }
    assert_eq!(notes.get(1).unwrap().unwrap().valid_from, at(5));
    assert_eq!(notes.len().unwrap(), 1);
}

#[test]
fn outcomes_and_counts_are_shown_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    let batch = Batch::new()
        .insert(memory(1, 4).tag("tea"))
        .insert_new(memory(1, 4))
        .patch(2, Patch::new().tag("tea"));
    let applied = notes.apply(batch).unwrap();
    assert_eq!(applied.to_string(), "1 inserted, 1 missing, 1 skipped because they exist");
    assert_eq!(notes.apply(Batch::new()).unwrap().to_string(), "nothing changed");
    assert_eq!(notes.tags().unwrap()[0].to_string(), "tea: 1 memory");
    notes.insert(memory(2, 4).tag("tea")).unwrap();
    assert_eq!(notes.tags().unwrap()[0].to_string(), "tea: 2 memories");
    let missing = notes.patch(9, Patch::new().tag("tea")).unwrap();
    assert_eq!(missing, Outcome::Missing);
    assert_eq!(missing.to_string(), "nothing written: no memory with the id is visible");
    assert_eq!(notes.insert(memory(2, 4)).unwrap().to_string(), "replaced");
}

#[test]
fn an_id_is_shown_and_read_as_a_uuid() {
    for number in [0, 7, 0x017F_22E2_79B0_7CC3_98C4_DC0C_0C07_398F, u128::MAX] {
        let id = MemoryId::from_u128(number);
        let text = id.to_uuid_string();
        assert_eq!(text.replace('-', ""), format!("{number:032x}"));
        assert_eq!(text.len(), 36);
        assert_eq!(text.parse::<MemoryId>().unwrap(), id);
        assert_eq!(text.to_uppercase().parse::<MemoryId>().unwrap(), id);
        assert_eq!(serde_json::from_value::<MemoryId>(text.into()).unwrap(), id);
    }
    let version = MemoryId::unique().to_uuid_string().chars().nth(14);
    assert_eq!(version, Some('7'));
    for bad in [
        "017f22e279b07cc398c4dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c0739é",
        "--------------------------------------",
    ] {
        assert!(bad.parse::<MemoryId>().is_err(), "{bad}");
    }
}

#[test]
fn the_scope_of_the_empty_name_holds_what_has_that_name_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, notes) = open(&dir.path().join("s"));
    notes.insert(memory(1, 4)).unwrap();
    let scope = notes.scope("");
    assert!(scope.is_empty().unwrap());
    scope.insert(memory(2, 4)).unwrap();
    assert_eq!(scope.len().unwrap(), 1);
    assert_eq!(notes.get(2).unwrap().unwrap().namespace.as_deref(), Some(""));
    assert_eq!(notes.get(1).unwrap().unwrap().namespace, None);
}
