//! Owns the writes of a batch, ready to be carried out, and the conditions under which they are.
//! Plain data.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::filter::Matcher;
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::memory::{Change, Patch};
use crate::segment::{NewRow, row_bound};
use crate::snapshot::state::CollectionState;
use crate::snapshot::uses::NotedUse;

/// Estimated bytes of the body of a row that is updated.
const BODY_BYTES: usize = 512;

/// One write of a batch, ready to be carried out.
pub(crate) struct Prepared {
    pub(crate) core: Arc<CollectionState>,
    pub(crate) task: Task,
}

/// What a write does.
pub(crate) enum Task {
    /// Adds a row; its sequence number is assigned when it is carried out.
    Insert {
        row: NewRow,
        only: Condition,
    },
    Delete {
        id: MemoryId,
        only: Condition,
    },
    DeleteWhere {
        filter: Matcher,
        now: Timestamp,
    },
    Update(Update),
    /// Adds uses to memories.
    Use(Vec<NotedUse>),
}

/// What must hold of the memory with the id of a write; all that is given. The write is carried out
/// only then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    /// None is visible.
    pub(crate) absent: bool,
    /// It has this version.
    pub(crate) version: Option<Seq>,
    /// This other memory is visible.
    pub(crate) beside: Option<MemoryId>,
    /// It is in this namespace, and so is the memory beside it. A memory of another namespace does
    /// not exist for an update or a delete. For an insert it is an error.
    pub(crate) namespace: Option<String>,
    /// It has this key: the id was made of it. Another key is an error.
    pub(crate) key: Option<String>,
}

impl Condition {
    /// Returns true if nothing is asked for.
    pub(crate) const fn is_none(&self) -> bool {
        let Self { absent, version, beside, namespace, key } = self;
        let names = namespace.is_none() && key.is_none();
        !*absent && version.is_none() && beside.is_none() && names
    }
}

/// An update of one or many memories.
pub(crate) struct Update {
    pub(crate) target: Target,
    pub(crate) with: UpdateWith,
}

/// The memories to be updated.
pub(crate) enum Target {
    Id(MemoryId, Condition),
    /// Those that match, and their estimated number.
    Where(Matcher, u64),
}

/// What an update changes.
#[derive(Clone)]
pub(crate) enum UpdateWith {
    /// Attributes that are kept beside the row.
    Change(Change),
    /// Attributes in the body: a new row takes the place of the old one.
    Patch { patch: Arc<Patch>, default_ttl: Option<Duration> },
}

impl Prepared {
    /// Returns the estimated bytes that the write adds to a memtable.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let (rows, row) = self.rows();
        let indexed = self.core.options().text_index.is_some();
        let words = if indexed { row_bound(self.text_bytes()) } else { 0 };
        rows.saturating_mul((row + self.core.spec.row_bytes() + words) as u64)
    }

    /// Returns the estimated bytes of the rows that the write adds to the log.
    pub(crate) fn logged_bytes(&self) -> u64 {
        let (rows, row) = self.rows();
        rows.saturating_mul(row as u64)
    }

    /// Returns the estimated number of rows that the write adds, and the bytes of the vector and
    /// the body of each.
    fn rows(&self) -> (u64, usize) {
        match &self.task {
            Task::Insert { row, .. } => (1, row.vector.len() * 4 + row.body.len()),
            Task::Update(Update { target, with: UpdateWith::Patch { patch, .. } }) => {
                let rows = match target {
                    Target::Id(..) => 1,
                    Target::Where(_, rows) => *rows,
                };
                (rows, self.core.spec.dimension * 4 + patch.bytes() + BODY_BYTES)
            }
            Task::Use(_) | Task::Update(_) | Task::Delete { .. } | Task::DeleteWhere { .. } => {
                (0, 0)
            }
        }
    }

    /// Returns the estimated bytes of the text of each such row.
    fn text_bytes(&self) -> usize {
        match &self.task {
            Task::Insert { row, .. } => {
                record::text_of(&row.body).ok().flatten().map_or(0, str::len)
            }
            Task::Update(Update { with: UpdateWith::Patch { patch, .. }, .. }) => {
                patch.bytes() + BODY_BYTES
            }
            Task::Use(_) | Task::Update(_) | Task::Delete { .. } | Task::DeleteWhere { .. } => 0,
        }
    }

    /// Returns true if the write may add bytes to the store for long: only deletes do not.
    pub(crate) const fn is_delete(&self) -> bool {
        matches!(self.task, Task::Delete { .. } | Task::DeleteWhere { .. })
    }
}
