//! Owns `loc` files: the rows and segments that each node of an index stands for. Layout:
//! `format.md`, "Locator". Derived (I1). When a listed segment is rewritten, the locator is
//! rewritten and the index stays. A dead row loses its entry, and its node stays in the graph as a
//! waypoint.

use std::collections::HashMap;
use std::path::Path;

use super::row::Row;
use crate::disk::Disk;
use crate::error::Result;
use crate::format::header::{FileHeader, FileKind, StoreId};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::map_vec::MapVec;
use crate::section::{Check, Identity, SectionFile, SectionWriter};

const SEGMENTS: u32 = 1;
const OFFSETS: u32 = 2;
const ENTRIES: u32 = 3;
/// The reverse: for each slot, where its rows begin in `NODES`. `NODES` has the node of each row.
const STARTS: u32 = 4;
const NODES: u32 = 5;
/// The node of a row that is in no node of this index.
const NO_NODE: u32 = u32::MAX;

/// Builds a locator, node after node.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocatorBuilder {
    segments: Vec<FileId>,
    slots: HashMap<FileId, u32>,
    offsets: MapVec<u32>,
    entries: MapVec<[u32; 2]>,
}

impl LocatorBuilder {
    pub(crate) fn new() -> Self {
        Self { offsets: vec![0].into(), ..Self::default() }
    }

    /// Adds the next node with its rows.
    pub(crate) fn push(&mut self, rows: impl IntoIterator<Item = (FileId, Row)>) {
        for (segment, row) in rows {
            let slot = *self.slots.entry(segment).or_insert_with(|| {
                self.segments.push(segment);
                self.segments.len() as u32 - 1
            });
            self.entries.push([slot, row]);
        }
        self.offsets.push(self.entries.len() as u32);
    }

    /// Returns the segments named so far.
    pub(crate) fn segments(&self) -> &[FileId] {
        &self.segments
    }

    /// Returns true if no node has a row.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes the file and syncs it. Returns its length. The caller syncs the directory.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path, header: &FileHeader) -> Result<u64> {
        let mut writer = SectionWriter::create(disk, dir, FileName::Locator(header.file), header)?;
        let segments: Vec<u8> = self.segments.iter().flat_map(|f| f.0.to_le_bytes()).collect();
        writer.section(SEGMENTS, Check::Blocks, &segments)?;
        writer.section(OFFSETS, Check::Blocks, bytemuck::cast_slice(&self.offsets))?;
        writer.section(ENTRIES, Check::Blocks, bytemuck::cast_slice(&self.entries))?;
        let (starts, nodes) = self.nodes();
        writer.section(STARTS, Check::Blocks, bytemuck::cast_slice(&starts))?;
        writer.section(NODES, Check::Blocks, bytemuck::cast_slice(&nodes))?;
        writer.finish()
    }

    /// Returns where the rows of each slot begin, and the node of each row.
    fn nodes(&self) -> (Vec<u32>, MapVec<u32>) {
        let mut starts = vec![0; self.segments.len() + 1];
        for [slot, row] in self.entries.iter() {
            let rows = &mut starts[*slot as usize + 1];
            *rows = (*rows).max(row + 1);
        }
        for slot in 0..self.segments.len() {
            starts[slot + 1] += starts[slot];
        }
        let mut nodes = MapVec::new();
        nodes.resize(starts.last().copied().unwrap_or_default() as usize, NO_NODE);
        for (node, range) in (0..).zip(self.offsets.windows(2)) {
            for [slot, row] in &self.entries[range[0] as usize..range[1] as usize] {
                nodes[(starts[*slot as usize] + row) as usize] = node;
            }
        }
        (starts, nodes)
    }
}

/// An open locator.
#[derive(Debug)]
pub(crate) struct Locator {
    file: SectionFile,
    segments: Vec<FileId>,
    nodes: u32,
    full: bool,
    id: FileId,
}

