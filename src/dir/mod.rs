//! Owns the directory of an open store: its path and its disk, the identity of the store, the names
//! and headers of its files, and the question whether a file may be made or removed there now.
//! Knows nothing of what the files hold.
//!
//! A directory may be moved away or removed while its store is open, and another store may be made
//! under its name, whose files are called the same. Paths are all that a store has, so it looks
//! before it makes or removes a file.

pub(crate) mod gate;
pub(crate) mod guard;

use std::collections::HashSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dir::gate::{Gate, RunningJob};
use crate::dir::guard::{FileGuard, HeldFiles, header};
use crate::disk::{Disk, Listed, OpenFiles, Permit};
use crate::error::{Error, Result};
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::poison::Poison;
use crate::sabotage::broken;
use crate::splitmix::mix;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// The directory of one open store.
pub(crate) struct StoreDir {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    store: StoreId,
    read_only: bool,
    gate: Gate,
    poison: Arc<Poison>,
    held: Arc<HeldFiles>,
    /// Files that jobs are writing and that no manifest names yet.
    unfinished: Mutex<HashSet<FileName>>,
    /// The segments whose vectors and bodies are read from the open file.
    open_files: Arc<OpenFiles>,
    salt: AtomicU64,
}

impl fmt::Debug for StoreDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreDir").field("root", &self.root).finish_non_exhaustive()
    }
}

impl StoreDir {
    /// `seed` is where the salts of new files begin; at most `files_to_read` segments are kept
    /// open.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        root: PathBuf,
        store: StoreId,
        read_only: bool,
        seed: u64,
        files_to_read: usize,
    ) -> Self {
        let (process, poison) = (disk.process_id(), Arc::<Poison>::default());
        let held = HeldFiles::new(Arc::clone(&disk), store, process, Arc::clone(&poison));
        Self {
            root,
            disk,
            store,
            read_only,
            gate: Gate::new(process),
            poison,
            held: Arc::new(held),
            unfinished: Mutex::default(),
            open_files: OpenFiles::new(files_to_read),
            salt: AtomicU64::new(seed),
        }
    }

    /// The path of the directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// The disk, for another store in the same directory.
    pub(crate) fn shared_disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) const fn store(&self) -> StoreId {
        self.store
    }

    pub(crate) const fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) const fn poison(&self) -> &Arc<Poison> {
        &self.poison
    }

    /// The path of a file of the store.
    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.root.join(name.to_string())
    }

    /// The entries of the directory.
    pub(crate) fn list(&self) -> Result<Vec<Listed>> {
        self.disk.list(&self.root)
    }

    /// Removes a file of the store.
    #[track_caller]
    pub(crate) fn remove(&self, name: FileName) -> Result<()> {
        self.disk.remove(&self.path(name))
    }

    /// Makes the names in the directory durable.
    #[track_caller]
    pub(crate) fn sync_names(&self) -> Result<()> {
        self.disk.sync_dir(&self.root)
    }

    /// Bytes that the file system has allocated for a file; 0 if it is not there.
    pub(crate) fn allocated_bytes(&self, name: FileName) -> u64 {
        // A file may go between a look at the directory and this one.
        self.disk.allocated_bytes(&self.path(name)).unwrap_or(0)
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

    /// Holds a file on behalf of snapshots.
    pub(crate) fn guard(&self, name: FileName, len: u64) -> FileGuard {
        FileGuard::new(Arc::clone(&self.held), self.path(name), len)
    }

    /// The files that left the manifest and are still held.
    pub(crate) fn held(&self) -> &HeldFiles {
        &self.held
    }

    /// Notes that a job is about to create a file which no manifest names yet.
    pub(crate) fn begin_file(&self, name: FileName) {
        lock(&self.unfinished).insert(name);
    }

    /// Notes that these files are named by the manifest, or gone.
    pub(crate) fn end_files(&self, names: &[FileName]) {
        lock(&self.unfinished).retain(|name| !names.contains(name));
    }

    /// The files that jobs are writing.
    pub(crate) fn unfinished(&self) -> HashSet<FileName> {
        lock(&self.unfinished).clone()
    }

    /// The right to keep a segment open; without it, it is read through its map.
    pub(crate) fn permit_to_read(&self) -> Option<Permit> {
        self.open_files.permit()
    }

    /// How many files are kept open to be read.
    pub(crate) fn open_files(&self) -> usize {
        self.open_files.open()
    }

    /// An error, and poison, unless the manifest of this generation is in the directory and is this
    /// store's. The caller sees to it that nobody removes that manifest meanwhile.
    pub(crate) fn check_owner(&self, generation: u64) -> Result<()> {
        let path = self.path(FileName::Manifest(generation));
        match header(self.disk(), &path) {
            Ok(found) if found.store == self.store && found.file.0 == generation => return Ok(()),
            Ok(_) => {}
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.poison.set("the directory was moved away, removed or replaced");
        self.poison.check()
    }

    /// An error in a process that inherited the store from the one that opened it.
    pub(crate) fn check_process(&self) -> Result<()> {
        let (opened_by, process) = (self.gate.process(), self.disk.process_id());
        if opened_by == process { Ok(()) } else { Err(Error::Forked { opened_by, process }) }
    }

    /// An error once the store was closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.gate.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// An error unless writes are possible.
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.read_only {
            return Err(Error::ReadOnly { path: self.root.clone() });
        }
        self.check_process()?;
        self.poison.check()
    }

    /// Begins a job that writes files. A store that is closing or was closed takes none: its
    /// handles outlive it, its lock does not.
    pub(crate) fn begin_job(&self) -> Result<RunningJob<'_>> {
        self.check_writable()?;
        self.gate.begin()
    }

    /// Whether files that are not part of the store may be removed: not while an outcome is unknown
    /// (the manifest on the disk may name them), nor when the directory belongs to somebody else.
    /// They are orphans then, for whoever opens the store next.
    pub(crate) fn may_clean_up(&self) -> bool {
        broken!(CleanUpInDoubt => return true);
        self.check_writable().is_ok()
    }
}
