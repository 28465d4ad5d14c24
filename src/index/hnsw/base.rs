//! Owns the older graph that a new one starts from, and what becomes of its nodes.

use super::graph::{Graph, NO_NODE};

/// A graph that a new one starts from.
pub(crate) struct Base<'a> {
    pub(super) graph: Graph<'a>,
    /// For each node the row that it is now; `NO_NODE` for one that goes.
    rows: Vec<u32>,
    kept: u32,
}

impl<'a> Base<'a> {
    /// A graph of which `rows` tells what becomes of each node: the row that it is now, or `NO_NODE`.
    /// Rows that stay come first, in any order. Nothing if too little of it is left to start from, or if
    /// it is damaged.
    pub(crate) fn new(graph: Graph<'a>, rows: Vec<u32>, m: usize) -> Option<Self> {
        let kept = rows.iter().filter(|row| **row != NO_NODE).count() as u32;
        let sound = rows.len() == graph.nodes as usize
            && graph.m as usize == m
            && kept > 0
            && rows.iter().all(|row| *row == NO_NODE || *row < kept)
            && graph.validate().is_ok();
        sound.then_some(Self { graph, rows, kept })
    }

    /// How many nodes stay.
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
