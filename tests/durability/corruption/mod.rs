//! Owns the tests that damaged files are noticed (I1, I3, I5). For any cut, removal or flipped bit
//! in any file of a store, each answer is a typed error or exactly right, and derived files are
//! rebuilt.

#![allow(clippy::disallowed_methods, reason = "tests damage files on purpose")]

mod check;
mod specimen;

use std::sync::{Arc, Mutex};

use crate::common::size::sized;
use crate::common::{file_names, manual, memory, settle};
use altiplano::{CollectionOptions, Error, Event, Metric};
use check::{Found, check_store, look};
use specimen::{Damage, Specimen};

/// Returns the positions of the flips in a file: all bytes of small files, in CI about each 37th of
/// larger ones.
fn flips(len: usize) -> Vec<usize> {
    let step = if len <= 256 { 1 } else { sized("bytes from flip to flip", 149, 37, 7) };
    (0..len).step_by(step).collect()
}

/// Flips bits of all files of a kind, one at a time, and reads each result as a reader would.
fn flip_all(prefix: &str) {
    let specimen = Specimen::new();
    for name in specimen.files(prefix) {
        for at in flips(specimen.len(&name)) {
            let bit = (at % 8) as u8;
            let found = look(&specimen, &name, Damage::Flip { at, bit });
            // Between frames are up to seven zeros that nobody reads.
            let unread = prefix == "log-" && specimen.byte(&name, at) == 0;
            assert!(unread || found == Found::Reported, "{name}: byte {at}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_segment_is_never_served() {
    flip_all("seg-");
}

#[test]
fn a_flipped_bit_in_a_list_of_deletes_is_never_served() {
    flip_all("del-");
}

#[test]
fn a_flipped_bit_in_an_index_is_never_served() {
    flip_all("idx-");
}

#[test]
fn a_flipped_bit_in_a_locator_is_never_served() {
    flip_all("loc-");
}

#[test]
fn a_flipped_bit_in_the_log_is_never_served() {
    flip_all("log-");
}

#[test]
fn a_flipped_bit_in_the_manifest_is_never_served() {
    let specimen = Specimen::new();
    let manifests = specimen.files("MANIFEST-");
    let (newest, older) = manifests.split_last().unwrap();
    for at in flips(specimen.len(newest)) {
        let found = look(&specimen, newest, Damage::Flip { at, bit: 0 });
        assert!(matches!(found, Found::Reported), "byte {at}");
    }
    // The manifest before is kept for diagnosis only.
    for name in older {
        look(&specimen, name, Damage::Flip { at: 40, bit: 0 });
        look(&specimen, name, Damage::Cut(0));
    }
}

#[test]
fn a_file_cut_short_or_missing_is_never_passed_over() {
    let specimen = Specimen::new();
    for name in specimen.files("") {
        let len = specimen.len(&name);
        let cuts = [0, 1, 7, 64, 128, 129, len / 4, len / 2, len - len.min(9)];
        for cut in cuts.into_iter().chain([len.saturating_sub(1)]) {
            if cut < len {
                look(&specimen, &name, Damage::Cut(cut));
            }
        }
        look(&specimen, &name, Damage::Remove);
        look(&specimen, &name, Damage::Append);
    }
}

#[test]
fn a_file_with_another_ones_content_is_noticed() {
    let specimen = Specimen::new();
    for prefix in ["seg-", "idx-", "loc-"] {
        let names = specimen.files(prefix);
        for pair in names.windows(2) {
            let other = Damage::ContentOf(pair[1].clone());
            assert!(matches!(look(&specimen, &pair[0], other), Found::Reported));
        }
    }
}

/// Opens a damaged store for writing. Derived files are rebuilt, other damage is an error, and the
/// damaged file stays for diagnosis.
fn open_for_writing(specimen: &Specimen, name: &str, damage: &Damage) {
    let copy = specimen.damaged(name, damage);
    let store = match manual().open(copy.path()) {
        Err(error) => {
            check::names_the_file(&error, name);
            let left = file_names(copy.path());
            for file in specimen.files("") {
                let gone = *damage == Damage::Remove && file == name;
                assert!(gone || left.contains(&file), "{file} is gone after {error}");
            }
            return;
        }
        Ok(store) => store,
    };
    check_store(&store, specimen, name, damage);
    let derived = name.starts_with("idx-") || name.starts_with("loc-");
    if derived {
        let problems = store.verify().unwrap().problems;
        settle(&store);
        let clean = store.verify().unwrap();
        assert!(clean.is_clean(), "{name} {damage:?} {:?}", clean.problems);
        for problem in &problems {
            check::names_the_file(problem, name);
        }
        let again = check_store(&store, specimen, name, damage);
        assert!(matches!(again, Found::Unharmed), "{name} {damage:?}");
        let stats = store.stats().unwrap();
        let nodes: u64 = stats.collections[0].indexes.iter().map(|i| i.live_nodes).sum();
        let rows: u64 = stats.collections[0].segments.iter().map(|s| s.rows - s.dead_rows).sum();
        assert_eq!(nodes, rows, "{name} {damage:?}");
        store.close().unwrap();
        let store = manual().open(copy.path()).unwrap();
        assert!(store.verify().unwrap().is_clean(), "{name} {damage:?}");
    }
}

#[test]
fn a_damaged_index_is_rebuilt_and_other_damage_is_an_error_that_removes_nothing() {
    let specimen = Specimen::new();
    for name in specimen.files("") {
        let len = specimen.len(&name);
        let flips = (0..12).map(|i| Damage::Flip { at: len * i / 12, bit: 3 });
        let cuts = [Damage::Cut(0), Damage::Cut(len / 2), Damage::Remove];
        for damage in flips.chain(cuts).filter(|_| len > 0) {
            open_for_writing(&specimen, &name, &damage);
        }
    }
}

#[test]
fn a_compaction_of_a_damaged_index_does_not_carry_the_damage_on() {
    let specimen = Specimen::new();
    for prefix in ["idx-", "loc-"] {
        for name in specimen.files(prefix) {
            let len = specimen.len(&name);
            for i in 0..8 {
                let at = 128 + (len - 128) * i / 8;
                let damage = Damage::Flip { at, bit: 1 };
                let copy = specimen.damaged(&name, &damage);
                let Ok(store) = manual().open(copy.path()) else {
                    panic!("an index is derived: {name} {damage:?}");
                };
                store.compact().unwrap();
                assert!(store.verify().unwrap().is_clean(), "{name} {damage:?}");
                let found = check_store(&store, &specimen, &name, &damage);
                assert!(matches!(found, Found::Unharmed), "{name} {damage:?}");
            }
        }
    }
}

/// Writes since the manifest before the newest one are in the log, and name a collection that the
/// older manifest does not know.
#[test]
fn a_collection_is_not_forgotten_with_the_manifest_that_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let options = CollectionOptions::new(8, Metric::L2);
    store.collection("first", options.clone()).unwrap();
    let second = store.collection("second", options).unwrap();
    second.insert(memory(1, 8)).unwrap();
    store.close().unwrap();
    let manifests: Vec<String> =
        file_names(&path).into_iter().filter(|n| n.starts_with("MANIFEST")).collect();
    std::fs::remove_file(path.join(manifests.last().unwrap())).unwrap();
    let log = file_names(&path);
    for _ in 0..2 {
        let error = manual().open(&path).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
    assert_eq!(file_names(&path), log);
}

/// Only the manifest that a drop put in force knows of the drop. Without it, a collection without
/// segments must not come back: the manifest before it says that a newer one is missing.
#[test]
fn a_drop_is_not_forgotten_with_the_manifest_that_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(8, Metric::L2)).unwrap();
    notes.insert(memory(1, 8)).unwrap();
    store.drop_collection("notes").unwrap();
    store.close().unwrap();
    let names = file_names(&path);
    let newest = names.iter().rfind(|n| n.starts_with("MANIFEST")).unwrap();
    std::fs::remove_file(path.join(newest)).unwrap();
    for opened in [manual().open(&path), manual().open_read_only(&path)] {
        match opened {
            Err(Error::Corrupt { file, .. }) => assert_eq!(file, path.join(newest)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_damaged_index_is_told_of_and_searched_by_scan_meanwhile() {
    let specimen = Specimen::new();
    for prefix in ["idx-", "loc-"] {
        for name in specimen.files(prefix) {
            // One damage that an open notices, and one that only the later check does.
            for at in [4, specimen.len(&name) / 2] {
                let copy = specimen.damaged(&name, &Damage::Flip { at, bit: 0 });
                let told: Arc<Mutex<Vec<Event>>> = Arc::default();
                let inner = Arc::clone(&told);
                let store = manual()
                    .on_event(move |e| inner.lock().unwrap().push(e.clone()))
                    .open(copy.path())
                    .unwrap();
                settle(&store);
                let told = told.lock().unwrap();
                let damaged = |e: &&Event| match e {
                    Event::IndexDamaged { collection, reason, .. } => {
                        collection == "notes" && reason.contains(&name)
                    }
                    _ => false,
                };
                assert_eq!(told.iter().filter(damaged).count(), 1, "{name} {told:?}");
                let rebuilt = told.iter().any(|e| matches!(e, Event::Indexed { .. }));
                assert!(rebuilt, "{name} {told:?}");
            }
        }
    }
}
