//! Owns the manifest in force and the numbers of files (I3). Knows nothing of rows. `manifest`
//! makes a manifest durable.

use std::sync::Arc;

use crate::dir::StoreDir;
use crate::engine::collections::Collections;
use crate::engine::progress::Progress;
use crate::engine::time::StoreTime;
use crate::error::Result;
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::manifest::{self, CommitError};
use crate::sabotage::broken;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, lock};

/// Estimated bytes of a manifest per collection and per file.
const COLLECTION_BYTES: usize = 512;
const FILE_BYTES: usize = 64;

/// The manifest in force, and the next file number.
#[derive(Debug)]
pub(crate) struct Catalog {
    dir: Arc<StoreDir>,
    time: Arc<StoreTime>,
    collections: Arc<Collections>,
    progress: Arc<Progress>,
    manifest: Mutex<Manifest>,
    next_file: AtomicU64,
    /// Estimated bytes of the manifest; 0 before the first commit.
    bytes: AtomicU64,
}

impl Catalog {
    pub(super) fn new(
        dir: Arc<StoreDir>,
        time: Arc<StoreTime>,
        collections: Arc<Collections>,
        progress: Arc<Progress>,
        manifest: Manifest,
        next_file: FileId,
    ) -> Self {
        let (manifest, next_file) = (Mutex::new(manifest), AtomicU64::new(next_file.0));
        let bytes = AtomicU64::new(0);
        Self { dir, time, collections, progress, manifest, next_file, bytes }
    }

    /// Returns the number of a new file, which was never used before. An error if the directory no
    /// longer belongs to this store.
    pub(crate) fn new_file(&self) -> Result<FileId> {
        self.check_owner()?;
        Ok(FileId(self.next_file.fetch_add(1, Ordering::Relaxed)))
    }

    /// Poisons the writer and returns an error unless the directory still belongs to this store.
    pub(crate) fn check_owner(&self) -> Result<()> {
        // Held, so that no commit removes the manifest meanwhile.
        let manifest = lock(&self.manifest);
        self.dir.check_owner(manifest.generation)
    }

    /// Returns the number of log files.
    pub(crate) fn log_files(&self) -> usize {
        lock(&self.manifest).log.len()
    }

    /// Returns the estimated bytes of the manifest.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns a copy of the manifest in force. O(collections and files).
    pub(crate) fn manifest(&self) -> Manifest {
        lock(&self.manifest).clone()
    }

    /// Keeps the manifest in force for as long as the guard lives. Meanwhile no file that it names
    /// is removed.
    pub(super) fn hold(&self) -> MutexGuard<'_, Manifest> {
        lock(&self.manifest)
    }

    /// Changes the manifest durably. This is the commit point of every structural change. Every
    /// file that the new manifest names must be on the disk, with its directory entry. The log must
    /// be synced as far as the contents of these files reach.
    ///
    /// Log files that no collection needs any more are dropped from the manifest and removed here.
    pub(crate) fn commit(&self, edit: impl FnOnce(&mut Manifest)) -> Result<()> {
        self.dir.check_process()?;
        let dead_since = self.collections.dead_since(self.time.plausible_now());
        let mut current = lock(&self.manifest);
        // The store is closed under this lock too. So no commit is under way once the store is
        // closed.
        self.dir.check_writable()?;
        self.dir.check_owner(current.generation)?;
        let mut next = current.clone();
        edit(&mut next);
        for segment in next.collections.iter_mut().flat_map(|c| &mut c.segments) {
            segment.dead_since = dead_since.get(&segment.file).copied();
        }
        next.generation = next.generation.saturating_add(1);
        next.next_file = FileId(self.next_file.load(Ordering::Relaxed));
        broken!(ReuseFileNumbers => next.next_file = current.next_file);
        let time = self.time.advance();
        (next.time, next.clock_doubted) = (time.mark(), time.doubted());
        next.last_seq = next.last_seq.max(self.progress.last_seq());
        record_synced_len(&mut next, self.progress.synced_log());
        let dropped = prune_log(&mut next);
        broken!(UnlinkLogEarly => self.remove_logs(&dropped));
        let bytes = next.collections.len() * COLLECTION_BYTES + next.files().count() * FILE_BYTES;
        self.bytes.store(bytes as u64, Ordering::Relaxed);
        match manifest::commit(self.dir.disk(), self.dir.root(), &next, self.dir.new_salt()) {
            Ok(()) => *current = next,
            Err(CommitError::NothingHappened(error)) => return Err(error),
            Err(CommitError::OutcomeUnknown(error)) => {
                self.dir.poison().set(format!("the manifest's outcome is unknown: {error}"));
                return Err(error);
            }
        }
        drop(current);
        self.remove_logs(&dropped);
        Ok(())
    }

    fn remove_logs(&self, files: &[FileId]) {
        for file in files {
            let _ = self.dir.remove(FileName::Log(*file));
        }
    }

    /// Waits for a commit that is under way and prevents any other.
    pub(super) fn close(&self) {
        let current = lock(&self.manifest);
        self.dir.gate().close();
        drop(current);
    }

    /// Takes over the manifest that a newer engine read from the same store.
    pub(super) fn adopt(&self, newer: &Self) {
        *lock(&self.manifest) = newer.manifest();
    }

    /// Removes every manifest but the one in force. The caller syncs the directory.
    pub(crate) fn forget_manifests(&self) -> Result<()> {
        self.dir.check_writable()?;
        let current = lock(&self.manifest);
        manifest::remove_others(self.dir.disk(), self.dir.root(), current.generation)
    }
}

/// Records in `manifest` that the first `len` bytes of the log `file` are durable. Files that the
/// manifest names may hold effects of their frames. If any of these bytes are missing later, that
/// is damage and not a torn tail.
fn record_synced_len(manifest: &mut Manifest, (file, len): (FileId, u64)) {
    broken!(ForgetOpenLog => return);
    for entry in manifest.log.iter_mut().filter(|entry| entry.file == file) {
        entry.synced_len = entry.synced_len.max(len);
    }
}

/// Drops the log files that no collection needs from `manifest` and returns them. The newest log
/// file always stays.
fn prune_log(manifest: &mut Manifest) -> Vec<FileId> {
    let from = || manifest.collections.iter().map(|c| c.log_from);
    let mut needed = from().min();
    broken!(PruneByNewest => needed = from().max());
    let newest = manifest.log.last().map(|l| l.file);
    let (mut dropped, mut kept) = (Vec::new(), Vec::new());
    for entry in manifest.log.drain(..) {
        let old = needed.is_none_or(|from| entry.file < from);
        if old && Some(entry.file) != newest {
            dropped.push(entry.file);
        } else {
            kept.push(entry);
        }
    }
    manifest.log = kept;
    dropped
}
