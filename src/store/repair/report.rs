//! Owns what a repair says: plain data. Knows nothing of how it was found out.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::ids::MemoryId;

/// What a repair does with memories of which nobody can tell whether they are dead: the record of
/// deletes of their segment is damaged, or a part of the log is in which they may have been deleted
/// or replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum RepairPolicy {
    /// Gives them up, and lists them: nothing deleted comes back.
    #[default]
    Strict,
    /// Keeps them: as little as possible is lost, and some that were deleted, or older versions of
    /// others, may come back.
    KeepDoubtful,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// The manifest that was gone by: the number in its file's name.
    pub generation: u64,
    /// Memories that are in the new store, by collection.
    pub salvaged: Vec<Salvaged>,
    /// Memories among them that may have been deleted. None unless [`RepairPolicy::KeepDoubtful`]
    /// was chosen.
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

impl fmt::Display for RepairReport {
    /// One line for each collection, and one for each loss.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.salvaged.iter().map(|s| s.rows).sum();
        write!(f, "{rows} memories salvaged, {} of them doubtful", self.revived)?;
        for Salvaged { collection, rows } in &self.salvaged {
            write!(f, "\n{collection}: {rows} memories")?;
        }
        for loss in &self.lost {
            write!(f, "\n{loss}")?;
        }
        Ok(())
    }
}

/// Memories of one collection that were salvaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Salvaged {
    /// The collection.
    pub collection: String,
    /// How many.
    pub rows: u64,
}

/// Something that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

impl fmt::Display for Loss {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, reason, .. } = self;
        write!(f, "lost: {} at byte {offset}: {reason}", file.display())?;
        match self.rows {
            Some(rows) => write!(f, " (at most {rows} memories)"),
            None => f.write_str(" (nobody can tell how many memories)"),
        }
    }
}
