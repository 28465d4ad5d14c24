//! Owns the resources of a store that the system counts for the process, and the lengths of the
//! store's files. It works on Linux; elsewhere the counts are 0.

use std::fs;
use std::path::Path;

/// The system's counts for this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
    /// Number of maps of the store's files.
    pub(crate) maps: usize,
}

impl Held {
    pub(crate) fn now(dir: &Path) -> Self {
        let count = |of: &str| fs::read_dir(of).map_or(0, Iterator::count);
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let dir = dir.to_string_lossy();
        Self {
            threads: count("/proc/self/task"),
            descriptors: count("/proc/self/fd"),
            maps: maps.lines().filter(|line| line.contains(&*dir)).count(),
        }
    }
}

/// Returns the bytes that this process wrote by system calls, without maps.
pub(crate) fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

/// Returns the bytes of the files whose names begin with `prefix`.
pub(crate) fn file_bytes(dir: &Path, prefix: &str) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            sum += entry.metadata().map_or(0, |m| m.len());
        }
    }
    Ok(sum)
}
