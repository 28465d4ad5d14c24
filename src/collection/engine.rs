//! Owns what all collections of an open store share: the directory, the disk, the clock and its
//! high-water mark, the manifest, file numbers, poison, events. Knows nothing of rows; the log and
//! the commit pipeline are `collection::commit`.
//!
//! Locks, in the order in which they may be taken: `Store::names` < `Core::row_job` <
//! `Core::index_job` < `Core::structure` < the commit token < `Core::tables` and `Engine::manifest` <
//! `Engine::time`. Under `collections` and all others none is taken, but for the workers' bells, the
//! queue of events, and `collections` and the state of the budgets under `room`. Readers take none of
//! them, and no listener is called under any.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, HighWater};
use crate::collection::commit::Committer;
use crate::collection::core::Core;
use crate::collection::disk_budget::DiskBudget;
use crate::collection::events::Events;
use crate::collection::gate::Gate;
use crate::collection::heap_budget::HeapBudget;
use crate::collection::owner;
use crate::collection::pace::Pace;
use crate::collection::reserve::Reserve;
use crate::collection::resident::ResidentBudget;
use crate::collection::snapshot::{FileGuard, Pinned};
use crate::collection::threads::Threads;
use crate::disk::Disk;
use crate::error::Result;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::ids::{CollectionId, FileId, Seq};
use crate::manifest::{self, CommitError};
use crate::options::{Background, StoreOptions};
use crate::poison::Poison;
use crate::sabotage::{self, Sabotage};
use crate::splitmix::mix;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, RwLock, lock, read};
use crate::worker::Bell;

/// Shared by a store, its collections and its workers.
pub(crate) struct Engine {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: StoreId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) read_only: bool,
    pub(crate) heap_budget: HeapBudget,
    /// Most bytes of a collection that may wait to be compacted while it takes inserts.
    pub(super) compaction_debt_limit: Option<u64>,
    /// How long an insert waits for room.
    pub(super) write_timeout: Duration,
    pub(crate) reclaim_within: Duration,
    pub(crate) pace: Pace,
    pub(crate) disk_budget: DiskBudget,
    pub(super) resident_budget: ResidentBudget,
    pub(crate) poison: Arc<Poison>,
    pub(crate) gate: Gate,
    pub(crate) reserve: Reserve,
    pub(crate) pinned: Arc<Pinned>,
    pub(crate) committer: Committer,
    pub(crate) collections: RwLock<BTreeMap<CollectionId, Arc<Core>>>,
    /// Rung when a write must be synced by some time.
    pub(crate) log_bell: Arc<Bell>,
    /// Rung when there may be rows to seal or compact.
    pub(crate) row_bell: Arc<Bell>,
    /// Rung when there may be indexes to build.
    pub(crate) index_bell: Arc<Bell>,
    pub(crate) threads: Threads,
    pub(crate) events: Arc<Events>,
    #[cfg(test)]
    pub(super) tap: Option<crate::options::Listener>,
    /// The workers look less and less often: the next commit wakes them.
    pub(crate) dozing: AtomicBool,
    /// Whether workers do what is due by themselves.
    pub(super) background: bool,
    /// Files that jobs are writing and that no manifest names yet.
    pub(crate) making: Mutex<HashSet<FileName>>,
    /// How many files the last trim left of the log, or fewer.
    pub(crate) log_files_left: AtomicUsize,
    /// What could not be given back of the log when it was last written anew for room.
    pub(crate) log_bytes_left: AtomicU64,
    pub(super) room: Mutex<()>,
    pub(super) room_made: Condvar,
    pub(super) time: Mutex<HighWater>,
    manifest: Mutex<Manifest>,
    next_file: AtomicU64,
    salt: AtomicU64,
}

