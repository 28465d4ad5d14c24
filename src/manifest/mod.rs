//! Owns the manifest's files: finds the newest, checks it and commits a new one. The content of a
//! manifest is the business of `format::manifest`.
//!
//! A commit writes a manifest under a temporary name, syncs it, renames it to a name never used
//! before, and syncs the directory. That is the commit point. Then the previous manifest is renamed
//! to `.old`. It is kept for diagnosis only: it can never come into force again, and its name says
//! that a later one must exist.
//!
//! The newest manifest must validate: it was synced before it got its name, so a bad or missing one
//! is corruption. Falling back to an older one silently would lose acknowledged commits.
//!
//! After a crash before the commit point, the previous manifest still has its name and is in force.
//! After a crash behind it, both may have their names, because the rename to `.old` is not synced.
//! Then the newer one is in force. The next commit, at the latest that of the next open, puts the
//! older one aside.

use std::io::ErrorKind;
use std::path::Path;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::at_path::header_error;
use crate::format::header::HEADER_LEN;
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::map_vec::MapVec;
use crate::sabotage::broken;

/// Largest manifest that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// The state that a failed commit leaves behind.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// The old manifest is in force; a retry is safe.
    NothingHappened(Error),
    /// A crash may leave either manifest in force: the caller must stop writing.
    OutcomeUnknown(Error),
}

/// The manifest that a store's directory holds, if any.
#[derive(Debug)]
pub(crate) enum Found {
    /// The newest manifest.
    Manifest(Box<Manifest>),
    /// No manifest and no data file: a store can be created here.
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
    let newest = newest.max();
    let put_aside = names.iter().filter_map(|n| match n {
        FileName::ManifestOld(generation) => Some(*generation),
        _ => None,
    });
    // A manifest is put aside only once its successor is in force.
    if let Some(old) = put_aside.max().filter(|old| newest.is_none_or(|newest| newest <= *old)) {
        let path = dir.join(FileName::Manifest(old.saturating_add(1)).to_string());
        return Err(Error::corrupt(path, 0, "the manifest is missing: the one before it is there"));
    }
    let Some(generation) = newest else {
        return no_manifest(disk, dir, &names);
    };
    let path = dir.join(FileName::Manifest(generation).to_string());
    let file = disk.open(&path)?;
    if file.len() > MAX_BYTES {
        return Err(Error::corrupt(path, file.len(), "the manifest is larger than any may be"));
    }
    let bytes = MapVec::read_file(file.as_ref(), MAX_BYTES)?;
    let manifest = Manifest::decode(&bytes).map_err(|e| header_error(&path, e))?;
    if manifest.generation != generation {
        return Err(Error::corrupt(path, 24, "this is another manifest's content"));
    }
    Ok(Found::Manifest(Box::new(manifest)))
}

/// Decides about a directory without a manifest: a store can be created in it, or it is the rest of
/// one.
fn no_manifest(disk: &dyn Disk, dir: &Path, names: &[FileName]) -> Result<Found> {
    if names.contains(&FileName::Unfinished) {
        let found = "it holds a backup that was not finished, so no store".to_owned();
        return Err(Error::NotAStore { path: dir.to_owned(), found });
    }
    // A crash during creation leaves an empty log and temporary files at most. Anything else is
    // data without its manifest, and no empty store may be created over it.
    let data = names.iter().find(|name| match name {
        FileName::Lock | FileName::Reserve | FileName::ManifestTmp(_) => false,
        FileName::Log(_) => has_frames(disk, &dir.join(name.to_string())),
        _ => true,
    });
    match data {
        None => Ok(Found::Nothing),
        Some(name) => Err(Error::corrupt(dir, 0, format!("there is {name} but no manifest"))),
    }
}

/// Returns true if a log has more than its header, as far as can be seen.
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
    let path = dir.join(FileName::Manifest(generation).to_string());
    let mut tmp = dir.join(FileName::ManifestTmp(generation).to_string());
    broken!(ManifestInPlace => tmp.clone_from(&path));
    broken!(PutAsideEarly => put_aside(disk, dir, generation));
    if let Err(error) = write(disk, &tmp, manifest, salt) {
        // The rest of it would block the next try.
        let _ = disk.remove(&tmp);
        return Err(CommitError::NothingHappened(error));
    }
    if tmp != path {
        disk.rename(&tmp, &path).map_err(CommitError::OutcomeUnknown)?;
    }
    disk.sync_dir(dir).map_err(CommitError::OutcomeUnknown)?;
    put_aside(disk, dir, generation);
    Ok(())
}

fn write(disk: &dyn Disk, tmp: &Path, manifest: &Manifest, salt: [u8; 16]) -> Result<()> {
    let bytes = manifest.encode(salt)?;
    let mut file = match disk.create(tmp) {
        // A crash left the file behind. A manifest that was never renamed was never in force.
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
            disk.remove(tmp)?;
            disk.create(tmp)?
        }
        created => created?,
    };
    file.append(&bytes)?;
    file.sync()
}

