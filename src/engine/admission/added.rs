//! Owns what a batch adds, as the budgets count it: bytes of rows, how many of them are logged, and
//! whether the batch leaves more data than it found.

use crate::error::Result;
use crate::segment::RowBuffer;
use crate::snapshot::stage::{Prepared, Task};

/// A batch that grows the store must leave the budget divided by this number free, as headroom for
/// batches that only replace.
pub(super) const HEADROOM_SHARE: u64 = 32;

/// The writes of a batch and the bytes that they add.
pub(super) struct Added<'a> {
    pub(super) writes: &'a [Prepared],
    /// Bytes of rows in memtables.
    pub(super) bytes: u64,
    /// How many of these bytes are logged as well. The others belong to in-memory collections.
    pub(super) logged: u64,
}

impl<'a> Added<'a> {
    pub(super) fn of(writes: &'a [Prepared]) -> Self {
        let bytes = writes.iter().map(Prepared::heap_bytes).sum();
        let added = Self { writes, bytes, logged: 0 };
        let logged = added.writes_of(false).map(Prepared::heap_bytes).sum();
        Self { logged, ..added }
    }

    /// Returns the writes to in-memory collections, or to all others.
    pub(super) fn writes_of(&self, in_memory: bool) -> impl Iterator<Item = &'a Prepared> {
        self.writes.iter().filter(move |w| w.core.is_in_memory() == in_memory)
    }

    /// Returns true if these writes add more bytes than they replace and delete. Vectors and bodies
    /// count. O(writes), with one lookup per id.
    pub(super) fn grows(&self, in_memory: bool) -> Result<bool> {
        let (mut added, mut taken) = (0, 0);
        for write in self.writes_of(in_memory) {
            let id = match &write.task {
                Task::Insert { row, .. } => {
                    added += row.vector.len() * 4 + row.body.len();
                    row.id
                }
                Task::Delete { id, .. } => *id,
                // An update takes the place of what it changes.
                Task::DeleteWhere { .. } | Task::Update(_) | Task::Use(_) => continue,
            };
            let snapshot = write.core.snapshot();
            let place = snapshot.find(id)?;
            if let Some((rows, _, row)) = place.and_then(|place| snapshot.rows_at(place)) {
                let body = rows.body(row, &mut RowBuffer::default())?.len();
                taken += write.core.spec.dimension * 4 + body;
            }
        }
        Ok(added > taken)
    }
}
