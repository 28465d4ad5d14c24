//! Owns the tests of what must not grow with numbers: a delete by filter is one record in the log
//! however many rows it kills, what expired is dropped unread and counted without being looked at, and
//! thousands of collections cost no thread, no descriptor and no file each.
#![allow(clippy::disallowed_methods, reason = "tests may use files")]

mod collections;
mod deletes;
mod expiry;

use std::path::Path;

/// Copies a store as the death of its process would leave it.
fn copy_of(dir: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for name in crate::common::file_names(dir) {
        std::fs::copy(dir.join(&name), to.join(&name)).unwrap();
    }
}

/// How many manifests were committed: the number of the newest.
fn commits(dir: &Path) -> u64 {
    let names = crate::common::file_names(dir).into_iter();
    let numbers =
        names.filter_map(|name| u64::from_str_radix(name.strip_prefix("MANIFEST-")?, 16).ok());
    numbers.max().unwrap()
}
