//! Owns what happens to a file that left the manifest: it is unlinked when the last snapshot that
//! names it lets go, by the process that opened the store, and only if it is still that store's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::Result;
use crate::format::at_path::read_header;
use crate::format::header::{FileHeader, HEADER_LEN, StoreId};
use crate::map_vec::MapVec;
use crate::poison::Poison;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// Files of a store that left the manifest and wait for the last snapshot that holds them.
#[derive(Debug)]
pub(crate) struct HeldFiles {
    disk: Arc<dyn Disk>,
    store: StoreId,
    /// The process that may remove them.
    process: u32,
    poison: Arc<Poison>,
    /// Each file with its bytes.
    waiting: Mutex<BTreeMap<PathBuf, u64>>,
}

impl HeldFiles {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        store: StoreId,
        process: u32,
        poison: Arc<Poison>,
    ) -> Self {
        Self { disk, store, process, poison, waiting: Mutex::default() }
    }

    /// The files, sorted.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        lock(&self.waiting).keys().cloned().collect()
    }

    /// How many files there are, and their bytes.
    pub(crate) fn totals(&self) -> (usize, u64) {
        let waiting = lock(&self.waiting);
        (waiting.len(), waiting.values().sum())
    }

    /// Removes a file that nobody holds any more, unless it may be another store's by now.
    fn let_go(&self, path: &Path) {
        // An outcome is unknown after poison: nothing is removed. What is left behind is an orphan
        // that the next open removes. After a close it may still go: its number is below that in
        // the last manifest, so that no later owner of the directory uses it again. A child made by
        // fork removes nothing.
        let ours = || {
            self.disk.process_id() == self.process
                && header(self.disk.as_ref(), path).is_ok_and(|header| header.store == self.store)
        };
        if !self.poison.is_set() && ours() {
            let _ = self.disk.remove(path);
        }
        lock(&self.waiting).remove(path);
    }
}

/// Holds a file of the store on behalf of snapshots.
#[derive(Debug)]
pub(crate) struct FileGuard {
    held: Arc<HeldFiles>,
    path: PathBuf,
    len: u64,
    obsolete: AtomicBool,
}

impl FileGuard {
    pub(crate) fn new(held: Arc<HeldFiles>, path: PathBuf, len: u64) -> Self {
        Self { held, path, len, obsolete: AtomicBool::new(false) }
    }

    /// Says that the manifest no longer names the file; called after the commit point.
    pub(crate) fn mark_obsolete(&self) {
        if !self.obsolete.swap(true, Ordering::AcqRel) {
            lock(&self.held.waiting).insert(self.path.clone(), self.len);
        }
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }
}

impl Drop for FileGuard {
    fn drop(&mut self) {
        // An exchange reads the latest value even where a model checker does not see that the last
        // owner of an `Arc` comes after all others.
        if self.obsolete.swap(false, Ordering::AcqRel) {
            self.held.let_go(&self.path);
        }
    }
}

/// The header of a file.
pub(super) fn header(disk: &dyn Disk, path: &Path) -> Result<FileHeader> {
    let file = disk.open(path)?;
    let bytes = MapVec::read_file(file.as_ref(), HEADER_LEN as u64)?;
    read_header(path, &bytes)
}
