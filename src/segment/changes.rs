//! Owns the attributes of a row that change without a new row: its end, its importance, whether it
//! is pinned, and its uses. They are kept beside the rows, as deaths are, and go into the body when
//! the row is next rewritten.
//!
//! Invariants: `Changes` is a persistent value: a clone never changes when the original does, and a
//! change copies one small chunk. A row has at most one `Change`, which holds everything that was
//! changed since the row was written.

use std::sync::Arc;

use super::expiry::Expiries;
use super::row::Row;
use crate::clock::Timestamp;
use crate::ids::Seq;
use crate::memory::Change;

/// Rows in a chunk.
const CHUNK: u32 = 256;

/// The changed rows of a chunk, ascending.
type Chunk = Vec<(Row, Change)>;

/// The changed rows of one memtable or segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    chunks: Arc<Vec<Option<Arc<Chunk>>>>,
    rows: u32,
    newest: Seq,
    /// The smallest end that a change has set.
    first_end: Option<Timestamp>,
    /// The remembered expiries of the segment with these changes; `None` where nothing is
    /// remembered, as in a memtable, and where no end has changed.
    expiries: Option<Arc<Expiries>>,
}

impl PartialEq for Changes {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Changes {
    /// Returns what was changed of a row.
    #[inline]
    pub(crate) fn get(&self, row: Row) -> Option<Change> {
        let chunk = self.chunks.get((row / CHUNK) as usize)?.as_ref()?;
        let at = chunk.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        chunk.get(at).map(|(_, change)| *change)
    }

    /// Adds changes to those that the rows have. `remembered` is what the segment remembers of its
    /// expiries; a memtable remembers nothing. O(changes + [`CHUNK`] per chunk).
    pub(super) fn add(
        &mut self,
        changes: impl IntoIterator<Item = (Row, Change)>,
        remembered: Option<&Expiries>,
    ) {
        let mut ends = Vec::new();
        for (row, change) in changes {
            self.set(row, change);
            ends.extend(change.expiry.map(|end| (row, end.at)));
        }
        let Some(first) = ends.iter().map(|(_, end)| *end).min() else { return };
        self.first_end = Some(self.first_end.map_or(first, |before| before.min(first)));
        let before = self.expiries.as_deref().or(remembered);
        self.expiries = before.map(|before| Arc::new(before.changed(&ends)));
    }

    fn set(&mut self, row: Row, change: Change) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let at = (row / CHUNK) as usize;
        if chunks.len() <= at {
            chunks.resize(at + 1, None);
        }
        let Some(chunk) = chunks.get_mut(at) else { return };
        let chunk = Arc::make_mut(chunk.get_or_insert_default());
        match chunk.binary_search_by_key(&row, |(row, _)| *row) {
            Ok(at) => chunk[at].1 = chunk[at].1.then(change),
            Err(at) => {
                chunk.insert(at, (row, change));
                self.rows += 1;
            }
        }
        self.newest = self.newest.max(change.newest());
    }

    /// Returns the changed rows, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Row, Change)> {
        self.chunks.iter().flatten().flat_map(|chunk| chunk.iter().copied())
    }

    /// Returns the number of changed rows.
    pub(crate) const fn rows(&self) -> u32 {
        self.rows
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns the sequence number of the newest change.
    pub(crate) const fn newest(&self) -> Seq {
        self.newest
    }

    /// Returns the smallest end that a change has set; `None` if none has set one.
    pub(super) const fn first_end(&self) -> Option<Timestamp> {
        self.first_end
    }

    /// Returns the remembered expiries of a segment in which an end has changed.
    pub(super) fn expiries(&self) -> Option<&Expiries> {
        self.expiries.as_deref()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let chunks = self.chunks.iter().flatten().map(|chunk| chunk.capacity());
        self.chunks.capacity() * size_of::<Option<Arc<Chunk>>>()
            + chunks.sum::<usize>() * size_of::<(Row, Change)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Expiry;

    fn importance(seq: u64, importance: f32) -> Change {
        Change { seq: Seq(seq), importance: Some(importance), ..Change::default() }
    }

    #[test]
    fn a_clone_keeps_what_it_was_when_the_original_goes_on() {
        let mut changes = Changes::default();
        for row in (0..3_000).step_by(7) {
            changes.set(row, importance(u64::from(row) + 1, 0.25));
        }
        let before = changes.clone();
        changes.set(14, importance(9_000, 0.75));
        let end = Expiry::from(Timestamp::from_millis(5));
        let later = Change { seq: Seq(9_001), expiry: Some(end), ..Change::default() };
        changes.add([(14, later), (15, importance(9_002, 0.5))], None);
        assert_eq!(before.get(14), Some(importance(15, 0.25)));
        assert_eq!((before.get(15), before.rows(), before.newest()), (None, 429, Seq(2_997)));
        let both = Change { importance: Some(0.75), ..later };
        assert_eq!(changes.get(14), Some(both));
        assert_eq!((changes.rows(), changes.newest()), (430, Seq(9_002)));
        assert!(changes.iter().map(|(row, _)| row).is_sorted_by(|a, b| a < b));
        assert_eq!(changes.iter().count(), 430);
        assert_eq!(changes.first_end(), Some(Timestamp::from_millis(5)));
    }
}