/// Removes every manifest but this one for good: an older one may hold data that must be forgotten.
pub(crate) fn remove_others(disk: &dyn Disk, dir: &Path, generation: u64) -> Result<()> {
    for entry in disk.list(dir)? {
        // In force before, put aside or never in force: only this one is needed.
        let ours = FileName::parse(&entry.name).filter(|_| entry.name.starts_with("MANIFEST-"));
        if ours.is_some_and(|name| name != FileName::Manifest(generation)) {
            disk.remove(&dir.join(&entry.name))?;
        }
    }
    Ok(())
}

/// Renames the manifest before `generation` to `.old` and removes older ones. Allowed only once
/// `generation` is in force for good. A failure is harmless: the next commit tries again.
fn put_aside(disk: &dyn Disk, dir: &Path, generation: u64) {
    for entry in disk.list(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        let before = |n: u64| n.saturating_add(1) == generation;
        let _ = match FileName::parse(&entry.name) {
            _ if !entry.is_file => continue,
            Some(FileName::Manifest(n)) if before(n) => {
                disk.rename(&path, &dir.join(FileName::ManifestOld(n).to_string()))
            }
            Some(FileName::Manifest(n) | FileName::ManifestTmp(n)) if n < generation => {
                disk.remove(path.as_path())
            }
            Some(FileName::ManifestOld(n)) if !before(n) => disk.remove(&path),
            _ => continue,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::format::manifest::tests::manifest;
    use crate::testing::fault::{Fault, FaultDisk};

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
        let mut names: Vec<String> =
            RealDisk.list(dir.path()).unwrap().into_iter().map(|e| e.name).collect();
        names.sort();
        let left = [FileName::ManifestOld(3), FileName::Manifest(4)];
        assert_eq!(names, left.map(|n| n.to_string()));
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
    fn a_lost_newest_manifest_is_noticed_and_named() {
        let dir = tempfile::tempdir().unwrap();
        for generation in 1..=3 {
            commit(&RealDisk, dir.path(), &at(generation), [0; 16]).unwrap();
        }
        let newest = dir.path().join(FileName::Manifest(3).to_string());
        std::fs::remove_file(&newest).unwrap();
        // A leftover that a failed rename did not put aside must not be taken for the newest.
        for leftover in [None, Some(1)] {
            if let Some(n) = leftover {
                let path = dir.path().join(FileName::Manifest(n).to_string());
                std::fs::write(path, at(n).encode([0; 16]).unwrap()).unwrap();
            }
            match load(&RealDisk, dir.path()) {
                Err(Error::Corrupt { file, .. }) => assert_eq!(file, newest),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_manifest_that_a_crash_did_not_let_be_put_aside_is_put_aside_by_the_next_commit() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::default();
        for generation in 1..=3 {
            // The second rename of a commit is the one to `.old`.
            disk.fail(Fault::Rename, 1, true);
            commit(&disk, dir.path(), &at(generation), [0; 16]).unwrap();
            assert_eq!(loaded(dir.path()), Some(generation));
        }
        disk.heal();
        commit(&disk, dir.path(), &at(4), [0; 16]).unwrap();
        assert_eq!(loaded(dir.path()), Some(4));
        assert_eq!(RealDisk.list(dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn no_empty_store_is_started_over_the_beginning_of_a_backup() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("UNFINISHED"), b"").unwrap();
        assert!(matches!(load(&RealDisk, dir.path()), Err(Error::NotAStore { .. })));
        // A crash right after the commit leaves the mark behind.
        commit(&RealDisk, dir.path(), &at(1), [0; 16]).unwrap();
        assert_eq!(loaded(dir.path()), Some(1));
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

    #[test]
    fn a_manifest_under_another_ones_name_or_larger_than_any_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FileName::Manifest(4).to_string());
        let refused = || match load(&RealDisk, dir.path()) {
            Err(Error::Corrupt { file, reason, .. }) if file == path => reason,
            other => panic!("{other:?}"),
        };
        std::fs::write(&path, at(3).encode([0; 16]).unwrap()).unwrap();
        assert_eq!(refused(), "this is another manifest's content");
        // The length must be checked before the file is read.
        std::fs::File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(refused(), "the manifest is larger than any may be");
        std::fs::write(&path, at(4).encode([0; 16]).unwrap()).unwrap();
        assert_eq!(loaded(dir.path()), Some(4));
    }

    #[test]
    fn a_store_is_made_over_logs_that_have_no_frame_and_over_no_other() {
        for (len, empty) in [(0, true), (HEADER_LEN, true), (HEADER_LEN + 1, false)] {
            let dir = tempfile::tempdir().unwrap();
            let log = dir.path().join(FileName::Log(crate::ids::FileId(1)).to_string());
            std::fs::write(log, vec![0; len]).unwrap();
            assert_eq!(load(&RealDisk, dir.path()).is_ok(), empty, "{len} bytes");
        }
    }

    #[test]
    fn a_directory_with_a_name_of_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join(FileName::Manifest(1).to_string());
        std::fs::create_dir(&other).unwrap();
        commit(&RealDisk, dir.path(), &at(2), [0; 16]).unwrap();
        assert!(other.is_dir());
    }

    #[test]
    fn a_commit_that_cannot_begin_says_what_failed() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        match commit(&RealDisk, &gone, &at(1), [0; 16]) {
            Err(CommitError::NothingHappened(Error::Io { op: "create", .. })) => {}
            other => panic!("{other:?}"),
        }
    }
}
