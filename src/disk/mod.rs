//! Owns the access to files: the only module that names `std::fs` or maps anything. Everything
//! above uses the `Disk` trait, so that every fault can be simulated. The meaning of the bytes is
//! not known here.
//!
//! Assumptions about the medium: after a successful sync of a file and of its directory, content
//! and name are durable. Bytes outside a written range do not change. A rename is atomic with
//! respect to a crash. Not assumed: atomic sectors, any order of writes, zero fill.
//!
//! A file is created once, appended to and synced. From then on it is only read: nothing is
//! overwritten or truncated (I2). So a backup may share it under a second name.

mod map;
mod open_files;
mod real;

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use map::{AnonMap, Mapped};
pub(crate) use open_files::{OpenFile, OpenFiles, Permit};
pub(crate) use real::RealDisk;

use crate::error::Result;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) is_file: bool,
}

/// The line of code that asked for an operation on which the order on the disk depends. The
/// simulator leaves out one such place at a time, to show that each is needed.
pub(crate) type Site = &'static Location<'static>;

/// Everything that a store does to the file system. Callers use the methods of `dyn Disk` below for
/// operations that order things: they add the place of the call.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Creates a directory that only its owner may enter. Returns true if it did not exist before.
    /// Its name is durable once the parent is synced.
    fn create_dir(&self, path: &Path) -> Result<bool>;
    /// Lets only its owner enter a directory that existed before. Does nothing on a system without
    /// such rights, or if somebody else owns the directory.
    fn make_private(&self, _dir: &Path) {}
    /// Returns the entries of a directory, in no order. Parts of a name that are not Unicode are
    /// replaced by marks; no file of a store has such a name.
    fn list(&self, dir: &Path) -> Result<Vec<Listed>>;
    /// Creates a new file; an existing one is an error.
    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>>;
    /// Opens a file that nobody writes any more.
    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>>;
    /// See `link` below.
    fn link_at(&self, from: &Path, to: &Path, site: Site) -> Result<()>;
    /// See `rename` below.
    fn rename_at(&self, from: &Path, to: &Path, site: Site) -> Result<()>;
    /// See `remove` below.
    fn remove_at(&self, path: &Path, site: Site) -> Result<()>;
    /// See `sync_dir` below.
    fn sync_dir_at(&self, dir: &Path, site: Site) -> Result<()>;
    /// Returns the path without links, if it exists.
    fn resolve(&self, path: &Path) -> Option<PathBuf>;
    /// Takes the lock of a store. It is held until the result is dropped.
    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>>;
    /// Returns the bytes that the file system has allocated for a file.
    fn allocated_bytes(&self, path: &Path) -> Result<u64>;
    /// Returns the files of a directory that this process maps, with the resident bytes of each.
    /// Empty on systems that do not report them. O(maps of the process).
    fn resident(&self, _dir: &Path) -> Vec<(String, u64)> {
        Vec::new()
    }
    /// Returns the id of the calling process. A child made by fork has another one.
    fn process_id(&self) -> u32 {
        std::process::id()
    }
}

impl<'d> dyn Disk + 'd {
    /// Gives a sealed file a second name, which must be free, possibly in another directory. The
    /// file has one content under both names, and stays until both are removed. An error where the
    /// file system has no such names, or none across directories.
    #[track_caller]
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.link_at(from, to, Location::caller())
    }

    /// Gives a file a new name, which must be free.
    #[track_caller]
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.rename_at(from, to, Location::caller())
    }

    /// Removes a file's name. Maps of the file stay readable.
    #[track_caller]
    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        self.remove_at(path, Location::caller())
    }

    /// Makes the names in a directory durable.
    #[track_caller]
    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.sync_dir_at(dir, Location::caller())
    }
}

/// A file that is being written.
pub(crate) trait AppendFile: Send {
    /// Writes all bytes at the end. After an error the end is unknown, so nothing more may be
    /// appended.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;
    /// See `sync` below.
    fn sync_at(&mut self, site: Site) -> Result<()>;
}

impl<'f> dyn AppendFile + 'f {
    /// Makes the content durable. `sync_dir` makes the name durable.
    #[track_caller]
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.sync_at(Location::caller())
    }
}

/// A file that nobody writes any more.
pub(crate) trait SealedFile: fmt::Debug + Send + Sync {
    fn len(&self) -> u64;
    /// Fills `buffer` from `offset` on.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;
    /// Maps the whole file.
    fn map(&self) -> Result<Mapped>;
}