impl Locator {
    /// Opens the locator of an index with this many nodes. O(nodes).
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        store: StoreId,
        (id, len): (FileId, u64),
        nodes: u32,
    ) -> Result<Self> {
        let identity =
            Identity { name: FileName::Locator(id), kind: FileKind::Locator, store, len };
        let file = SectionFile::open(disk, dir, &identity)?;
        let (list, _) = file.checked(SEGMENTS)?.as_chunks::<8>();
        let segments = list.iter().map(|b| FileId(u64::from_le_bytes(*b))).collect();
        let offsets = file.bytes(OFFSETS).map_or(0, <[u8]>::len);
        let missing = [ENTRIES, STARTS, NODES].iter().any(|kind| file.bytes(*kind).is_none());
        if offsets != (nodes as usize + 1) * 4 || missing {
            return Err(file.corrupt_in(OFFSETS, 0, "the locator does not fit its index"));
        }
        // Overlapping lists would make a scan of all nodes quadratic.
        let (offsets, _) = file.checked(OFFSETS)?.as_chunks::<4>();
        let offsets = || offsets.iter().map(|b| u32::from_le_bytes(*b));
        if !offsets().is_sorted() {
            return Err(file.corrupt_in(OFFSETS, 0, "the offsets do not ascend"));
        }
        let full = offsets().is_sorted_by(|a, b| a < b);
        Ok(Self { file, segments, nodes, full, id })
    }

    /// Returns the segments that slots refer to.
    pub(crate) fn segments(&self) -> &[FileId] {
        &self.segments
    }

    /// Returns true if every node has a row.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// Returns the number in the name of its file.
    pub(crate) const fn file(&self) -> FileId {
        self.id
    }

    /// Releases the resident pages of its file.
    pub(crate) fn release(&self) {
        self.file.release();
    }

    /// Returns the number of mapped bytes.
    pub(crate) fn len(&self) -> u64 {
        self.file.len()
    }

    /// Returns the rows of a node, as slot and row. Damaged bytes can only omit rows or name wrong
    /// ones, which the caller checks.
    #[inline]
    pub(crate) fn entries(&self, node: u32) -> impl Iterator<Item = (u32, Row)> {
        let (offsets, entries) = (self.array(OFFSETS), self.array(ENTRIES));
        let range = match (offsets.get(node as usize), offsets.get(node as usize + 1)) {
            (Some(&start), Some(&end)) => start as usize * 2..end as usize * 2,
            _ => 0..0,
        };
        let (pairs, _) = entries.get(range).unwrap_or(&[]).as_chunks::<2>();
        pairs.iter().map(|[slot, row]| (*slot, *row))
    }

    fn array(&self, kind: u32) -> &[u32] {
        let bytes = self.file.bytes(kind).unwrap_or(&[]);
        bytemuck::try_cast_slice::<u8, u32>(bytes).unwrap_or(&[])
    }

    /// Returns a function from each row of a slot to its node; `None` for a row without a node.
    /// Damaged bytes can only name a wrong node or none.
    pub(crate) fn nodes_of(&self, slot: u32) -> impl Fn(Row) -> Option<u32> {
        let starts = self.array(STARTS);
        let range = match (starts.get(slot as usize), starts.get(slot as usize + 1)) {
            (Some(&start), Some(&end)) => start as usize..end as usize,
            _ => 0..0,
        };
        let nodes = self.array(NODES).get(range).unwrap_or(&[]);
        let count = self.nodes;
        move |row| nodes.get(row as usize).copied().filter(|node| *node < count)
    }

    /// Returns the rows of every node as segment and row, for rewriting.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Vec<(FileId, Row)>> {
        (0..self.nodes).map(|node| {
            let entries = self.entries(node);
            entries
                .filter_map(|(slot, row)| Some((*self.segments.get(slot as usize)?, row)))
                .collect()
        })
    }

    /// Checks every byte, and that offsets and slots are in range.
    pub(crate) fn verify(&self) -> Result<()> {
        self.file.verify()?;
        let offsets = self.file.checked(OFFSETS)?;
        let offsets: Vec<u32> =
            offsets.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let entries = self.file.checked(ENTRIES)?.len() / 8;
        let whole = offsets.first() == Some(&0) && offsets.last() == Some(&(entries as u32));
        if !whole || !offsets.is_sorted() {
            return Err(self.file.corrupt_in(OFFSETS, 0, "the offsets do not fit the entries"));
        }
        let distinct: std::collections::HashSet<&FileId> = self.segments.iter().collect();
        if distinct.len() != self.segments.len() {
            return Err(self.file.corrupt_in(SEGMENTS, 0, "a segment is listed twice"));
        }
        let slots = self.segments.len() as u32;
        if (0..self.nodes).any(|n| self.entries(n).any(|(slot, _)| slot >= slots)) {
            return Err(self.file.corrupt_in(ENTRIES, 0, "an entry names no segment"));
        }
        let of_slot: Vec<_> = (0..slots).map(|slot| self.nodes_of(slot)).collect();
        let other = |(slot, row): (u32, Row), node| of_slot[slot as usize](row) != Some(node);
        if (0..self.nodes).any(|node| self.entries(node).any(|entry| other(entry, node))) {
            return Err(self.file.corrupt_in(NODES, 0, "a row leads to another node than its own"));
        }
        let named = self.array(NODES).iter().filter(|node| **node != NO_NODE).count();
        if named != entries {
            return Err(self.file.corrupt_in(
                NODES,
                0,
                "a row leads to a node that is not its own",
            ));
        }
        Ok(())
    }
}
