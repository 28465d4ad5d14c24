//! Owns `Liveness`: one set of rows of a segment. It holds the rows that are not deleted in one
//! snapshot, or those that have not expired at one moment (`expiry`). It is a persistent value: a
//! clone never changes when the original does, and a change copies one small chunk. Sets are
//! intersected 64 rows at a time.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::row::Row;

/// Words in a chunk: 4,096 rows.
const CHUNK: usize = 64;

/// One bit per row, set while it is live.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Liveness {
    chunks: Arc<Vec<Arc<[u64; CHUNK]>>>,
    rows: Row,
    dead: u32,
}

const fn split(row: Row) -> (usize, usize, u64) {
    let bit = row as usize % (CHUNK * 64);
    (row as usize / (CHUNK * 64), bit / 64, 1 << (bit % 64))
}

/// Returns the positions of the bits that are set, ascending.
pub(crate) fn set_bits(words: impl Iterator<Item = u64>) -> impl Iterator<Item = Row> {
    words.zip((0..).step_by(64)).flat_map(|(word, start)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some(start + bit)
        })
    })
}

impl Liveness {
    /// Returns a set of `rows` live rows.
    pub(crate) fn all_live(rows: Row) -> Self {
        let mut liveness = Self::default();
        liveness.extend(rows);
        liveness
    }

    /// Returns a set of `rows` rows, all live except `dead`.
    pub(crate) fn without(rows: Row, dead: &RoaringBitmap) -> Self {
        let mut liveness = Self::all_live(rows);
        for row in dead {
            liveness.kill(row);
        }
        liveness
    }

    /// Adds `more` live rows at the end.
    pub(crate) fn extend(&mut self, more: Row) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let end = self.rows.saturating_add(more);
        let mut row = self.rows;
        while row < end {
            let (chunk, word, _) = split(row);
            if chunk == chunks.len() {
                chunks.push(Arc::new([0; CHUNK]));
            }
            // Sets all bits up to the end of the word at once.
            let upto = end.min((row / 64 + 1) * 64);
            let bits = (upto - row) as usize;
            let mask = if bits == 64 { u64::MAX } else { ((1 << bits) - 1) << (row % 64) };
            Arc::make_mut(&mut chunks[chunk])[word] |= mask;
            row = upto;
        }
        self.rows = end;
    }

    /// Marks a row as dead. Returns false if it was dead already or does not exist.
    pub(crate) fn kill(&mut self, row: Row) -> bool {
        if !self.is_live(row) {
            return false;
        }
        let (chunk, word, bit) = split(row);
        let chunks = Arc::make_mut(&mut self.chunks);
        Arc::make_mut(&mut chunks[chunk])[word] &= !bit;
        self.dead += 1;
        true
    }

    /// Marks a dead row as live again. Returns false if it was live or does not exist. No deleted
    /// row comes back; an expired row may get a later end.
    pub(super) fn revive(&mut self, row: Row) -> bool {
        if row >= self.rows || self.is_live(row) {
            return false;
        }
        let (chunk, word, bit) = split(row);
        let chunks = Arc::make_mut(&mut self.chunks);
        Arc::make_mut(&mut chunks[chunk])[word] |= bit;
        self.dead -= 1;
        true
    }

    /// Marks all of these rows as dead.
    pub(crate) fn kill_all(&mut self, rows: &RoaringBitmap) {
        for row in rows {
            self.kill(row);
        }
    }

    #[inline]
    pub(crate) fn is_live(&self, row: Row) -> bool {
        let (chunk, word, bit) = split(row);
        self.chunks.get(chunk).is_some_and(|c| c[word] & bit != 0)
    }

    pub(crate) const fn rows(&self) -> Row {
        self.rows
    }

    pub(crate) const fn dead(&self) -> u32 {
        self.dead
    }

    pub(crate) const fn live(&self) -> u32 {
        self.rows - self.dead
    }

    /// Returns the live rows, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row> {
        set_bits(self.words())
    }

    /// Returns one bit for each row, set while it is live. Bits beyond the last row are zero.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> {
        self.chunks.iter().flat_map(|c| c.iter().copied())
    }

    /// Returns how many rows are live in both sets. O(rows / 64).
    pub(crate) fn live_in_both(&self, other: &Self) -> u32 {
        match (self.dead, other.dead) {
            (0, _) if self.rows == other.rows => other.live(),
            (_, 0) if self.rows == other.rows => self.live(),
            _ => self.words().zip(other.words()).map(|(a, b)| (a & b).count_ones()).sum(),
        }
    }

    /// Returns the dead rows as a bitmap.
    pub(crate) fn dead_rows(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.rows);
        all - self.iter().collect::<RoaringBitmap>()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.len() * (CHUNK * 8 + 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_set_of_rows_and_clones_do_not_change() {
        let mut liveness = Liveness::all_live(0);
        let mut model = std::collections::BTreeSet::new();
        let mut rows = 0;
        for (step, more) in [1u32, 62, 1, 1, 64, 4096, 3, 5000, 0].into_iter().enumerate() {
            let before = (liveness.clone(), model.clone());
            liveness.extend(more);
            model.extend(rows..rows + more);
            rows += more;
            for row in (step as u32..rows + 3).step_by(7) {
                assert_eq!(liveness.kill(row), model.remove(&row), "row {row}");
            }
            assert!(liveness.iter().eq(model.iter().copied()));
            assert_eq!((liveness.live() as usize, liveness.rows()), (model.len(), rows));
            assert!(before.0.iter().eq(before.1.iter().copied()));
            assert_eq!(liveness.dead_rows().len(), u64::from(liveness.dead()));
            let mut other = Liveness::all_live(rows);
            assert_eq!(liveness.live_in_both(&other), liveness.live());
            other.kill_all(&(0..rows).step_by(3).collect());
            let both = model.iter().filter(|row| **row % 3 != 0).count();
            assert_eq!(liveness.live_in_both(&other) as usize, both);
            assert_eq!(other.live_in_both(&liveness) as usize, both);
        }
    }
}
