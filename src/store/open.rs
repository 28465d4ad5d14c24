//! Owns the opening of a store for writing, which creates or recovers it. `read_only` opens it for
//! reading.
//!
//! Recovery never changes an old file. It replays the log in RAM and copies the valid part of the
//! last log file to a new one. Then it commits a manifest that names the new file, and only then
//! removes orphans. A crash at any point leaves a store that recovers in the same way.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::disk::{Disk, RealDisk};
use crate::engine::life::{Life, Parts};
use crate::engine::open_log::LogState;
use crate::engine::{Engine, EngineParts, replay};
use crate::error::{Error, Result};
use crate::format::header::{FileHeader, FileKind, HEADER_LEN, StoreId};
use crate::format::manifest::{LogEntry, Manifest};
use crate::format::names::FileName;
use crate::ids::{CollectionId, FileId, Seq};
use crate::log::{LogEnd, LogWriter};
use crate::manifest::{self, CommitError, Found};
use crate::options::{Background, StoreOptions};
use crate::sabotage::broken;
use crate::splitmix::mix;
use crate::store::{Shared, Store, workers};
use crate::sync::Mutex;

impl StoreOptions {
    /// Opens a store with these options. See [`Store::open`].
    ///
    /// # Errors
    ///
    /// As for [`Store::open`]; [`Error::NotFound`] if there is no store and none is to be created
    /// ([`StoreOptions::create`]); [`Error::InvalidOption`] for an option out of range.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        open_for_writing(Arc::new(RealDisk), &absolute(path.as_ref())?, self)
    }
}

impl Store {
    pub(super) fn assemble(
        engine: Arc<Engine>,
        workers: Vec<crate::worker::Worker>,
        lock: Option<Box<dyn std::any::Any + Send + Sync>>,
    ) -> Self {
        engine.events.tell();
        let names: HashMap<String, CollectionId> =
            engine.collections.all().iter().map(|core| (core.name().to_owned(), core.id)).collect();
        let life = Life::new(Arc::clone(&engine), Parts { workers, lock });
        let shared = Shared { names: Mutex::new(names), refreshing: Mutex::default() };
        Self { engine, life, shared: Arc::new(shared) }
    }
}

/// Opens or creates a store, on any [`Disk`].
pub(crate) fn open_for_writing(
    disk: Arc<dyn Disk>,
    path: &Path,
    options: StoreOptions,
) -> Result<Store> {
    options.validate()?;
    let (dir, made) = prepare_dir(disk.as_ref(), path, &options)?;
    let lock =
        disk.lock(&dir.join(FileName::Lock.to_string())).map_err(|error| read_only(error, &dir))?;
    let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one("altiplano"));
    let found = match manifest::load(disk.as_ref(), &dir)? {
        Found::Manifest(manifest) => *manifest,
        Found::Nothing => {
            if !made {
                disk.make_private(&dir);
            }
            create(disk.as_ref(), &dir, seed, &options).map_err(|error| read_only(error, &dir))?
        }
    };
    let engine = engine(disk, dir, found, &options, seed, false)?;
    let end = recover(&engine)?;
    start_log(&engine, &end).map_err(|error| read_only(error, engine.dir.root()))?;
    remove_orphans(&engine)?;
    engine.reserve.open();
    engine.admission.maintain_disk(false, 0)?;
    let workers = match options.background {
        Background::Auto => workers::start(&engine)?,
        Background::Manual => Vec::new(),
    };
    Ok(Store::assemble(engine, workers, Some(lock)))
}

/// Says of an error of listing a directory what a user needs to know: there is no store.
pub(super) fn no_store(error: Error, path: &Path) -> Error {
    match error {
        Error::Io { op: "list", source, .. } if source.kind() == ErrorKind::NotFound => {
            Error::not_found(path)
        }
        Error::Io { op: "list", source, .. } if source.kind() == ErrorKind::NotADirectory => {
            Error::NotAStore { path: path.to_owned(), found: "it is a file".to_owned() }
        }
        error => error,
    }
}

/// Returns the absolute path, so that the store stays where it is when the process changes its
/// working directory.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io("find", path, e))
}

