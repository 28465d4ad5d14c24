//! Owns the tests of filters on fields of metadata and on stored attributes: what they mean, the
//! same wherever the rows are, what is refused, and what columns cost.
#![allow(clippy::disallowed_methods, reason = "tests may use files")]

mod attributes;
mod columns;
mod differential;
mod generate;
mod meaning;
mod plain;
mod refused;
mod setters;

use std::collections::BTreeSet;
use std::path::Path;

use altiplano::{Collection, CollectionOptions, Filter, Metric, Store};

use crate::common::{file_names, manual};

/// Dimension of all vectors here.
const DIM: usize = 2;

/// Opens the store in this directory, and its one collection.
fn open(dir: &Path) -> (Store, Collection) {
    let store = manual().open(dir).unwrap();
    let options = CollectionOptions::new(DIM, Metric::L2).memtable_rows(8192);
    let notes = store.collection("notes", options).unwrap();
    (store, notes)
}

/// Copies a store as the death of its process would leave it.
fn copy_of(dir: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for name in file_names(dir) {
        std::fs::copy(dir.join(&name), to.join(&name)).unwrap();
    }
}

/// Returns the ids that a scan with this filter yields.
fn scanned(notes: &Collection, filter: &Filter) -> BTreeSet<u64> {
    notes.scan(filter.clone()).map(|memory| memory.unwrap().id.as_u128() as u64).collect()
}
