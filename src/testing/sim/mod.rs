//! Owns a simulated disk for tests: the `Disk` trait over a file system in RAM. It keeps apart what
//! readers see and what the medium has (`fs`), and shows what a power cut at any moment may leave
//! (`image`). It fails any operation on command, runs full, and leaves out single calls by their
//! place in the code. The same calls with the same seed do the same.
//!
//! Clones share the file system. It does not model a disk that lies about a sync.

mod fs;
mod image;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use fs::{FileSystem, Inode, SyncModel};
pub(crate) use image::Image;

use crate::disk::{AppendFile, Disk, Listed, Mapped, SealedFile, Site};
use crate::error::{Error, Result};
use crate::splitmix::SplitMix;
use crate::sync::lock_std;

/// Kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OpKind {
    CreateDir,
    List,
    Create,
    Open,
    Read,
    Map,
    Append,
    Sync,
    Link,
    Rename,
    Remove,
    SyncDir,
    Lock,
}

/// One operation, as reported to an observer.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) kind: OpKind,
    pub(crate) path: PathBuf,
    pub(crate) site: Option<Site>,
    pub(crate) ok: bool,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        write!(f, "{:?} {name}", self.kind)?;
        match self.site {
            Some(site) => write!(f, " ({}:{})", site.file(), site.line()),
            None => Ok(()),
        }
    }
}

/// The subject of an operation. Two equal values are the same step of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    kind: OpKind,
    /// The file's name up to its number.
    file: String,
    /// The place in the code that asked for it, if known.
    place: Option<Place>,
}

impl Step {
    fn of(kind: OpKind, path: &Path, site: Option<Site>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = name.split('-').next().unwrap_or_default().to_owned();
        Self { kind, file, place: site.map(|site| (site.file(), site.line())) }
    }
}

/// The way in which an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A device error; the operation did not happen.
    Io,
    /// No space: a part of a write may be there.
    Full,
    /// A signal interrupted it.
    Interrupted,
    /// A device error after half of a write; a rename has happened.
    Half,
}

/// Which operations fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Number of operations that succeed first.
    pub(crate) skip: u64,
    /// If set, only operations of this kind count and fail.
    pub(crate) only: Option<OpKind>,
    pub(crate) failure: Failure,
    /// True if all later operations fail as well.
    pub(crate) forever: bool,
    /// The effect of a failed sync.
    pub(crate) model: SyncModel,
}

