//! Owns two disks for tests, over the operating system's files. One fails on command: the n-th
//! operation of a kind, once or for ever. The other is full at a given number of bytes.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use crate::disk::{AppendFile, Disk, Listed, RealDisk, SealedFile, Site};
use crate::error::{Error, Result};

/// Kinds of operations that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Create,
    Append,
    Sync,
    Link,
    Rename,
    SyncDir,
    Open,
    Remove,
}

/// When to fail.
#[derive(Debug, Default)]
struct Plan {
    kind: Mutex<Option<Fault>>,
    left: AtomicI64,
    forever: AtomicBool,
}

/// The operating system's files with planned failures. Clones share the plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultDisk {
    plan: Arc<Plan>,
}

impl FaultDisk {
    /// Lets `skip` operations of this kind pass and fails the next one, or all from then on.
    pub(crate) fn fail(&self, kind: Fault, skip: i64, forever: bool) {
        self.plan.left.store(skip, Ordering::SeqCst);
        self.plan.forever.store(forever, Ordering::SeqCst);
        *self.plan.kind.lock().unwrap() = Some(kind);
    }

    /// Returns true if the planned failure has happened.
    pub(crate) fn fired(&self) -> bool {
        self.plan.left.load(Ordering::SeqCst) < 0
    }

    /// Cancels the planned failure.
    pub(crate) fn heal(&self) {
        *self.plan.kind.lock().unwrap() = None;
    }
}

impl Plan {
    fn check(&self, kind: Fault, path: &Path) -> Result<()> {
        if *self.kind.lock().unwrap() != Some(kind) {
            return Ok(());
        }
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        let fails = left == 0 || (left < 0 && self.forever.load(Ordering::SeqCst));
        if fails {
            let source = match kind {
                Fault::Append | Fault::Create => io::ErrorKind::StorageFull.into(),
                _ => io::Error::other("planned"),
            };
            return Err(Error::io("fail, as planned, at", path, source));
        }
        Ok(())
    }
}

impl Disk for FaultDisk {
    fn create_dir(&self, path: &Path) -> Result<bool> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Listed>> {
        RealDisk.list(dir)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        self.plan.check(Fault::Create, path)?;
        let inner = RealDisk.create(path)?;
        Ok(Box::new(FaultAppend { inner, path: path.to_owned(), plan: Arc::clone(&self.plan) }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>> {
        self.plan.check(Fault::Open, path)?;
        RealDisk.open(path)
    }

    fn link_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        self.plan.check(Fault::Link, from)?;
        RealDisk.link_at(from, to, site)
    }

    fn rename_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        self.plan.check(Fault::Rename, from)?;
        RealDisk.rename_at(from, to, site)
    }

    fn remove_at(&self, path: &Path, site: Site) -> Result<()> {
        self.plan.check(Fault::Remove, path)?;
        RealDisk.remove_at(path, site)
    }

    fn sync_dir_at(&self, dir: &Path, site: Site) -> Result<()> {
        self.plan.check(Fault::SyncDir, dir)?;
        RealDisk.sync_dir_at(dir, site)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>> {
        RealDisk.lock(path)
    }

    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        RealDisk.allocated_bytes(path)
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        RealDisk.resolve(path)
    }
}

struct FaultAppend {
    inner: Box<dyn AppendFile>,
    path: std::path::PathBuf,
    plan: Arc<Plan>,
}

impl AppendFile for FaultAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.plan.check(Fault::Append, &self.path) {
            // As on a full disk: part of the bytes is written.
            let part = bytes.get(..bytes.len() / 2).unwrap_or_default();
            self.inner.append(part)?;
            return Err(error);
        }
        self.inner.append(bytes)
    }

    fn sync_at(&mut self, site: Site) -> Result<()> {
        self.plan.check(Fault::Sync, &self.path)?;
        self.inner.sync_at(site)
    }
}

/// The operating system's files, with a limit on their bytes in all. Clones share the limit.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuotaDisk {
    space: Arc<Mutex<Space>>,
}

#[derive(Debug, Default)]
struct Space {
    limit: u64,
    files: HashMap<PathBuf, u64>,
}

impl Space {
    fn used(&self) -> u64 {
        self.files.values().sum()
    }
}

impl QuotaDisk {
    /// Sets the limit in bytes.
    pub(crate) fn limit(&self, bytes: u64) {
        self.space.lock().unwrap().limit = bytes;
    }

    /// Leaves room for `more` bytes beyond those in use now.
    pub(crate) fn fill(&self, more: u64) {
        let mut space = self.space.lock().unwrap();
        space.limit = space.used() + more;
    }

    /// Returns the current bytes of all files.
    pub(crate) fn used(&self) -> u64 {
        self.space.lock().unwrap().used()
    }
}

impl Disk for QuotaDisk {
    fn create_dir(&self, path: &Path) -> Result<bool> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Listed>> {
        RealDisk.list(dir)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let inner = RealDisk.create(path)?;
        self.space.lock().unwrap().files.insert(path.to_owned(), 0);
        Ok(Box::new(QuotaAppend { inner, path: path.to_owned(), space: Arc::clone(&self.space) }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>> {
        RealDisk.open(path)
    }

    fn link_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        RealDisk.link_at(from, to, site)
    }

    fn rename_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        RealDisk.rename_at(from, to, site)?;
        let mut space = self.space.lock().unwrap();
        let len = space.files.remove(from).unwrap_or(0);
        space.files.insert(to.to_owned(), len);
        Ok(())
    }

    fn remove_at(&self, path: &Path, site: Site) -> Result<()> {
        RealDisk.remove_at(path, site)?;
        self.space.lock().unwrap().files.remove(path);
        Ok(())
    }

    fn sync_dir_at(&self, dir: &Path, site: Site) -> Result<()> {
        RealDisk.sync_dir_at(dir, site)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>> {
        RealDisk.lock(path)
    }

    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        RealDisk.allocated_bytes(path)
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        RealDisk.resolve(path)
    }
}

struct QuotaAppend {
    inner: Box<dyn AppendFile>,
    path: PathBuf,
    space: Arc<Mutex<Space>>,
}

impl AppendFile for QuotaAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut space = self.space.lock().unwrap();
        let room = space.limit.saturating_sub(space.used());
        let fits = bytes.len().min(room as usize);
        // As on a full disk: part of the bytes is written.
        self.inner.append(bytes.get(..fits).unwrap_or_default())?;
        *space.files.entry(self.path.clone()).or_default() += fits as u64;
        if fits < bytes.len() {
            return Err(Error::io("write", &self.path, io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    fn sync_at(&mut self, site: Site) -> Result<()> {
        self.inner.sync_at(site)
    }
}
