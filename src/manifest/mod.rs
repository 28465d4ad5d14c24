//! Owns the manifest's files: finds the newest, checks it, commits a new one. Knows nothing of what a
//! manifest says; that is `format::manifest`.
//!
//! A manifest is written under a temporary name, synced, renamed to a name never used before, and
//! the directory is synced: that is the commit point. The previous one is kept for diagnosis only.
//! The newest must validate: it was synced before it got its name, so a bad one is corruption, and
//! falling back silently would lose acknowledged commits.

use std::io::ErrorKind;
use std::path::Path;

use crate::disk::{Disk, read_all};
use crate::error::{Error, Result};
use crate::format::header::HEADER_LEN;
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::section::header_error;

/// Longest manifest that is read.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// What a failed commit leaves behind.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// The old manifest is in force; trying again is safe.
    NothingHappened(Error),
    /// Either manifest may be found after a crash: the caller must stop writing.
    OutcomeUnknown(Error),
}

/// What is in a store's directory, as far as manifests are concerned.
#[derive(Debug)]
pub(crate) enum Found {
    /// The newest manifest.
    Manifest(Box<Manifest>),
    /// No manifest and no data file: a store can be made here.
    Nothing,
}

/// Reads the newest manifest of a directory.
pub(crate) fn load(disk: &dyn Disk, dir: &Path) -> Result<Found> {
    let names: Vec<FileName> =
        disk.list(dir)?.iter().filter_map(|e| FileName::parse(&e.name)).collect();
    let newest = names.iter().filter_map(|n| match n {
        FileName::Manifest(generation) => Some(*generation),
        _ => None,
    });
    let Some(generation) = newest.max() else {
        // A crash during creation leaves an empty log and temporary files at most; anything else is
        // data without its manifest, over which no empty store may be started.
        let data = names.iter().find(|name| match name {
            FileName::Lock | FileName::ManifestTmp(_) => false,
            FileName::Log(_) => has_frames(disk, &dir.join(name.to_string())),
            _ => true,
        });
        return match data {
            None => Ok(Found::Nothing),
            Some(name) => Err(Error::corrupt(dir, 0, format!("there is {name} but no manifest"))),
        };
    };
    let path = dir.join(FileName::Manifest(generation).to_string());
    let file = disk.open(&path)?;
    if file.len() > MAX_BYTES {
        return Err(Error::corrupt(path, file.len(), "the manifest is larger than any may be"));
    }
    let bytes = read_all(file.as_ref(), MAX_BYTES)?;
    let manifest = Manifest::decode(&bytes).map_err(|e| header_error(&path, e))?;
    if manifest.generation != generation {
        return Err(Error::corrupt(path, 24, "this is another manifest's content"));
    }
    Ok(Found::Manifest(Box::new(manifest)))
}

/// Whether a log has more than its header, as far as can be seen.
fn has_frames(disk: &dyn Disk, log: &Path) -> bool {
    disk.open(log).map_or(true, |f| f.len() > HEADER_LEN as u64)
}

/// Puts a manifest in force.
pub(crate) fn commit(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
    salt: [u8; 16],
) -> std::result::Result<(), CommitError> {
    let generation = manifest.generation;
    let tmp = dir.join(FileName::ManifestTmp(generation).to_string());
    let path = dir.join(FileName::Manifest(generation).to_string());
    if let Err(error) = write(disk, &tmp, manifest, salt) {
        // What is left of it would be in the way of the next try.
        let _ = disk.remove(&tmp);
        return Err(CommitError::NothingHappened(error));
    }
    disk.rename(&tmp, &path).map_err(CommitError::OutcomeUnknown)?;
    disk.sync_dir(dir).map_err(CommitError::OutcomeUnknown)?;
    remove_old(disk, dir, generation);
    Ok(())
}

