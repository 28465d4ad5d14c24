//! Owns the calibration of a graph: the recall of each `ef`, measured when the graph is built
//! against the true neighbors of test queries (`truth`). The measurement covers what a search does:
//! graph, codes, and the exact rerank.
//!
//! The queries are made of rows of the index. These rows are hidden from their own searches,
//! because a row that is found leads straight to its neighbors.

use std::sync::Arc;

use super::ef_table::{Beam, EfTable};
use super::hnsw::graph::Graph;
use super::hnsw::search::search;
use super::hnsw::search_level::Scratch;
use super::truth::{Kind, Truth};
use crate::vector::codes::{CodeRows, Fit, Frame, Query};

/// The values of `ef` that are measured.
const LADDER: [u32; 13] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/// One query in `COUNTED` is searched with every beam, to count distances. Their number differs far
/// less between queries than the recall does.
const COUNTED: usize = 4;
/// The ladder ends at this recall.
const ENOUGH: f32 = 0.998;

/// The codes by which a graph is searched, and their error.
#[derive(Clone, Copy)]
pub(crate) struct Coded<'a> {
    pub(crate) frame: &'a Arc<Frame>,
    pub(crate) fit: &'a Fit,
    pub(crate) codes: CodeRows<'a>,
}

/// Returns the recall of each `ef` for these queries, ascending. `accept` says which nodes may be
/// results.
///
/// O(queries × Σ ef) distances.
pub(crate) fn measure(
    graph: &Graph<'_>,
    coded: Coded<'_>,
    truths: &[Truth<u32>],
    accept: Option<&dyn Fn(u32) -> bool>,
) -> EfTable {
    // The descent through the upper levels ignores hidden nodes, so queries made of their nodes are
    // left out.
    let upper = |node: &u32| graph.levels.get(1).is_some_and(|level| level.holds(*node));
    let hidden = truths.iter().filter(|truth| !truth.probe.made_from.iter().any(upper));
    climb(graph, coded, hidden.map(|truth| Asked::new(coded, truth)).collect(), accept)
}

/// A query with its true neighbors.
struct Asked<'t> {
    truth: &'t Truth<u32>,
    query: Query,
    /// Error of a distance by code, per unit of length of a row.
    error: f32,
    /// Right answers found by the widest beam so far.
    found: usize,
}

impl<'t> Asked<'t> {
    fn new(coded: Coded<'_>, truth: &'t Truth<u32>) -> Self {
        let query = Query::new(Arc::clone(coded.frame), truth.probe.vector.clone());
        Self { truth, error: query.error(coded.fit), query, found: 0 }
    }

    /// Counts the right answers that a search returns: those among its results that are near enough
    /// by code to be reranked.
    fn count(&mut self, coded: Coded<'_>, scratch: &Scratch) {
        let results = scratch.results();
        let comes = |node: &&u32| {
            let found = results.iter().find(|candidate| candidate.node == **node);
            let off = self.error * coded.codes.length(**node);
            found.is_some_and(|candidate| candidate.distance - off <= self.truth.reach)
        };
        self.found = self.truth.nearest.iter().filter(comes).count().min(self.truth.wanted);
    }

    /// Returns the share of the right answers that was found.
    fn recall(&self) -> f32 {
        if self.truth.wanted == 0 { 1.0 } else { self.found as f32 / self.truth.wanted as f32 }
    }
}

/// Measures the ladder of beams. A query that found all answers with one beam finds all with a
/// wider one. So it is not searched again, except to count distances: that saves most of the work.
fn climb(
    graph: &Graph<'_>,
    coded: Coded<'_>,
    mut asked: Vec<Asked<'_>>,
    accept: Option<&dyn Fn(u32) -> bool>,
) -> EfTable {
    let mut scratch = Scratch::default();
    let mut table = Vec::new();
    for ef in LADDER {
        let (mut evaluations, mut counted) = (0, 0);
        for (at, asked) in asked.iter_mut().enumerate() {
            let counts = at % COUNTED == 0;
            if !counts && asked.found >= asked.truth.wanted {
                continue;
            }
            scratch.hide(&asked.truth.probe.made_from);
            let measure = asked.query.over(&coded.codes);
            let (ef, limit) = (ef as usize, usize::MAX);
            let info = match accept {
                None => search(graph, &measure, ef, None, limit, &mut scratch),
                Some(accept) => {
                    search(graph, &measure, ef, Some(&mut |n| accept(n)), limit, &mut scratch)
                }
            };
            asked.count(coded, &scratch);
            if counts {
                (evaluations, counted) = (evaluations + info.evaluations, counted + 1);
            }
        }
        let (recall, error) = worst(&asked);
        let evaluations = (evaluations / counted.max(1)) as u32;
        table.push(Beam { ef, recall, error, evaluations });
        if recall >= ENOUGH {
            break;
        }
    }
    EfTable::new(table)
}

/// Returns the recall of the kind of queries with the worst recall, and its standard error.
fn worst(asked: &[Asked<'_>]) -> (f32, f32) {
    let of = |kind: Kind| {
        let recalls = asked.iter().filter(|a| a.truth.probe.kind == kind).map(Asked::recall);
        let (mut count, mut sum, mut squares) = (0.0f32, 0.0, 0.0);
        recalls.for_each(|r| (count, sum, squares) = (count + 1.0, sum + r, squares + r * r));
        let mean = sum / count;
        let variance = (squares / count - mean * mean).max(0.0);
        (count > 0.0).then(|| (mean, (variance / count).sqrt()))
    };
    let kinds = [Kind::Mixture, Kind::Row, Kind::Asked].into_iter().filter_map(of);
    kinds.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((1.0, 0.0))
}
