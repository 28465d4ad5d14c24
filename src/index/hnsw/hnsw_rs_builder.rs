//! Owns the graph builder based on the crate `hnsw_rs`. It builds over row numbers with our
//! distance between codes. Its graph is copied and dropped; it is never searched and never stored.
//!
//! Behavior of version 0.3.5, from its source, that needs a workaround:
//!
//! - Several threads that insert into an empty graph leave it disconnected: the first point goes in
//!   alone.
//! - It stores edges above a node's own level, which have no meaning: they are dropped.
//! - A NaN panics: distances are made finite.
//! - Equal vectors displace each other's edges: the caller collapses equal vectors.
//! - Its `Drop` uses rayon: it is dropped inside our pool.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hnsw_rs::prelude::{Distance, Hnsw};

use super::builder::{BuildGraph, BuildParams};
use super::graph::{FlatGraph, FlatLevel, MAX_LEVELS};
use crate::error::{Error, Result};
use crate::vector::codes::CodeRows;

/// Number of levels from which the crate draws. Its dump and its defaults need this number.
const CRATE_LEVELS: usize = 16;
/// Rows inserted between two checkpoints.
const CHUNK: usize = 1024;

/// The builder based on `hnsw_rs`.
#[derive(Debug)]
pub(super) struct HnswRsBuilder;

/// The distance between two rows, given by their row numbers.
struct RowDistance<'a> {
    codes: CodeRows<'a>,
    /// Added to every distance, so that none is negative, as the crate asserts; the order stays the
    /// same. No product is larger than that of the longest row with itself.
    raised: f32,
}

impl<'a> RowDistance<'a> {
    fn new(codes: &CodeRows<'a>) -> Self {
        let own = (0..codes.len() as u32).map(|row| -codes.pair(row, row));
        // Codes have an error, so some room is added.
        let raised = 1.1 * own.fold(0.0, f32::max);
        Self { codes: *codes, raised }
    }
}

impl Distance<u32> for RowDistance<'_> {
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        let (Some(&a), Some(&b)) = (a.first(), b.first()) else {
            return f32::MAX;
        };
        let distance = self.codes.pair(a, b) + self.raised;
        if distance.is_finite() { distance.max(0.0) } else { f32::MAX }
    }
}

impl BuildGraph for HnswRsBuilder {
    fn name(&self) -> &'static str {
        "hnsw_rs"
    }

    fn build(&self, codes: &CodeRows<'_>, params: &BuildParams<'_>) -> Result<FlatGraph> {
        let work = || params.pool.install(|| build_and_copy(codes, params));
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(Error::option("hnsw_rs", "it panicked while building")))
    }
}

fn build_and_copy(codes: &CodeRows<'_>, params: &BuildParams<'_>) -> Result<FlatGraph> {
    let n = codes.len();
    let distance = RowDistance::new(codes);
    let hnsw: Hnsw<'_, u32, RowDistance<'_>> =
        Hnsw::new(params.m, n, CRATE_LEVELS, params.ef_construction, distance);
    let rows: Vec<[u32; 1]> = (0..n as u32).map(|row| [row]).collect();
    hnsw.insert((&rows[0][..], 0));
    let rest: Vec<(&[u32], usize)> =
        rows.iter().enumerate().skip(1).map(|(i, row)| (&row[..], i)).collect();
    for chunk in rest.chunks(CHUNK) {
        params.check()?;
        hnsw.parallel_insert_slice(&chunk.to_vec());
    }
    Ok(copy_out(&hnsw, n, params.m))
}

/// The edges of one node, level by level.
type Edges = Vec<Vec<u32>>;

fn copy_out(hnsw: &Hnsw<'_, u32, RowDistance<'_>>, n: usize, m: usize) -> FlatGraph {
    let mut edges: Vec<Edges> = vec![Edges::new(); n];
    for point in hnsw.get_point_indexation() {
        let node = point.get_origin_id();
        let top = usize::from(point.get_point_id().0).min(MAX_LEVELS - 1);
        let lists = point.get_neighborhood_id();
        edges[node] = (0..=top)
            .map(|level| {
                let cap = if level == 0 { 2 * m } else { m };
                let on_level = lists.get(level).into_iter().flatten();
                let on_level = on_level.filter(|e| usize::from(e.p_id.0) >= level);
                let mut list: Vec<u32> = Vec::new();
                for id in on_level.map(|e| e.d_id as u32) {
                    if id as usize != node && !list.contains(&id) && list.len() < cap {
                        list.push(id);
                    }
                }
                list
            })
            .collect();
    }
    let depth = edges.iter().map(Vec::len).max().unwrap_or(1);
    let entry = edges.iter().position(|e| e.len() == depth).unwrap_or(0) as u32;
    let levels = (0..depth).map(|level| flat_level(&edges, level)).collect();
    FlatGraph { levels, entry, nodes: n as u32, m: m as u32 }
}

fn flat_level(edges: &[Edges], level: usize) -> FlatLevel {
    let mut flat = FlatLevel::with_room(0, 0);
    for (node, lists) in (0u32..).zip(edges) {
        let Some(list) = lists.get(level) else {
            if level == 0 {
                flat.offsets.push(flat.neighbors.len() as u32);
            }
            continue;
        };
        if level > 0 {
            flat.nodes.push(node);
        }
        flat.neighbors.extend_from_slice(list);
        flat.offsets.push(flat.neighbors.len() as u32);
    }
    flat
}
