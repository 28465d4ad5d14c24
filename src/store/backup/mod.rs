//! Owns `Store::backup`, which copies an open store while it goes on writing, and `Store::restore`.
//! `target` has the directory of the copy. `options` has what a caller may choose.
//!
//! A backup is the files of one manifest. All of them are sealed: the log is continued in a new
//! file, which is left out. So the files may be shared as hard links, and an update of a backup
//! leaves alone what is there already.
//!
//! Invariants: nothing of the open log file is in a backup. While the manifest is held, none of its
//! files can vanish: each is linked or opened by then. Copies are made after it was released.

mod options;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use options::BackupOptions;

use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, RealDisk, SealedFile};
use crate::error::{Error, Result};
use crate::format::header::{FileHeader, FileKind, HEADER_LEN, StoreId};
use crate::format::manifest::{LogEntry, Manifest};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::log::LogWriter;
use crate::manifest::{self, Found};
use crate::options::StoreOptions;
use crate::report::BackupReport;
use crate::splitmix::mix;
use crate::store::Store;
use crate::store::open::{absolute, engine, no_store, recover};
use crate::store::verify::VerifyLevel;
use target::{Identity, Target, copy, refuse};

/// The log file without frames of a copy that would have none. No store makes a file of this
/// number, and it is the same in every copy of a store.
const BLANK: FileId = FileId(0);

impl Store {
    /// Copies the store to the directory `to` while it is open and goes on writing. The copy is the
    /// store at one moment. It holds every write that was acknowledged before the call, each batch
    /// as a whole, and nothing that was written after the call returned.
    ///
    /// `to` is a new or an empty directory, or an earlier backup of this store, which is brought up
    /// to date. Then only new files are added, and files go that no longer belong to it. The
    /// directory above `to` must exist.
    ///
    /// A backup is a store. [`Store::open`] opens it where it is, as does
    /// [`StoreOptions::open_read_only`](crate::StoreOptions::open_read_only), and `cp -r` copies
    /// it. Nothing that is done to it changes the store that it was taken from. Once it was opened
    /// for writing it is a store of its own, and takes no further backup.
    ///
    /// # Cost
    ///
    /// Where `to` is on the same file system, files are shared as hard links: O(files), no bytes
    /// are copied. Such a backup protects from mistakes, not from the loss of the medium.
    /// Elsewhere, or with [`BackupOptions::copy`], O(bytes of new files), with one open file for
    /// each. Writers wait for one sync and, if they need a new log file, for the links. They never
    /// wait for copies. Each backup begins a new log file.
    ///
    /// Files that the store no longer needs stay on the medium for as long as a backup shares them.
    /// A purge does not reach backups: what must be forgotten leaves a backup with its next update
    /// after the purge.
    ///
    /// In-memory collections are not in a backup. A crash during a backup leaves `to` as it was, or
    /// as the whole new backup. A first backup that was not finished is
    /// [`Error::NotAStore`] for an open; call `backup` again.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if `to` holds something else: other files, another store, a store
    /// that was opened for writing, or a later state of this one. Also if it lies within the
    /// store's own directory, or the directory above it does not exist. [`Error::Locked`] if the
    /// store in `to` is open. Nothing is changed then. [`Error::Corrupt`] if a file that was copied
    /// is damaged. [`Error::DiskFull`] or [`Error::Io`] if a file could not be made: the files of
    /// this attempt are removed. [`Error::ReadOnly`], [`Error::Poisoned`] or [`Error::Closed`] for
    /// a store that takes no writes.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::{CollectionOptions, Memory, Metric, Store};
    /// let store = Store::open(dir.path().join("agent.alt"))?;
    /// let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    /// notes.insert(Memory::new(1, [0.6, 0.8]))?;
    /// let to = dir.path().join("backup.alt");
    /// store.backup(&to)?;
    /// notes.insert(Memory::new(2, [0.6, 0.8]))?;
    /// let report = store.backup(&to)?;
    /// assert!(report.files_kept > 0);
    /// let copy = Store::open(&to)?;
    /// assert_eq!(copy.get_collection("notes").unwrap().len()?, 2);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "export")]
    #[doc(alias = "checkpoint")]
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<BackupReport> {
        self.backup_with(to, &BackupOptions::new())
    }

    /// Copies the store as [`Store::backup`], with options.
    ///
    /// # Errors
    ///
    /// The same as for [`Store::backup`].
    pub fn backup_with(
        &self,
        to: impl AsRef<Path>,
        options: &BackupOptions,
    ) -> Result<BackupReport> {
        self.backup_at(&absolute(to.as_ref())?, options)
    }

