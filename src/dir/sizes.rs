//! Owns the sizes of the files in the directory of a store, as they are created, appended to,
//! renamed and removed. So statistics ask nothing of the file system.
//!
//! A size is counted as whole blocks. Sealed files never change (I2), and only this process writes
//! here, so what was counted stays true. A store that is read beside its writer has no such
//! knowledge, and is listed instead.

use std::any::Any;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{AppendFile, Disk, Listed, SealedFile, Site};
use crate::error::Result;
use crate::format::names::FileName;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// Bytes of a block: file systems allocate whole ones, and most have blocks of this size.
const BLOCK: u64 = 4096;

/// What the files of a store take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Bytes of all files but the reserve.
    pub(crate) bytes: u64,
    /// The part in log files, and how many there are.
    pub(crate) log_bytes: u64,
    pub(crate) log_files: usize,
    /// Bytes of the reserve.
    pub(crate) reserve: u64,
}

impl Sizes {
    /// Adds a file.
    pub(crate) fn add(&mut self, name: FileName, bytes: u64) {
        if name == FileName::Reserve {
            self.reserve += bytes;
            return;
        }
        self.bytes += bytes;
        if matches!(name, FileName::Log(_)) {
            self.log_bytes += bytes;
            self.log_files += 1;
        }
    }
}

/// A disk that counts what is written below one directory.
#[derive(Debug)]
pub(super) struct CountingDisk {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    files: Mutex<HashMap<FileName, Arc<AtomicU64>>>,
}

impl CountingDisk {
    /// Counts what is there, with one listing. What cannot be listed counts as nothing: an error of
    /// the directory shows where it is used.
    pub(super) fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        let listed = disk.list(root).unwrap_or_default();
        let named = listed.iter().filter_map(|entry| FileName::parse(&entry.name));
        let counted = named.map(|name| {
            let bytes = disk.allocated_bytes(&root.join(name.to_string())).unwrap_or(0);
            (name, Arc::new(AtomicU64::new(bytes)))
        });
        let files = Mutex::new(counted.collect());
        Self { disk, root: root.to_owned(), files }
    }

    /// Returns the sum. O(files).
    pub(super) fn sizes(&self) -> Sizes {
        let mut sizes = Sizes::default();
        for (name, bytes) in lock(&self.files).iter() {
            sizes.add(*name, bytes.load(Ordering::Relaxed).next_multiple_of(BLOCK));
        }
        sizes
    }

    /// Returns the name of a file of the store; `None` for any other path.
    fn name(&self, path: &Path) -> Option<FileName> {
        let name = path.file_name()?.to_str()?;
        (path.parent() == Some(&self.root)).then(|| FileName::parse(name)).flatten()
    }

    /// Moves the count of one path to another, of which either may be elsewhere.
    fn moved(&self, from: &Path, to: &Path, keep: bool) {
        let mut files = lock(&self.files);
        let count = self.name(from).and_then(|name| match keep {
            true => files.get(&name).cloned(),
            false => files.remove(&name),
        });
        if let Some(name) = self.name(to) {
            let elsewhere = || Arc::new(AtomicU64::new(self.disk.allocated_bytes(to).unwrap_or(0)));
            files.insert(name, count.unwrap_or_else(elsewhere));
        }
    }
}

impl Disk for CountingDisk {
    fn create_dir(&self, path: &Path) -> Result<bool> {
        self.disk.create_dir(path)
    }

    fn make_private(&self, dir: &Path) {
        self.disk.make_private(dir);
    }

    fn list(&self, dir: &Path) -> Result<Vec<Listed>> {
        self.disk.list(dir)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let file = self.disk.create(path)?;
        let Some(name) = self.name(path) else { return Ok(file) };
        let bytes = Arc::<AtomicU64>::default();
        lock(&self.files).insert(name, Arc::clone(&bytes));
        Ok(Box::new(CountingFile { file, bytes }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>> {
        self.disk.open(path)
    }

    fn link_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        self.disk.link_at(from, to, site)?;
        self.moved(from, to, true);
        Ok(())
    }

    fn rename_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        self.disk.rename_at(from, to, site)?;
        self.moved(from, to, false);
        Ok(())
    }

    fn remove_at(&self, path: &Path, site: Site) -> Result<()> {
        self.disk.remove_at(path, site)?;
        if let Some(name) = self.name(path) {
            lock(&self.files).remove(&name);
        }
        Ok(())
    }

    fn sync_dir_at(&self, dir: &Path, site: Site) -> Result<()> {
        self.disk.sync_dir_at(dir, site)
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        self.disk.resolve(path)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(path)
    }

    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        self.disk.allocated_bytes(path)
    }

    fn resident(&self, dir: &Path) -> Vec<(String, u64)> {
        self.disk.resident(dir)
    }

    fn process_id(&self) -> u32 {
        self.disk.process_id()
    }
}

/// A file whose bytes are counted.
struct CountingFile {
    file: Box<dyn AppendFile>,
    bytes: Arc<AtomicU64>,
}

impl AppendFile for CountingFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.append(bytes)?;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn sync_at(&mut self, site: Site) -> Result<()> {
        self.file.sync_at(site)
    }
}
