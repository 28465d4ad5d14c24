//! Owns the tests of the levels of verification. The level that promises to find a kind of damage
//! finds it, and so do the levels above, but none below (I1, I3, I5).
#![allow(clippy::disallowed_methods, reason = "tests may damage files by hand")]

use std::path::{Path, PathBuf};

use crate::common::{file_names, manual, memory, settle};
use altiplano::{CollectionOptions, HnswParams, Metric, Store, VerifyLevel};

const LEVELS: [VerifyLevel; 3] = [VerifyLevel::Quick, VerifyLevel::Standard, VerifyLevel::Full];

/// Creates a closed store: segments, a file of deletes, a graph, codes. Everything is covered
/// without the log.
fn specimen(dir: &Path) {
    let store = manual().open(dir).unwrap();
    let hnsw = HnswParams::default().m(8).ef_construction(40).min_rows(200);
    let options = CollectionOptions::new(8, Metric::L2).memtable_rows(64).hnsw(hnsw);
    let notes = store.collection("notes", options).unwrap();
    for id in 0..300 {
        notes
            .insert(memory(id, 8).namespace(format!("user:{}", id % 9)).key(format!("{id}")))
            .unwrap();
    }
    store.compact().unwrap();
    assert!(notes.delete(3u64).unwrap());
    for id in 400..464 {
        notes.insert(memory(id, 8)).unwrap();
    }
    settle(&store);
    store.close().unwrap();
    for prefix in ["seg-", "del-", "idx-", "loc-"] {
        assert!(file_names(dir).iter().any(|name| name.starts_with(prefix)), "{prefix}");
    }
}

fn largest(dir: &Path, prefix: &str) -> PathBuf {
    let names = file_names(dir).into_iter().filter(|name| name.starts_with(prefix));
    names.map(|name| dir.join(name)).max_by_key(|p| std::fs::metadata(p).unwrap().len()).unwrap()
}

fn number(bytes: &[u8]) -> usize {
    u64::from_le_bytes(bytes.try_into().unwrap()) as usize
}

/// Returns the range of a section, by the table at the end of its file. Section 0 is the table
/// itself.
fn section(bytes: &[u8], kind: u32) -> std::ops::Range<usize> {
    let end = bytes.len() - 16;
    let table = end - u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    if kind == 0 {
        return table..end;
    }
    let count = u32::from_le_bytes(bytes[table..table + 4].try_into().unwrap()) as usize;
    let mut entries = bytes[table + 8..].chunks(32).take(count);
    let entry = entries.find(|e| e[..4] == kind.to_le_bytes()).expect("the section is there");
    let start = number(&entry[8..16]);
    start..start + number(&entry[16..24])
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Flips a bit in the middle of a section.
fn flip(path: &Path, kind: u32) {
    edit(path, |bytes| {
        let range = section(bytes, kind);
        assert!(!range.is_empty(), "{path:?} {kind}");
        bytes[(range.start + range.end) / 2] ^= 4;
    });
}

/// Returns the levels that report damage.
fn finds(store: &Store) -> Vec<VerifyLevel> {
    let wrong = |level: &VerifyLevel| !store.verify_with(*level).unwrap().is_clean();
    LEVELS.into_iter().filter(wrong).collect()
}

#[test]
fn each_level_finds_the_damage_that_it_promises_and_no_other() {
    let temp = tempfile::tempdir().unwrap();
    let made = temp.path().join("made");
    specimen(&made);
    // Prefix of the file, section, lowest level that finds it.
    let damages = [
        ("seg-", 1, VerifyLevel::Standard, "description"),
        ("seg-", 2, VerifyLevel::Full, "vectors"),
        ("seg-", 3, VerifyLevel::Full, "bodies"),
        ("seg-", 4, VerifyLevel::Standard, "ids"),
        ("seg-", 5, VerifyLevel::Standard, "id filter"),
        ("seg-", 6, VerifyLevel::Standard, "seq"),
        ("seg-", 7, VerifyLevel::Standard, "created_at"),
        ("seg-", 9, VerifyLevel::Standard, "expires_at"),
        ("seg-", 13, VerifyLevel::Standard, "vector crc"),
        ("seg-", 15, VerifyLevel::Standard, "body offsets"),
        ("seg-", 16, VerifyLevel::Standard, "keys"),
        ("seg-", 17, VerifyLevel::Standard, "postings"),
        ("del-", 2, VerifyLevel::Standard, "dead rows"),
        ("idx-", 2, VerifyLevel::Full, "codes"),
        ("idx-", 16, VerifyLevel::Standard, "neighbors"),
        ("idx-", 20, VerifyLevel::Standard, "offsets of an upper level"),
        ("loc-", 2, VerifyLevel::Standard, "offsets of the locator"),
        ("loc-", 3, VerifyLevel::Standard, "entries"),
        ("loc-", 5, VerifyLevel::Standard, "nodes of rows"),
        ("seg-", 0, VerifyLevel::Quick, "section table"),
        ("idx-", 0, VerifyLevel::Quick, "section table of an index"),
        ("del-", 0, VerifyLevel::Quick, "section table of deletes"),
        ("loc-", 0, VerifyLevel::Quick, "section table of a locator"),
    ];
    for (i, (prefix, kind, level, what)) in damages.into_iter().enumerate() {
        let dir = temp.path().join(i.to_string());
        std::fs::create_dir(&dir).unwrap();
        for name in file_names(&made) {
            std::fs::copy(made.join(&name), dir.join(&name)).unwrap();
        }
        // While the store is open and has not read the file yet.
        let store = manual().open_read_only(&dir).unwrap();
        flip(&largest(&dir, prefix), kind);
        let expected: Vec<VerifyLevel> = LEVELS.into_iter().filter(|l| *l >= level).collect();
        assert_eq!(finds(&store), expected, "{what}");
    }
}

#[test]
fn files_that_are_missing_cut_or_swapped_and_a_damaged_log_or_manifest_are_found_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let made = temp.path().join("made");
    specimen(&made);
    let cut = |path: &Path| edit(path, |bytes| bytes.truncate(bytes.len() - 1));
    let header = |path: &Path| edit(path, |bytes| bytes[20] ^= 1);
    let missing = |path: &Path| std::fs::remove_file(path).unwrap();
    let replaced = |path: &Path| {
        // Replaced by another file of the same length, as by a careless restore.
        let bytes = std::fs::read(path).unwrap();
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, vec![7; bytes.len()]).unwrap();
    };
    type Damage<'a> = (&'static str, &'a dyn Fn(&Path));
    let kinds: [Damage<'_>; 4] =
        [("cut", &cut), ("header", &header), ("missing", &missing), ("replaced", &replaced)];
    for prefix in ["seg-", "del-", "idx-", "loc-", "log-", "MANIFEST-"] {
        for (what, damage) in &kinds {
            let dir = temp.path().join(format!("{prefix}{what}"));
            std::fs::create_dir(&dir).unwrap();
            for name in file_names(&made) {
                std::fs::copy(made.join(&name), dir.join(&name)).unwrap();
            }
            let store = manual().open(&dir).unwrap();
            if *what == "cut" && prefix != "log-" && prefix != "MANIFEST-" {
                // A cut of a mapped file would end its readers, so a copy replaces it.
                let path = largest(&dir, prefix);
                let bytes = std::fs::read(&path).unwrap();
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            } else if prefix == "MANIFEST-" {
                let names = file_names(&dir).into_iter().filter(|n| n.starts_with(prefix));
                damage(&dir.join(names.max().unwrap()));
            } else {
                damage(&largest(&dir, prefix));
            }
            assert_eq!(finds(&store), LEVELS, "{prefix} {what}");
        }
    }
}