/// A place in the code: file and line.
pub(crate) type Place = (&'static str, u32);

thread_local! {
    static LEFT_OUT: std::cell::Cell<Option<Place>> = const { std::cell::Cell::new(None) };
}

/// Every place that asked any simulated disk for a sync, a rename or a removal.
static SEEN: Mutex<BTreeSet<(OpKind, &'static str, u32)>> = Mutex::new(BTreeSet::new());

/// Returns the places of the code itself, without its tests, that have asked for an operation so
/// far.
pub(crate) fn places_seen() -> Vec<(OpKind, &'static str, u32)> {
    let seen = lock_std(&SEEN);
    seen.iter().filter(|(_, file, _)| !file.contains("tests")).copied().collect()
}

/// Returns the place that is left out on this thread.
pub(crate) fn left_out() -> Option<Place> {
    LEFT_OUT.get()
}

/// Runs `job` and leaves out every sync, rename and removal that this place asks for, on every disk
/// of this thread. The call reports success and does nothing.
pub(crate) fn leaving_out<T>(place: Option<Place>, job: impl FnOnce() -> T) -> T {
    struct Reset(Option<Place>);
    impl Drop for Reset {
        fn drop(&mut self) {
            LEFT_OUT.set(self.0);
        }
    }
    let _reset = Reset(LEFT_OUT.replace(place));
    job()
}

type Observer = Box<dyn FnMut(&Op, &FileSystem) + Send>;

struct Inner {
    files: FileSystem,
    rng: SplitMix,
    fault: Option<Fault>,
    /// True if a planned failure has happened. `failed` is the kind of the first operation that
    /// failed.
    fired: bool,
    failed: Option<OpKind>,
    asked: BTreeSet<Place>,
    quota: Option<u64>,
    locks: BTreeSet<PathBuf>,
    maps: BTreeMap<Inode, Mapped>,
    observer: Option<Observer>,
    /// Every operation since the recording began; `None` without a recording.
    steps: Option<Vec<Step>>,
}

/// A simulated disk.
#[derive(Clone)]
pub(crate) struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl SimDisk {
    /// Creates a disk with these files. All of them are durable if they are an image.
    pub(crate) fn new(files: FileSystem, seed: u64) -> Self {
        let inner = Inner {
            files,
            rng: SplitMix(seed),
            fault: None,
            fired: false,
            failed: None,
            asked: BTreeSet::new(),
            quota: None,
            locks: BTreeSet::new(),
            maps: BTreeMap::new(),
            observer: None,
            steps: None,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Creates an empty disk.
    pub(crate) fn empty() -> Self {
        Self::new(FileSystem::default(), 0)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock_std(&self.inner)
    }

    /// Returns the current files.
    pub(crate) fn files(&self) -> FileSystem {
        self.inner().files.clone()
    }

    /// Plans a failure and forgets the one before.
    pub(crate) fn fail(&self, fault: Fault) {
        let mut inner = self.inner();
        (inner.fault, inner.fired) = (Some(fault), false);
    }

    /// Cancels the planned failure.
    pub(crate) fn heal(&self) {
        self.inner().fault = None;
    }

    /// Returns true if the planned failure has happened.
    pub(crate) fn fired(&self) -> bool {
        self.inner().fired
    }

    /// Returns the kind of the first operation that a planned failure met.
    pub(crate) fn failed(&self) -> Option<OpKind> {
        self.inner().failed
    }

    /// Returns true if the code at a place has asked this disk for an operation.
    pub(crate) fn was_asked_at(&self, place: Place) -> bool {
        self.inner().asked.contains(&place)
    }

    /// Returns the places of the code that have asked this disk for an operation.
    pub(crate) fn asked_at(&self) -> BTreeSet<Place> {
        self.inner().asked.clone()
    }

    /// Limits all files together to `bytes` bytes from now on; `None` lifts the limit.
    pub(crate) fn set_quota(&self, bytes: Option<u64>) {
        self.inner().quota = bytes;
    }

    /// Calls `observer` after every operation that changes something, also after failed ones. It
    /// must not use the disk.
    pub(crate) fn observe(&self, observer: impl FnMut(&Op, &FileSystem) + Send + 'static) {
        self.inner().observer = Some(Box::new(observer));
    }

    pub(crate) fn no_observer(&self) {
        self.inner().observer = None;
    }

    /// Records every operation from now on, in the order in which faults count them.
    pub(crate) fn record_steps(&self) {
        self.inner().steps = Some(Vec::new());
    }

    /// Ends the recording and returns it.
    pub(crate) fn take_steps(&self) -> Vec<Step> {
        self.inner().steps.take().unwrap_or_default()
    }
}

impl Inner {
    /// Counts an operation. Returns the planned failure that it meets, if any.
    fn step(&mut self, kind: OpKind, path: &Path, site: Option<Site>) -> Option<Fault> {
        if let Some(steps) = &mut self.steps {
            steps.push(Step::of(kind, path, site));
        }
        let fault = self.fault.as_mut()?;
        if fault.only.is_some_and(|only| only != kind) {
            return None;
        }
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        let fault = *fault;
        self.fired = true;
        self.failed.get_or_insert(kind);
        if !fault.forever {
            self.fault = None;
        }
        Some(fault)
    }

    /// Records where an operation was asked for. Returns true if it is left out.
    fn is_left_out(&mut self, kind: OpKind, site: Site) -> bool {
        let place = (site.file(), site.line());
        self.asked.insert(place);
        lock_std(&SEEN).insert((kind, place.0, place.1));
        LEFT_OUT.get() == Some(place)
    }

    fn observed(&mut self, kind: OpKind, path: &Path, site: Option<Site>, ok: bool) {
        if let Some(mut observer) = self.observer.take() {
            observer(&Op { kind, path: path.to_owned(), site, ok }, &self.files);
            self.observer = Some(observer);
        }
    }

    fn write(&mut self, inode: Inode, bytes: &[u8], fault: Option<Fault>) -> io::Result<()> {
        let fits = match self.quota {
            Some(quota) => quota.saturating_sub(self.files.used()) as usize,
            None => usize::MAX,
        };
        let (len, result) = match fault.map(|f| f.failure) {
            None if bytes.len() > fits => {
                self.fired = true;
                (fits, Err(ErrorKind::StorageFull.into()))
            }
            None => (bytes.len(), Ok(())),
            Some(failure @ (Failure::Half | Failure::Full)) => {
                (bytes.len().min(fits) / 2, Err(failure.error()))
            }
            Some(failure) => (0, Err(failure.error())),
        };
        if len > 0 {
            self.files.append(inode, &bytes[..len])?;
            self.maps.remove(&inode);
        }
        result
    }
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Self::Io | Self::Half => io::Error::other("planned"),
            Self::Full => ErrorKind::StorageFull.into(),
            Self::Interrupted => ErrorKind::Interrupted.into(),
        }
    }
}

/// Applies a planned failure to an operation that either happens or does not.
fn fail(fault: Option<Fault>) -> io::Result<()> {
    fault.map_or(Ok(()), |f| Err(f.failure.error()))
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> Result<bool> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::CreateDir, path, None);
        let made = fail(fault).map(|()| inner.files.make_dir(path));
        inner.observed(OpKind::CreateDir, path, None, made.is_ok());
        made.map_err(|e| Error::io("create the directory", path, e))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Listed>> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::List, dir, None);
        let names = fail(fault).and_then(|()| inner.files.names(dir));
        let names = names.map_err(|e| Error::io("list", dir, e))?;
        let listed = |name: String| {
            let is_file = !inner.files.is_dir(&dir.join(&name));
            Listed { name, is_file }
        };
        Ok(names.into_iter().map(listed).collect())
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::Create, path, None);
        let made = fail(fault).and_then(|()| inner.files.create(path));
        inner.observed(OpKind::Create, path, None, made.is_ok());
        let inode = made.map_err(|e| Error::io("create", path, e))?;
        Ok(Box::new(SimAppend { disk: self.clone(), inode, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::Open, path, None);
        let found = fail(fault).and_then(|()| {
            let inode = inner.files.find(path)?;
            Ok((inode, inner.files.content(inode)?.len() as u64))
        });
        let (inode, len) = found.map_err(|e| Error::io("open", path, e))?;
        Ok(Arc::new(SimSealed { disk: self.clone(), inode, len, path: path.to_owned() }))
    }

    fn link_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::Link, to, Some(site));
        let left_out = inner.is_left_out(OpKind::Link, site);
        let done = fail(fault).and_then(|()| match left_out {
            true => Ok(()),
            false => inner.files.link(from, to),
        });
        inner.observed(OpKind::Link, to, Some(site), done.is_ok());
        done.map_err(|e| Error::io("link", from, e))
    }

    fn rename_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::Rename, from, Some(site));
        let left_out = inner.is_left_out(OpKind::Rename, site);
        let happens = fault.is_none_or(|f| f.failure == Failure::Half);
        let mut done = if happens && !left_out { inner.files.rename(from, to) } else { Ok(()) };
        if done.is_ok() {
            done = fail(fault);
        }
        inner.observed(OpKind::Rename, to, Some(site), done.is_ok());
        done.map_err(|e| Error::io("rename", from, e))
    }

    fn remove_at(&self, path: &Path, site: Site) -> Result<()> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::Remove, path, Some(site));
        let left_out = inner.is_left_out(OpKind::Remove, site);
        let done = fail(fault).and_then(|()| match left_out {
            true => Ok(()),
            false => inner.files.remove(path),
        });
        inner.observed(OpKind::Remove, path, Some(site), done.is_ok());
        done.map_err(|e| Error::io("remove", path, e))
    }

    fn sync_dir_at(&self, dir: &Path, site: Site) -> Result<()> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::SyncDir, dir, Some(site));
        let left_out = inner.is_left_out(OpKind::SyncDir, site);
        let done = match fault {
            Some(fault) => {
                inner.files.fail_sync_dir(dir, fault.model);
                Err(fault.failure.error())
            }
            None if left_out => Ok(()),
            None => inner.files.sync_dir(dir),
        };
        inner.observed(OpKind::SyncDir, dir, Some(site), done.is_ok());
        done.map_err(|e| Error::io("sync", dir, e))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>> {
        let mut inner = self.inner();
        let fault = inner.step(OpKind::Lock, path, None);
        fail(fault).map_err(|e| Error::io("lock", path, e))?;
        if !inner.locks.insert(path.to_owned()) {
            return Err(Error::Locked { path: path.to_owned() });
        }
        if inner.files.find(path).is_err() {
            let made = inner.files.create(path).map(drop);
            made.map_err(|e| Error::io("open", path, e))?;
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned() }))
    }

    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        let inner = self.inner();
        let content = inner.files.read(path).map_err(|e| Error::io("look at", path, e))?;
        Ok(content.len().next_multiple_of(4096) as u64)
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let inner = self.inner();
        let there = inner.files.is_dir(path) || inner.files.find(path).is_ok();
        there.then(|| path.to_owned())
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.inner().locks.remove(&self.path);
    }
}