    /// Copies the store to an absolute path, on its disk.
    pub(super) fn backup_at(&self, to: &Path, options: &BackupOptions) -> Result<BackupReport> {
        let engine = &self.engine;
        let _running = engine.dir.begin_job()?;
        engine.catalog.check_owner()?;
        let begun = engine.time.monotonic();
        let (disk, root) = (engine.dir.shared_disk(), engine.dir.root());
        check_apart(disk.as_ref(), root, to)?;
        let mut target = Target::take(disk, to, Some(engine.dir.store()))?;
        let mut made = Made::default();
        let held = engine.log.cut()?;
        let mut copied = Manifest::clone(&held);
        copied.log.pop();
        if copied.log.is_empty() {
            let (file, len) = (BLANK, HEADER_LEN as u64);
            copied.log.push(LogEntry { file, synced_len: len, valid_len: Some(len) });
        }
        let is_newer = target.is_newer(&copied)?;
        let names = copied.files().filter(|name| *name != FileName::Log(BLANK));
        let sources = made.share(&mut target, root, names, !options.copy)?;
        drop(held);
        if copied.log.iter().any(|log| log.file == BLANK) {
            made.blank_log(&mut target, copied.store)?;
        }
        if is_newer {
            let go_on = || match engine.dir.gate().is_closing() {
                true => Err(Error::Closed),
                false => Ok(()),
            };
            made.copy(&mut target, sources, &go_on)?;
            let finish = Finish { clock: engine.time.clock(), level: options.verify };
            let salt = engine.dir.new_salt();
            made.report.files_removed = finish.commit(target, disk, &copied, salt)?;
        } else {
            // A commit whose outcome was unknown may not be durable.
            target.sync()?;
        }
        Ok(made.report(&copied, engine.time.monotonic().saturating_sub(begun)))
    }

    /// Copies the backup in the directory `backup` to the new or empty directory `to`, byte by
    /// byte, and checks the copy. Only files that belong to the backup are copied. The directory
    /// above `to` must exist. A closed store can be restored as well as a backup.
    ///
    /// A backup that may change need not be restored: [`Store::open`] opens it where it is.
    /// O(bytes).
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] or [`Error::NotAStore`] if there is no backup. [`Error::Locked`] if it
    /// is open for writing. [`Error::InvalidOption`] if `to` is not empty, lies within the backup,
    /// or the directory above it does not exist. Nothing is changed then. [`Error::Corrupt`] if the
    /// backup is damaged. [`Error::DiskFull`] or [`Error::Io`] if a file could not be made: the
    /// files of this attempt are removed.
    ///
    /// ```
    /// # fn main() -> altiplano::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use altiplano::Store;
    /// # let store = Store::open(dir.path().join("agent.alt"))?;
    /// # let (backup, restored) = (dir.path().join("backup.alt"), dir.path().join("restored.alt"));
    /// store.backup(&backup)?;
    /// Store::restore(&backup, &restored)?;
    /// let store = Store::open(&restored)?;
    /// # Ok(()) }
    /// ```
    pub fn restore(backup: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<BackupReport> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        restore_on(&disk, &absolute(backup.as_ref())?, &absolute(to.as_ref())?)
    }
}

/// Restores a backup on any [`Disk`].
pub(crate) fn restore_on(disk: &Arc<dyn Disk>, from: &Path, to: &Path) -> Result<BackupReport> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let begun = clock.monotonic();
    let load = || match manifest::load(disk.as_ref(), from) {
        Ok(Found::Manifest(found)) => Ok(*found),
        Ok(Found::Nothing) => Err(Error::not_found(from)),
        Err(error) => Err(no_store(error, from)),
    };
    load()?;
    check_apart(disk.as_ref(), from, to)?;
    // A backup on a medium that cannot be written cannot change either.
    let _lock = match disk.lock(&from.join(FileName::Lock.to_string())) {
        Err(locked @ Error::Locked { .. }) => return Err(locked),
        lock => lock.ok(),
    };
    let copied = load()?;
    let mut target = Target::take(disk, to, None)?;
    let mut made = Made::default();
    let sources = made.share(&mut target, from, copied.files(), false)?;
    made.copy(&mut target, sources, &|| Ok(()))?;
    let finish = Finish { clock: &clock, level: VerifyLevel::Quick };
    let mut salt = copied.store.0;
    salt[..8].copy_from_slice(&mix(copied.generation).to_le_bytes());
    finish.commit(target, disk, &copied, salt)?;
    Ok(made.report(&copied, clock.monotonic().saturating_sub(begun)))
}

