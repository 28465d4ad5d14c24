//! Owns a disk for tests that shows what a crash after any operation leaves. If the process dies,
//! that is the directory as it is. If the power fails, it is what the medium guarantees: of each
//! file the synced bytes; of names those at the last directory sync that were not removed since; of
//! later renames none or all. The disk passes every operation on to a `FaultDisk` and remembers
//! removed files.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::{AppendFile, Disk, Listed, SealedFile, Site};
use crate::error::Result;
use crate::sync::lock;
use crate::testing::fault::FaultDisk;

type Hook = Box<dyn FnMut(&str, &Path) + Send>;

#[derive(Default)]
pub(super) struct CrashDisk {
    pub(super) faults: FaultDisk,
    durable: Arc<Mutex<Durable>>,
    hook: Arc<Mutex<Option<Hook>>>,
    removed: Mutex<Vec<PathBuf>>,
}

/// The state that survives a power cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    lengths: HashMap<String, u64>,
    names: HashSet<String>,
    /// New names of the renames since the last directory sync.
    renamed: HashSet<String>,
}

/// What happens between a store and its next open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Crash {
    /// The process died.
    Kill,
    /// The power failed, and everything that was not synced is lost.
    Cut,
    /// As `Cut`, but renames became durable before the other names.
    CutAfterRename,
}

impl std::fmt::Debug for CrashDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CrashDisk")
    }
}

impl CrashDisk {
    /// Creates a disk on which everything in `dir` is durable.
    pub(super) fn over(dir: &Path) -> Arc<Self> {
        let disk = Self::default();
        if dir.exists() {
            let mut durable = lock(&disk.durable);
            for entry in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap()) {
                let name = entry.file_name().into_string().unwrap();
                let len = entry.metadata().unwrap().len();
                durable.lengths.insert(name.clone(), len);
                durable.names.insert(name);
            }
        }
        Arc::new(disk)
    }

    /// Calls `hook` after every operation that changes the disk, including failed ones.
    pub(super) fn after_each(&self, hook: impl FnMut(&str, &Path) + Send + 'static) {
        *lock(&self.hook) = Some(Box::new(hook));
    }

    pub(super) fn no_hook(&self) {
        *lock(&self.hook) = None;
    }

    pub(super) fn durable(&self) -> &Arc<Mutex<Durable>> {
        &self.durable
    }

    /// Returns the files that were removed since the last call.
    pub(super) fn take_removed(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *lock(&self.removed))
    }

    fn after(&self, what: &str, path: &Path) {
        if let Some(hook) = &mut *lock(&self.hook) {
            hook(what, path);
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Copies a directory as a crash leaves it.
pub(super) fn copy_crashed(from: &Path, to: &Path, crash: Crash, durable: &Mutex<Durable>) {
    let mut durable = lock(durable).clone();
    match crash {
        Crash::Kill => return copy(from, to),
        Crash::Cut => {}
        Crash::CutAfterRename => durable.names.extend(durable.renamed.drain()),
    }
    copy_durable(from, to, &durable);
}

/// Copies a directory as it is.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|e| e.unwrap()) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn copy_durable(from: &Path, to: &Path, durable: &Durable) {
    copy(from, to);
    for entry in std::fs::read_dir(to).unwrap().map(|e| e.unwrap()) {
        let name = name(&entry.path());
        if !durable.names.contains(&name) {
            std::fs::remove_file(entry.path()).unwrap();
            continue;
        }
        let len = durable.lengths.get(&name).copied().unwrap_or(0);
        let file = std::fs::OpenOptions::new().write(true).open(entry.path());
        file.unwrap().set_len(len).unwrap();
    }
}

impl Disk for CrashDisk {
    fn create_dir(&self, path: &Path) -> Result<bool> {
        self.faults.create_dir(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Listed>> {
        self.faults.list(dir)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let inner = self.faults.create(path);
        self.after("create", path);
        Ok(Box::new(CrashAppend {
            inner: inner?,
            path: path.to_owned(),
            len: 0,
            durable: Arc::clone(&self.durable),
            hook: Arc::clone(&self.hook),
        }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>> {
        self.faults.open(path)
    }

    fn link_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        let result = self.faults.link_at(from, to, site);
        self.after("link", to);
        result
    }

    fn rename_at(&self, from: &Path, to: &Path, site: Site) -> Result<()> {
        let result = self.faults.rename_at(from, to, site);
        if result.is_ok() {
            let mut durable = lock(&self.durable);
            let len = durable.lengths.remove(&name(from)).unwrap_or(0);
            durable.lengths.insert(name(to), len);
            durable.renamed.insert(name(to));
        }
        self.after("rename", from);
        result
    }

    fn remove_at(&self, path: &Path, site: Site) -> Result<()> {
        let result = self.faults.remove_at(path, site);
        if result.is_ok() {
            lock(&self.removed).push(path.to_owned());
        }
        self.after("remove", path);
        result
    }

    fn sync_dir_at(&self, dir: &Path, site: Site) -> Result<()> {
        let result = self.faults.sync_dir_at(dir, site);
        if result.is_ok() {
            let names = self.faults.list(dir)?.into_iter().map(|e| e.name);
            let mut durable = lock(&self.durable);
            durable.names = names.collect();
            durable.renamed.clear();
        }
        self.after("sync the directory", dir);
        result
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>> {
        self.faults.lock(path)
    }

    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        self.faults.allocated_bytes(path)
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        self.faults.resolve(path)
    }
}

struct CrashAppend {
    inner: Box<dyn AppendFile>,
    path: PathBuf,
    len: u64,
    durable: Arc<Mutex<Durable>>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl CrashAppend {
    fn after(&self, what: &str) {
        if let Some(hook) = &mut *lock(&self.hook) {
            hook(what, &self.path);
        }
    }
}

impl AppendFile for CrashAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let result = self.inner.append(bytes);
        if result.is_ok() {
            self.len += bytes.len() as u64;
        }
        self.after("append");
        result
    }

    fn sync_at(&mut self, site: Site) -> Result<()> {
        let result = self.inner.sync_at(site);
        if result.is_ok() {
            lock(&self.durable).lengths.insert(name(&self.path), self.len);
        }
        self.after("sync");
        result
    }
}
