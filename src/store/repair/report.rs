//! Owns the report of a repair. Plain data.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::ids::MemoryId;
use crate::report::Count;

/// What a repair does with memories that may or may not be dead: the deletes of their segment are
/// damaged, or a part of the log is lost that may have deleted or replaced them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum RepairPolicy {
    /// Gives them up and lists them. No deleted memory comes back.
    #[default]
    Strict,
    /// Keeps them. As little as possible is lost, but some deleted memories, or older versions of
    /// others, may come back.
    KeepDoubtful,
}

/// The result of a repair.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// The manifest that the repair used: the number in its file's name.
    pub generation: u64,
    /// The memories in the new store, by collection.
    pub salvaged: Vec<Salvaged>,
    /// How many of these memories may have been deleted. 0 unless [`RepairPolicy::KeepDoubtful`]
    /// was chosen.
    pub revived: u64,
    /// Everything that was given up or is in question. Damage that cost no memory is not listed,
    /// nor are missing indexes.
    pub lost: Vec<Loss>,
    /// Collections that kept keys unique and hold two memories of a namespace with one key now. A
    /// lost record had deleted or changed one of them. The option is off in the new store.
    pub shared_keys: Vec<String>,
}

impl RepairReport {
    /// Returns true if nothing was given up and nothing is in question.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }
}

impl fmt::Display for RepairReport {
    /// One line per collection, and one per loss.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.salvaged.iter().map(|s| s.rows).sum();
        write!(f, "{} salvaged, {} of them doubtful", Count(rows, "memory"), self.revived)?;
        for Salvaged { collection, rows } in &self.salvaged {
            write!(f, "\n{collection}: {}", Count(*rows, "memory"))?;
        }
        for loss in &self.lost {
            write!(f, "\n{loss}")?;
        }
        for collection in &self.shared_keys {
            write!(f, "\n{collection}: keys are not unique any more")?;
        }
        Ok(())
    }
}

/// The salvaged memories of one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Salvaged {
    /// The name of the collection.
    pub collection: String,
    /// Number of salvaged memories.
    pub rows: u64,
}

/// A loss, or a doubt, that a repair reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// The damaged or missing file.
    pub file: PathBuf,
    /// Where the damage begins, in bytes from the start of the file.
    pub offset: u64,
    /// What is wrong, and its consequences.
    pub reason: String,
    /// The name of the collection, if it is known.
    pub collection: Option<String>,
    /// Maximum number of memories lost; `None` if it is unknown.
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
            Some(rows) => write!(f, " (at most {})", Count(rows, "memory")),
            None => f.write_str(" (nobody can tell how many memories)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_memory_is_not_many() {
        let salvaged = |collection: &str, rows| Salvaged { collection: collection.into(), rows };
        let lost = Loss {
            file: "seg-3".into(),
            offset: 7,
            reason: "torn".into(),
            collection: None,
            rows: Some(1),
            ids: Vec::new(),
        };
        let one = RepairReport { salvaged: vec![salvaged("a", 1)], ..Default::default() };
        assert_eq!(one.to_string(), "1 memory salvaged, 0 of them doubtful\na: 1 memory");
        let two = RepairReport {
            salvaged: vec![salvaged("a", 2)],
            lost: vec![lost],
            ..Default::default()
        };
        let lines = [
            "2 memories salvaged, 0 of them doubtful",
            "a: 2 memories",
            "lost: seg-3 at byte 7: torn (at most 1 memory)",
        ];
        assert_eq!(two.to_string().lines().collect::<Vec<_>>(), lines);
    }
}
