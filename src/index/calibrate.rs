//! Owns the calibration of a graph: what each `ef` finds, measured when the graph is built, end to
//! end as searches are answered (graph, codes, what is measured exactly behind them), against the true
//! neighbors of its queries (`truth`).
//!
//! The queries are made of rows of the index, and hidden from their own searches: a row that could be
//! found would lead straight to its neighbors.

use std::sync::Arc;

use super::ef_table::{Beam, EfTable};
use super::hnsw::graph::Graph;
use super::hnsw::search::search;
use super::hnsw::search_level::Scratch;
use super::truth::{Kind, Truth};
use crate::vector::codes::{CodeRows, Fit, Frame, Query};

/// The `ef` that are tried.
const LADDER: [u32; 13] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/// One query in so many is searched for with every beam, for its distances: their number differs far less
/// from query to query than what is found.
const COUNTED: usize = 4;
/// Recall at which the ladder ends.
const ENOUGH: f32 = 0.998;

/// The codes that a graph is searched by, and what is known of their errors.
#[derive(Clone, Copy)]
pub(crate) struct Coded<'a> {
    pub(crate) frame: &'a Arc<Frame>,
    pub(crate) fit: &'a Fit,
    pub(crate) codes: CodeRows<'a>,
}

/// What each `ef` gives for these queries, ascending. `accept` tells which nodes may be results.
///
/// O(queries × Σ ef) distances.
pub(crate) fn measure(
    graph: &Graph<'_>,
    coded: Coded<'_>,
    truths: &[Truth<u32>],
    accept: Option<&dyn Fn(u32) -> bool>,
) -> EfTable {
    // A node of the upper levels could not be hidden from the descent.
    let upper = |node: &u32| graph.levels.get(1).is_some_and(|level| level.holds(*node));
    let hidden = truths.iter().filter(|truth| !truth.probe.made_from.iter().any(upper));
    climb(graph, coded, hidden.map(|truth| Asked::new(coded, truth)).collect(), accept)
}

/// A query with its true neighbors.
struct Asked<'t> {
    truth: &'t Truth<u32>,
    query: Query,
    /// How far off distances by code are, for each unit of length of a row.
    error: f32,
    /// How many of the right answers the widest beam so far found.
    found: usize,
}

impl<'t> Asked<'t> {
    fn new(coded: Coded<'_>, truth: &'t Truth<u32>) -> Self {
        let query = Query::new(Arc::clone(coded.frame), truth.probe.vector.clone());
        Self { truth, error: query.error(coded.fit), query, found: 0 }
    }

    /// Counts the right answers among what a search left: those that are there, and that the walk through
    /// what is measured exactly comes to.
    fn count(&mut self, coded: Coded<'_>, scratch: &Scratch) {
        let results = scratch.results();
        let comes = |node: &&u32| {
            let found = results.iter().find(|candidate| candidate.node == **node);
            let off = self.error * coded.codes.length(**node);
            found.is_some_and(|candidate| candidate.distance - off <= self.truth.reach)
        };
        self.found = self.truth.nearest.iter().filter(comes).count().min(self.truth.wanted);
    }

    /// What part of the right answers was found.
    fn recall(&self) -> f32 {
        if self.truth.wanted == 0 { 1.0 } else { self.found as f32 / self.truth.wanted as f32 }
    }
}

/// A query that found all with one beam finds all with a wider one, and is not searched for again but where
/// it counts distances: most of a ladder's work would be to find the same once more.
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

/// Recall of the kind of queries that found least, and its standard error.
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
