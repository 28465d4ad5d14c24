//! Owns the tests of backups and of restoring them: what is in a copy, what an update of one adds,
//! what may be in its directory before, and that neither side changes the other.

#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use altiplano::{
    BackupOptions, BackupReport, Batch, Collection, CollectionOptions, Error, Filter, HnswParams,
    Metric, Store, StoreOptions, VerifyLevel,
};

use crate::common::{contents, file_names, files_with, ids, manual, memory, settle};

const DIMENSION: usize = 4;

fn options() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2)
        .memtable_rows(64)
        .hnsw(HnswParams::default().m(8).ef_construction(32).min_rows(100))
}

struct World {
    _dir: tempfile::TempDir,
    path: PathBuf,
    to: PathBuf,
    store: Store,
    notes: Collection,
}

/// A store with segments, an index, a file of deletes, and rows in the log.
fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("s"), dir.path().join("copy"));
    let store = manual().open(&path).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    notes.apply((0..300).map(|id| memory(id, DIMENSION)).collect::<Batch>()).unwrap();
    settle(&store);
    notes.delete(5).unwrap();
    settle(&store);
    notes.apply((300..310).map(|id| memory(id, DIMENSION)).collect::<Batch>()).unwrap();
    notes.delete(305).unwrap();
    World { _dir: dir, path, to, store, notes }
}

fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| (name.clone(), std::fs::read(dir.join(&name)).unwrap());
    file_names(dir).into_iter().filter(|name| name != "RESERVE").map(read).collect()
}

#[cfg(unix)]
fn links(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(path).unwrap())
}

fn open(path: &Path) -> Store {
    let store = manual().create(false).open(path).unwrap();
    assert!(store.verify().unwrap().is_clean());
    store
}

/// Checks that a copy holds what the collection held. Only reads the copy.
fn check(to: &Path, wanted: &BTreeMap<altiplano::MemoryId, altiplano::Memory>) {
    let copy = manual().open_read_only(to).unwrap();
    assert!(copy.verify().unwrap().is_clean());
    assert_eq!(contents(&copy.get_collection("notes").unwrap()), *wanted);
}

fn sums(report: &BackupReport) {
    let BackupReport { files, files_linked, files_copied, files_kept, .. } = report;
    assert_eq!(*files, files_linked + files_copied + files_kept, "{report}");
    assert!(report.bytes_new <= report.bytes && report.bytes_copied <= report.bytes_new);
}

#[test]
fn a_backup_is_a_store_that_holds_what_was_there() {
    let World { _dir, path, to, store, notes } = world();
    let before = contents(&notes);
    let report = store.backup(&to).unwrap();
    sums(&report);
    assert_eq!((report.files_kept, report.files_removed), (0, 0));
    assert_eq!(report.seq, store.stats().unwrap().visible_seq);
    // What is written afterwards is not in it.
    notes.delete_where(Filter::All).unwrap();
    check(&to, &before);
    #[cfg(unix)]
    {
        assert_eq!((report.files_copied, report.bytes_copied), (0, 0));
        for name in file_names(&to) {
            let shared = name.split('-').next().is_some_and(|kind| kind.len() == 3);
            assert_eq!(links(&to.join(&name)) > 1, shared, "{name}");
        }
    }
    let kinds: Vec<String> = file_names(&to);
    for kind in ["LOCK", "MANIFEST-", "idx-", "loc-", "log-", "seg-"] {
        assert!(kinds.iter().any(|name| name.starts_with(kind)), "{kind}: {kinds:?}");
    }
    assert_eq!(kinds.len(), report.files + 2);
    // It opens for writing where it is, and is as good a store as any.
    let copy = open(&to);
    let again = copy.get_collection("notes").unwrap();
    assert_eq!(contents(&again), before);
    again.insert(memory(1000, DIMENSION)).unwrap();
    drop(path);
}

#[test]
fn changes_of_a_copy_change_no_byte_of_the_store() {
    let World { _dir, path, to, store, notes } = world();
    store.backup(&to).unwrap();
    store.close().unwrap();
    drop(notes);
    let before = bytes(&path);
    let copy = open(&to);
    let notes = copy.get_collection("notes").unwrap();
    notes.apply((1000..1200).map(|id| memory(id, DIMENSION)).collect::<Batch>()).unwrap();
    notes.delete_where(Filter::session("none")).unwrap();
    notes.delete(1).unwrap();
    copy.compact().unwrap();
    assert!(copy.purge().unwrap().is_complete());
    copy.close().unwrap();
    assert_eq!(bytes(&path), before);
    // And the other way round.
    let before = bytes(&to);
    let store = open(&path);
    let notes = store.get_collection("notes").unwrap();
    notes.delete_where(Filter::All).unwrap();
    store.purge().unwrap();
    store.close().unwrap();
    assert_eq!(bytes(&to), before);
}

