//! Owns a disk in RAM without faults. The targets put files there, and a store may change them.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{AppendFile, Disk, Listed, Mapped, SealedFile, Site};
use crate::error::{Error, Result};
use crate::sync::{Mutex, lock};

type Files = Arc<Mutex<BTreeMap<PathBuf, Arc<Vec<u8>>>>>;

/// Files in RAM. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk {
    files: Files,
}

impl MemoryDisk {
    /// Writes a file, and replaces one with this name.
    pub(super) fn put(&self, dir: &Path, name: &str, bytes: Vec<u8>) {
        lock(&self.files).insert(dir.join(name), Arc::new(bytes));
    }

    /// As [`MemoryDisk::put`], but copies the bytes only when they change.
    pub(super) fn share(&self, dir: &Path, name: &str, bytes: &Arc<Vec<u8>>) {
        lock(&self.files).insert(dir.join(name), Arc::clone(bytes));
    }

    /// Returns a copy of a file; empty if there is none.
    pub(super) fn copy(&self, dir: &Path, name: &str) -> Vec<u8> {
        lock(&self.files).get(&dir.join(name)).map(|bytes| bytes.to_vec()).unwrap_or_default()
    }

    /// Returns a copy of all files by name.
    pub(super) fn all(&self) -> BTreeMap<String, Vec<u8>> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        lock(&self.files).iter().map(|(path, bytes)| (name(path), bytes.to_vec())).collect()
    }

    fn get(&self, op: &'static str, path: &Path) -> Result<Arc<Vec<u8>>> {
        let found = lock(&self.files).get(path).cloned();
        found.ok_or_else(|| Error::io(op, path, ErrorKind::NotFound.into()))
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _path: &Path) -> Result<bool> {
        Ok(lock(&self.files).is_empty())
    }

    fn list(&self, dir: &Path) -> Result<Vec<Listed>> {
        let files = lock(&self.files);
        let names = files.keys().filter(|path| path.parent() == Some(dir));
        let names = names.filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(|name| Listed { name: name.to_owned(), is_file: true }).collect())
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        if lock(&self.files).contains_key(path) {
            return Err(Error::io("create", path, ErrorKind::AlreadyExists.into()));
        }
        lock(&self.files).insert(path.to_owned(), Arc::default());
        Ok(Box::new(Append { files: Arc::clone(&self.files), path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>> {
        Ok(Arc::new(Sealed { bytes: self.get("open", path)?, path: path.to_owned() }))
    }

    fn link_at(&self, from: &Path, to: &Path, _site: Site) -> Result<()> {
        let bytes = self.get("link", from)?;
        lock(&self.files).insert(to.to_owned(), bytes);
        Ok(())
    }

    fn rename_at(&self, from: &Path, to: &Path, _site: Site) -> Result<()> {
        let bytes = self.get("rename", from)?;
        let mut files = lock(&self.files);
        files.remove(from);
        files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove_at(&self, path: &Path, _site: Site) -> Result<()> {
        self.get("remove", path)?;
        lock(&self.files).remove(path);
        Ok(())
    }

    fn sync_dir_at(&self, _dir: &Path, _site: Site) -> Result<()> {
        Ok(())
    }

    fn lock(&self, _path: &Path) -> Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }

    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        Ok(self.get("look at", path)?.len() as u64)
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_owned())
    }
}

struct Append {
    files: Files,
    path: PathBuf,
}

impl AppendFile for Append {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut files = lock(&self.files);
        let file = files.entry(self.path.clone()).or_default();
        Arc::make_mut(file).extend_from_slice(bytes);
        Ok(())
    }

    fn sync_at(&mut self, _site: Site) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Sealed {
    bytes: Arc<Vec<u8>>,
    path: PathBuf,
}

impl SealedFile for Sealed {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        let part = self.bytes.get(start..end);
        let part =
            part.ok_or_else(|| Error::io("read", &self.path, ErrorKind::UnexpectedEof.into()))?;
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn map(&self) -> Result<Mapped> {
        Ok(Mapped::copy_of(&self.bytes))
    }
}
