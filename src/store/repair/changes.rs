//! Owns what a repair knows of changes that are kept beside rows: those of a segment's `del` file,
//! and those in the log.

use crate::clock::Timestamp;
use crate::filter::{Attributes, Matcher};
use crate::format::op::OpKind;
use crate::ids::{MemoryId, Seq};
use crate::memory::{Change, Uses};

/// The rows that a logged change is about.
enum Of {
    /// Sorted.
    Ids(Vec<MemoryId>),
    Where(Matcher, Timestamp),
}

/// The changes in the log, in the order in which they were made.
#[derive(Default)]
pub(super) struct LoggedChanges {
    /// Each with the position of its collection in the manifest.
    all: Vec<(u32, Of, Change)>,
}

impl LoggedChanges {
    /// Takes a change from the log; ignores other operations.
    pub(super) fn take(&mut self, collection: u32, kind: OpKind) {
        match kind {
            OpKind::ChangeIds { mut ids, change } => {
                ids.sort_unstable();
                self.all.push((collection, Of::Ids(ids), change));
            }
            OpKind::ChangeWhere { filter, now, change } => {
                self.all.push((collection, Of::Where(filter, now), change));
            }
            _ => {}
        }
    }

    /// Returns what was changed of a row: `before`, and what the log adds to that. `newest` is the
    /// newest operation in the row before the log, and `written` are the uses in its body.
    pub(super) fn of(
        &self,
        collection: u32,
        row: &Attributes<'_>,
        (newest, written): (Seq, Uses),
        before: Option<Change>,
    ) -> Option<Change> {
        let changes =
            self.all.iter().filter(|(of, _, change)| *of == collection && change.seq > newest);
        changes.fold(before, |sum, (_, of, change)| {
            let hit = match of {
                Of::Ids(ids) => ids.binary_search(&row.id).is_ok(),
                Of::Where(filter, now) => filter.matches(row) && row.expires_at > *now,
            };
            if !hit {
                return sum;
            }
            let sum = sum.unwrap_or_default();
            Some(sum.then(change.of_row(sum.uses.unwrap_or(written))))
        })
    }
}
