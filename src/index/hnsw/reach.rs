//! Owns reachability: finds the nodes that cannot be reached from the entry point at level 0, and
//! links them in (I11) within the degree limits.

use std::collections::HashMap;

use super::graph::{FlatGraph, FlatLevel, Graph, Level};
use super::search::search;
use super::search_level::Scratch;
use crate::map_vec::MapVec;
use crate::vector::codes::CodeRows;

/// Number of near nodes considered as hosts of an unreachable node.
const EF: usize = 32;

/// Returns the nodes that can be reached from the entry point at level 0.
pub(crate) fn reachable(graph: &Graph<'_>) -> Reached {
    let mut reached = Reached(MapVec::zeroed(graph.nodes as usize));
    if let Some(level) = graph.levels.first() {
        reached.visit(graph.entry, |node| level.neighbors(node));
    }
    reached
}

/// The nodes that can be reached.
pub(crate) struct Reached(MapVec<u8>);

impl Reached {
    /// Returns the number of reached nodes.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().filter(|reached| **reached > 0).count()
    }

    fn holds(&self, node: u32) -> bool {
        self.0.get(node as usize).is_some_and(|reached| *reached > 0)
    }

    /// Adds a node. Returns true if it was not reached before.
    fn add(&mut self, node: u32) -> bool {
        self.0.get_mut(node as usize).is_some_and(|reached| std::mem::replace(reached, 1) == 0)
    }

    /// Adds all nodes that can be reached from a node. Each node waits at most once.
    fn visit<'g>(&mut self, from: u32, neighbors: impl Fn(u32) -> &'g [u32]) {
        let mut waiting = MapVec::new();
        if self.add(from) {
            waiting.push(from);
        }
        while let Some(node) = waiting.pop() {
            for &next in neighbors(node) {
                if self.add(next) {
                    waiting.push(next);
                }
            }
        }
    }
}

/// Makes every node reachable. Returns how many were not.
///
/// An unreachable node becomes a neighbor of a near node that can be reached, its host. If the host
/// is full, its farthest neighbor makes room and becomes a neighbor of the new node instead. So no
/// node becomes unreachable.
pub(crate) fn attach_unreachable(graph: &mut FlatGraph, codes: &CodeRows<'_>) -> usize {
    let mut reached = reachable(&graph.view());
    let lost: Vec<u32> = (0..graph.nodes).filter(|n| !reached.holds(*n)).collect();
    if lost.is_empty() {
        return 0;
    }
    let cap = 2 * graph.m as usize;
    let view = graph.view();
    let mut lists = Lists { level: view.levels[0], changed: HashMap::new() };
    let mut scratch = Scratch::default();
    for &node in &lost {
        if reached.holds(node) {
            continue;
        }
        let origin = codes.origin(node).with_sieve();
        search(&view, &origin, EF, None, usize::MAX, &mut scratch);
        // The upper levels may have led to nodes that level 0 alone does not reach. Those cannot be
        // hosts.
        let found = scratch.results().iter().map(|c| c.node);
        let near: Vec<u32> = found.filter(|n| reached.holds(*n)).collect();
        let roomy = near.iter().find(|n| lists.of(**n).len() < cap);
        let host = *roomy.or(near.first()).unwrap_or(&graph.entry);
        lists.splice(host, node, cap);
        // All nodes behind this node are reachable now.
        reached.visit(node, |next| lists.of(next));
    }
    let level = lists.level(graph.nodes);
    graph.levels[0] = level;
    lost.len()
}

/// The lists of level 0. The few changed ones are stored apart.
struct Lists<'g> {
    level: Level<'g>,
    changed: HashMap<u32, Vec<u32>>,
}

impl Lists<'_> {
    fn of(&self, node: u32) -> &[u32] {
        self.changed.get(&node).map_or_else(|| self.level.neighbors(node), Vec::as_slice)
    }

    fn change(&mut self, node: u32) -> &mut Vec<u32> {
        self.changed.entry(node).or_insert_with(|| self.level.neighbors(node).to_vec())
    }

    fn splice(&mut self, host: u32, node: u32, cap: usize) {
        if self.of(host).contains(&node) {
            return;
        }
        if self.of(host).len() >= cap
            && let Some(moved) = self.change(host).pop()
        {
            let own = self.change(node);
            if moved != node && !own.contains(&moved) {
                own.truncate(cap - 1);
                own.push(moved);
            }
        }
        self.change(host).push(node);
    }

    fn level(&self, nodes: u32) -> FlatLevel {
        let mut flat = FlatLevel::with_room(nodes as usize, self.level.neighbors.len());
        for node in 0..nodes {
            flat.neighbors.extend_from_slice(self.of(node));
            flat.offsets.push(flat.neighbors.len() as u32);
        }
        flat
    }
}
