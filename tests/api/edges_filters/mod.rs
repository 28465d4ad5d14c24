//! Owns the tests of filters at their edges: meanings they must not have, and lists and nesting of
//! any size. Also the log records of deletes, and the form of filters and ids for other programs.
#![allow(clippy::disallowed_methods, reason = "tests may use files")]

mod json;
mod lists;
mod log;
mod meaning;
mod nesting;

use std::path::Path;

use altiplano::{Collection, CollectionOptions, Metric, Store, Timestamp};

/// Dimension of all vectors here.
const DIM: usize = 2;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis as _)
}

/// Opens the store in this directory, and its one collection.
fn open(dir: &Path) -> (Store, Collection) {
    let store = crate::common::manual().open(dir).unwrap();
    let options = CollectionOptions::new(DIM, Metric::L2).memtable_rows(8192);
    let notes = store.collection("notes", options).unwrap();
    (store, notes)
}

/// Copies a store as the death of its process would leave it.
fn copy_of(dir: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for name in crate::common::file_names(dir) {
        std::fs::copy(dir.join(&name), to.join(&name)).unwrap();
    }
}