/// Checks that the directory is a store, empty or missing, and creates it if it is missing. Returns
/// the path, and true if the directory was created. Writes nothing before the check.
fn prepare_dir(disk: &dyn Disk, path: &Path, options: &StoreOptions) -> Result<(PathBuf, bool)> {
    let dir = path.to_owned();
    match disk.list(&dir) {
        Ok(entries) => {
            if let Some(name) = stranger(entries.iter().map(|entry| entry.name.as_str())) {
                let found = format!("it holds {name}");
                return Err(Error::NotAStore { path: dir, found });
            }
            if entries.is_empty() && !options.create {
                return Err(Error::not_found(&dir));
            }
        }
        Err(error) => match no_store(error, &dir) {
            Error::NotFound { .. } if options.create => {}
            error => return Err(read_only(error, &dir)),
        },
    }
    let made = options.create && create_dir(disk, "path", &dir)?;
    Ok((dir, made))
}

/// Creates the directory of a new store, which the caller's argument `name` gave. Returns true if
/// it did not exist before. Directories above it are not created, because a typing error in a path
/// would then begin an empty store.
pub(super) fn create_dir(disk: &dyn Disk, name: &'static str, dir: &Path) -> Result<bool> {
    disk.create_dir(dir).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            let (parent, dir) = (parent(dir).display(), dir.display());
            let reason = format!(
                "cannot create {dir}, because the directory {parent} does not exist; create it \
                 first, for example with fs::create_dir_all"
            );
            Error::option(name, reason)
        }
        error => read_only(error, dir),
    })
}

/// Returns the first name that is not ours if the directory is neither a store nor a store that a
/// crash left half created. Foreign files in a store do not matter.
pub(super) fn stranger<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut first: Option<&str> = None;
    for name in names {
        match FileName::parse(name) {
            Some(FileName::Lock | FileName::Reserve | FileName::ManifestTmp(_)) => {}
            Some(_) => return None,
            None => first = Some(first.map_or(name, |before| before.min(name))),
        }
    }
    first
}

/// Turns a refused permission into [`Error::ReadOnly`]: the store can at most be read.
pub(super) fn read_only(error: Error, dir: &Path) -> Error {
    match error {
        Error::Io { ref source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            Error::ReadOnly { path: dir.to_owned() }
        }
        other => other,
    }
}

/// Creates an empty store: a log, then the manifest that names it.
fn create(disk: &dyn Disk, dir: &Path, seed: u64, options: &StoreOptions) -> Result<Manifest> {
    if !options.create {
        return Err(Error::not_found(dir));
    }
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(seed).to_le_bytes());
    id[8..].copy_from_slice(&mix(seed ^ u64::MAX).to_le_bytes());
    let (store, file) = (StoreId(id), largest_file(disk, dir)?);
    let header = FileHeader { kind: FileKind::Log, store, file, salt: id };
    let manifest = Manifest {
        store,
        generation: 1,
        next_file: FileId(file.0 + 1),
        next_collection: CollectionId(1),
        time: Timestamp::MIN,
        clock_doubted: Timestamp::MIN,
        last_seq: Seq::ZERO,
        log: vec![LogEntry { file, synced_len: HEADER_LEN as u64, valid_len: None }],
        collections: Vec::new(),
    };
    let made = LogWriter::create(disk, dir, &header)
        .and_then(|mut log| log.sync())
        .and_then(|()| disk.sync_dir(dir))
        // The parent is synced even if the directory existed: an earlier attempt may have crashed
        // before its name was durable.
        .and_then(|()| disk.sync_dir(parent(dir)))
        .map_err(CommitError::NothingHappened)
        .and_then(|()| manifest::commit(disk, dir, &manifest, id));
    match made {
        Ok(()) => Ok(manifest),
        Err(CommitError::OutcomeUnknown(error)) => Err(error),
        Err(CommitError::NothingHappened(error)) => {
            // Otherwise each attempt on a full disk would leave a file behind.
            let _ = disk.remove(&dir.join(FileName::Log(file).to_string()));
            Err(error)
        }
    }
}

