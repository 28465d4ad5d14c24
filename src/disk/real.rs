//! Owns the implementation of `Disk` on the operating system. Only a file's owner may read it.
//! Names and contents have no meaning here.
#![expect(clippy::disallowed_methods, reason = "this module is the door to std::fs")]

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{AppendFile, Disk, Listed, Mapped, SealedFile, Site};
use crate::error::{Error, Result};

/// The operating system's files.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> Result<bool> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(e) => Err(Error::io("create the directory", path, e)),
        }
    }

    #[cfg(unix)]
    fn make_private(&self, dir: &Path) {
        use std::os::unix::fs::PermissionsExt;
        if let Ok(found) = fs::metadata(dir) {
            let mode = found.permissions().mode() & 0o7000 | 0o700;
            let _ = fs::set_permissions(dir, fs::Permissions::from_mode(mode));
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<Listed>> {
        let error = |e| Error::io("list", dir, e);
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Listed { name, is_file: entry.file_type().is_ok_and(|t| t.is_file()) });
        }
        Ok(entries)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Box::new(RealAppend { file, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn SealedFile>> {
        let error = |e| Error::io("open", path, e);
        // Through a link, another file would be read, and could change, instead of ours.
        let kind = fs::symlink_metadata(path).map_err(error)?;
        if !kind.is_file() {
            return Err(error(ErrorKind::InvalidInput.into()));
        }
        let file = File::open(path).map_err(error)?;
        let len = file.metadata().map_err(error)?.len();
        Ok(Arc::new(RealSealed { file, path: path.to_owned(), len }))
    }

    fn link_at(&self, from: &Path, to: &Path, _: Site) -> Result<()> {
        fs::hard_link(from, to).map_err(|e| Error::io("link", from, e))
    }

    fn rename_at(&self, from: &Path, to: &Path, _: Site) -> Result<()> {
        fs::rename(from, to).map_err(|e| Error::io("rename", from, e))
    }

    fn remove_at(&self, path: &Path, _: Site) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))
    }

    #[cfg(unix)]
    fn sync_dir_at(&self, dir: &Path, _: Site) -> Result<()> {
        let file = File::open(dir).map_err(|e| Error::io("open", dir, e))?;
        file.sync_all().map_err(|e| Error::io("sync", dir, e))
    }

    /// Windows has no such call: a rename is the commit point there.
    #[cfg(not(unix))]
    fn sync_dir_at(&self, _: &Path, _: Site) -> Result<()> {
        Ok(())
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        fs::canonicalize(path).ok()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| Error::io("open", path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
        }
        if !same_file(&file, path)? {
            // The directory was removed and created again between the two calls.
            return Err(Error::Locked { path: path.to_owned() });
        }
        Ok(Box::new(LockFile { file, process: std::process::id() }))
    }

    #[cfg(target_os = "linux")]
    fn resident(&self, dir: &Path) -> Vec<(String, u64)> {
        let (Ok(dir), Ok(maps)) = (fs::canonicalize(dir), fs::read_to_string("/proc/self/smaps"))
        else {
            return Vec::new();
        };
        resident_in(&maps, &dir)
    }

    #[cfg(unix)]
    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        let metadata = fs::metadata(path).map_err(|e| Error::io("look at", path, e))?;
        Ok(std::os::unix::fs::MetadataExt::blocks(&metadata) * 512)
    }

    #[cfg(not(unix))]
    fn allocated_bytes(&self, path: &Path) -> Result<u64> {
        Ok(fs::metadata(path).map_err(|e| Error::io("look at", path, e))?.len())
    }
}

/// Returns what `smaps` reports about the maps of files in a directory; proc_pid_smaps(5).
#[cfg(target_os = "linux")]
fn resident_in(maps: &str, dir: &Path) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    let mut open = false;
    for line in maps.lines() {
        if let Some(kib) = line.strip_prefix("Rss:").filter(|_| open) {
            let kib: u64 = kib.trim().trim_end_matches(" kB").parse().unwrap_or(0);
            if let Some((_, bytes)) = found.last_mut() {
                *bytes += kib * 1024;
            }
            open = false;
        } else if let Some(at) = line.find('/')
            && let Ok(name) = Path::new(&line[at..]).strip_prefix(dir)
        {
            open = true;
            let name = name.to_string_lossy().into_owned();
            if found.last().is_none_or(|(last, _)| *last != name) {
                found.push((name, 0));
            }
        }
    }
    found
}

