//! Owns the tests of costs that must not grow with numbers. A delete by filter is one record in the
//! log, however many rows it kills. Expired rows are dropped unread and counted without being read.
//! Thousands of collections cost no thread, descriptor or file each.
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

/// Returns the number of commits of manifests, which is the number of the newest.
fn commits(dir: &Path) -> u64 {
    let names = crate::common::file_names(dir).into_iter();
    let numbers =
        names.filter_map(|name| u64::from_str_radix(name.strip_prefix("MANIFEST-")?, 16).ok());
    numbers.max().unwrap()
}
