//! Owns what a repair says: plain data. Knows nothing of how it was found out.

use std::path::PathBuf;

use crate::ids::MemoryId;

/// What a repair does with memories of which nobody can tell whether they are dead: the record of
/// deletes of their segment is damaged, or a part of the log is in which they may have been deleted
/// or replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairPolicy {
    /// Gives them up, and lists them: nothing deleted comes back.
    #[default]
    GiveUp,
    /// Keeps them: as little as possible is lost, and some that were deleted, or older versions of
    /// others, may come back.
    Revive,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RepairReport {
    /// The manifest that was gone by: the number in its file's name.
    pub generation: u64,
    /// Memories that are in the new store, by collection.
    pub salvaged: Vec<Salvaged>,
    /// Memories among them that may have been deleted. None unless [`RepairPolicy::KeepDoubtful`] was chosen.
    pub revived: u64,
    /// Everything that was given up or is in question. Damage that cost no memory, and missing
    /// indexes, are not listed.
    pub lost: Vec<Loss>,
}

impl RepairReport {
    /// Whether nothing was given up and nothing is in question.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }
}

/// Memories of one collection that were salvaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// The collection.
    pub collection: String,
    /// How many.
    pub rows: u64,
}

/// Something that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The damaged or missing file.
    pub file: PathBuf,
    /// Where the damage begins, in bytes from its start.
    pub offset: u64,
    /// What is wrong, and what follows from it.
    pub reason: String,
    /// The collection, where it is known.
    pub collection: Option<String>,
    /// How many memories this costs at most; `None` where nobody can tell.
    pub rows: Option<u64>,
    /// Their ids, as far as they can be read.
    pub ids: Vec<MemoryId>,
}
