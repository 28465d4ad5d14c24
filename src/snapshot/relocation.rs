//! Owns the record of rows that moved to other segments while an index is being built from a
//! snapshot of before: so the build need not hold the old segments on the disk, nor look its rows
//! up again. Knows nothing of what is built.
//!
//! Invariant: a rewrite is noted after its outputs are published and before
//! `CollectionState::structure` is let go, and a build begins to watch before it loads its
//! snapshot: what the snapshot does not show is noted. A rewrite that was noted first could be
//! missed by a build that began just then, and rows be in no index.

use crate::ids::FileId;
use crate::map_vec::MapVec;
use crate::segment::Row;
use crate::sync::{Mutex, lock};

/// In place of a file where a row is gone.
const GONE: u32 = u32::MAX;

/// Where the rows of a segment that is gone are.
#[derive(Debug)]
pub(crate) struct Relocation {
    from: FileId,
    files: Vec<FileId>,
    /// For each row: the place of its file in `files`, and its row there.
    to: MapVec<[u32; 2]>,
}

impl Relocation {
    /// `find` tells where each of the rows is now, if it still is.
    pub(crate) fn new(
        from: FileId,
        rows: Row,
        find: impl Fn(Row) -> Option<(FileId, Row)>,
    ) -> Self {
        let mut files: Vec<FileId> = Vec::new();
        let to = (0..rows).map(|row| {
            let Some((file, row)) = find(row) else {
                return [GONE, 0];
            };
            // A rewrite has few outputs, and the rows of an input go to them in turn.
            let at = files.iter().rposition(|f| *f == file).unwrap_or_else(|| {
                files.push(file);
                files.len() - 1
            });
            [at as u32, row]
        });
        let to = to.collect();
        Self { from, files, to }
    }

    /// Where a row of that segment is now.
    fn resolve(&self, row: Row) -> Option<(FileId, Row)> {
        let [at, row] = *self.to.get(row as usize)?;
        Some((*self.files.get(at as usize)?, row))
    }
}

/// Where a row is after all of these, in the order in which they happened.
pub(crate) fn resolve(moves: &[Relocation], place: (FileId, Row)) -> Option<(FileId, Row)> {
    moves.iter().try_fold(place, |(file, row), step| {
        if step.from == file { step.resolve(row) } else { Some((file, row)) }
    })
}

/// Rows that moved since an index build began, while there is one.
#[derive(Debug, Default)]
pub(crate) struct Moves(Mutex<Option<Vec<Relocation>>>);

/// Watches the moves of a collection's rows for as long as it lives. One at a time: the holder of
/// `CollectionState::index_job`.
pub(crate) struct RelocationLog<'a>(&'a Moves);

impl Moves {
    /// Begins to note moves.
    pub(crate) fn watch(&self) -> RelocationLog<'_> {
        *lock(&self.0) = Some(Vec::new());
        RelocationLog(self)
    }

    /// Notes moves, if anybody watches.
    pub(crate) fn note(&self, moves: impl FnOnce() -> Vec<Relocation>) {
        if let Some(noted) = lock(&self.0).as_mut() {
            noted.extend(moves());
        }
    }
}

impl RelocationLog<'_> {
    /// The moves so far; from now on none are noted. Called with `CollectionState::structure` held,
    /// so that none is under way.
    pub(crate) fn take(&self) -> Vec<Relocation> {
        lock(&self.0.0).take().unwrap_or_default()
    }
}

impl Drop for RelocationLog<'_> {
    fn drop(&mut self) {
        *lock(&self.0.0) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_followed_through_all_its_moves() {
        let (a, b, c, d) = (FileId(1), FileId(2), FileId(3), FileId(4));
        let first =
            Relocation::new(a, 4, |row| (row != 1).then_some((if row < 2 { b } else { c }, row)));
        let second = Relocation::new(c, 4, |row| (row == 3).then_some((d, 0)));
        let moves = [first, second];
        assert_eq!(resolve(&moves, (a, 0)), Some((b, 0)));
        assert_eq!(resolve(&moves, (a, 1)), None, "it died before the first");
        assert_eq!(resolve(&moves, (a, 2)), None, "it died before the second");
        assert_eq!(resolve(&moves, (a, 3)), Some((d, 0)));
        assert_eq!(resolve(&moves, (a, 9)), None, "there was no such row");
        assert_eq!(resolve(&moves, (d, 7)), Some((d, 7)), "it did not move");
    }
}
