//! Owns the one public error type. Every variant names the place, both numbers if there are two,
//! and the way out.

mod budget;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use budget::Budget;

use crate::ids::MemoryId;
use crate::value_error::ValueError;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every error of this crate. No variant means that an acknowledged memory was lost, except
/// [`Error::Corrupt`], which says where bytes on the disk are damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {op} {}: {source}", path.display())]
    #[non_exhaustive]
    Io {
        /// The operation, as a verb: `open`, `read`, `write`, `sync`, …
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Bytes on the disk differ from those that were written. Nothing was changed. Restore the
    /// store from a backup, or salvage what can be read with
    /// [`StoreOptions::repair`](crate::StoreOptions::repair).
    #[error("{} is damaged at byte {offset}: {reason}; see StoreOptions::repair", file.display())]
    #[non_exhaustive]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where the damage is, in bytes from the start of the file.
        offset: u64,
        /// The check that failed.
        reason: String,
    },
    /// The store is open for writing already: in another process, or in this one through another
    /// handle of the store or of one of its collections.
    ///
    /// Within a process, open a store once and clone the [`Store`](crate::Store), which is cheap.
    /// Or close the other handle first: a store stays open until [`Store::close`] or until its last
    /// `Store` and its last `Collection` are dropped. Beside another process, use
    /// [`StoreOptions::open_read_only`](crate::StoreOptions::open_read_only).
    ///
    /// [`Store::close`]: crate::Store::close
    #[error(
        "{} is locked: another process, or another handle in this process, has the store open; \
         clone that `Store`, close it first, or use StoreOptions::open_read_only",
        path.display()
    )]
    #[non_exhaustive]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The store was opened read-only, or its directory cannot be written.
    #[error(
        "{} cannot be changed: open it with Store::open, in a directory that can be written",
        path.display()
    )]
    #[non_exhaustive]
    ReadOnly {
        /// The store's directory.
        path: PathBuf,
    },
    /// There is no store at the path, and none was to be created.
    #[error("there is no store at {}; Store::open makes one", path.display())]
    #[non_exhaustive]
    NotFound {
        /// The path of the store.
        path: PathBuf,
    },
    /// The directory holds something other than a store. Nothing was written to it.
    #[error("{} is not a store: {found}; give a new or an empty directory", path.display())]
    #[non_exhaustive]
    NotAStore {
        /// The path of the store.
        path: PathBuf,
        /// What was found there, with its name.
        found: String,
    },
    /// The file system is full. Nothing was lost. Reads continue, and writes work again once there
    /// is space.
    #[error("no space left to write {}; free some space and try again", path.display())]
    #[non_exhaustive]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
    },
    /// The write would exceed a budget of the store. Nothing of it was done.
    #[error("{budget} would be {needed} of {limit} bytes; {}", way_out(*free))]
    #[non_exhaustive]
    OverBudget {
        /// The budget.
        budget: Budget,
        /// Bytes with this write, including headroom that must stay free.
        needed: u64,
        /// The budget in bytes.
        limit: u64,
        /// How many bytes of memories to delete so that the next attempt succeeds. A memory counts
        /// 4 bytes per dimension plus its content and its metadata. The number suffices unless a
        /// reader holds files or other threads write meanwhile.
        ///
        /// 0 if deleting does not help but background work does: try again later, with
        /// [`Background::Manual`](crate::Background::Manual) after
        /// [`Store::run_pending_tasks`](crate::Store::run_pending_tasks).
        free: u64,
    },
    /// A sync failed, so the outcome of the batch is unknown until the store is opened again. Then
    /// the batch is there as a whole or not at all.
    #[error("a sync failed; operation {seq} may or may not be durable: open the store again")]
    #[non_exhaustive]
    CommitUnknown {
        /// The sequence number of the batch's last operation.
        seq: u64,
    },
    /// An earlier sync failed or a background job panicked. Reads continue. Open the store again to
    /// write.
    #[error("writes stopped after an earlier failure ({reason}); open the store again")]
    #[non_exhaustive]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// This process is a child, made by fork, of the process that opened the store. It shares the
    /// lock and the files, so it may read but must not write. Open the store again when the parent
    /// has closed it.
    #[error(
        "the store was opened by process {opened_by}; its child {process} can only read, until \
         the parent has closed it and the child opens it again"
    )]
    #[non_exhaustive]
    Forked {
        /// The process that opened the store.
        opened_by: u32,
        /// This process.
        process: u32,
    },
    /// A file was written by a newer version of this crate.
    #[error(
        "{} has format {found}, this version reads up to {supported}; use a newer version of \
         altiplano",
        file.display()
    )]
    #[non_exhaustive]
    UnsupportedFormat {
        /// The file.
        file: PathBuf,
        /// The format version that the file requires.
        found: u16,
        /// The newest format version that this version of the crate reads.
        supported: u16,
    },
    /// A vector, or the options of a collection, have another number of dimensions than the
    /// collection.
    ///
    /// A vector of 0 dimensions is often that of a hit or of a list, which come without vectors.
    /// Ask for them with [`Fields::All`](crate::Fields::All), or change the memory with
    /// [`Collection::patch`](crate::Collection::patch), which needs none.
    #[error("{}", dimensions(*expected, *got))]
    #[non_exhaustive]
    Dimension {
        /// The collection's dimension.
        expected: usize,
        /// The vector's dimension.
        got: usize,
    },
    /// A vector holds NaN or infinity, or is zero under the cosine metric.
    #[error("invalid vector of {}: {reason}", owner(*id))]
    #[non_exhaustive]
    InvalidVector {
        /// The memory's id; `None` for a query.
        id: Option<MemoryId>,
        /// What is wrong with the vector.
        reason: &'static str,
    },
    /// No visible memory of the collection has this id: it was never there, was deleted or has
    /// expired. `Collection::get` returns `None` for such an id.
    #[error("collection {collection:?} has no memory {id}; Collection::contains tells beforehand")]
    #[non_exhaustive]
    NoMemory {
        /// The name of the collection.
        collection: String,
        /// The id.
        id: MemoryId,
    },
    /// There is no collection of this name. Nothing was changed.
    #[error("there is no collection {name:?}; Store::collection_names lists those that there are")]
    #[non_exhaustive]
    NoCollection {
        /// The name.
        name: String,
    },
    /// Another collection has this name. Nothing was changed.
    #[error("there is a collection {name:?} already; drop it, or use Store::swap_collections")]
    #[non_exhaustive]
    NameTaken {
        /// The name.
        name: String,
    },
    /// An option or argument is out of range, or conflicts with the options that the store was
    /// created with.
    #[error("invalid {name}: {reason}")]
    #[non_exhaustive]
    InvalidOption {
        /// The name of the option.
        name: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The collection holds embeddings of another model, so distances would mean nothing.
    #[error(
        "the collection holds embeddings of {expected:?}, not of {got:?}; embed the texts again \
         into another collection"
    )]
    #[non_exhaustive]
    EmbeddingSpace {
        /// The collection's embedding space.
        expected: String,
        /// The requested embedding space.
        got: String,
    },
    /// A text, a list, a filter or a batch is larger than the limit.
    #[error("{what}: {got} {unit}, at most {limit} are allowed; {way_out}")]
    #[non_exhaustive]
    LimitExceeded {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: u64,
        /// The unit of size and limit: `bytes`, `tags`, `levels`, …
        unit: &'static str,
        /// The limit.
        limit: u64,
        /// How to stay below the limit.
        way_out: &'static str,
    },
    /// Metadata is of a type that [`Memory::metadata`](crate::Memory::metadata) does not support,
    /// or cannot be read as the type that was asked for.
    #[error("metadata: {reason}")]
    #[non_exhaustive]
    Metadata {
        /// What is wrong, and the way out if there is one.
        reason: String,
    },
    /// The id belongs to a memory that the caller may not replace: one of another namespace, if the
    /// write came through a scope, or one whose key is another text with the same hash. Nothing was
    /// written. Use another id.
    #[error("memory {id} exists in another namespace or with another key; use another id")]
    #[non_exhaustive]
    IdTaken {
        /// The id.
        id: MemoryId,
    },
    /// The collection keeps keys unique, and another memory of the namespace has the key. Nothing
    /// was written. Write under the id of that memory, or delete it first.
    #[error("key {key:?} belongs to memory {id}: write under that id, or delete it first")]
    #[non_exhaustive]
    KeyTaken {
        /// The key.
        key: String,
        /// The memory that has it.
        id: MemoryId,
    },
    /// A snapshot was held for longer than the store allows. Its files and its RAM were released.
    #[error("the snapshot is {age:?} old, and {limit:?} are allowed; take a new one")]
    #[non_exhaustive]
    SnapshotExpired {
        /// The age of the snapshot.
        age: Duration,
        /// [`StoreOptions::snapshot_max_age`](crate::StoreOptions::snapshot_max_age).
        limit: Duration,
    },
    /// The store was closed, through any of its handles, or the collection was dropped.
    #[error("the store was closed or the collection was dropped; open it again")]
    Closed,
    /// A part that the caller gave to an [`Agent`](crate::agent::Agent) failed, or gave an answer
    /// that cannot be used. Nothing was changed.
    #[error("the {part} failed: {source}; nothing was changed")]
    #[non_exhaustive]
    Callback {
        /// The part: `embedder`, `summarizer`, `archive`, …
        part: &'static str,
        /// The error of the part.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An invariant of this crate does not hold. Nothing was written. This is a bug: please report
    /// it.
    #[error("internal error, please report it: {what}")]
    #[non_exhaustive]
    Internal {
        /// The invariant that does not hold.
        what: String,
    },
}