/// What an engine starts from.
pub(crate) struct EngineParts<'a> {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: &'a StoreOptions,
    pub(crate) read_only: bool,
    pub(crate) manifest: Manifest,
    pub(crate) next_file: FileId,
    pub(crate) seed: u64,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(parts: EngineParts<'_>) -> Self {
        let (options, read_only) = (parts.options, parts.read_only);
        let (time, doubted) = (parts.manifest.time, parts.manifest.clock_doubted);
        let (wall, monotonic) = (options.clock.wall(), options.clock.monotonic());
        let mark = HighWater::left(time, doubted, wall, monotonic);
        let poison: Arc<Poison> = Arc::default();
        let background = options.background == Background::Auto && !read_only;
        Self {
            gate: Gate::new(parts.disk.process_id()),
            reserve: Reserve::new(options, read_only),
            dir: parts.dir,
            disk: parts.disk,
            store: parts.manifest.store,
            clock: Arc::clone(&options.clock),
            read_only,
            heap_budget: HeapBudget::new(options.heap_budget),
            compaction_debt_limit: options.compaction_debt_limit,
            write_timeout: options.write_timeout,
            reclaim_within: options.reclaim_within,
            pace: Pace::new(options.compaction_rate_limit),
            disk_budget: DiskBudget::new(options.disk_budget),
            resident_budget: ResidentBudget::new(options.resident_budget, options.files_to_read()),
            poison: Arc::clone(&poison),
            pinned: Arc::default(),
            committer: Committer::new(parts.manifest.last_seq, poison),
            collections: RwLock::default(),
            log_bell: Arc::default(),
            row_bell: Arc::default(),
            index_bell: Arc::default(),
            threads: Threads::default(),
            events: Events::new(options.listener.clone(), background),
            #[cfg(test)]
            tap: options.tap.clone(),
            dozing: AtomicBool::new(false),
            background,
            making: Mutex::default(),
            log_files_left: AtomicUsize::new(0),
            log_bytes_left: AtomicU64::new(0),
            room: Mutex::default(),
            room_made: Condvar::new(),
            time: Mutex::new(mark),
            manifest: Mutex::new(parts.manifest),
            next_file: AtomicU64::new(parts.next_file.0),
            salt: AtomicU64::new(parts.seed),
        }
    }

    /// The number of a new file, never given out before, in a directory that is still ours.
    pub(crate) fn new_file(&self) -> Result<FileId> {
        self.check_owner()?;
        Ok(FileId(self.next_file.fetch_add(1, Ordering::Relaxed)))
    }

    /// An error, and poison, unless the directory is still this store's.
    pub(crate) fn check_owner(&self) -> Result<()> {
        // Held, so that no commit removes the manifest meanwhile.
        let manifest = lock(&self.manifest);
        self.check_owner_by(manifest.generation)
    }

    fn check_owner_by(&self, generation: u64) -> Result<()> {
        if owner::is_ours(self.disk.as_ref(), &self.dir, self.store, generation)? {
            return Ok(());
        }
        self.poison.set("the directory was moved away, removed or replaced");
        self.poison.check()
    }

    /// The header of a new file of this store.
    pub(crate) fn header(&self, kind: FileKind, file: FileId) -> FileHeader {
        FileHeader { kind, store: self.store, file, salt: self.new_salt() }
    }

    /// Sixteen bytes that tell this file from any other: not a secret.
    pub(crate) fn new_salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        for half in salt.chunks_exact_mut(8) {
            let state = self.salt.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            half.copy_from_slice(&mix(state).to_le_bytes());
        }
        salt
    }

    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    /// Holds a file on behalf of snapshots.
    pub(crate) fn guard(&self, name: FileName, len: u64) -> FileGuard {
        let (disk, poison) = (Arc::clone(&self.disk), Arc::clone(&self.poison));
        let owner = (self.store, self.gate.process, poison);
        FileGuard::new(disk, self.path(name), len, owner, Arc::clone(&self.pinned))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves a reader forward to what a newer look at the same store found.
    pub(crate) fn adopt(&self, newer: &Self) {
        let time = *lock(&newer.time);
        self.recover_time((time.mark(), time.doubted()));
        self.committer.replayed(newer.visible_seq());
        *lock(&self.manifest) = newer.manifest();
    }

    /// How many files the log has.
    pub(crate) fn log_files(&self) -> usize {
        lock(&self.manifest).log.len()
    }

    /// A copy of the manifest as it stands. O(collections and files).
    pub(crate) fn manifest(&self) -> Manifest {
        lock(&self.manifest).clone()
    }

    /// Changes the manifest durably: the commit point of every structural change. What the new
    /// manifest names must be on the disk, directory entries included, and the log must be synced
    /// as far as the named files reach.
    ///
    /// Log files that no collection needs any more leave the chain here and are unlinked.
    pub(crate) fn commit_manifest(&self, edit: impl FnOnce(&mut Manifest)) -> Result<()> {
        self.check_process()?;
        let dead_since = self.dead_since();
        let mut current = lock(&self.manifest);
        // Under the lock under which a store is closed: no commit is under way once it is.
        self.check_writable()?;
        self.check_owner_by(current.generation)?;
        let mut next = current.clone();
        edit(&mut next);
        for segment in next.collections.iter_mut().flat_map(|c| &mut c.segments) {
            segment.dead_since = dead_since.get(&segment.file).copied();
        }
        next.generation = next.generation.saturating_add(1);
        if !sabotage::on(Sabotage::ReuseFileNumbers) {
            next.next_file = FileId(self.next_file.load(Ordering::Relaxed));
        }
        let time = self.advance_time();
        (next.time, next.clock_doubted) = (time.mark(), time.doubted());
        next.last_seq = next.last_seq.max(self.committer.last_seq());
        if !sabotage::on(Sabotage::ForgetOpenLog) {
            vouch(&mut next, self.committer.synced_log());
        }
        let dropped = prune_log(&mut next);
        if sabotage::on(Sabotage::UnlinkLogEarly) {
            self.remove_logs(&dropped);
        }
        self.reserve.note_manifest(next.collections.len(), next.files().count());
        match manifest::commit(self.disk.as_ref(), &self.dir, &next, self.new_salt()) {
            Ok(()) => *current = next,
            Err(CommitError::NothingHappened(error)) => return Err(error),
            Err(CommitError::OutcomeUnknown(error)) => {
                self.poison.set(format!("the manifest's outcome is unknown: {error}"));
                return Err(error);
            }
        }
        drop(current);
        self.remove_logs(&dropped);
        Ok(())
    }

    fn remove_logs(&self, files: &[FileId]) {
        for file in files {
            let _ = self.disk.remove(&self.path(FileName::Log(*file)));
        }
    }

    /// Lets a commit that is under way end, and no other begin.
    pub(super) fn close_manifest(&self) {
        let current = lock(&self.manifest);
        self.gate.close();
        drop(current);
    }

    /// Removes every manifest but the one in force. The directory is the caller's to sync.
    pub(crate) fn forget_manifests(&self) -> Result<()> {
        self.check_writable()?;
        let current = lock(&self.manifest);
        manifest::remove_others(self.disk.as_ref(), &self.dir, current.generation)
    }

    /// All collections, the oldest first.
    pub(crate) fn cores(&self) -> Vec<Arc<Core>> {
        let map = read(&self.collections);
        map.values().cloned().collect()
    }

    /// Adds up something of all collections; cheaper than [`Engine::cores`] where there are thousands.
    pub(super) fn fold_cores<T>(&self, start: T, add: impl FnMut(T, &Arc<Core>) -> T) -> T {
        let map = read(&self.collections);
        map.values().fold(start, add)
    }

    pub(crate) fn core(&self, id: CollectionId) -> Option<Arc<Core>> {
        let map = read(&self.collections);
        map.get(&id).cloned()
    }

    /// Newest operation that is visible.
    pub(crate) fn visible_seq(&self) -> Seq {
        self.committer.last_seq()
    }

    /// Whether workers of the store's own do what is due.
    pub(crate) const fn has_workers(&self) -> bool {
        self.background
    }

    /// How long monotonic time has run.
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// Says how much of the open log file is durable by now: what is missing of it is damage then. The
/// files that the manifest names may hold effects of its frames.
fn vouch(manifest: &mut Manifest, (file, len): (FileId, u64)) {
    for entry in manifest.log.iter_mut().filter(|entry| entry.file == file) {
        entry.synced_len = entry.synced_len.max(len);
    }
}

/// Takes the log files that are older than what any collection needs out of the chain. The newest
/// one always stays.
fn prune_log(manifest: &mut Manifest) -> Vec<FileId> {
    let from = manifest.collections.iter().map(|c| c.log_from);
    let needed = if sabotage::on(Sabotage::PruneByNewest) { from.max() } else { from.min() };
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
