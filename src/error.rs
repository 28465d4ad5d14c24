//! Owns the one public error type. Every variant names the place, both numbers where there are two,
//! and the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::ids::MemoryId;
use crate::value_error::ValueError;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. No variant means that an acknowledged memory was lost, except
/// [`Error::Corrupt`], which says where bytes on disk are damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {op} {}: {source}", path.display())]
    #[non_exhaustive]
    Io {
        /// What was tried, as a verb: `open`, `read`, `write`, `sync`, …
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes on disk are not what was written. Nothing was changed. Restore the store from a
    /// backup, or save what can be read with [`StoreOptions::repair`](crate::StoreOptions::repair).
    #[error("{} is damaged at byte {offset}: {reason}; see StoreOptions::repair", file.display())]
    #[non_exhaustive]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in the file, in bytes from its start.
        offset: u64,
        /// What did not hold.
        reason: String,
    },
    /// Another process has the store open, or this one does, through a handle of the store or of
    /// one of its collections. Close it first, or use `StoreOptions::open_read_only`.
    #[error("{} is locked by another open store; close it or open read-only", path.display())]
    #[non_exhaustive]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The store was opened read-only, or its directory cannot be written.
    #[error("{} is read-only here: open the store for writing to change it", path.display())]
    #[non_exhaustive]
    ReadOnly {
        /// The store's directory.
        path: PathBuf,
    },
    /// There is no store at the path, and none was to be created.
    #[error("there is no store at {}; Store::open makes one", path.display())]
    #[non_exhaustive]
    NotFound {
        /// The path that was to be opened.
        path: PathBuf,
    },
    /// The directory holds something else, and no store. Nothing was written to it.
    #[error("{} is not a store: {found}; give a new or an empty directory", path.display())]
    #[non_exhaustive]
    NotAStore {
        /// The path that was to be opened.
        path: PathBuf,
        /// What is there instead, with its name.
        found: String,
    },
    /// The file system is full. Nothing was lost; reads go on, and writes work again once space
    /// returns.
    #[error("no space left to write {}; free some space and try again", path.display())]
    #[non_exhaustive]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
    },
    /// The write would pass a budget of the store. Nothing of it was done.
    #[error("{budget} would be {needed} of {limit} bytes; {}", way_out(*free))]
    #[non_exhaustive]
    OverBudget {
        /// Which budget.
        budget: Budget,
        /// Bytes with this write, and with what must stay free.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
        /// How many bytes of memories to delete so that the same write is taken at the next try: of
        /// each, 4 bytes a dimension, its content and its metadata count. It is enough unless a
        /// reader holds files, or others write meanwhile. 0 where deleting is of no use and
        /// background work is: try again later, with
        /// [`Background::Manual`](crate::Background::Manual) after
        /// [`Store::run_pending_tasks`](crate::Store::run_pending_tasks).
        free: u64,
    },
    /// A sync failed, so the outcome of the batch is known only after the store is opened again:
    /// it is there whole or not at all.
    #[error("a sync failed; operation {seq} may or may not be durable: open the store again")]
    #[non_exhaustive]
    CommitUnknown {
        /// The sequence number of the batch's last operation.
        seq: u64,
    },
    /// An earlier sync failed or a background job panicked. Reads go on; open the store again to
    /// write.
    #[error("writes stopped after an earlier failure ({reason}); open the store again")]
    #[non_exhaustive]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// The process is a child, made by fork, of the one that opened the store. It shares the lock
    /// and the files with it, so it may read and must not write; open the store again when the
    /// parent has closed it.
    #[error("the store was opened by process {opened_by}; its child {process} can only read")]
    #[non_exhaustive]
    Forked {
        /// The process that opened the store.
        opened_by: u32,
        /// This process.
        process: u32,
    },
    /// A file was written by a newer version of this crate.
    #[error("{} has format {found}, this version reads up to {supported}", file.display())]
    #[non_exhaustive]
    UnsupportedFormat {
        /// The file.
        file: PathBuf,
        /// The version it asks of its reader.
        found: u16,
        /// The newest version read here.
        supported: u16,
    },
    /// A vector, or the options of a collection, have another number of dimensions than the collection.
    #[error("{got} dimensions were given, the collection has {expected}")]
    #[non_exhaustive]
    Dimension {
        /// The collection's dimension.
        expected: usize,
        /// The vector's.
        got: usize,
    },
    /// A vector holds NaN or infinity, or is zero under cosine.
    #[error("invalid vector{}: {reason}", id.map(|id| format!(" of memory {id}")).unwrap_or_default())]
    #[non_exhaustive]
    InvalidVector {
        /// The memory, unless it was a query.
        id: Option<MemoryId>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An option or argument is out of range, or clashes with what the store was created with.
    #[error("invalid {name}: {reason}")]
    #[non_exhaustive]
    InvalidOption {
        /// The option.
        name: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The collection holds embeddings of another model: their distances would mean nothing.
    #[error("the collection holds embeddings of {expected:?}, not of {got:?}")]
    #[non_exhaustive]
    EmbeddingSpace {
        /// The collection's embedding space.
        expected: String,
        /// The one that was asked for.
        got: String,
    },
    /// A text, a list, a filter or a batch is larger than the store takes.
    #[error("{what}: {got} {unit}, at most {limit} are allowed; {way_out}")]
    #[non_exhaustive]
    LimitExceeded {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: u64,
        /// What size and limit count: `bytes`, `tags`, `levels`, …
        unit: &'static str,
        /// The limit.
        limit: u64,
        /// What to do about it.
        way_out: &'static str,
    },
    /// Metadata could not be encoded or decoded as the type asked for.
    #[error("metadata: {reason}")]
    #[non_exhaustive]
    Metadata {
        /// What the codec said.
        reason: String,
    },
    /// The store was closed, through any of its handles, or the collection was dropped.
    #[error("the store or collection is closed")]
    Closed,
    /// An invariant of this crate does not hold. Nothing was written. It is a bug: please report
    /// it.
    #[error("internal error, please report it: {what}")]
    #[non_exhaustive]
    Internal {
        /// What does not hold.
        what: String,
    },
}

/// What an [`Error::OverBudget`] ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Budget {
    /// [`StoreOptions::heap_budget`](crate::StoreOptions::heap_budget).
    Heap,
    /// The heap of memtables that wait to be sealed, which is bounded in every store.
    Memtables,
    /// [`StoreOptions::disk_budget`](crate::StoreOptions::disk_budget).
    Disk,
    /// [`StoreOptions::compaction_debt_limit`](crate::StoreOptions::compaction_debt_limit).
    CompactionDebt,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Heap => "heap_budget",
            Self::Memtables => "the heap of memtables that wait to be sealed",
            Self::Disk => "disk_budget",
            Self::CompactionDebt => "compaction_debt_limit",
        })
    }
}