pub(super) fn parent(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Returns a number larger than that of any file in the directory, so that no number is used twice.
fn largest_file(disk: &dyn Disk, dir: &Path) -> Result<FileId> {
    let names = disk.list(dir)?.into_iter().filter_map(|e| FileName::parse(&e.name));
    let largest = names.filter_map(FileName::file).map(|f| f.0).max();
    Ok(FileId(largest.map_or(1, |n| n.saturating_add(1))))
}

pub(super) fn engine(
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    manifest: Manifest,
    options: &StoreOptions,
    seed: u64,
    read_only: bool,
) -> Result<Arc<Engine>> {
    let mut next_file = manifest.next_file.max(largest_file(disk.as_ref(), &dir)?);
    broken!(ReuseFileNumbers => next_file = manifest.next_file);
    // The generation changes the stream of salts, even under a fixed seed.
    let seed = mix(seed ^ mix(manifest.generation));
    let engine =
        Engine::new(EngineParts { dir, disk, options, read_only, manifest, next_file, seed });
    Ok(Arc::new(engine))
}

/// Opens the files that the manifest names and replays the log over them.
pub(super) fn recover(engine: &Arc<Engine>) -> Result<LogEnd> {
    let manifest = engine.catalog.manifest();
    for entry in &manifest.collections {
        let core = replay::open_collection(engine, entry)?;
        engine.collections.change(|map| map.insert(core.id, core));
    }
    replay::replay(engine, &manifest)
}

/// Copies the valid part of the last log file to a new one and commits a manifest that names it. On
/// a full disk the reserve may be spent.
fn start_log(engine: &Engine, end: &LogEnd) -> Result<()> {
    let started = || {
        let file = engine.catalog.new_file()?;
        let result = start_log_in(engine, end, file);
        if result.is_err() && engine.dir.may_clean_up() {
            let _ = engine.dir.remove(FileName::Log(file));
        }
        result
    };
    match started() {
        Err(Error::DiskFull { .. }) if engine.reserve.spend() => started(),
        result => result,
    }
}

fn start_log_in(engine: &Engine, end: &LogEnd, file: FileId) -> Result<()> {
    let manifest = engine.catalog.manifest();
    let Some(last) = manifest.log.last() else {
        return Err(Error::corrupt(engine.dir.root(), 0, "the manifest names no log"));
    };
    let (disk, dir) = (engine.dir.disk(), engine.dir.root());
    let source = replay::log_source(&engine.dir, last, true);
    let mut writer = LogWriter::create(disk, dir, &engine.dir.header(FileKind::Log, file))?;
    source.copy_forward(&mut writer)?;
    disk.sync_dir(dir)?;
    engine.reserve.note_log(writer.good_len());
    let (last_seq, synced_len) = (end.last_seq.max(manifest.last_seq), writer.synced_len());
    engine.log.start(LogState::new(writer, last_seq, engine.time.monotonic()));
    engine.catalog.commit(|manifest| {
        manifest.log.pop();
        manifest.log.push(LogEntry { file, synced_len, valid_len: None });
    })
}

/// Removes orphans (I3): files with names of ours that the manifest does not name, left by jobs
/// that a crash interrupted. Files with other names stay.
fn remove_orphans(engine: &Engine) -> Result<()> {
    let manifest = engine.catalog.manifest();
    let live: std::collections::HashSet<FileName> = manifest.files().collect();
    for entry in engine.dir.list()? {
        let orphan = match FileName::parse(&entry.name) {
            None | Some(FileName::Lock | FileName::Reserve) => false,
            Some(FileName::Manifest(n) | FileName::ManifestOld(n)) => {
                n.saturating_add(1) < manifest.generation
            }
            Some(FileName::ManifestTmp(_)) => true,
            Some(name) => !live.contains(&name),
        };
        if orphan && entry.is_file {
            // An orphan that cannot be removed only costs space. The next open tries again.
            let _ = engine.dir.disk().remove(&engine.dir.root().join(&entry.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_of_a_name_alone_is_where_we_are() {
        assert_eq!(parent(Path::new("agent.alt")), Path::new("."));
        assert_eq!(parent(Path::new("/a/agent.alt")), Path::new("/a"));
    }

    #[test]
    fn a_directory_is_ours_if_a_file_of_a_store_or_nothing_else_is_in_it() {
        let of = |names: &[&'static str]| stranger(names.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["LOCK", "RESERVE", "MANIFEST-0000000000000001.tmp"]), None);
        assert_eq!(of(&["notes.txt", ".bashrc", "LOCK"]), Some(".bashrc"));
        assert_eq!(of(&["MANIFEST-000001", "LOCK"]), Some("MANIFEST-000001"), "of another program");
        for ours in ["log-0000000000000001", "MANIFEST-0000000000000001", "seg-0000000000000003"] {
            assert_eq!(of(&["lost+found", ours]), None);
        }
    }
}
