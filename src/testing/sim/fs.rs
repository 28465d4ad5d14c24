//! Owns the state of a simulated file system: for each file and directory, the content that readers
//! see (the cache) and the content of the medium. Stricter than ext4: the sync of a file does not
//! make its name durable, and unsynced changes have no order.
//!
//! A clone is cheap: contents are shared until they change. Planned faults are in `mod.rs`, the
//! results of a crash in `image.rs`.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::splitmix::SplitMix;

/// The number of a file, whatever its names.
pub(crate) type Inode = u64;

/// The state of cache and medium after a failed sync. In each model the system considers the pages
/// clean from then on, so that a later sync succeeds and proves nothing (Rebello et al., "Can
/// applications recover from fsync failures?", USENIX ATC 2020, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncModel {
    /// The cache has the new bytes, the medium the old ones.
    Kept,
    /// Both have lost the new bytes: what readers saw is gone.
    Dropped,
    /// The cache has the new bytes, and the medium some sectors of them.
    Part,
    /// Both have the new bytes, in spite of the error.
    Written,
}

/// The unsynced bytes `start..end` of a file; `order` counts all changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) order: u64,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) cache: Arc<Vec<u8>>,
    pub(super) medium: Arc<Vec<u8>>,
    pub(super) pending: Vec<Piece>,
}

/// A change to a directory.
#[derive(Clone, Debug)]
pub(super) enum NameOp {
    Create(String, Inode),
    Rename(String, String, Inode),
    Remove(String, Inode),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Dir {
    pub(super) names: BTreeMap<String, Inode>,
    pub(super) durable: BTreeMap<String, Inode>,
    pub(super) pending: Vec<(u64, NameOp)>,
    /// True if its own name is durable in its parent.
    pub(super) anchored: bool,
}

/// A simulated file system.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileSystem {
    pub(super) dirs: BTreeMap<PathBuf, Arc<Dir>>,
    pub(super) files: BTreeMap<Inode, Arc<File>>,
    order: u64,
    next: Inode,
}

fn missing() -> Error {
    ErrorKind::NotFound.into()
}

/// Splits a path into its directory and its name.
fn split(path: &Path) -> Result<(&Path, String)> {
    let name = path.file_name().and_then(|n| n.to_str()).ok_or(ErrorKind::InvalidInput)?;
    Ok((path.parent().unwrap_or(Path::new("")), name.to_owned()))
}

/// Applies a change to a list of names.
pub(super) fn apply(names: &mut BTreeMap<String, Inode>, op: &NameOp) {
    let remove = |names: &mut BTreeMap<String, Inode>, name: &String, inode: &Inode| {
        if names.get(name) == Some(inode) {
            names.remove(name);
        }
    };
    match op {
        NameOp::Create(name, inode) => drop(names.insert(name.clone(), *inode)),
        NameOp::Rename(from, to, inode) => {
            remove(names, from, inode);
            names.insert(to.clone(), *inode);
        }
        NameOp::Remove(name, inode) => remove(names, name, inode),
    }
}