#[test]
fn a_quick_look_reads_headers_and_tables_and_nothing_between() {
    let temp = tempfile::tempdir().unwrap();
    specimen(temp.path());
    let store = manual().open(temp.path()).unwrap();
    for name in file_names(temp.path()) {
        let path = temp.path().join(&name);
        if ["seg-", "del-", "idx-", "loc-"].iter().any(|prefix| name.starts_with(prefix)) {
            edit(&path, |bytes| {
                let table = section(bytes, 0).start;
                bytes[128..table].iter_mut().for_each(|byte| *byte ^= 0x55);
            });
        }
    }
    assert_eq!(finds(&store), [VerifyLevel::Standard, VerifyLevel::Full]);
    let report = store.verify_with(VerifyLevel::Quick).unwrap();
    let sealed = file_names(temp.path()).len() - 3;
    // All files except the lock. Of the manifests, only the newest is read.
    assert_eq!(report.files, sealed + 1);
    assert_eq!(report.rows, 0);
}

/// Rows of the log counted as none, so a store that had just been written looked unchecked.
#[test]
fn rows_of_the_log_and_of_segments_are_counted_apart() {
    let temp = tempfile::tempdir().unwrap();
    let store = manual().open(temp.path()).unwrap();
    let notes = store.collection("notes", CollectionOptions::new(8, Metric::L2)).unwrap();
    let gone = store.collection("gone", CollectionOptions::new(8, Metric::L2)).unwrap();
    gone.insert(memory(1, 8)).unwrap();
    notes.apply((0..3).map(|id| memory(id, 8)).collect()).unwrap();
    notes.delete(2u64).unwrap();
    store.drop_collection("gone").unwrap();
    let counts = |level| {
        let report = store.verify_with(level).unwrap();
        assert!(report.is_clean(), "{report}");
        (report.rows, report.log_rows)
    };
    for level in LEVELS {
        assert_eq!(counts(level), (0, 3));
    }
    notes.compact().unwrap();
    notes.insert(memory(7, 8)).unwrap();
    assert_eq!(counts(VerifyLevel::Full), (2, 1));
    assert_eq!(counts(VerifyLevel::Quick), (0, 1));
    let shown = store.verify().unwrap().to_string();
    assert!(shown.contains("with 2 rows of segments and 1 row of the log: 0 problems"), "{shown}");
}

#[test]
fn an_older_manifest_that_was_put_back_behind_an_open_store_is_found_by_every_level() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    specimen(&dir);
    let store = manual().open(&dir).unwrap();
    let manifests = || file_names(&dir).into_iter().filter(|name| name.starts_with("MANIFEST-"));
    let newest = manifests().filter(|name| !name.ends_with(".old")).max().unwrap();
    let older = std::fs::read(dir.join(&newest)).unwrap();
    store.collection("more", CollectionOptions::new(2, Metric::L2)).unwrap();
    assert_eq!(finds(&store), []);
    manifests().for_each(|name| std::fs::remove_file(dir.join(name)).unwrap());
    std::fs::write(dir.join(newest), older).unwrap();
    assert_eq!(finds(&store), LEVELS);
}