#[test]
fn an_update_of_a_backup_takes_only_what_is_new() {
    let World { _dir, path: _, to, store, notes } = world();
    let first = store.backup(&to).unwrap();
    let again = store.backup(&to).unwrap();
    sums(&again);
    assert_eq!((again.generation, again.files_kept), (first.generation, first.files));
    assert_eq!((again.bytes, again.bytes_new, again.files_removed), (first.bytes, 0, 0));
    notes.apply((400..500).map(|id| memory(id, DIMENSION)).collect::<Batch>()).unwrap();
    settle(&store);
    let before = bytes(&to);
    let third = store.backup(&to).unwrap();
    sums(&third);
    assert!(third.files_kept > 0 && third.bytes_new > 0, "{third}");
    assert!(third.bytes_new < third.bytes, "{third}");
    let after = bytes(&to);
    let new: u64 = after
        .iter()
        .filter(|(name, _)| !name.starts_with("MANIFEST") && !before.contains_key(*name))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    assert_eq!(new, third.bytes_new);
    for (name, bytes) in &after {
        assert!(before.get(name).is_none_or(|old| old == bytes), "{name} was written again");
    }
    check(&to, &contents(&notes));
    // Files that no longer belong to it go.
    notes.delete_where(Filter::All).unwrap();
    assert!(store.purge().unwrap().is_complete());
    let last = store.backup(&to).unwrap();
    assert!(last.files_removed > 0, "{last}");
    assert_eq!(file_names(&to).len(), last.files + 2);
    assert!(files_with(&to, b"memory 7").is_empty(), "a purge reaches a backup by its update");
    check(&to, &BTreeMap::new());
}

#[test]
fn a_backup_may_be_of_bytes_instead_of_links() {
    let World { _dir, path: _, to, store, notes } = world();
    let options = BackupOptions::new().copy(true).verify(VerifyLevel::Full);
    let report = store.backup_with(&to, &options).unwrap();
    sums(&report);
    assert_eq!((report.files_linked, report.bytes_copied), (0, report.bytes));
    #[cfg(unix)]
    for name in file_names(&to) {
        assert_eq!(links(&to.join(&name)), 1, "{name}");
    }
    check(&to, &contents(&notes));
    let again = store.backup_with(&to, &options).unwrap();
    assert_eq!((again.files_kept, again.bytes_new), (report.files, 0));
}

#[test]
fn an_empty_store_and_one_without_collections_have_backups() {
    let dir = tempfile::tempdir().unwrap();
    let store = manual().open(dir.path().join("s")).unwrap();
    let to = dir.path().join("copy");
    for round in 0..3 {
        let report = store.backup(&to).unwrap();
        sums(&report);
        assert_eq!(report.files, 1, "round {round}: {report}");
        let copy = manual().open_read_only(&to).unwrap();
        assert!(copy.collection_names().is_empty());
    }
    let ram = store.collection("ram", options().in_memory()).unwrap();
    ram.insert(memory(1, DIMENSION)).unwrap();
    let notes = store.collection("notes", options()).unwrap();
    store.backup(&to).unwrap();
    assert_eq!(manual().open_read_only(&to).unwrap().collection_names(), ["notes"]);
    notes.insert(memory(1, DIMENSION)).unwrap();
    store.backup(&to).unwrap();
    let copy = open(&to);
    assert_eq!(ids(&copy.get_collection("notes").unwrap()), [1]);
}

/// Checks that a backup is refused, and that it changed nothing in the directory.
fn refused(store: &Store, to: &Path, reason: &str) {
    let before = to.is_dir().then(|| bytes(to));
    let error = store.backup(to).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "to", .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(to.is_dir().then(|| bytes(to)), before);
}

#[test]
fn directories_that_hold_something_else_are_refused() {
    let World { _dir, path, to, store, notes } = world();
    let root = path.parent().unwrap();
    refused(&store, &root.join("no/where"), "does not exist");
    refused(&store, &path, "lies within");
    refused(&store, &path.join("copy"), "lies within");
    refused(&store, &path.join("../s/copy"), "lies within");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&path, root.join("link")).unwrap();
        refused(&store, &root.join("link/copy"), "lies within");
        refused(&store, &root.join("link"), "lies within");
    }
    let other = root.join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("notes.txt"), b"mine").unwrap();
    refused(&store, &other, "notes.txt");
    std::fs::write(root.join("file"), b"mine").unwrap();
    assert!(matches!(store.backup(root.join("file")), Err(Error::NotAStore { .. })));
    // Another store, closed and open.
    let foreign = root.join("foreign");
    let another = StoreOptions::new().seed(8).open(&foreign).unwrap();
    let another = another.close().map(|()| foreign.clone()).unwrap();
    refused(&store, &another, "another store");
    // The backup of this store, while it is open and after it was open.
    store.backup(&to).unwrap();
    let copy = open(&to);
    let error = store.backup(&to).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    copy.close().unwrap();
    refused(&store, &to, "opened for writing");
    // An older state of the store does not replace a newer one.
    let (old, new) = (root.join("old"), root.join("new"));
    store.backup(&old).unwrap();
    notes.apply((700..710).map(|id| memory(id, DIMENSION)).collect::<Batch>()).unwrap();
    for _ in 0..4 {
        notes.insert(memory(711, DIMENSION)).unwrap();
        store.backup(&new).unwrap();
    }
    let restored = open(&old);
    refused(&restored, &new, "generation");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_store_that_takes_no_writes_has_no_backup() {
    let World { _dir, path, to, store, notes } = world();
    let reader = manual().open_read_only(&path).unwrap();
    assert!(matches!(reader.backup(&to), Err(Error::ReadOnly { .. })));
    store.clone().close().unwrap();
    assert!(matches!(store.backup(&to), Err(Error::Closed)));
    assert!(!to.exists());
    drop(notes);
}

