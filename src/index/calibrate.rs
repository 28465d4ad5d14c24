//! Owns the table that turns a wanted recall into an `ef`: measured leave-one-out on rows of the
//! index itself when a graph is built. Knows nothing of users' queries, so it asks for some margin.

use super::hnsw::graph::Graph;
use super::hnsw::search::{Scratch, search};
use super::top::TopK;
use crate::vector::codes::{CodeRows, Query};

/// Rows that serve as queries.
const SAMPLES: usize = 100;
/// Results that recall is measured on.
const K: usize = 10;
/// The `ef` that are tried.
const LADDER: [u32; 13] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/// Recall at which the ladder ends.
const ENOUGH: f32 = 0.998;
/// A query is rarely as near to a row as rows are to each other: this part of what the wanted recall
/// lacks to 1 is asked for besides.
const MARGIN: f32 = 0.5;

/// Recall@10 of codes at each `ef`, ascending. `stored` gives the vector of a node.
///
/// O(samples × (nodes + Σ ef)).
pub(super) fn measure(
    graph: &Graph<'_>,
    codes: &CodeRows<'_>,
    stored: impl Fn(u32) -> Vec<f32>,
) -> Vec<(u32, f32)> {
    let step = (codes.len() / SAMPLES).max(1);
    let samples: Vec<u32> = (0..codes.len()).step_by(step).map(|n| n as u32).collect();
    let queries: Vec<(u32, Query, Vec<u32>)> = samples
        .into_iter()
        .map(|node| {
            let query = Query::new(codes.spec, stored(node));
            let truth = nearest(codes, &query, node);
            (node, query, truth)
        })
        .collect();
    let mut scratch = Scratch::default();
    let mut table = Vec::new();
    for ef in LADDER {
        let (mut found, mut wanted) = (0, 0);
        for (node, query, truth) in &queries {
            search(
                graph,
                codes,
                query,
                ef as usize,
                &mut |n| n != *node,
                usize::MAX,
                &mut scratch,
            );
            let got: Vec<u32> = scratch.results().iter().take(K).map(|c| c.node).collect();
            found += truth.iter().filter(|n| got.contains(n)).count();
            wanted += truth.len();
        }
        let recall = if wanted == 0 {
            1.0
        } else {
            found as f32 / wanted as f32
        };
        table.push((ef, recall));
        if recall >= ENOUGH {
            break;
        }
    }
    table
}

/// The exact neighbors of a node by code, itself left out.
fn nearest(codes: &CodeRows<'_>, query: &Query, node: u32) -> Vec<u32> {
    let mut top = TopK::new(K);
    for (other, row) in (0u32..).zip(codes.rows()) {
        if other != node {
            let distance = query.distance(row);
            if distance < top.bound() {
                top.offer(distance, other);
            }
        }
    }
    top.into_sorted()
        .into_iter()
        .map(|(_, node)| node)
        .collect()
}

/// The smallest `ef` that promises this recall for `k` results.
pub(super) fn ef_for(table: &[(u32, f32)], recall: f32, k: usize) -> usize {
    let wanted = recall + (1.0 - recall).max(0.0) * MARGIN;
    let entry = table
        .iter()
        .find(|(_, reached)| *reached >= wanted)
        .or(table.last());
    let ef = entry.map_or(64, |(ef, _)| *ef as usize);
    // More results need a wider beam, about in proportion; fewer do not need a narrower one.
    ef.saturating_mul(k.max(K)).div_ceil(K).max(k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_recall_or_more_results_never_ask_for_a_smaller_ef() {
        let table = [(10, 0.8), (32, 0.93), (64, 0.97), (128, 0.99), (256, 0.999)];
        assert_eq!(ef_for(&table, 0.80, 10), 32);
        assert_eq!(ef_for(&table, 0.95, 10), 128);
        assert_eq!(ef_for(&table, 0.99, 10), 256);
        assert_eq!(ef_for(&table, 1.0, 10), 256);
        assert_eq!(ef_for(&table, 0.95, 100), 1280);
        assert_eq!(ef_for(&[], 0.95, 1), 64);
    }
}
