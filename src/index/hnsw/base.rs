//! Owns the older graph from which a new one starts, and the mapping of its nodes to the new rows.

use super::graph::{Graph, NO_NODE};

/// A graph from which a new one starts.
pub(crate) struct Base<'a> {
    pub(super) graph: Graph<'a>,
    /// For each node its new row; `NO_NODE` for a node that is removed.
    rows: Vec<u32>,
    kept: u32,
}

impl<'a> Base<'a> {
    /// Returns the base made of `graph`. `rows` has the new row of each node, or `NO_NODE`. Rows of
    /// nodes that stay come first, in any order. `None` if the graph is damaged or has another `m`,
    /// or if no node stays.
    pub(crate) fn new(graph: Graph<'a>, rows: Vec<u32>, m: usize) -> Option<Self> {
        let kept = rows.iter().filter(|row| **row != NO_NODE).count() as u32;
        let sound = rows.len() == graph.nodes as usize
            && graph.m as usize == m
            && kept > 0
            && rows.iter().all(|row| *row == NO_NODE || *row < kept)
            && graph.validate().is_ok();
        sound.then_some(Self { graph, rows, kept })
    }

    /// Returns how many nodes stay.
    pub(super) const fn kept(&self) -> u32 {
        self.kept
    }

    pub(super) fn row(&self, node: u32) -> Option<u32> {
        self.rows.get(node as usize).copied().filter(|row| *row != NO_NODE)
    }

    pub(super) fn rows_of<'b>(&'b self, list: &'b [u32]) -> impl Iterator<Item = u32> + 'b {
        list.iter().filter_map(|node| self.row(*node))
    }
}
