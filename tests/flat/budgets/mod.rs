//! The budgets of a store: heap, disk and resident pages, and their edges.

mod disk;
mod edges;
mod heap;
#[cfg(target_os = "linux")]
mod resident;

use altiplano::Store;

/// Returns the bytes of the blocks of a store's files, as the file system names them, and not as
/// the store counts them. A file that goes meanwhile counts as nothing.
#[allow(clippy::disallowed_methods, reason = "the test looks at the files by itself")]
fn bytes_on_disk(store: &Store) -> u64 {
    let entries = std::fs::read_dir(store.path()).unwrap();
    let len = |entry: std::io::Result<std::fs::DirEntry>| Some(entry.ok()?.metadata().ok()?.len());
    entries.filter_map(len).map(|len| len.next_multiple_of(4096)).sum()
}
