//! Which directories become stores, and what happens to the others.

use std::path::{Path, PathBuf};

use altiplano::{Background, Error, Store, StoreOptions};

use super::{DIMENSION, open};
use crate::common::{file_names, ids, memory};

/// Returns the error of an open, which must have changed nothing.
fn refused(dir: &Path, options: StoreOptions) -> (PathBuf, String) {
    let before = file_names_lossy(dir);
    let error = options.open(dir).unwrap_err();
    assert_eq!(file_names_lossy(dir), before, "something was written");
    let Error::NotAStore { path, found, .. } = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains(found), "{error}");
    (path.clone(), found.clone())
}

fn file_names_lossy(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name();
    let mut names: Vec<String> = entries.map(|e| name(e).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_directory_with_other_files_is_refused_by_name_and_left_as_it_is() {
    for name in ["notes.txt", ".bashrc", "lost+found", "MANIFEST-000001", "log-1"] {
        for create in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(name), "mine").unwrap();
            let (path, found) = refused(dir.path(), StoreOptions::new().create(create));
            assert_eq!((path.as_path(), found), (dir.path(), format!("it holds {name}")));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("src")).unwrap();
    assert_eq!(refused(dir.path(), StoreOptions::new()).1, "it holds src");
    // A lock and a reserve of a store that was never created do not make a store.
    std::fs::write(dir.path().join("LOCK"), "").unwrap();
    std::fs::write(dir.path().join("RESERVE"), "x").unwrap();
    assert_eq!(refused(dir.path(), StoreOptions::new()).1, "it holds src");
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_a_file_too_and_rights_stay_as_they_were() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    if std::fs::write(dir.path().join(name), "mine").is_err() {
        // Some file systems accept only Unicode.
        return;
    }
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(refused(dir.path(), StoreOptions::new()).1, "it holds caf\u{fffd}");
    assert_eq!(dir.path().metadata().unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn a_file_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.alt");
    std::fs::write(&path, "mine").unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(&error, Error::NotAStore { found, .. } if found == "it is a file"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn an_empty_directory_becomes_a_store_that_only_its_owner_may_enter() {
    use std::os::unix::fs::PermissionsExt;
    for (before, after) in [(0o755, 0o700), (0o777, 0o700), (0o2750, 0o2700), (0o700, 0o700)] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(before)).unwrap();
        let (store, notes) = open(dir.path(), Background::Manual);
        notes.insert(memory(1, DIMENSION)).unwrap();
        let mode = || dir.path().metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(), after, "{before:o}");
        store.close().unwrap();
        // The owner of an existing store chooses its permissions.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
        open(dir.path(), Background::Manual).0.close().unwrap();
        assert_eq!(mode(), 0o750);
    }
}

#[test]
fn what_a_crash_leaves_of_a_new_store_becomes_one() {
    let left: [&[(&str, usize)]; 5] = [
        &[("LOCK", 0)],
        &[("LOCK", 0), ("RESERVE", 100)],
        &[("LOCK", 0), ("MANIFEST-0000000000000001.tmp", 30)],
        &[("LOCK", 0), ("log-0000000000000001", 0), ("MANIFEST-0000000000000001.tmp", 0)],
        &[("log-0000000000000001", 64)],
    ];
    for files in left {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(dir.path().join(name), vec![0; *bytes]).unwrap();
        }
        let (store, notes) = open(dir.path(), Background::Manual);
        notes.insert(memory(1, DIMENSION)).unwrap();
        store.close().unwrap();
        assert_eq!(ids(&open(dir.path(), Background::Manual).1), [1], "{files:?}");
    }
}

#[test]
fn other_files_in_a_store_are_no_matter() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), Background::Manual).0.close().unwrap();
    for name in [".DS_Store", "README"] {
        std::fs::write(dir.path().join(name), "mine").unwrap();
    }
    let (store, notes) = open(dir.path(), Background::Manual);
    notes.insert(memory(1, DIMENSION)).unwrap();
    store.close().unwrap();
    assert!(file_names(dir.path()).contains(&"README".to_owned()));
}
