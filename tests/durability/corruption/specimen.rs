//! Owns the store that is damaged, which is small and has every kind of file, and its right
//! answers. Copies share the undamaged files, since no store ever changes a file (I2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use altiplano::{Collection, CollectionOptions, Filter, HnswParams, Memory, Metric, Store};
use tempfile::TempDir;

use crate::common::{file_names, manual, memory, settle, vector};

pub(crate) const DIMENSION: usize = 8;
/// All ids that were used, live or not, are below this.
pub(crate) const IDS: u64 = 480;

/// The damage to a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Damage {
    Flip { at: usize, bit: u8 },
    Cut(usize),
    Append,
    Remove,
    ContentOf(String),
}

/// The right answer of a store: every live memory.
pub(crate) type State = BTreeMap<u64, Memory>;

/// An undamaged store, closed.
pub(crate) struct Specimen {
    _dir: TempDir,
    path: PathBuf,
    /// The states since the newest manifest, with the one at the close last. A log that is cut
    /// short shows one of them.
    pub(crate) states: Vec<State>,
}

fn options() -> CollectionOptions {
    CollectionOptions::new(DIMENSION, Metric::L2)
        .memtable_rows(64)
        .hnsw(HnswParams::default().m(8).ef_construction(32).min_rows(100))
}

/// Returns a memory with attributes, so that every section of a segment has content.
fn rich(id: u64) -> Memory {
    memory(id, DIMENSION)
        .namespace(format!("n{}", id % 5))
        .key(format!("k{id}"))
        .tag("t")
        .created_at(crate::common::START)
}

fn write(notes: &Collection, ids: std::ops::Range<u64>) {
    notes.apply(ids.map(rich).collect()).unwrap();
}

/// Fills a store with several segments, deletes, and indexes with and without a graph.
fn fill(store: &Store) -> Collection {
    let notes = store.collection("notes", options()).unwrap();
    write(&notes, 0..150);
    write(&notes, 310..480);
    settle(store);
    write(&notes, 150..220);
    settle(store);
    // Too few for a rewrite: the next seal writes them as a file of deletes.
    notes.delete_where(Filter::ids([3u64, 77, 149, 160, 161])).unwrap();
    notes.insert(rich(20).text("replaced")).unwrap();
    // Too few for a merge: they get an index of codes without a graph.
    write(&notes, 220..290);
    settle(store);
    notes
}

impl Specimen {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let store = manual().open(&path).unwrap();
        let notes = fill(&store);
        let state = |notes: &Collection| -> State {
            let all = notes.iter().map(Result::unwrap);
            all.map(|m| (m.id.as_u128() as u64, m)).collect()
        };
        let mut states = vec![state(&notes)];
        for id in 290..310 {
            match id % 5 {
                0 => drop(notes.delete(id - 200).unwrap()),
                1 => drop(notes.insert(rich(id - 250).text(format!("new {id}"))).unwrap()),
                2 => write(&notes, id * 3 - 600..id * 3 - 597),
                _ => write(&notes, id..id + 1),
            }
            states.push(state(&notes));
        }
        let stats = store.stats().unwrap();
        let collection = &stats.collections[0];
        assert!(collection.indexes.iter().any(|i| i.graph), "{stats:?}");
        assert!(collection.indexes.len() > 1 && collection.segments.len() > 2, "{stats:?}");
        assert!(collection.memtable_rows > 0, "{stats:?}");
        assert!(store.verify().unwrap().is_clean());
        drop(notes);
        store.close().unwrap();
        let this = Self { _dir: dir, path, states };
        for kind in ["seg-", "del-", "idx-", "loc-", "log-", "MANIFEST-"] {
            assert!(!this.files(kind).is_empty(), "there is no {kind}");
        }
        this
    }

    /// Returns the names of its files that begin with `prefix`.
    pub(crate) fn files(&self, prefix: &str) -> Vec<String> {
        let names = file_names(&self.path).into_iter();
        names.filter(|n| n.starts_with(prefix)).collect()
    }

    pub(crate) fn len(&self, name: &str) -> usize {
        self.read(name).len()
    }

    pub(crate) fn byte(&self, name: &str, at: usize) -> u8 {
        self.read(name)[at]
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path.join(name)).unwrap()
    }

    /// Returns the right answer.
    pub(crate) fn expected(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Returns a copy with one file damaged.
    pub(crate) fn damaged(&self, name: &str, damage: &Damage) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in self.files("") {
            if file != name {
                share(&self.path.join(&file), &copy.path().join(&file));
            }
        }
        let mut bytes = self.read(name);
        match damage {
            Damage::Flip { at, bit } => bytes[*at] ^= 1 << bit,
            Damage::Cut(len) => bytes.truncate(*len),
            Damage::Append => bytes.extend_from_slice(&[0x5A; 24]),
            Damage::ContentOf(other) => bytes = self.read(other),
            Damage::Remove => return copy,
        }
        std::fs::write(copy.path().join(name), bytes).unwrap();
        copy
    }
}

/// Links a file to a second name, or copies it where links are not possible.
fn share(from: &Path, to: &Path) {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to).unwrap();
    }
}

/// Returns the distances and ids of the `k` nearest memories of a state.
pub(crate) fn nearest(state: &State, query: &[f32], k: usize) -> Vec<(f32, u64)> {
    let mut all: Vec<(f32, u64)> =
        state.iter().map(|(id, m)| (Metric::L2.distance(query, &m.vector), *id)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.truncate(k);
    all
}

/// Returns queries that are near different rows.
pub(crate) fn queries() -> Vec<Vec<f32>> {
    [5u64, 155, 255, 1000].iter().map(|id| vector(*id, DIMENSION)).collect()
}
