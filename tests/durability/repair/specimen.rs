//! Owns the store that the tests of `repair` damage, with its true content, and the edits that
//! damage a copy of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::{contents, file_names, manual, memory, settle, vector};
use altiplano::{
    Collection, CollectionOptions, Error, Memory, MemoryId, Metric, RepairPolicy, RepairReport,
    Store,
};

const NAMES: [&str; 2] = ["facts", "notes"];

type Rows = BTreeMap<MemoryId, Memory>;

/// A closed store with every kind of file, its content, and every version of a memory that it ever
/// held.
pub(super) struct Specimen {
    _temp: tempfile::TempDir,
    pub(super) dir: PathBuf,
    pub(super) expected: BTreeMap<String, Rows>,
    pub(super) written: BTreeMap<String, BTreeMap<MemoryId, Vec<Memory>>>,
}

fn everything(store: &Store) -> BTreeMap<String, Rows> {
    let names = store.collection_names().into_iter();
    names.map(|name| (name.clone(), contents(&store.get_collection(&name).unwrap()))).collect()
}

fn insert(to: &Collection, memory: Memory) {
    to.insert(memory).unwrap();
}

/// Creates the specimen. `notes` has segments, a file of deletes, indexes, and rows and deletes in
/// the log. `facts` is in the log alone.
pub(super) fn specimen() -> Specimen {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("damaged.alt");
    let mut written = BTreeMap::<String, BTreeMap<MemoryId, Vec<Memory>>>::new();
    let mut note = |store: &Store| {
        for (name, rows) in everything(store) {
            for (id, memory) in rows {
                written.entry(name.clone()).or_default().entry(id).or_default().push(memory);
            }
        }
    };
    let store = manual().open(&dir).unwrap();
    let options = CollectionOptions::new(8, Metric::L2).memtable_rows(64);
    let notes = store.collection(NAMES[1], options).unwrap();
    let facts = store.collection(NAMES[0], CollectionOptions::new(4, Metric::Cosine)).unwrap();
    (0..320).for_each(|id| insert(&notes, memory(id, 8).namespace(format!("user:{}", id % 9))));
    (0..12).for_each(|id| insert(&facts, memory(id, 4).key(format!("key {id}"))));
    settle(&store);
    note(&store);
    assert!(notes.delete(3u64).unwrap() && notes.delete(70u64).unwrap());
    (400..470).for_each(|id| insert(&notes, memory(id, 8)));
    settle(&store);
    note(&store);
    // From here on in the log alone.
    assert!(notes.delete(11u64).unwrap());
    insert(&notes, memory(12, 8).text("replaced"));
    (500..510).for_each(|id| insert(&notes, memory(id, 8)));
    assert!(facts.delete(1u64).unwrap());
    insert(&facts, memory(2, 4).text("replaced"));
    note(&store);
    assert_eq!(facts.delete_where(altiplano::Filter::key("key 5")).unwrap(), 1);
    insert(&notes, memory(510, 8));
    note(&store);
    drop((notes, facts));
    store.close().unwrap();
    // Opened once more, so that the manifest before the last one has the same content.
    let store = manual().open(&dir).unwrap();
    let expected = everything(&store);
    store.close().unwrap();
    for prefix in ["seg-", "del-", "idx-", "loc-", "log-"] {
        assert!(file_names(&dir).iter().any(|name| name.starts_with(prefix)), "{prefix}");
    }
    Specimen { _temp: temp, dir, expected, written }
}

impl Specimen {
    pub(super) fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let names = file_names(&self.dir).into_iter();
        names.filter(|name| name.starts_with(prefix)).map(|name| self.dir.join(name)).collect()
    }

    /// Damages and repairs a copy. Returns the report and the content of the new store.
    pub(super) fn repaired(
        &self,
        doubt: RepairPolicy,
        damage: impl FnOnce(&Path),
    ) -> Result<(RepairReport, BTreeMap<String, Rows>), Error> {
        let temp =
            tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        for name in file_names(&self.dir) {
            std::fs::copy(self.dir.join(&name), from.join(&name)).unwrap();
        }
        damage(&from);
        let before = bytes(&from);
        let report = manual().repair_with(&from, &to, doubt);
        assert_eq!(bytes(&from), before, "the damaged store was changed");
        let report = report?;
        let store = manual().create(false).open(&to).unwrap();
        assert!(store.verify().unwrap().is_clean());
        let found = everything(&store);
        for salvaged in &report.salvaged {
            assert_eq!(found[&salvaged.collection].len() as u64, salvaged.rows);
        }
        Ok((report, found))
    }

    /// As [`Specimen::repaired`]. Checks that all memories except these are salvaged, and that
    /// these are listed.
    pub(super) fn all_but(
        &self,
        what: &str,
        doubt: RepairPolicy,
        gone: &[(&str, u64)],
        damage: impl FnOnce(&Path),
    ) -> RepairReport {
        let (report, found) = self.repaired(doubt, damage).unwrap();
        let mut expected = self.expected.clone();
        for (collection, id) in gone {
            let rows = expected.get_mut(*collection).unwrap();
            assert!(rows.remove(&MemoryId::from(*id)).is_some(), "{what}: {collection} {id}");
        }
        for name in NAMES {
            let keys = |of: &BTreeMap<String, Rows>| of[name].keys().copied().collect::<Vec<_>>();
            assert_eq!(keys(&found), keys(&expected), "{what}: {name}: {:?}", report.lost);
        }
        assert_eq!(found, expected, "{what}");
        assert_eq!(report.lost.is_empty(), gone.is_empty() && report.revived == 0, "{what}");
        report
    }
}

fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = file_names(dir).into_iter().filter(|name| name != "LOCK");
    names.map(|name| (name.clone(), std::fs::read(dir.join(name)).unwrap())).collect()
}

pub(super) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

pub(super) fn position(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|w| w == needle).expect("the bytes are there")
}

pub(super) fn stored(id: u64) -> Vec<u8> {
    vector(id, 8).iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Returns the segment of a directory with this memory.
pub(super) fn segment_of(dir: &Path, id: u64) -> PathBuf {
    let needle = stored(id);
    let files = crate::common::files_with(dir, &needle).into_iter();
    dir.join(files.into_iter().find(|name| name.starts_with("seg-")).expect("a segment has it"))
}

/// Returns the live memories of a segment.
pub(super) fn alive_in(specimen: &Specimen, path: &Path) -> Vec<(&'static str, u64)> {
    let bytes = std::fs::read(path).unwrap();
    let is_there = |id: &u64| bytes.windows(32).any(|w| w == stored(*id));
    let ids = specimen.expected["notes"].keys().map(|id| id.as_u128() as u64);
    // The version in the segment was replaced.
    ids.filter(|id| *id != 12 && is_there(id)).map(|id| ("notes", id)).collect()
}

/// Returns the log file with the operations that no other file covers.
pub(super) fn log_of(dir: &Path) -> PathBuf {
    let needle = stored(505);
    let files = crate::common::files_with(dir, &needle).into_iter();
    dir.join(files.into_iter().find(|name| name.starts_with("log-")).expect("a log has it"))
}