#[test]
fn the_beginning_of_a_backup_is_no_store_and_the_next_backup_finishes_it() {
    let World { _dir, path, to, store, notes } = world();
    std::fs::create_dir(&to).unwrap();
    for name in ["UNFINISHED", "seg-0000000000000003", "MANIFEST-0000000000000009.tmp"] {
        std::fs::write(to.join(name), b"half").unwrap();
    }
    let begun = bytes(&to);
    assert!(matches!(manual().open(&to), Err(Error::NotAStore { .. })));
    assert!(matches!(manual().open_read_only(&to), Err(Error::NotAStore { .. })));
    assert!(matches!(Store::restore(&to, path.with_file_name("r")), Err(Error::NotAStore { .. })));
    for (name, bytes) in begun {
        assert_eq!(std::fs::read(to.join(name)).unwrap(), bytes);
    }
    let report = store.backup(&to).unwrap();
    assert_eq!(file_names(&to).len(), report.files + 2);
    check(&to, &contents(&notes));
    // Rests of an update that a crash interrupted.
    std::fs::write(to.join("seg-00000000000000ff"), b"half").unwrap();
    std::fs::write(to.join("UNFINISHED"), b"").unwrap();
    check(&to, &contents(&notes));
    let report = store.backup(&to).unwrap();
    assert_eq!(file_names(&to).len(), report.files + 2);
    check(&to, &contents(&notes));
}

#[test]
fn damage_does_not_get_into_a_backup_unnoticed() {
    let World { _dir, path, to, store, notes } = world();
    let name = file_names(&path).into_iter().find(|name| name.starts_with("seg-")).unwrap();
    let mut bytes = std::fs::read(path.join(&name)).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
    std::fs::write(path.join(&name), bytes).unwrap();
    let options = BackupOptions::new().verify(VerifyLevel::Full);
    assert!(matches!(store.backup_with(&to, &options), Err(Error::Corrupt { .. })));
    assert_eq!(file_names(&to), ["LOCK"], "nothing is left of it");
    drop(notes);
}

#[test]
fn a_backup_is_restored_into_a_new_directory_only() {
    let World { _dir, path, to, store, notes } = world();
    let root = path.parent().unwrap();
    store.backup(&to).unwrap();
    let before = contents(&notes);
    notes.delete_where(Filter::All).unwrap();
    let restored = root.join("restored");
    // A file that does not belong to the backup stays behind.
    std::fs::write(to.join("seg-00000000000000ff"), b"orphan").unwrap();
    let report = Store::restore(&to, &restored).unwrap();
    sums(&report);
    assert_eq!((report.files_copied, report.files), (report.files, file_names(&to).len() - 3));
    assert_eq!(file_names(&restored).len(), report.files + 2);
    check(&restored, &before);
    let error = |from: &Path, into: &Path| Store::restore(from, into).unwrap_err();
    let refused = |from: &Path, into: &Path, reason: &str| {
        let error = error(from, into);
        assert!(matches!(error, Error::InvalidOption { name: "to", .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    };
    refused(&to, &restored, "it holds a store");
    assert!(matches!(error(&to, &path), Error::Locked { .. }));
    refused(&to, &to, "lies within");
    refused(&to, &to.join("r"), "lies within");
    refused(&to, &root.join("no/where"), "does not exist");
    assert!(matches!(error(&root.join("nothing"), &root.join("r")), Error::NotFound { .. }));
    assert!(matches!(error(&path, &root.join("r")), Error::Locked { .. }));
    assert!(!root.join("r").exists());
    // The restored store goes on, and so does a store that was copied while it was closed.
    let copy = open(&restored);
    copy.get_collection("notes").unwrap().insert(memory(900, DIMENSION)).unwrap();
    copy.close().unwrap();
    Store::restore(&restored, root.join("r")).unwrap();
    assert_eq!(ids(&open(&root.join("r")).get_collection("notes").unwrap()).len(), 309);
}

#[test]
fn a_renamed_and_dropped_collection_is_so_in_the_next_backup() {
    let World { _dir, path: _, to, store, notes } = world();
    store.collection("facts", options()).unwrap().insert(memory(1, DIMENSION)).unwrap();
    store.backup(&to).unwrap();
    store.rename_collection("notes", "old notes").unwrap();
    store.drop_collection("facts").unwrap();
    store.backup(&to).unwrap();
    let copy = open(&to);
    assert_eq!(copy.collection_names(), ["old notes"]);
    assert_eq!(contents(&copy.get_collection("old notes").unwrap()), contents(&notes));
}