struct SimAppend {
    disk: SimDisk,
    inode: Inode,
    path: PathBuf,
}

impl AppendFile for SimAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut inner = self.disk.inner();
        let fault = inner.step(OpKind::Append, &self.path, None);
        let done = inner.write(self.inode, bytes, fault);
        inner.observed(OpKind::Append, &self.path, None, done.is_ok());
        done.map_err(|e| Error::io("write", &self.path, e))
    }

    fn sync_at(&mut self, site: Site) -> Result<()> {
        let mut inner = self.disk.inner();
        let fault = inner.step(OpKind::Sync, &self.path, Some(site));
        let left_out = inner.is_left_out(OpKind::Sync, site);
        let done = match fault {
            Some(fault) => {
                let Inner { files, rng, maps, .. } = &mut *inner;
                files.fail_sync(self.inode, fault.model, rng);
                maps.remove(&self.inode);
                Err(fault.failure.error())
            }
            None if left_out => Ok(()),
            None => inner.files.sync(self.inode),
        };
        inner.observed(OpKind::Sync, &self.path, Some(site), done.is_ok());
        done.map_err(|e| Error::io("sync", &self.path, e))
    }
}

#[derive(Debug)]
struct SimSealed {
    disk: SimDisk,
    inode: Inode,
    len: u64,
    path: PathBuf,
}

impl SealedFile for SimSealed {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut inner = self.disk.inner();
        let fault = inner.step(OpKind::Read, &self.path, None);
        let read = fail(fault).and_then(|()| {
            let content = inner.files.content(self.inode)?;
            let end = (offset as usize).checked_add(buffer.len());
            let part = end.and_then(|end| content.get(offset as usize..end));
            buffer.copy_from_slice(part.ok_or(ErrorKind::UnexpectedEof)?);
            Ok(())
        });
        read.map_err(|e| Error::io("read", &self.path, e))
    }

    fn map(&self) -> Result<Mapped> {
        let mut inner = self.disk.inner();
        let fault = inner.step(OpKind::Map, &self.path, None);
        let mapped = fail(fault).and_then(|()| {
            if let Some(mapped) = inner.maps.get(&self.inode) {
                return Ok(mapped.clone());
            }
            let mapped = Mapped::copy_of(inner.files.content(self.inode)?);
            inner.maps.insert(self.inode, mapped.clone());
            Ok(mapped)
        });
        mapped.map_err(|e| Error::io("map", &self.path, e))
    }
}
