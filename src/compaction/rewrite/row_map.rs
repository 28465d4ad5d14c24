//! Owns the row map of a rewrite: which rows went in, in which order they came out, and where each
//! is now. Knows nothing of files.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::format::manifest::SegmentEntry;
use crate::ids::FileId;
use crate::map_vec::MapVec;
use crate::segment::{Changes, Liveness, Row, RowBuffer, RowRef, RowSource, Rows, moved_words};
use crate::snapshot::relocation::Relocation;
use crate::words::Analyzer;

/// One input: its rows with their changes, and which of them were live when the job began.
pub(super) struct Input<'a> {
    pub(super) rows: &'a dyn Rows,
    pub(super) live: &'a Liveness,
    /// The changes that are worked into the outputs.
    pub(super) changes: &'a Changes,
    pub(super) from: From,
    pub(super) bytes: u64,
}

/// The memtable or segment that an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum From {
    Memtable(u64),
    Segment(FileId),
}

/// Rows of the outputs in order of ids: position of the input, and row number there.
pub(super) type Order = Vec<(u32, Row)>;

/// One output: a part of the order.
pub(super) struct Output<'a> {
    pub(super) inputs: &'a [Input<'a>],
    pub(super) order: &'a [(u32, Row)],
}

impl RowSource for Output<'_> {
    fn rows(&self) -> Row {
        self.order.len() as Row
    }

    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>> {
        let (input, row) = self.order[row as usize];
        self.inputs[input as usize].rows.row(row, buffer)
    }

    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]> {
        let (input, row) = self.order[row as usize];
        self.inputs[input as usize].rows.body(row, buffer)
    }

    fn words(&self, by: Analyzer) -> Result<Option<MapVec<u8>>> {
        let parts: Result<Vec<_>> =
            self.inputs.iter().map(|input| input.rows.word_parts(by)).collect();
        let order = self.order.iter().map(|(input, row)| (*input as usize, *row));
        // Where the words of a segment are damaged, they are made again of the texts.
        Ok(parts.and_then(|parts| moved_words(&parts, order)).ok().flatten())
    }

    fn damage(&self, row: Row) -> Option<Error> {
        let (input, row) = self.order[row as usize];
        self.inputs[input as usize].rows.attributes(row, &mut RowBuffer::default()).err()
    }
}

/// Where a rewrite moved the rows, for the files that depend on them.
pub(super) struct RowMap {
    pub(super) order: Order,
    /// New segments with the position of their first row in the order.
    pub(super) segments: Vec<(usize, SegmentEntry)>,
    /// For each input, the position of each of its rows in the order.
    pub(super) places: HashMap<From, Vec<u32>>,
}

/// The position of a row that is gone.
pub(super) const GONE: u32 = u32::MAX;

impl RowMap {
    /// Returns where a row of an input is now.
    pub(super) fn find(&self, from: From, row: Row) -> Option<(FileId, Row)> {
        let (segment, row) = self.find_at(from, row)?;
        Some((self.segments.get(segment)?.1.file, row))
    }

    /// Returns where a row of an input is now: position in `segments`, and row number.
    pub(super) fn find_at(&self, from: From, row: Row) -> Option<(usize, Row)> {
        let place = *self.places.get(&from)?.get(row as usize)?;
        if place == GONE {
            return None;
        }
        let at = self.segments.partition_point(|(start, _)| *start <= place as usize);
        let at = at.checked_sub(1)?;
        Some((at, place - self.segments[at].0 as Row))
    }

    /// Returns the relocations of the rows of all inputs that are segments.
    pub(super) fn moves(&self, inputs: &[Input<'_>]) -> Vec<Relocation> {
        let of = |input: &Input<'_>| match input.from {
            From::Segment(file) => {
                Some(Relocation::new(file, input.rows.rows(), |row| self.find(input.from, row)))
            }
            From::Memtable(_) => None,
        };
        inputs.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_in_the_output_that_has_it_and_by_its_place_there() {
        let segment = |file| SegmentEntry {
            file: FileId(file),
            len: 0,
            rows: 2,
            deletes: None,
            dead_since: None,
        };
        // Rows 0, 2 and 3 of one input and the only row of another, in two outputs of two rows.
        let moved = RowMap {
            order: vec![(0, 2), (1, 0), (0, 3), (0, 0)],
            segments: vec![(0, segment(7)), (2, segment(8))],
            places: HashMap::from([
                (From::Segment(FileId(3)), vec![3, GONE, 0, 2]),
                (From::Memtable(1), vec![1]),
            ]),
        };
        let of_segment = |row| moved.find(From::Segment(FileId(3)), row);
        let (first, second) = (FileId(7), FileId(8));
        assert_eq!(of_segment(0), Some((second, 1)));
        assert_eq!(of_segment(1), None, "it was dead");
        assert_eq!(of_segment(2), Some((first, 0)));
        assert_eq!(of_segment(3), Some((second, 0)));
        assert_eq!(moved.find(From::Memtable(1), 0), Some((first, 1)));
        assert_eq!(moved.find(From::Memtable(2), 0), None, "no input");
    }
}
