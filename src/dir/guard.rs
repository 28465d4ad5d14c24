//! Owns the removal of files that left the manifest. A file is removed when the last snapshot that
//! holds it is dropped. Only the process that opened the store removes it, and only if the file
//! still belongs to that store.

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

/// Files that left the manifest and are still held by a snapshot.
#[derive(Debug)]
pub(crate) struct HeldFiles {
    disk: Arc<dyn Disk>,
    store: StoreId,
    /// The process that may remove the files.
    process: u32,
    poison: Arc<Poison>,
    /// The files and their bytes.
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

    /// Returns the paths of the files, sorted.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        lock(&self.waiting).keys().cloned().collect()
    }

    /// Returns the number of files, and their total bytes.
    pub(crate) fn totals(&self) -> (usize, u64) {
        let waiting = lock(&self.waiting);
        (waiting.len(), waiting.values().sum())
    }

    /// Removes a file that no snapshot holds any more, unless it may belong to another store by
    /// now.
    fn let_go(&self, path: &Path) {
        // After poison an outcome is unknown, so nothing is removed. A file that stays is an
        // orphan, and the next open removes it. After a close the file may still be removed: its
        // number is below the next number in the last manifest, so no later owner of the directory
        // reuses it. A child made by fork removes nothing.
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

/// Keeps a file of the store while a snapshot uses it.
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

    /// Marks the file as no longer named by the manifest. Called after the commit point.
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
        // A swap reads the latest value. A model checker does not see that the last owner of an
        // `Arc` comes after all others.
        if self.obsolete.swap(false, Ordering::AcqRel) {
            self.held.let_go(&self.path);
        }
    }
}

/// Reads the header of a file.
pub(super) fn header(disk: &dyn Disk, path: &Path) -> Result<FileHeader> {
    let file = disk.open(path)?;
    let bytes = MapVec::read_file(file.as_ref(), HEADER_LEN as u64)?;
    read_header(path, &bytes)
}
