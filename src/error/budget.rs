//! Owns `Budget`: which of the limits of a store a write would exceed.

use std::fmt;

use serde::Serialize;

/// The budget that an [`Error::OverBudget`](crate::Error::OverBudget) exceeds.
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
