//! Owns the tests of opening a directory that no store has left so: files in the way, leftovers of
//! crashes, missing manifests, directories that cannot be written.
#![allow(clippy::disallowed_methods, reason = "tests make and change files on purpose")]

use std::path::Path;

use altiplano::{Error, Metric, Store, StoreOptions};

use super::{DIMENSION, options};
use crate::common::{file_names, ids, manual, memory, settle};

#[test]
fn a_file_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"mine").unwrap();
    assert!(matches!(Store::open(&path), Err(Error::NotAStore { .. })));
    let read = |path: &std::path::Path| StoreOptions::new().open_read_only(path);
    assert!(matches!(read(&path), Err(Error::NotAStore { .. })));
    assert!(matches!(read(&dir.path().join("none")), Err(Error::NotFound { .. })));
    let repaired = StoreOptions::new().repair(dir.path().join("none"), dir.path().join("to"));
    assert!(matches!(repaired, Err(Error::NotFound { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_missing_directory_above_a_store_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("data");
    let path = parent.join("agent.alt");
    let named = |error: Error, argument: &str| {
        assert!(matches!(error, Error::InvalidOption { name, .. } if name == argument), "{error}");
        let text = error.to_string();
        let missing = format!("the directory {} does not exist", parent.display());
        assert!(text.contains(&missing) && text.contains("create_dir_all"), "{text}");
    };
    named(Store::open(&path).unwrap_err(), "path");
    let absent = StoreOptions::new().create(false).open(&path);
    assert!(matches!(absent, Err(Error::NotFound { .. })));
    assert!(matches!(StoreOptions::new().open_read_only(&path), Err(Error::NotFound { .. })));
    let source = dir.path().join("source.alt");
    Store::open(&source).unwrap().close().unwrap();
    named(StoreOptions::new().repair(&source, &path).unwrap_err(), "to");
    assert!(!parent.exists());
    std::fs::create_dir_all(&parent).unwrap();
    Store::open(&path).unwrap().close().unwrap();
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let foreign: [(&str, &[u8]); 7] = [
        ("notes.txt", b"mine"),
        ("log-2A", b"mine"),
        ("seg-0000000000000001.bak", b"mine"),
        ("MANIFEST-1", b"mine"),
        ("MANIFEST-0000000000000001.bak", b"mine"),
        ("LOCK2", b""),
        (".hidden", b"mine"),
    ];
    manual().open(dir.path()).unwrap().close().unwrap();
    for (name, bytes) in foreign {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    // A directory with the name of a store's file is not the store's either.
    std::fs::create_dir(dir.path().join("idx-00000000000000aa")).unwrap();
    for _ in 0..3 {
        let store = manual().open(dir.path()).unwrap();
        let notes = store.collection("notes", options(Metric::L2)).unwrap();
        for id in 0..100 {
            notes.insert(memory(id, DIMENSION)).unwrap();
        }
        settle(&store);
        store.compact().unwrap();
        assert_eq!(notes.len().unwrap(), 100);
        store.close().unwrap();
    }
    for (name, bytes) in foreign {
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), bytes);
    }
    assert!(dir.path().join("sub").is_dir());
    assert!(dir.path().join("idx-00000000000000aa").is_dir());
}

/// Returns true if this process may write into a directory in spite of its mode, as root may.
#[cfg(unix)]
fn may_write(dir: &Path) -> bool {
    let probe = dir.join("probe");
    let may = std::fs::write(&probe, b"").is_ok();
    let _ = std::fs::remove_file(probe);
    may
}

#[cfg(unix)]
#[test]
#[allow(clippy::print_stderr, reason = "says why it checks less")]
fn a_read_only_directory_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options(Metric::L2)).unwrap();
    notes.insert(memory(1, DIMENSION)).unwrap();
    store.close().unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&path, 0o500);
    mode(&path.join("LOCK"), 0o400);
    let skipped = may_write(&path);
    if skipped {
        eprintln!("skipped: this user may write into read-only directories");
    } else {
        let error = Store::open(&path).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        let error = Store::open(path.join("new")).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        let reader = manual().open_read_only(&path).unwrap();
        assert_eq!(ids(&reader.get_collection("notes").unwrap()), [1]);
    }
    mode(&path, 0o700);
    mode(&path.join("LOCK"), 0o600);
    let store = manual().open(&path).unwrap();
    assert_eq!(ids(&store.get_collection("notes").unwrap()), [1]);
}

