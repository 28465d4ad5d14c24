//! Owns the data layout of a graph: flat arrays, in RAM (`FlatGraph`) or borrowed from a mapped
//! file (`Graph`). Reads are bounds-checked because stored bytes may be damaged; a node with a
//! damaged list has no neighbors.

use crate::map_vec::MapVec;
use crate::vector::kernel::Kernels;

/// One level in compressed sparse rows: the neighbors of the i-th node of the level are
/// `neighbors[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FlatLevel {
    /// Nodes of the level, ascending; empty at level 0, which holds all.
    pub(crate) nodes: Vec<u32>,
    pub(crate) offsets: MapVec<u32>,
    pub(crate) neighbors: MapVec<u32>,
}

/// A graph in RAM: the plain data that a builder returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FlatGraph {
    /// Level 0 first.
    pub(crate) levels: Vec<FlatLevel>,
    pub(crate) entry: u32,
    pub(crate) nodes: u32,
    /// Largest degree above level 0; twice as much at level 0.
    pub(crate) m: u32,
}

/// One level, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level<'a> {
    pub(crate) nodes: &'a [u32],
    pub(crate) offsets: &'a [u32],
    pub(crate) neighbors: &'a [u32],
    /// Length of every list if all have one length and there are no offsets; otherwise 0. Unused
    /// entries at the end of a list are `NO_NODE`.
    pub(crate) stride: usize,
}

/// Fills the unused entries of a list.
pub(crate) const NO_NODE: u32 = u32::MAX;

/// Largest number of neighbors of a node: twice the largest `m`. A longer list is damaged, and
/// would make a search quadratic.
pub(crate) const MAX_DEGREE: usize = 256;

/// Largest number of levels of a graph.
pub(crate) const MAX_LEVELS: usize = 32;

/// A graph, borrowed.
#[derive(Clone, Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) levels: Vec<Level<'a>>,
    pub(crate) entry: u32,
    pub(crate) nodes: u32,
    pub(crate) m: u32,
}

impl<'a> Level<'a> {
    /// Returns true if this upper level contains the node.
    pub(crate) fn holds(&self, node: u32) -> bool {
        self.nodes.binary_search(&node).is_ok()
    }

    /// Returns the neighbors of a node; empty if it is not on this level.
    pub(crate) fn neighbors(&self, node: u32) -> &'a [u32] {
        let list = self.listed(node);
        let taken = list.iter().position(|n| *n == NO_NODE).unwrap_or(list.len());
        &list[..taken]
    }

    /// Prefetches the list of a node that is visited soon.
    #[inline]
    pub(crate) fn prefetch(&self, node: u32) {
        if self.stride > 0 {
            (Kernels::detect().prefetch)(bytemuck::cast_slice(self.listed(node)));
        }
    }

    /// Returns the list of a node as it is stored, perhaps with `NO_NODE` at its end.
    #[inline]
    pub(crate) fn listed(&self, node: u32) -> &'a [u32] {
        if self.stride > 0 {
            let start = node as usize * self.stride;
            return self.neighbors.get(start..start + self.stride).unwrap_or(&[]);
        }
        let at = if self.nodes.is_empty() {
            node as usize
        } else {
            match self.nodes.binary_search(&node) {
                Ok(at) => at,
                Err(_) => return &[],
            }
        };
        let (Some(&start), Some(&end)) = (self.offsets.get(at), self.offsets.get(at + 1)) else {
            return &[];
        };
        let list = self.neighbors.get(start as usize..end as usize);
        list.filter(|list| list.len() <= MAX_DEGREE).unwrap_or(&[])
    }
}

impl FlatLevel {
    /// Returns an empty level with room for `nodes` nodes and `neighbors` neighbors, because an
    /// array that grows exists twice for a moment.
    pub(super) fn with_room(nodes: usize, neighbors: usize) -> Self {
        let mut offsets = MapVec::with_capacity(nodes + 1);
        offsets.push(0);
        Self { nodes: Vec::new(), offsets, neighbors: MapVec::with_capacity(neighbors) }
    }
}

impl FlatGraph {
    pub(crate) fn view(&self) -> Graph<'_> {
        let levels = self
            .levels
            .iter()
            .map(|l| {
                let (nodes, offsets, neighbors) = (&l.nodes, &l.offsets, &l.neighbors);
                Level { nodes, offsets, neighbors, stride: 0 }
            })
            .collect();
        Graph { levels, entry: self.entry, nodes: self.nodes, m: self.m }
    }
}
