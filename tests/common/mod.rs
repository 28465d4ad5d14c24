//! Owns what the integration tests share: repeatable vectors, stores in temporary directories, and
//! ways to read a whole collection. The tested properties are not known here.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test file uses some of this, and tests may use files"
)]

#[path = "../../src/testing/size.rs"]
pub(crate) mod size;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use altiplano::{
    Background, Collection, ManualClock, Memory, MemoryId, Store, StoreOptions, Timestamp,
};

/// The moment at which tests begin: 2023-11-14.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A small generator that repeats: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Returns a number from -1 to 1.
    pub(crate) fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Returns a vector that is always the same for the same seed.
pub(crate) fn vector(seed: u64, dimension: usize) -> Vec<f32> {
    let mut rng = Rng(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0xA5A5);
    (0..dimension).map(|_| rng.float()).collect()
}

/// Returns a point of one of `clusters` clusters, always the same for the same number. `spread` is
/// its distance from the center, in units of the distance of centers.
pub(crate) fn clustered(i: u64, dimension: usize, clusters: u64, spread: f32) -> Vec<f32> {
    let hash = |a: u64, b: u64| {
        let mut x = (a << 32 | b).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((x ^ (x >> 32)) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let center = |j| hash(1_000_000 + i % clusters, j);
    (0..dimension as u64).map(|j| center(j) + spread * hash(i, j)).collect()
}

/// Returns a memory with the vector and the text of its id.
pub(crate) fn memory(id: u64, dimension: usize) -> Memory {
    Memory::new(id, vector(id, dimension)).text(format!("memory {id}"))
}

/// Returns options for a store without background work, with a clock that stands still at
/// [`START`].
pub(crate) fn manual() -> StoreOptions {
    with_clock(&Arc::new(ManualClock::new(START)))
}

/// As [`manual`], with this clock.
pub(crate) fn with_clock(clock: &Arc<ManualClock>) -> StoreOptions {
    StoreOptions::new()
        .background(Background::Manual)
        .reserve_bytes(0)
        .seed(7)
        .clock(Arc::clone(clock) as Arc<dyn altiplano::Clock>)
}

/// Does all background work that is due.
pub(crate) fn settle(store: &Store) {
    for _ in 0..10_000 {
        if !store.run_pending_tasks().unwrap() {
            return;
        }
    }
    panic!("background work does not come to rest");
}

/// Returns every visible memory by id. An id that comes twice is an error (I6).
pub(crate) fn contents(collection: &Collection) -> BTreeMap<MemoryId, Memory> {
    let mut all = BTreeMap::new();
    for memory in collection.iter() {
        let memory = memory.unwrap();
        let id = memory.id;
        assert!(all.insert(id, memory).is_none(), "{id} came twice");
    }
    all
}

/// Returns the ids of every visible memory, ascending.
pub(crate) fn ids(collection: &Collection) -> Vec<u64> {
    contents(collection).keys().map(|id| id.as_u128() as u64).collect()
}

/// Returns the names of all files in a directory, sorted.
pub(crate) fn file_names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Returns the bytes of all files in a directory whose names begin with `prefix`.
pub(crate) fn bytes_of(dir: &Path, prefix: &str) -> u64 {
    let names = file_names(dir).into_iter();
    names
        .filter(|n| n.starts_with(prefix))
        .map(|n| std::fs::metadata(dir.join(n)).unwrap().len())
        .sum()
}

/// Returns the names of the files in a directory that contain `needle`.
pub(crate) fn files_with(dir: &Path, needle: &[u8]) -> Vec<String> {
    let holds = |name: &String| {
        let bytes = std::fs::read(dir.join(name)).unwrap();
        bytes.windows(needle.len()).any(|w| w == needle)
    };
    file_names(dir).into_iter().filter(holds).collect()
}

/// Set in a process that runs one test.
const ALONE: &str = "ALTIPLANO_ALONE";

/// Runs the test of this name in a process of its own, so that no other test's threads, files or
/// memory count. Returns true in that process.
pub(crate) fn alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        return true;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, test)
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{test} alone:\n{out}\n{err}");
    false
}

/// Returns true if two vectors are equal to about one unit in the last place.
pub(crate) fn close(a: &[f32], b: &[f32]) -> bool {
    let near = |(x, y): (&f32, &f32)| (x - y).abs() <= y.abs() * 2.0 * f32::EPSILON;
    a.len() == b.len() && a.iter().zip(b).all(near)
}
