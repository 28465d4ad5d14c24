//! Owns the lookup of a row by its id in a memtable: hashes of ids with their rows, in sorted runs.
//! It is a persistent value, so readers need no lock. Adding rows returns a new list of runs, which
//! shares the larger runs with the old. Runs grow by the logarithmic method, like blocks of rows
//! (`active`), but without an upper limit.
//!
//! Invariants: each run has at least twice as many entries as the next. So there are at most 33
//! runs, and an entry is copied O(log rows) times. The newest row of an id is always present.
//! Several ids may share a hash, so the caller compares the id of the row.

use std::sync::Arc;

use super::bloom;
use super::row::Row;
use crate::ids::MemoryId;
use crate::map_vec::MapVec;

/// Heap bytes of one row's entry.
pub(super) const ENTRY_BYTES: usize = size_of::<u64>();

/// Ids of a memtable with their rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    /// The oldest and largest run first. Entries of a run are sorted by hash, then the newest row
    /// first.
    runs: Vec<Arc<MapVec<u64>>>,
}

/// Returns an entry. The upper half is the hash of the id. The lower half is the complement of the
/// row, so that later rows sort first.
fn entry(id: MemoryId, row: Row) -> u64 {
    start(id) | u64::from(!row)
}

/// Returns the smallest possible entry with the hash of the id.
fn start(id: MemoryId) -> u64 {
    bloom::hash(id) & !u64::from(u32::MAX)
}

const fn row_of(entry: u64) -> Row {
    !(entry as u32)
}

const fn hash_of(entry: u64) -> u64 {
    entry >> 32
}

impl Ids {
    pub(super) const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// Adds the ids of the rows from `first` on. `id_of` returns the id of any row, including the
    /// new ones.
    pub(super) fn push(
        &mut self,
        first: Row,
        ids: impl ExactSizeIterator<Item = MemoryId>,
        id_of: impl Fn(Row) -> Option<MemoryId>,
    ) {
        let mut run = MapVec::with_capacity(ids.len());
        (first..).zip(ids).for_each(|(row, id)| run.push(entry(id, row)));
        run.sort_unstable();
        while let Some(before) = self.runs.pop_if(|before| before.len() < 2 * run.len()) {
            run = merge(&before, &run, &id_of);
        }
        self.runs.push(Arc::new(run));
    }

    /// Returns the rows that may have this id, newest first: its newest row, perhaps older ones,
    /// and rarely rows of other ids. O(log² rows), and O(rows with its hash).
    pub(super) fn candidates(&self, id: MemoryId) -> impl Iterator<Item = Row> {
        let start = start(id);
        self.runs.iter().rev().flat_map(move |run| {
            let from = run.partition_point(|entry| *entry < start);
            let same = run[from..].iter().take_while(move |e| hash_of(**e) == hash_of(start));
            same.map(|entry| row_of(*entry))
        })
    }
}

/// Merges two runs. Drops older rows of ids that are in both: these rows are dead.
fn merge(older: &[u64], newer: &[u64], id_of: &impl Fn(Row) -> Option<MemoryId>) -> MapVec<u64> {
    let mut all = MapVec::with_capacity(older.len() + newer.len());
    let (mut older, mut newer) = (older.iter().peekable(), newer.iter().peekable());
    // Where the entries with the hash of the last entry begin.
    let mut group = 0;
    loop {
        let next = match (older.peek(), newer.peek()) {
            (Some(a), Some(b)) if a < b => older.next(),
            (Some(_), None) => older.next(),
            _ => newer.next(),
        };
        let Some(&next) = next else {
            return all;
        };
        if all.get(group).is_some_and(|first: &u64| hash_of(*first) != hash_of(next)) {
            group = all.len();
        }
        let same = |before: &u64| id_of(row_of(*before)) == id_of(row_of(next));
        if !all[group..].iter().any(same) {
            all.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns ids in the order of their rows, added `at_once` at a time.
    fn of(ids: &[u64], at_once: usize) -> Ids {
        let mut all = Ids::default();
        let id_of = |row: Row| ids.get(row as usize).map(|id| MemoryId::from(*id));
        for (n, some) in ids.chunks(at_once).enumerate() {
            let first = (n * at_once) as Row;
            all.push(first, some.iter().map(|id| MemoryId::from(*id)), id_of);
        }
        all
    }

    fn newest(all: &Ids, ids: &[u64], id: u64) -> Option<Row> {
        all.candidates(id.into()).find(|row| ids[*row as usize] == id)
    }

    #[test]
    fn the_newest_row_of_an_id_is_found_first_however_rows_came() {
        let ids: Vec<u64> = (0..5_000u64).map(|i| i * 7919 % 1_700).collect();
        for at_once in [1, 3, 64, 5_000] {
            let all = of(&ids, at_once);
            for id in 0..1_800 {
                let wanted = ids.iter().rposition(|other| *other == id).map(|row| row as Row);
                // In a real batch all ids differ. Here they may repeat, and then all rows are kept.
                assert_eq!(newest(&all, &ids, id), wanted, "{id}, {at_once} at once");
            }
        }
    }

    #[test]
    fn an_id_that_is_written_again_and_again_leaves_few_entries() {
        let ids = vec![7; 10_000];
        let all = of(&ids, 1);
        assert!(all.candidates(7u64.into()).count() <= 16);
        assert_eq!(newest(&all, &ids, 7), Some(9_999));
    }

    #[test]
    fn an_older_list_is_not_changed_by_what_is_added_to_a_newer_one() {
        let ids: Vec<u64> = (0..400).collect();
        let older = of(&ids[..300], 7);
        let mut newer = older.clone();
        let id_of = |row: Row| ids.get(row as usize).map(|id| MemoryId::from(*id));
        newer.push(300, ids[300..].iter().map(|id| MemoryId::from(*id)), id_of);
        assert_eq!((newest(&older, &ids, 350), newest(&newer, &ids, 350)), (None, Some(350)));
        assert_eq!((newest(&older, &ids, 5), newest(&newer, &ids, 5)), (Some(5), Some(5)));
        assert!(newer.runs.len() <= 10, "{} runs", newer.runs.len());
    }
}