/// A held lock. A child made by fork holds it as well. Only the process that took it unlocks it,
/// and for both, so that a surviving child does not keep the store locked.
struct LockFile {
    file: File,
    process: u32,
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // The lock ends with the last descriptor in any case.
            let _ = self.file.unlock();
        }
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let error = |e| Error::io("look at", path, e);
    let (held, named) = (file.metadata().map_err(error)?, fs::metadata(path).map_err(error)?);
    Ok((held.dev(), held.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn same_file(_file: &File, _path: &Path) -> Result<bool> {
    Ok(true)
}

struct RealAppend {
    file: File,
    path: PathBuf,
}

impl AppendFile for RealAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        // `write_all` continues after short writes and interruptions.
        self.file.write_all(bytes).map_err(|e| Error::io("write", &self.path, e))
    }

    fn sync_at(&mut self, _: Site) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("sync", &self.path, e))
    }
}

#[derive(Debug)]
struct RealSealed {
    file: File,
    path: PathBuf,
    len: u64,
}

impl SealedFile for RealSealed {
    fn len(&self) -> u64 {
        self.len
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
            .map_err(|e| Error::io("read", &self.path, e))
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> Result<()> {
        let error = |e| Error::io("read", &self.path, e);
        while !buffer.is_empty() {
            let got = std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
                .map_err(error)?;
            if got == 0 {
                return Err(error(ErrorKind::UnexpectedEof.into()));
            }
            offset += got as u64;
            buffer = &mut buffer[got..];
        }
        Ok(())
    }

    fn map(&self) -> Result<Mapped> {
        Mapped::new(&self.file, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_appended_to_and_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut file = RealDisk.create(&path).unwrap();
        file.append(b"hello ").unwrap();
        file.append(b"world").unwrap();
        file.sync().unwrap();
        assert!(matches!(RealDisk.create(&path), Err(Error::Io { op: "create", .. })));
        let sealed = RealDisk.open(&path).unwrap();
        assert_eq!(&*sealed.map().unwrap(), b"hello world");
        let mut part = [0; 5];
        sealed.read_at(6, &mut part).unwrap();
        assert_eq!(&part, b"world");
        assert!(sealed.read_at(7, &mut part).is_err());
        let disk: &dyn Disk = &RealDisk;
        let second = dir.path().join("b");
        disk.link(&path, &second).unwrap();
        let taken = disk.link(&path, &second);
        assert!(matches!(taken, Err(Error::Io { op: "link", .. })), "{taken:?}");
        disk.remove(&path).unwrap();
        assert_eq!(sealed.len(), 11);
        assert_eq!(&*RealDisk.open(&second).unwrap().map().unwrap(), b"hello world");
        assert_eq!(RealDisk.resolve(&path), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pages_of_a_map_are_resident_once_read_until_they_are_released() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut file = RealDisk.create(&path).unwrap();
        file.append(&vec![7; 1 << 20]).unwrap();
        file.sync().unwrap();
        let map = RealDisk.open(&path).unwrap().map().unwrap();
        let resident = || RealDisk.resident(dir.path());
        assert_eq!(map.iter().map(|b| u64::from(*b)).sum::<u64>(), 7 << 20);
        assert_eq!(resident(), [("a".to_owned(), 1 << 20)]);
        map.release();
        assert_eq!(resident(), [("a".to_owned(), 0)]);
        assert_eq!(map[12_345], 7, "they come back");
        assert!(resident()[0].1 > 0);
        drop(map);
        assert_eq!(resident(), []);
    }

    #[test]
    fn one_lock_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LOCK");
        let held = RealDisk.lock(&path).unwrap();
        assert!(matches!(RealDisk.lock(&path), Err(Error::Locked { .. })));
        drop(held);
        assert!(RealDisk.lock(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn files_and_directories_are_private_and_links_are_not_followed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (store, file) = (dir.path().join("s"), dir.path().join("s/f"));
        assert!(RealDisk.create_dir(&store).unwrap());
        assert!(!RealDisk.create_dir(&store).unwrap());
        RealDisk.create(&file).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&store) & 0o077, mode(&file) & 0o077), (0, 0));
        let link = dir.path().join("s/l");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(RealDisk.open(&link).is_err());
    }

    /// A device cannot be synced. A sync that succeeds here never reached the system.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_sync_is_the_system_s() {
        let path = PathBuf::from("/dev/null");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let mut device: Box<dyn AppendFile> = Box::new(RealAppend { file, path: path.clone() });
        device.append(b"gone").unwrap();
        assert!(matches!(device.sync(), Err(Error::Io { op: "sync", .. })));
        let disk: &dyn Disk = &RealDisk;
        assert!(matches!(disk.sync_dir(&path), Err(Error::Io { op: "sync", .. })));
    }

    #[test]
    fn a_directory_that_cannot_be_synced_is_an_error_and_the_process_is_this_one() {
        let dir = tempfile::tempdir().unwrap();
        let disk: &dyn Disk = &RealDisk;
        disk.sync_dir(dir.path()).unwrap();
        #[cfg(unix)]
        assert!(disk.sync_dir(&dir.path().join("gone")).is_err());
        assert_eq!(disk.process_id(), std::process::id());
    }
}