fn dimensions(expected: usize, got: usize) -> String {
    match got {
        0 => format!(
            "the vector is empty, the collection has {expected} dimensions; hits and lists come \
             without vectors: ask for them with fields(Fields::All), or change the memory with \
             Collection::patch, which needs none"
        ),
        _ => format!(
            "{got} dimensions were given, the collection has {expected}; a model with another \
             number of dimensions needs a collection of its own"
        ),
    }
}

/// Returns whose vector it is.
fn owner(id: Option<MemoryId>) -> String {
    id.map_or("the query".to_owned(), |id| format!("memory {id}"))
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
    /// Creates an I/O error. Errors that a caller can act on get their own variants.
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { op, path, source },
        }
    }

    /// Creates an error for damage in `file`.
    pub(crate) fn corrupt(
        file: impl Into<PathBuf>,
        offset: u64,
        reason: impl Into<String>,
    ) -> Self {
        Self::Corrupt { file: file.into(), offset, reason: reason.into() }
    }

    /// Creates an error for a size past its limit. `got` and `limit` are counted in `unit`.
    pub(crate) fn limit(
        what: &'static str,
        (got, unit): (usize, &'static str),
        limit: usize,
        way_out: &'static str,
    ) -> Self {
        Self::LimitExceeded { what, got: got as u64, unit, limit: limit as u64, way_out }
    }

    /// Creates an error for a path without a store.
    pub(crate) fn not_found(path: &Path) -> Self {
        Self::NotFound { path: path.to_owned() }
    }

    /// Creates an error for an invariant that does not hold.
    pub(crate) fn internal(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into() }
    }

    /// Creates an error for an invalid option.
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
