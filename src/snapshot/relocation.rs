//! Owns the relocations of rows that move to other segments while an index is being built from an
//! older snapshot. So the build need not keep the old segments on the disk, nor look up their rows
//! again. Knows nothing of the build.
//!
//! Invariant: a rewrite notes its relocations after it published its outputs and before it releases
//! `CollectionState::structure`. A build starts to record before it loads its snapshot. So every
//! rewrite that the snapshot does not show is recorded. If a rewrite were noted before it was
//! published, a build that starts in between would miss it, and rows would be in no index.

use crate::ids::FileId;
use crate::map_vec::MapVec;
use crate::segment::Row;
use crate::sync::{Mutex, lock};

/// Stands for the file of a row that is gone.
const GONE: u32 = u32::MAX;

/// Where the rows of a replaced segment are now.
#[derive(Debug)]
pub(crate) struct Relocation {
    from: FileId,
    files: Vec<FileId>,
    /// For each row: the position of its file in `files`, and its row number there.
    to: MapVec<[u32; 2]>,
}

impl Relocation {
    /// Records where each row is now. `find` returns the new file and row number, or `None` for a
    /// row that is gone.
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
            // A rewrite has few outputs, and consecutive rows mostly go to the same one. So the
            // search starts from the last file.
            let at = files.iter().rposition(|f| *f == file).unwrap_or_else(|| {
                files.push(file);
                files.len() - 1
            });
            [at as u32, row]
        });
        let to = to.collect();
        Self { from, files, to }
    }

    /// Returns where a row of the replaced segment is now.
    fn resolve(&self, row: Row) -> Option<(FileId, Row)> {
        let [at, row] = *self.to.get(row as usize)?;
        Some((*self.files.get(at as usize)?, row))
    }
}

/// Returns where a row is after all of these relocations, in the order in which they happened.
pub(crate) fn resolve(moves: &[Relocation], place: (FileId, Row)) -> Option<(FileId, Row)> {
    moves.iter().try_fold(place, |(file, row), step| {
        if step.from == file { step.resolve(row) } else { Some((file, row)) }
    })
}

/// Relocations since an index build began, while there is one.
#[derive(Debug, Default)]
pub(crate) struct Moves(Mutex<Option<Vec<Relocation>>>);

/// Records the relocations of a collection's rows while it lives. There is one at a time, for the
/// holder of `CollectionState::index_job`.
pub(crate) struct RelocationLog<'a>(&'a Moves);

impl Moves {
    /// Begins to record relocations.
    pub(crate) fn watch(&self) -> RelocationLog<'_> {
        *lock(&self.0) = Some(Vec::new());
        RelocationLog(self)
    }

    /// Notes relocations, if they are being recorded.
    pub(crate) fn note(&self, moves: impl FnOnce() -> Vec<Relocation>) {
        if let Some(noted) = lock(&self.0).as_mut() {
            noted.extend(moves());
        }
    }
}

impl RelocationLog<'_> {
    /// Returns the relocations so far and stops recording. The caller holds
    /// `CollectionState::structure`, so that no rewrite is under way.
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
