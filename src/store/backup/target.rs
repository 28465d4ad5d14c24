//! Owns the directory that a backup or a restore writes to: what may be there before, and the order
//! in which it changes.
//!
//! Invariants: a file that the target's manifest names is never touched before a manifest without
//! it is in force. So a crash leaves the state before or the state after. A first backup begins
//! with the mark `UNFINISHED`, which goes once the manifest is in force. So its beginning never
//! opens as an empty store.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, SealedFile};
use crate::error::{Error, Result};
use crate::format::header::{HEADER_LEN, StoreId};
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::manifest::{self, CommitError, Found};
use crate::store::open::{create_dir, no_store, parent, read_only, stranger};

/// The argument by which callers give the directory.
const ARGUMENT: &str = "to";

/// What identifies a sealed file: its length and its header, which has a salt of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) len: u64,
    pub(super) header: Vec<u8>,
}

impl Identity {
    pub(super) fn of(file: &dyn SealedFile) -> Result<Self> {
        let mut header = vec![0; HEADER_LEN.min(file.len() as usize)];
        file.read_at(0, &mut header)?;
        Ok(Self { len: file.len(), header })
    }
}

/// What a directory holds before.
enum State {
    /// Nothing, or no directory.
    Nothing,
    /// The beginning of a first backup.
    Unfinished,
    Holds(Box<Manifest>),
}

/// A directory that takes a copy. Files that were made are removed again unless the copy is
/// committed.
pub(super) struct Target {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The state in force.
    before: Option<Manifest>,
    /// The files of an earlier backup.
    files: HashMap<FileName, Identity>,
    /// The files that were made, until the copy is committed.
    made: Vec<PathBuf>,
    /// True while the mark of a first backup is there.
    is_marked: bool,
    _lock: Box<dyn Any + Send + Sync>,
}