fn write(disk: &dyn Disk, tmp: &Path, manifest: &Manifest, salt: [u8; 16]) -> Result<()> {
    let bytes = manifest.encode(salt)?;
    let mut file = match disk.create(tmp) {
        // A crash left it behind; what has not been renamed never counted.
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
            disk.remove(tmp)?;
            disk.create(tmp)?
        }
        created => created?,
    };
    file.append(&bytes)?;
    file.sync()
}

/// Removes every manifest but this one, for good: what an older one says may have to be forgotten.
pub(crate) fn remove_others(disk: &dyn Disk, dir: &Path, generation: u64) -> Result<()> {
    for entry in disk.list(dir)? {
        // In force, put aside or never in force: only the one is needed.
        let ours = FileName::parse(&entry.name).filter(|_| entry.name.starts_with("MANIFEST-"));
        if ours.is_some_and(|name| name != FileName::Manifest(generation)) {
            disk.remove(&dir.join(&entry.name))?;
        }
    }
    Ok(())
}

/// Removes manifests older than the previous one. Failing to is harmless: they are orphans.
fn remove_old(disk: &dyn Disk, dir: &Path, generation: u64) {
    for entry in disk.list(dir).unwrap_or_default() {
        let old = match FileName::parse(&entry.name) {
            Some(FileName::Manifest(n)) => n.saturating_add(1) < generation,
            Some(FileName::ManifestTmp(n)) => n < generation,
            _ => false,
        };
        if old {
            let _ = disk.remove(&dir.join(&entry.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::disk::fault::{Fault, FaultDisk};
    use crate::format::manifest::tests::manifest;

    fn at(generation: u64) -> Manifest {
        Manifest { generation, ..manifest() }
    }

    fn loaded(dir: &Path) -> Option<u64> {
        match load(&RealDisk, dir).unwrap() {
            Found::Manifest(m) => Some(m.generation),
            Found::Nothing => None,
        }
    }

    #[test]
    fn the_newest_counts_and_the_previous_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(loaded(dir.path()), None);
        for generation in 1..=4 {
            commit(&RealDisk, dir.path(), &at(generation), [0; 16]).unwrap();
            assert_eq!(loaded(dir.path()), Some(generation));
        }
        assert_eq!(RealDisk.list(dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_damaged_newest_manifest_is_never_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        commit(&RealDisk, dir.path(), &at(1), [0; 16]).unwrap();
        commit(&RealDisk, dir.path(), &at(2), [0; 16]).unwrap();
        let path = dir.path().join(FileName::Manifest(2).to_string());
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(load(&RealDisk, dir.path()), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_temporary_file_that_a_crash_left_behind_is_not_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        commit(&RealDisk, dir.path(), &at(1), [0; 16]).unwrap();
        let tmp = dir.path().join(FileName::ManifestTmp(2).to_string());
        std::fs::write(&tmp, b"cut sho").unwrap();
        assert_eq!(loaded(dir.path()), Some(1));
        commit(&RealDisk, dir.path(), &at(2), [0; 16]).unwrap();
        assert_eq!(loaded(dir.path()), Some(2));
        assert!(!tmp.exists());
    }

    #[test]
    fn no_empty_store_is_started_over_data() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("seg-0000000000000003"), b"data").unwrap();
        assert!(matches!(load(&RealDisk, dir.path()), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn failures_before_the_rename_change_nothing_and_later_ones_are_unknown() {
        for (fault, unknown) in [
            (Fault::Create, false),
            (Fault::Append, false),
            (Fault::Sync, false),
            (Fault::Rename, true),
            (Fault::SyncDir, true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            commit(&RealDisk, dir.path(), &at(1), [0; 16]).unwrap();
            let disk = FaultDisk::default();
            disk.fail(fault, 0, false);
            let error = commit(&disk, dir.path(), &at(2), [0; 16]).unwrap_err();
            assert_eq!(matches!(error, CommitError::OutcomeUnknown(_)), unknown, "{fault:?}");
            if !unknown {
                assert_eq!(loaded(dir.path()), Some(1));
                commit(&disk, dir.path(), &at(2), [0; 16]).unwrap();
                assert_eq!(loaded(dir.path()), Some(2));
            }
        }
    }
}
