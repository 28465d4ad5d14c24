//! Owns reachability: finds the nodes that cannot be reached from the entry point at level 0 and
//! splices them in (I11), within the degree caps.

use super::graph::{FlatGraph, Graph};
use super::search::search;
use super::search_level::Scratch;
use crate::vector::codes::{CodeRows, Query};

/// How many near nodes are looked at for a place to splice in.
const EF: usize = 32;

/// Which nodes can be reached from the entry point at level 0.
pub(crate) fn reachable(graph: &Graph<'_>) -> Vec<bool> {
    let mut reached = vec![false; graph.nodes as usize];
    let mut stack = Vec::new();
    visit(graph, graph.entry, &mut reached, &mut stack);
    reached
}

fn visit(graph: &Graph<'_>, from: u32, reached: &mut [bool], stack: &mut Vec<u32>) {
    let Some(level) = graph.levels.first() else {
        return;
    };
    stack.push(from);
    while let Some(node) = stack.pop() {
        match reached.get_mut(node as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        stack.extend_from_slice(level.neighbors(node));
    }
}

/// Makes every node reachable; tells how many were not.
///
/// An unreachable node becomes a neighbor of a near node that can be reached. Where that one is
/// full, its farthest neighbor makes room and becomes a neighbor of the new one instead, so nothing
/// that could be reached is lost.
pub(crate) fn attach_unreachable(
    graph: &mut FlatGraph,
    codes: &CodeRows<'_>,
    stored: impl Fn(u32) -> Vec<f32>,
) -> usize {
    let mut reached = reachable(&graph.view());
    let lost: Vec<u32> = (0..graph.nodes).filter(|n| !reached[*n as usize]).collect();
    if lost.is_empty() {
        return 0;
    }
    let mut lists: Vec<Vec<u32>> =
        (0..graph.nodes).map(|n| graph.view().levels[0].neighbors(n).to_vec()).collect();
    let cap = 2 * graph.m as usize;
    let mut scratch = Scratch::default();
    for &node in &lost {
        if reached[node as usize] {
            continue;
        }
        let query = Query::new(codes.spec, stored(node));
        let view = graph.view();
        search(&view, codes, &query, EF, None, usize::MAX, &mut scratch);
        // An upper level may have led to nodes that level 0 alone does not lead to: no host is there.
        let found = scratch.results().iter().map(|c| c.node);
        let near: Vec<u32> = found.filter(|n| reached[*n as usize]).collect();
        let roomy = near.iter().find(|n| lists[**n as usize].len() < cap);
        let host = *roomy.or(near.first()).unwrap_or(&graph.entry);
        splice(&mut lists, host, node, cap);
        // Everything behind the node can now be reached too.
        let mut stack = vec![node];
        while let Some(next) = stack.pop() {
            if !std::mem::replace(&mut reached[next as usize], true) {
                stack.extend_from_slice(&lists[next as usize]);
            }
        }
    }
    let level = &mut graph.levels[0];
    level.offsets = std::iter::once(0)
        .chain(lists.iter().scan(0, |sum, list| {
            *sum += list.len() as u32;
            Some(*sum)
        }))
        .collect();
    level.neighbors = lists.concat();
    lost.len()
}

fn splice(lists: &mut [Vec<u32>], host: u32, node: u32, cap: usize) {
    if lists[host as usize].contains(&node) {
        return;
    }
    if lists[host as usize].len() >= cap
        && let Some(moved) = lists[host as usize].pop()
    {
        let own = &mut lists[node as usize];
        if moved != node && !own.contains(&moved) {
            own.truncate(cap - 1);
            own.push(moved);
        }
    }
    lists[host as usize].push(node);
}
