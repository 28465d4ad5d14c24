//! Owns the check of a graph's invariants, whoever built or stored it.

use super::graph::{Graph, Level, MAX_LEVELS, NO_NODE};
use super::reach::reachable;

impl Graph<'_> {
    /// Checks the invariants of a stored graph.
    pub(crate) fn validate(&self) -> Result<(), &'static str> {
        if self.nodes == 0 || self.entry >= self.nodes || self.levels.len() > MAX_LEVELS {
            return Err("the graph has no nodes, no entry point or too many levels");
        }
        for (depth, level) in self.levels.iter().enumerate() {
            // An empty list of nodes stands for all nodes. Level 0 has one, and no other level may.
            if (depth == 0) != level.nodes.is_empty() {
                return Err("a level has no nodes, or the lowest one lists them");
            }
            self.validate_level(depth, level)?;
        }
        let upper = self.levels.get(1..).unwrap_or_default();
        if upper.last().is_some_and(|top| !top.holds(self.entry)) {
            return Err("the entry point is not on the highest level");
        }
        for pair in upper.windows(2) {
            if let [below, above] = pair
                && !above.nodes.iter().all(|node| below.holds(*node))
            {
                return Err("a node is missing on a level below its own");
            }
        }
        if reachable(self).count() < self.nodes as usize {
            return Err("a node of the graph cannot be reached");
        }
        Ok(())
    }

    fn validate_level(&self, depth: usize, level: &Level<'_>) -> Result<(), &'static str> {
        let count = if depth == 0 { self.nodes as usize } else { level.nodes.len() };
        let whole = match level.stride {
            0 => {
                level.offsets.len() == count + 1
                    && level.offsets.first() == Some(&0)
                    && level.offsets.last() == Some(&(level.neighbors.len() as u32))
                    && level.offsets.is_sorted()
            }
            stride => depth == 0 && level.neighbors.len() == count * stride,
        };
        if !whole
            || !level.nodes.is_sorted_by(|a, b| a < b)
            || (depth == 0 && !level.nodes.is_empty())
        {
            return Err("a level's arrays do not fit together");
        }
        let cap = if depth == 0 { self.m.saturating_mul(2) } else { self.m };
        let mut sorted = Vec::new();
        for at in 0..count {
            let node = if depth == 0 { at as u32 } else { level.nodes[at] };
            sorted.clear();
            sorted.extend_from_slice(level.neighbors(node));
            sorted.sort_unstable();
            if sorted.len() > cap as usize {
                return Err("a node has more neighbors than the cap");
            }
            let list = level.listed(node);
            if list.iter().skip(sorted.len()).any(|n| *n != NO_NODE) {
                return Err("a list goes on behind its end");
            }
            if sorted.contains(&node) || !sorted.is_sorted_by(|a, b| a < b) {
                return Err("a node is its own neighbor or has one twice");
            }
            let on_level =
                |n: &u32| *n < self.nodes && (depth == 0 || level.nodes.binary_search(n).is_ok());
            if node >= self.nodes || !sorted.iter().all(on_level) {
                return Err("a neighbor is not on the level");
            }
        }
        Ok(())
    }
}