/// Refuses a directory within the one that is copied.
fn check_apart(disk: &dyn Disk, root: &Path, to: &Path) -> Result<()> {
    let mut missing: Vec<&std::ffi::OsStr> = Vec::new();
    let mut above = Some(to);
    let real: Option<PathBuf> = loop {
        let Some(dir) = above else { break None };
        match disk.resolve(dir) {
            Some(real) => break Some(missing.iter().rev().fold(real, |dir, name| dir.join(name))),
            None => missing.extend(dir.file_name()),
        }
        above = dir.parent();
    };
    let within = |root: &Path, to: &Path| to.starts_with(root);
    let real_root = disk.resolve(root);
    let is_real = real.zip(real_root).is_some_and(|(to, root)| within(&root, &to));
    if is_real || within(root, to) {
        return Err(refuse(to, &format!("it lies within {}", root.display())));
    }
    Ok(())
}

/// The files that were made so far.
#[derive(Default)]
struct Made {
    report: BackupReport,
}

impl Made {
    /// Links the files that the target does not hold yet, or opens them where that is refused.
    /// Returns those that must be copied.
    fn share(
        &mut self,
        target: &mut Target,
        from: &Path,
        names: impl Iterator<Item = FileName>,
        mut link: bool,
    ) -> Result<Vec<(FileName, Arc<dyn SealedFile>)>> {
        let mut left = Vec::new();
        for name in names {
            let path = from.join(name.to_string());
            let file = target.disk().open(&path)?;
            self.report.bytes += file.len();
            if target.holds(name, &Identity::of(file.as_ref())?)? {
                self.report.files_kept += 1;
                continue;
            }
            self.report.bytes_new += file.len();
            if link {
                let to = target.make(name);
                match target.disk().link(&path, &to) {
                    Ok(()) => {
                        self.report.files_linked += 1;
                        continue;
                    }
                    // The file system has no links, or the target is on another one.
                    Err(Error::Io { .. }) => link = false,
                    Err(error) => return Err(error),
                }
            }
            left.push((name, file));
        }
        Ok(left)
    }

    /// Copies the files that could not be linked.
    fn copy(
        &mut self,
        target: &mut Target,
        sources: Vec<(FileName, Arc<dyn SealedFile>)>,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        for (name, file) in sources {
            let to = target.make(name);
            copy(target.disk(), file.as_ref(), &to, go_on)?;
            self.report.files_copied += 1;
            self.report.bytes_copied += file.len();
        }
        Ok(())
    }

    /// Makes the log file without frames, unless the target has it.
    fn blank_log(&mut self, target: &mut Target, store: StoreId) -> Result<()> {
        let (kind, file, len) = (FileKind::Log, BLANK, HEADER_LEN as u64);
        let header = FileHeader { kind, store, file, salt: store.0 };
        self.report.bytes += len;
        if target.holds(FileName::Log(file), &Identity { len, header: header.encode().to_vec() })? {
            self.report.files_kept += 1;
            return Ok(());
        }
        target.make(FileName::Log(file));
        LogWriter::create(target.disk(), target.dir(), &header)?.sync()?;
        self.report.files_copied += 1;
        self.report.bytes_new += len;
        self.report.bytes_copied += len;
        Ok(())
    }

    fn report(self, copied: &Manifest, took: Duration) -> BackupReport {
        let (generation, seq) = (copied.generation, copied.last_seq.0);
        let Self { report } = self;
        let files = report.files_linked + report.files_copied + report.files_kept;
        BackupReport { generation, seq, files, took, ..report }
    }
}

/// How a copy is checked and put in force.
struct Finish<'a> {
    clock: &'a Arc<dyn Clock>,
    level: VerifyLevel,
}

impl Finish<'_> {
    /// Opens and verifies the files of the copy, and puts it in force. Returns how many earlier
    /// files were removed.
    fn commit(
        &self,
        target: Target,
        disk: &Arc<dyn Disk>,
        copied: &Manifest,
        salt: [u8; 16],
    ) -> Result<usize> {
        target.sync()?;
        let options = StoreOptions::new().clock(Arc::clone(self.clock));
        let (dir, manifest) = (target.dir().to_owned(), copied.clone());
        let engine = engine(Arc::clone(disk), dir, manifest, &options, 0, true)?;
        recover(&engine)?;
        let report = Store::assemble(engine, Vec::new(), None).verify_new(self.level);
        match report.problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => target.commit(copied, salt),
        }
    }
}