fn way_out(free: u64) -> String {
    match free {
        0 => "try again when background work has made room, or raise the budget".to_owned(),
        _ => format!("delete {free} bytes of memories or raise the budget"),
    }
}

impl From<ValueError> for Error {
    fn from(error: ValueError) -> Self {
        Self::InvalidOption { name: error.name, reason: error.reason }
    }
}

impl Error {
    /// An I/O error, told apart where the caller can do something about it.
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { op, path, source },
        }
    }

    /// Damage in `file`.
    pub(crate) fn corrupt(
        file: impl Into<PathBuf>,
        offset: u64,
        reason: impl Into<String>,
    ) -> Self {
        Self::Corrupt { file: file.into(), offset, reason: reason.into() }
    }

    /// A size past its limit: so many of a unit.
    pub(crate) fn limit(
        what: &'static str,
        (got, unit): (usize, &'static str),
        limit: usize,
        way_out: &'static str,
    ) -> Self {
        Self::LimitExceeded { what, got: got as u64, unit, limit: limit as u64, way_out }
    }

    /// There is no store at `path`.
    pub(crate) fn not_found(path: &Path) -> Self {
        Self::NotFound { path: path.to_owned() }
    }

    /// An invariant of ours that does not hold.
    pub(crate) fn internal(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into() }
    }

    /// An option out of range.
    pub(crate) fn option(name: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidOption { name, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_deleting_does_not_help_says_so() {
        let over = |free| Error::OverBudget { budget: Budget::Heap, needed: 9, limit: 8, free };
        let text = over(0).to_string();
        assert!(text.contains("9 of 8 bytes") && text.contains("try again"), "{text}");
        let text = over(5).to_string();
        assert!(text.contains("delete 5 bytes"), "{text}");
    }
}
