//! Owns the nodes of an index while it is being made: distinct codes, each with its rows. Nothing
//! here reads a file or knows what the nodes are used for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::FileId;
use crate::index::IndexParts;
use crate::map_vec::MapVec;
use crate::segment::Row;
use crate::vector::codes::{CodeBuffer, CodeRows, Fit, Frame};

/// Where a row is.
pub(in crate::compaction) type Place = (FileId, Row);

/// Stands for the slot of a node's first row if the node has no row.
const NONE: u32 = u32::MAX;

/// The rows of each node, with eight bytes per row.
#[derive(Clone, Default)]
pub(in crate::compaction) struct NodeRows {
    files: Vec<FileId>,
    slots: HashMap<FileId, u32>,
    /// The first row of each node: the position of its file in `files`, and the row number.
    first: MapVec<[u32; 2]>,
    /// The other rows of the few nodes that have more than one.
    more: HashMap<u32, Vec<[u32; 2]>>,
}

impl NodeRows {
    pub(in crate::compaction) fn len(&self) -> u32 {
        self.first.len() as u32
    }

    /// Returns the number of rows of all nodes.
    pub(in crate::compaction) fn rows(&self) -> usize {
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

    /// Returns the rows of a node.
    pub(in crate::compaction) fn of(&self, node: u32) -> impl Iterator<Item = Place> {
        let first = self.first.get(node as usize).into_iter();
        let more = self.more.get(&node).into_iter().flatten();
        let place = |[slot, row]: &[u32; 2]| Some((*self.files.get(*slot as usize)?, *row));
        first.chain(more).filter_map(place)
    }

    /// Returns the nodes in another order: node i is the former node `order[i]`.
    pub(in crate::compaction) fn reordered(&self, order: &[u32]) -> Self {
        let mut next = Self::default();
        for (node, old) in (0u32..).zip(order) {
            next.push();
            self.of(*old).for_each(|place| next.add(node, place));
        }
        next
    }

    /// Returns the same nodes with each row at the place that `resolve` returns. Rows for which it
    /// returns `None` are left out.
    pub(in crate::compaction) fn followed(&self, resolve: impl Fn(Place) -> Option<Place>) -> Self {
        let mut next = Self::default();
        for node in 0..self.len() {
            next.push();
            for place in self.of(node) {
                if let Some(place) = resolve(place) {
                    next.add(node, place);
                }
            }
        }
        next
    }
}

/// Where the code of a node is: the position of an older index in the list and the node there, or
/// `NONE` and the row among the codes made here.
type Source = [u32; 2];

/// The nodes by the hashes of their codes: an open-addressing table with linear probing, at most
/// half full.
#[derive(Default)]
struct Hashes {
    /// The hash of each node.
    hashes: MapVec<u64>,
    /// The number of a node plus 1; 0 for an empty entry.
    table: MapVec<u32>,
}

impl Hashes {
    /// Returns the nodes with this hash, the oldest first.
    fn find(&self, hash: u64) -> impl Iterator<Item = u32> {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = hash as usize;
        std::iter::from_fn(move || {
            at = at.wrapping_add(1);
            let node = self.table.get(at & mask)?.checked_sub(1)?;
            Some(node)
        })
        .filter(move |node| self.hashes[*node as usize] == hash)
    }

    /// Adds the next node.
    fn push(&mut self, hash: u64) {
        self.hashes.push(hash);
        if 2 * self.hashes.len() > self.table.len() {
            self.table = MapVec::zeroed((4 * self.hashes.len()).next_power_of_two());
            (0..self.hashes.len() as u32).for_each(|node| self.place(node));
        } else {
            self.place(self.hashes.len() as u32 - 1);
        }
    }

    fn place(&mut self, node: u32) {
        let mask = self.table.len() - 1;
        let mut at = (self.hashes[node as usize] as usize).wrapping_add(1) & mask;
        while self.table[at] != 0 {
            at = (at + 1) & mask;
        }
        self.table[at] = node + 1;
    }
}

/// Distinct codes in the order of nodes, with the rows of each. Rows with equal codes share a node:
/// no search on codes can distinguish them, and equal nodes would crowd each other out of a graph.
/// Codes of older indexes are not copied.
pub(in crate::compaction) struct CodesIndex<'a> {
    frame: Arc<Frame>,
    fit: Fit,
    old: Vec<CodeRows<'a>>,
    new: CodeBuffer,
    sources: MapVec<Source>,
    pub(in crate::compaction) rows: NodeRows,
    nodes: Hashes,
    scratch: CodeBuffer,
}