impl Target {
    /// Takes a directory that is new, empty, or holds the beginning of a first backup. With
    /// `update`, also one that holds an earlier backup of that store. Its parent must exist.
    pub(super) fn take(disk: &Arc<dyn Disk>, dir: &Path, update: Option<StoreId>) -> Result<Self> {
        let path = dir.join(FileName::Lock.to_string());
        // A store that is open is locked, whatever else is wrong with it.
        let lock = disk.resolve(&path).map(|_| disk.lock(&path)).transpose()?;
        // Nothing is written before this check.
        look(disk.as_ref(), dir, update)?;
        if !create_dir(disk.as_ref(), ARGUMENT, dir)? {
            disk.make_private(dir);
        }
        let lock = lock.map_or_else(|| disk.lock(&path), Ok);
        let lock = lock.map_err(|error| read_only(error, dir))?;
        let mut target = Self {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            before: None,
            files: HashMap::new(),
            made: Vec::new(),
            is_marked: false,
            _lock: lock,
        };
        // Another process may have changed it before the lock was taken.
        match look(disk.as_ref(), dir, update)? {
            State::Nothing => {
                disk.create(&target.path(FileName::Unfinished))?;
                target.begin()?;
            }
            State::Unfinished => target.begin()?,
            State::Holds(manifest) => {
                for name in manifest.files() {
                    let file = disk.open(&target.path(name))?;
                    target.files.insert(name, Identity::of(file.as_ref())?);
                }
                target.before = Some(*manifest);
            }
        }
        target.remove_others();
        Ok(target)
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, name: FileName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    /// Makes the mark of a first backup durable. An earlier attempt may have failed before that.
    fn begin(&mut self) -> Result<()> {
        self.is_marked = true;
        self.disk.sync_dir(&self.dir)?;
        self.disk.sync_dir(parent(&self.dir))
    }

    /// Returns true if the copy is a newer state of the store than the one that is there, and false
    /// if it is the same. An error if it is an older or a different one.
    pub(super) fn is_newer(&self, copy: &Manifest) -> Result<bool> {
        match &self.before {
            None => Ok(true),
            Some(before) if before.generation < copy.generation => Ok(true),
            Some(before) if before == copy => Ok(false),
            Some(before) => Err(self.refuse(format!(
                "it holds generation {} of this store, and the copy would be generation {}",
                before.generation, copy.generation
            ))),
        }
    }

    /// Returns true if the file is there already. An error if another file of its name is.
    pub(super) fn holds(&self, name: FileName, wanted: &Identity) -> Result<bool> {
        match self.files.get(&name) {
            None => Ok(false),
            Some(found) if found == wanted => Ok(true),
            Some(_) => {
                Err(self.refuse(format!("its {name} is not the file of that name in the store")))
            }
        }
    }

    /// Notes that a file is about to be made.
    pub(super) fn make(&mut self, name: FileName) -> PathBuf {
        let path = self.path(name);
        self.made.push(path.clone());
        path
    }

    /// Makes the names of the files durable that were made.
    pub(super) fn sync(&self) -> Result<()> {
        self.disk.sync_dir(&self.dir)
    }

    /// Puts the copy in force. Then removes what no longer belongs to it. Returns how many of its
    /// earlier files that are.
    pub(super) fn commit(mut self, copy: &Manifest, salt: [u8; 16]) -> Result<usize> {
        match manifest::commit(self.disk.as_ref(), &self.dir, copy, salt) {
            Ok(()) => {}
            Err(CommitError::NothingHappened(error)) => return Err(error),
            Err(CommitError::OutcomeUnknown(error)) => {
                // The new manifest may be in force, so its files stay.
                (self.made, self.is_marked) = (Vec::new(), false);
                return Err(error);
            }
        }
        self.made.clear();
        // What cannot be removed only costs space. The next backup tries again.
        self.is_marked = false;
        let _ = manifest::remove_others(self.disk.as_ref(), &self.dir, copy.generation);
        self.before = Some(copy.clone());
        Ok(self.remove_others())
    }

    /// Removes the files that the manifest in force does not name: those of an earlier backup, and
    /// the rest of one that a crash interrupted. Returns how many of the former.
    fn remove_others(&self) -> usize {
        let named: HashSet<FileName> = self.before.iter().flat_map(Manifest::files).collect();
        let mut removed = 0;
        for entry in self.disk.list(&self.dir).unwrap_or_default() {
            let name = FileName::parse(&entry.name).filter(|_| entry.is_file);
            let other = name.filter(|name| {
                let is_rest = match name {
                    FileName::ManifestTmp(_) => true,
                    FileName::Unfinished => self.before.is_some(),
                    _ => false,
                };
                is_rest || name.file().is_some() && !named.contains(name)
            });
            if other.is_some_and(|name| self.disk.remove(&self.path(name)).is_ok()) {
                removed += usize::from(other.is_some_and(|name| self.files.contains_key(&name)));
            }
        }
        removed
    }

    fn refuse(&self, found: String) -> Error {
        refuse(&self.dir, &found)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let made = std::mem::take(&mut self.made);
        let mut is_clean = true;
        for path in made {
            let removed = self.disk.remove(&path);
            // A file that was not made yet is no rest.
            is_clean &= removed.is_ok() || self.disk.open(&path).is_err();
        }
        // The mark is the last to go, also after a crash.
        if self.is_marked && is_clean && self.disk.sync_dir(&self.dir).is_ok() {
            let _ = self.disk.remove(&self.path(FileName::Unfinished));
        }
    }
}

/// Returns an error for a directory that cannot take the copy.
pub(super) fn refuse(dir: &Path, found: &str) -> Error {
    let reason = format!("{} cannot take the copy: {found}; give a new directory", dir.display());
    Error::option(ARGUMENT, reason)
}

/// Returns what a directory holds. An error if it cannot take the copy.
fn look(disk: &dyn Disk, dir: &Path, update: Option<StoreId>) -> Result<State> {
    let listed = match disk.list(dir) {
        Ok(listed) => listed,
        Err(error) => match no_store(error, dir) {
            Error::NotFound { .. } => return Ok(State::Nothing),
            error => return Err(error),
        },
    };
    if let Some(name) = stranger(listed.iter().map(|entry| entry.name.as_str())) {
        return Err(refuse(dir, &format!("it holds {name}")));
    }
    let names: Vec<FileName> =
        listed.iter().filter_map(|entry| FileName::parse(&entry.name)).collect();
    let has_manifest =
        names.iter().any(|name| matches!(name, FileName::Manifest(_) | FileName::ManifestOld(_)));
    if names.contains(&FileName::Unfinished) && !has_manifest {
        return Ok(State::Unfinished);
    }
    let found = match manifest::load(disk, dir)? {
        Found::Nothing => return Ok(State::Nothing),
        Found::Manifest(found) => found,
    };
    let Some(store) = update else {
        return Err(refuse(dir, "it holds a store"));
    };
    if found.store != store {
        return Err(refuse(dir, "it holds another store, or a backup of another one"));
    }
    // The log of a backup has ended. Whoever opens it for writing continues the log.
    if found.log.last().is_none_or(|log| log.valid_len.is_none()) {
        return Err(refuse(dir, "it was opened for writing, so it is a store of its own"));
    }
    Ok(State::Holds(found))
}

/// Copies a file and syncs it. Reads it back and compares it with what was copied. `go_on` is asked
/// before each piece.
pub(super) fn copy(
    disk: &dyn Disk,
    from: &dyn SealedFile,
    to: &Path,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let mut made = disk.create(to)?;
    let written = pieces(from, go_on, &mut |piece| made.append(piece))?;
    made.sync()?;
    drop(made);
    let copied = disk.open(to)?;
    if copied.len() != from.len() || pieces(copied.as_ref(), go_on, &mut |_| Ok(()))? != written {
        return Err(Error::corrupt(to, 0, "the copy differs from what was copied"));
    }
    Ok(())
}

/// Reads a file piece by piece. Returns the checksum of all.
fn pieces(
    file: &dyn SealedFile,
    go_on: &dyn Fn() -> Result<()>,
    visit: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u32> {
    const PIECE: u64 = 1 << 20;
    let mut buffer = vec![0; PIECE.min(file.len()) as usize];
    let (mut checksum, mut at) = (crc32fast::Hasher::new(), 0);
    while at < file.len() {
        go_on()?;
        let len = PIECE.min(file.len() - at) as usize;
        let piece = buffer.get_mut(..len).unwrap_or_default();
        file.read_at(at, piece)?;
        checksum.update(piece);
        visit(piece)?;
        at += len as u64;
    }
    Ok(checksum.finalize())
}