/// Overwrites bytes of a content, which grows with zeros if necessary.
pub(super) fn put(content: &mut Vec<u8>, start: usize, bytes: &[u8]) {
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

impl FileSystem {
    pub(super) fn tick(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Continues the numbering of another state, so that no number is assigned twice.
    pub(super) fn go_on_from(&mut self, other: &Self) {
        (self.order, self.next) = (other.order, other.next);
    }

    fn dir(&self, path: &Path) -> Result<&Arc<Dir>> {
        self.dirs.get(path).ok_or_else(missing)
    }

    fn dir_mut(&mut self, path: &Path) -> Result<&mut Dir> {
        self.dirs.get_mut(path).map(Arc::make_mut).ok_or_else(missing)
    }

    fn file_mut(&mut self, inode: Inode) -> Result<&mut File> {
        self.files.get_mut(&inode).map(Arc::make_mut).ok_or_else(missing)
    }

    pub(super) fn find(&self, path: &Path) -> Result<Inode> {
        let (dir, name) = split(path)?;
        if self.dirs.contains_key(path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.dir(dir)?.names.get(&name).copied().ok_or_else(missing)
    }

    pub(crate) fn make_dir(&mut self, path: &Path) -> bool {
        let new = !self.dirs.contains_key(path);
        self.dirs.entry(path.to_owned()).or_default();
        new
    }

    pub(super) fn create(&mut self, path: &Path) -> Result<Inode> {
        let (dir, name) = split(path)?;
        if self.dir(dir)?.names.contains_key(&name) || self.dirs.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (order, inode) = (self.tick(), self.next);
        self.next += 1;
        self.files.insert(inode, Arc::default());
        self.change(dir, order, NameOp::Create(name, inode))?;
        Ok(inode)
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> Result<()> {
        let (dir, name) = split(to)?;
        if self.dir(dir)?.names.contains_key(&name) || self.dirs.contains_key(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (inode, order) = (self.find(from)?, self.tick());
        self.change(dir, order, NameOp::Create(name, inode))
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        let ((dir, old), (other, new)) = (split(from)?, split(to)?);
        let taken = self.dir(dir)?.names.contains_key(&new) || self.dirs.contains_key(to);
        if dir != other || taken {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (inode, order) = (self.find(from)?, self.tick());
        self.change(dir, order, NameOp::Rename(old, new, inode))
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<()> {
        let (dir, name) = split(path)?;
        let (inode, order) = (self.find(path)?, self.tick());
        self.change(dir, order, NameOp::Remove(name, inode))
    }

    fn change(&mut self, dir: &Path, order: u64, op: NameOp) -> Result<()> {
        let dir = self.dir_mut(dir)?;
        apply(&mut dir.names, &op);
        dir.pending.push((order, op));
        Ok(())
    }

    pub(super) fn append(&mut self, inode: Inode, bytes: &[u8]) -> Result<()> {
        let order = self.tick();
        let file = self.file_mut(inode)?;
        let start = file.cache.len();
        Arc::make_mut(&mut file.cache).extend_from_slice(bytes);
        file.pending.push(Piece { order, start, end: start + bytes.len() });
        Ok(())
    }

    pub(super) fn sync(&mut self, inode: Inode) -> Result<()> {
        let file = self.file_mut(inode)?;
        if file.pending.first().is_some_and(|p| p.start == file.medium.len())
            && file.pending.windows(2).all(|w| w[0].end == w[1].start)
            && file.pending.last().is_some_and(|p| p.end == file.cache.len())
            && file.cache.starts_with(&file.medium)
        {
            file.medium = Arc::clone(&file.cache);
        } else {
            let medium = Arc::make_mut(&mut file.medium);
            for piece in &file.pending {
                put(medium, piece.start, &file.cache[piece.start..piece.end]);
            }
        }
        file.pending.clear();
        Ok(())
    }

    /// Does a sync that reports an error.
    pub(super) fn fail_sync(&mut self, inode: Inode, model: SyncModel, rng: &mut SplitMix) {
        let Ok(file) = self.file_mut(inode) else { return };
        let pending = std::mem::take(&mut file.pending);
        for piece in pending {
            for start in (piece.start..piece.end).step_by(512) {
                let end = (start + 512).min(piece.end);
                let through = match model {
                    SyncModel::Written => true,
                    SyncModel::Part => rng.below(2) == 0,
                    SyncModel::Kept | SyncModel::Dropped => false,
                };
                if through {
                    put(Arc::make_mut(&mut file.medium), start, &file.cache[start..end]);
                } else if model == SyncModel::Dropped {
                    Arc::make_mut(&mut file.cache)[start..end].fill(0);
                }
            }
            // The size of a file does not depend on its pages.
            let medium = Arc::make_mut(&mut file.medium);
            medium.resize(medium.len().max(piece.end), 0);
        }
    }

    pub(crate) fn sync_dir(&mut self, path: &Path) -> Result<()> {
        for (child, dir) in &mut self.dirs {
            if child.parent() == Some(path) && !dir.anchored {
                Arc::make_mut(dir).anchored = true;
            }
        }
        if let Ok(dir) = self.dir_mut(path) {
            dir.durable = dir.names.clone();
            dir.pending.clear();
        }
        Ok(())
    }

    /// Does a directory sync that reports an error.
    pub(super) fn fail_sync_dir(&mut self, path: &Path, model: SyncModel) {
        let Ok(dir) = self.dir_mut(path) else { return };
        match model {
            // Still pending: a crash may leave the old names or the new ones.
            SyncModel::Part => {}
            SyncModel::Written => {
                dir.durable = dir.names.clone();
                dir.pending.clear();
            }
            // Forgotten: no later sync writes them.
            SyncModel::Kept | SyncModel::Dropped => dir.pending.clear(),
        }
    }

    /// Returns the names of files and directories in a directory, as readers see them.
    pub(crate) fn names(&self, dir: &Path) -> Result<Vec<String>> {
        let files = self.dir(dir)?.names.keys().cloned();
        let dirs = self
            .dirs
            .keys()
            .filter(|d| d.parent() == Some(dir))
            .filter_map(|d| d.file_name().map(|name| name.to_string_lossy().into_owned()));
        Ok(files.chain(dirs).collect())
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        self.dirs.contains_key(path)
    }

    /// Returns a file's bytes, as readers see them.
    pub(super) fn content(&self, inode: Inode) -> Result<&Arc<Vec<u8>>> {
        self.files.get(&inode).map(|f| &f.cache).ok_or_else(missing)
    }

    /// Returns a file's bytes, as readers see them.
    pub(crate) fn read(&self, path: &Path) -> Result<&Arc<Vec<u8>>> {
        self.content(self.find(path)?)
    }

    /// Replaces a file's bytes durably: damage, not a write. Creates a missing file.
    pub(crate) fn damage(&mut self, path: &Path, bytes: Vec<u8>) -> Result<()> {
        let inode = match self.find(path) {
            Ok(inode) => inode,
            Err(_) => self.create(path)?,
        };
        let bytes = Arc::new(bytes);
        let file = File { cache: Arc::clone(&bytes), medium: bytes, pending: Vec::new() };
        self.files.insert(inode, Arc::new(file));
        self.sync_dir(path.parent().unwrap_or(Path::new("")))
    }

    /// Removes a name durably: damage.
    pub(crate) fn lose(&mut self, path: &Path) -> Result<()> {
        self.remove(path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new("")))
    }

    /// Replaces a file by an empty directory, durably: damage.
    pub(crate) fn obstruct(&mut self, path: &Path) -> Result<()> {
        self.lose(path)?;
        self.make_dir(path);
        self.sync_dir(path.parent().unwrap_or(Path::new("")))
    }

    /// Removes an empty directory.
    pub(crate) fn clear(&mut self, path: &Path) {
        self.dirs.remove(path);
    }

    /// Returns true if a file has a durable name and all its bytes are on the medium.
    pub(crate) fn is_durable(&self, path: &Path) -> bool {
        let Ok((dir, name)) = split(path) else { return false };
        let named = self.dir(dir).ok().and_then(|d| d.durable.get(&name).copied());
        let file = named.and_then(|inode| self.files.get(&inode));
        file.is_some_and(|f| f.pending.is_empty() && f.cache == f.medium)
    }

    /// Returns the names that any power cut would leave.
    pub(crate) fn durable_names(&self, dir: &Path) -> Vec<String> {
        self.dir(dir).map(|d| d.durable.keys().cloned().collect()).unwrap_or_default()
    }

    /// Returns the bytes of all files that have a name.
    pub(crate) fn used(&self) -> u64 {
        let named = self.dirs.values().flat_map(|d| d.names.values());
        named.filter_map(|inode| self.files.get(inode)).map(|f| f.cache.len() as u64).sum()
    }
}