impl<'a> CodesIndex<'a> {
    /// Creates an empty index of codes in `frame` with the error `fit`.
    pub(in crate::compaction) fn new(frame: Arc<Frame>, fit: Fit) -> Self {
        Self {
            old: Vec::new(),
            new: CodeBuffer::new(Arc::clone(&frame), 0),
            sources: MapVec::new(),
            rows: NodeRows::default(),
            nodes: Hashes::default(),
            scratch: CodeBuffer::new(Arc::clone(&frame), 1),
            frame,
            fit,
        }
    }

    /// Returns the frame of the codes.
    pub(in crate::compaction) const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Returns the error of the codes.
    pub(in crate::compaction) const fn fit(&self) -> Fit {
        self.fit
    }

    /// Adds a row by its stored vector.
    pub(in crate::compaction) fn add(&mut self, vector: &[f32], place: Place) {
        self.scratch.clear();
        self.scratch.push(vector);
        let empty = CodeBuffer::new(Arc::clone(&self.frame), 0);
        let scratch = std::mem::replace(&mut self.scratch, empty);
        let code = scratch.rows().row(0);
        let next = [NONE, self.new.rows().len() as u32];
        if self.add_code(code, next, &[place]) {
            self.new.push_row(code);
        }
        self.scratch = scratch;
    }

    /// Adds an older index with codes in the same frame. Returns its position for
    /// [`Self::add_old`].
    pub(in crate::compaction) fn add_index(&mut self, codes: CodeRows<'a>) -> u32 {
        self.old.push(codes);
        self.old.len() as u32 - 1
    }

    /// Adds the rows of a node of an older index. Returns false if another node already has that
    /// code.
    pub(in crate::compaction) fn add_old(&mut self, at: u32, node: u32, places: &[Place]) -> bool {
        let code = self.old[at as usize].row(node);
        self.add_code(code, [at, node], places)
    }

    /// Adds rows by their code. Returns false if a node already has that code.
    fn add_code(&mut self, code: &[u8], source: Source, places: &[Place]) -> bool {
        let hash = hash(code);
        let known = self.nodes.find(hash).find(|node| self.code(*node) == code);
        if let Some(node) = known {
            places.iter().for_each(|place| self.rows.add(node, *place));
            return false;
        }
        let node = self.rows.len();
        self.nodes.push(hash);
        self.sources.push(source);
        self.rows.push();
        places.iter().for_each(|place| self.rows.add(node, *place));
        true
    }

    /// Returns the code of a node.
    fn code(&self, node: u32) -> &[u8] {
        match self.sources[node as usize] {
            [NONE, row] => self.new.rows().row(row),
            [at, node] => self.old[at as usize].row(node),
        }
    }

    /// Returns all codes in one buffer, for building a graph, and the rows of each.
    pub(in crate::compaction) fn into_codes(self) -> (CodeBuffer, NodeRows) {
        let mut codes = CodeBuffer::new(Arc::clone(&self.frame), self.rows.len() as usize);
        (0..self.rows.len()).for_each(|node| codes.push_row(self.code(node)));
        (codes, self.rows)
    }

    pub(in crate::compaction) fn parts(&self) -> IndexParts<'_> {
        IndexParts::scanned(&self.frame, self.fit, self.rows.len(), |node| self.code(node))
    }

    pub(in crate::compaction) fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }
}

/// Returns a fast hash of a code. Hashes are only compared within one process.
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
    fn nodes_are_found_by_their_hashes_and_those_with_the_same_in_turn() {
        let mut hashes = Hashes::default();
        let all = |hashes: &Hashes, hash| hashes.find(hash).collect::<Vec<_>>();
        assert!(all(&hashes, 7).is_empty());
        // Many share their low bits, and every tenth its whole hash with another.
        let hash = |i: u32| u64::from(i % 10) << 40 | u64::from(i / 20) << 3;
        (0..5_000).for_each(|i| hashes.push(hash(i)));
        for i in (0..5_000).step_by(7) {
            let same: Vec<u32> = (0..5_000).filter(|other| hash(*other) == hash(i)).collect();
            assert_eq!(all(&hashes, hash(i)), same);
        }
        assert!(all(&hashes, u64::MAX).is_empty());
    }

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