/// Moves all manifests away, checks that an open refuses, and moves them back: all rows must be
/// there.
fn without_manifests(rows: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options(Metric::L2)).unwrap();
    notes.apply((0..rows).map(|id| memory(id, DIMENSION)).collect()).unwrap();
    settle(&store);
    store.close().unwrap();
    let manifests: Vec<String> =
        file_names(&path).into_iter().filter(|n| n.starts_with("MANIFEST")).collect();
    for name in &manifests {
        std::fs::rename(path.join(name), dir.path().join(name)).unwrap();
    }
    let before = file_names(&path);
    for _ in 0..2 {
        let error = manual().open(&path).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        let error = manual().open_read_only(&path).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
    assert_eq!(file_names(&path), before);
    for name in &manifests {
        std::fs::rename(dir.path().join(name), path.join(name)).unwrap();
    }
    let store = manual().open(&path).unwrap();
    assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), rows);
}

#[test]
fn data_without_a_manifest_is_damage_and_not_an_empty_store() {
    without_manifests(100);
}

#[test]
fn a_log_without_a_manifest_is_damage_and_not_an_empty_store() {
    without_manifests(10);
}

#[test]
fn what_a_crash_during_a_commit_leaves_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options(Metric::L2)).unwrap();
    notes.insert(memory(1, DIMENSION)).unwrap();
    store.close().unwrap();
    let generation = file_names(&path)
        .iter()
        .filter_map(|n| u64::from_str_radix(n.strip_prefix("MANIFEST-")?, 16).ok())
        .max()
        .unwrap();
    for ahead in 0..4 {
        let name = format!("MANIFEST-{:016x}.tmp", generation + ahead);
        std::fs::write(path.join(name), b"torn").unwrap();
    }
    let store = manual().open(&path).unwrap();
    assert_eq!(ids(&store.get_collection("notes").unwrap()), [1]);
    assert!(!file_names(&path).iter().any(|n| n.ends_with(".tmp")));
}

#[test]
fn what_a_crash_during_creation_leaves_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    manual().open(&path).unwrap().close().unwrap();
    // A store that never got its first manifest: a log with only a header, and a temporary file.
    for name in file_names(&path) {
        let file = path.join(&name);
        if name.starts_with("MANIFEST") {
            std::fs::remove_file(file).unwrap();
        } else if name.starts_with("log-") {
            let bytes = std::fs::read(&file).unwrap();
            let header = bytes.len().min(64);
            std::fs::write(&file, &bytes[..header]).unwrap();
        }
    }
    std::fs::write(path.join("MANIFEST-0000000000000001.tmp"), b"torn").unwrap();
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options(Metric::L2)).unwrap();
    notes.insert(memory(1, DIMENSION)).unwrap();
    store.close().unwrap();
    let store = manual().open(&path).unwrap();
    assert_eq!(ids(&store.get_collection("notes").unwrap()), [1]);
}

#[test]
fn a_directory_without_a_store_is_not_opened_as_one() {
    for foreign in [None, Some("notes.txt")] {
        let dir = tempfile::tempdir().unwrap();
        if let Some(name) = foreign {
            std::fs::write(dir.path().join(name), b"mine").unwrap();
        }
        let refused =
            |result| matches!(result, Err(Error::NotFound { .. } | Error::NotAStore { .. }));
        assert!(refused(manual().create(false).open(dir.path())), "{foreign:?}");
        assert!(refused(manual().open_read_only(dir.path())), "{foreign:?}");
        let left = file_names(dir.path());
        assert!(left.iter().all(|name| name == "LOCK" || Some(name.as_str()) == foreign));
        let to = tempfile::tempdir().unwrap();
        let repaired = manual().repair(dir.path(), to.path().join("to"));
        // Beside foreign files there may have been a store, but nothing says so any more.
        match repaired {
            Err(Error::NotFound { .. }) => assert_eq!(foreign, None),
            Err(Error::Corrupt { .. }) => assert!(foreign.is_some()),
            other => panic!("{other:?}"),
        }
    }
}
