//! Owns the nodes of an index that is being made: distinct codes, each with the rows that it stands for.
//! Nothing here reads a file or knows what becomes of the nodes.

use std::collections::HashMap;

use crate::disk::Pages;
use crate::ids::FileId;
use crate::index::IndexParts;
use crate::segment::Row;
use crate::vector::codes::{CodeBuffer, CodeRows, CodeSpec};

/// Where a row is.
pub(super) type Place = (FileId, Row);

/// In place of the slot of a node's first row where it has none.
const NONE: u32 = u32::MAX;

/// The rows of each node, eight bytes each.
#[derive(Clone, Default)]
pub(super) struct NodeRows {
    files: Vec<FileId>,
    slots: HashMap<FileId, u32>,
    /// The first row of each node: the place of its file in `files`, and the row.
    first: Pages<[u32; 2]>,
    /// The others, of the few nodes that have any.
    more: HashMap<u32, Vec<[u32; 2]>>,
}

impl NodeRows {
    pub(super) fn len(&self) -> u32 {
        self.first.len() as u32
    }

    /// Rows of all nodes.
    pub(super) fn rows(&self) -> usize {
        let first = self.first.iter().filter(|place| place[0] != NONE).count();
        first + self.more.values().map(Vec::len).sum::<usize>()
    }

    /// Adds a node that has no rows yet.
    fn push(&mut self) {
        self.first.push([NONE, 0]);
    }

    /// Adds a row to a node.
    fn add(&mut self, node: u32, (file, row): Place) {
        let slot = *self.slots.entry(file).or_insert_with(|| {
            self.files.push(file);
            self.files.len() as u32 - 1
        });
        match &mut self.first[node as usize] {
            place if place[0] == NONE => *place = [slot, row],
            _ => self.more.entry(node).or_default().push([slot, row]),
        }
    }

    /// The rows of a node.
    pub(super) fn of(&self, node: u32) -> impl Iterator<Item = Place> {
        let first = self.first.get(node as usize).into_iter();
        let more = self.more.get(&node).into_iter().flatten();
        let place = |[slot, row]: &[u32; 2]| Some((*self.files.get(*slot as usize)?, *row));
        first.chain(more).filter_map(place)
    }

    /// The nodes in another order: node i becomes the former node `order[i]`.
    pub(super) fn reordered(&self, order: &[u32]) -> Self {
        let mut next = Self::default();
        for (node, old) in (0u32..).zip(order) {
            next.push();
            self.of(*old).for_each(|place| next.add(node, place));
        }
        next
    }

    /// The same nodes with each row where `follow` says that it is now, if it still is.
    pub(super) fn followed(&self, follow: impl Fn(Place) -> Option<Place>) -> Self {
        let mut next = Self::default();
        for node in 0..self.len() {
            next.push();
            for place in self.of(node) {
                if let Some(place) = follow(place) {
                    next.add(node, place);
                }
            }
        }
        next
    }
}

/// Where the code of a node is.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// In an older index, at this place of the list.
    Old(u32, u32),
    /// Among those encoded here.
    New(u32),
}

/// Distinct codes in the order of nodes, with the rows of each. Rows with equal codes share a node:
/// no search on codes can tell them apart, and equal nodes crowd each other out of a graph. Codes of
/// older indexes are not copied.
pub(super) struct CodesIndex<'a> {
    spec: CodeSpec,
    old: Vec<CodeRows<'a>>,
    new: CodeBuffer,
    sources: Vec<Source>,
    pub(super) rows: NodeRows,
    /// Hash of a code → its node.
    nodes: HashMap<u64, u32>,
    scratch: CodeBuffer,
}

impl<'a> CodesIndex<'a> {
    pub(super) fn new(spec: CodeSpec) -> Self {
        Self {
            spec,
            old: Vec::new(),
            new: CodeBuffer::new(spec, 0),
            sources: Vec::new(),
            rows: NodeRows::default(),
            nodes: HashMap::new(),
            scratch: CodeBuffer::new(spec, 1),
        }
    }

    /// Adds a row by its stored vector.
    pub(super) fn add(&mut self, vector: &[f32], place: Place) {
        self.scratch.clear();
        self.scratch.push(vector);
        let scratch = std::mem::replace(&mut self.scratch, CodeBuffer::new(self.spec, 0));
        let code = scratch.rows().row(0);
        let next = Source::New(self.new.rows().len() as u32);
        if self.add_code(code, next, &[place]) {
            self.new.push_row(code);
        }
        self.scratch = scratch;
    }

    /// Adds an older index whose nodes [`Self::add_old`] names.
    pub(super) fn add_index(&mut self, codes: CodeRows<'a>) -> u32 {
        self.old.push(codes);
        self.old.len() as u32 - 1
    }

    /// Adds the rows of a node of an older index; false if another node has that code already.
    pub(super) fn add_old(&mut self, at: u32, node: u32, places: &[Place]) -> bool {
        let code = self.old[at as usize].row(node);
        self.add_code(code, Source::Old(at, node), places)
    }

    /// Adds rows by their code; false if a node has that code already.
    fn add_code(&mut self, code: &[u8], source: Source, places: &[Place]) -> bool {
        let hash = hash(code);
        let known = self.nodes.get(&hash).copied();
        if let Some(node) = known.filter(|node| self.code(*node) == code) {
            places.iter().for_each(|place| self.rows.add(node, *place));
            return false;
        }
        // Of two codes with one hash the later is looked for; both have their node.
        let node = self.rows.len();
        self.nodes.insert(hash, node);
        self.sources.push(source);
        self.rows.push();
        places.iter().for_each(|place| self.rows.add(node, *place));
        true
    }

    /// The code of a node.
    fn code(&self, node: u32) -> &[u8] {
        match self.sources[node as usize] {
            Source::Old(at, node) => self.old[at as usize].row(node),
            Source::New(row) => self.new.rows().row(row),
        }
    }

    /// All codes in one piece, as graphs are built on.
    pub(super) fn copy_codes(&self) -> CodeBuffer {
        let mut codes = CodeBuffer::new(self.spec, self.rows.len() as usize);
        (0..self.rows.len()).for_each(|node| codes.push_row(self.code(node)));
        codes
    }

    pub(super) fn parts(&self) -> IndexParts<'_> {
        IndexParts::scanned(self.spec, self.rows.len(), |node| self.code(node))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }
}

/// A fast hash of a code; only ever compared within one process.
fn hash(code: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(code);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_with_their_nodes() {
        let mut rows = NodeRows::default();
        let places = [(FileId(7), 3), (FileId(9), 0), (FileId(7), 4)];
        for _ in 0..3 {
            rows.push();
        }
        rows.add(0, places[0]);
        rows.add(2, places[1]);
        rows.add(2, places[2]);
        let of = |rows: &NodeRows, node| rows.of(node).collect::<Vec<_>>();
        assert_eq!((rows.len(), rows.rows()), (3, 3));
        assert_eq!((of(&rows, 1), of(&rows, 2)), (vec![], places[1..].to_vec()));
        let turned = rows.reordered(&[2, 0, 1]);
        assert_eq!((of(&turned, 0), of(&turned, 1)), (places[1..].to_vec(), places[..1].to_vec()));
        let gone = rows.followed(|(file, row)| (file.0 != 9).then_some((FileId(1), row)));
        assert_eq!((gone.rows(), of(&gone, 2)), (2, vec![(FileId(1), 4)]));
        assert_eq!(of(&gone, 9), []);
    }
}
