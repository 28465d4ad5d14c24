//! Owns the directory of an open store: its path and disk, the identity of the store, and the names
//! and headers of its files. Decides whether a file may be created or removed there now. Knows
//! nothing of the content of files.
//!
//! A directory may be moved away or removed while its store is open. Another store may then be
//! created under its path, with the same file names. A store knows only paths, so it checks the
//! directory's owner before it creates or removes a file.

pub(crate) mod gate;
pub(crate) mod guard;
pub(crate) mod sizes;

use std::collections::HashSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dir::gate::{Gate, RunningJob};
use crate::dir::guard::{FileGuard, HeldFiles, header};
use crate::dir::sizes::{CountingDisk, Sizes};
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
    /// The disk below that, which counts nothing.
    uncounted: Arc<dyn Disk>,
    /// The sizes of the files; `None` where another process writes them.
    counted: Option<Arc<CountingDisk>>,
    store: StoreId,
    read_only: bool,
    gate: Gate,
    poison: Arc<Poison>,
    held: Arc<HeldFiles>,
    /// Files that jobs are writing and that no manifest names yet.
    unfinished: Mutex<HashSet<FileName>>,
    /// The segments whose vectors and bodies are read through an open file.
    open_files: Arc<OpenFiles>,
    salt: AtomicU64,
}

impl fmt::Debug for StoreDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreDir").field("root", &self.root).finish_non_exhaustive()
    }
}

impl StoreDir {
    /// Creates the state of the directory at `root`. The salts of new files start from `seed`. At
    /// most `files_to_read` segments are kept open.
    pub(crate) fn new(
        uncounted: Arc<dyn Disk>,
        root: PathBuf,
        store: StoreId,
        read_only: bool,
        seed: u64,
        files_to_read: usize,
    ) -> Self {
        let (process, poison) = (uncounted.process_id(), Arc::<Poison>::default());
        let counted =
            (!read_only).then(|| Arc::new(CountingDisk::new(Arc::clone(&uncounted), &root)));
        let disk: Arc<dyn Disk> = match &counted {
            Some(counting) => Arc::clone(counting) as Arc<dyn Disk>,
            None => Arc::clone(&uncounted),
        };
        let held = HeldFiles::new(Arc::clone(&disk), store, process, Arc::clone(&poison));
        Self {
            root,
            disk,
            uncounted,
            counted,
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

    /// Returns the path of the directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// Returns the disk, for another store in the same directory or for another directory.
    pub(crate) fn shared_disk(&self) -> &Arc<dyn Disk> {
        &self.uncounted
    }

    /// Returns the sizes of the files. O(files), without a word to the file system; a store that
    /// was opened read-only lists its directory.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        match &self.counted {
            Some(counted) => Ok(counted.sizes()),
            None => self.listed_sizes(),
        }
    }

    /// Returns the bytes that the file system has allocated for the files. Lists the directory.
    pub(crate) fn listed_sizes(&self) -> Result<Sizes> {
        let mut sizes = Sizes::default();
        for name in self.list()?.iter().filter_map(|entry| FileName::parse(&entry.name)) {
            sizes.add(name, self.allocated_bytes(name));
        }
        Ok(sizes)
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

    /// Returns the path of a file of the store.
    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.root.join(name.to_string())
    }

    /// Returns the entries of the directory.
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

    /// Returns the bytes that the file system has allocated for a file; 0 if there is no such file.
    pub(crate) fn allocated_bytes(&self, name: FileName) -> u64 {
        // The file may have been removed since the directory was listed.
        self.disk.allocated_bytes(&self.path(name)).unwrap_or(0)
    }

    /// Returns the header of a new file of this store.
    pub(crate) fn header(&self, kind: FileKind, file: FileId) -> FileHeader {
        FileHeader { kind, store: self.store, file, salt: self.new_salt() }
    }

    /// Returns 16 bytes that distinguish a file from any other. They are not a secret.
    pub(crate) fn new_salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        for half in salt.chunks_exact_mut(8) {
            let state = self.salt.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            half.copy_from_slice(&mix(state).to_le_bytes());
        }
        salt
    }

    /// Returns a guard that keeps a file while a snapshot uses it.
    pub(crate) fn guard(&self, name: FileName, len: u64) -> FileGuard {
        FileGuard::new(Arc::clone(&self.held), self.path(name), len)
    }

    /// Returns the files that left the manifest and are still held.
    pub(crate) fn held(&self) -> &HeldFiles {
        &self.held
    }

    /// Notes that a job is about to create a file that no manifest names yet.
    pub(crate) fn begin_file(&self, name: FileName) {
        lock(&self.unfinished).insert(name);
    }

    /// Notes that the manifest now names these files, or that they were removed.
    pub(crate) fn end_files(&self, names: &[FileName]) {
        lock(&self.unfinished).retain(|name| !names.contains(name));
    }

    /// Returns the files that jobs are writing.
    pub(crate) fn unfinished(&self) -> HashSet<FileName> {
        lock(&self.unfinished).clone()
    }

    /// Returns a permit to keep a segment's file open. A segment without a permit is read through
    /// its map.
    pub(crate) fn permit_to_read(&self) -> Option<Permit> {
        self.open_files.permit()
    }

    /// Returns how many files are kept open for reading.
    pub(crate) fn open_files(&self) -> usize {
        self.open_files.open()
    }

    /// Poisons the writer and returns an error unless the manifest of this generation is in the
    /// directory and belongs to this store. The caller ensures that nothing removes that manifest
    /// meanwhile.
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

    /// Returns an error in a process other than the one that opened the store.
    pub(crate) fn check_process(&self) -> Result<()> {
        let (opened_by, process) = (self.gate.process(), self.disk.process_id());
        if opened_by == process { Ok(()) } else { Err(Error::Forked { opened_by, process }) }
    }

    /// Returns an error once the store was closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.gate.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Returns an error unless writes are possible.
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.read_only {
            return Err(Error::ReadOnly { path: self.root.clone() });
        }
        self.check_process()?;
        self.poison.check()
    }

    /// Begins a job that writes files. An error once the store is closing, because handles outlive
    /// the lock of the store.
    pub(crate) fn begin_job(&self) -> Result<RunningJob<'_>> {
        self.check_writable()?;
        self.gate.begin()
    }

    /// Returns true if files that the manifest does not name may be removed. They may not while an
    /// outcome is unknown, because the manifest on the disk may name them, nor if the directory
    /// belongs to another store. They are orphans then, and the next open removes them.
    pub(crate) fn may_clean_up(&self) -> bool {
        broken!(CleanUpInDoubt => return true);
        self.check_writable().is_ok()
    }
}
