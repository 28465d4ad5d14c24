//! Owns the opening and filling of these tests' stores, and the number of tries of each case.

use std::path::Path;
use std::time::{Duration, Instant};

use altiplano::{Background, CollectionOptions, Memory, Metric, Store, StoreOptions};

use crate::common::size::sized;
use crate::faults::process::lines;

/// Tries of each cheap case; the soak has ten times as many.
const ROUNDS: u64 = 10;

pub(crate) fn rounds() -> u64 {
    sized("rounds of each case", 4, ROUNDS, 10 * ROUNDS)
}

pub(crate) fn open(dir: &Path) -> altiplano::Result<Store> {
    StoreOptions::new().background(Background::Manual).open(dir)
}

pub(crate) fn fill(store: &Store, rows: u64, text: &str) {
    let options = CollectionOptions::new(2, Metric::L2).memtable_rows(64);
    let notes = store.collection("notes", options).unwrap();
    for id in 0..rows {
        notes.insert(Memory::new(id, [id as f32, 1.0]).text(format!("{text} {id}"))).unwrap();
    }
}

/// Waits for a line of another process.
pub(crate) fn wait_for(report: &Path, line: &str) {
    let begun = Instant::now();
    while !lines(report).iter().any(|l| l.starts_with(line)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {line:?} in {:?}", lines(report));
        std::thread::sleep(Duration::from_millis(2));
    }
}
