//! Owns the table that turns a wanted recall into an `ef`: measured when a graph is built, with
//! queries made of rows of the index, which are hidden from their own searches (a row that could be
//! found would lead straight to its neighbors). Knows nothing of users' queries, so it asks for some
//! margin.

use std::collections::HashMap;

use super::hnsw::graph::Graph;
use super::hnsw::search::search;
use super::hnsw::search_level::Scratch;
use super::top::TopK;
use super::{Candidate, Scan};
use crate::vector::codes::{CodeRows, Query};
use crate::vector::metric::prepare;

/// Rows that serve as queries.
pub(super) const SAMPLES: usize = 100;
/// Rows whose vectors are asked for: one in `m` lies on an upper level, and each query is made of two.
const WANTED: usize = 220;
/// Results that recall is measured on.
const K: usize = 10;
/// The `ef` that are tried.
const LADDER: [u32; 13] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/// Share of a sample that is one row; the rest is another one. Real queries lie farther from the
/// rows than rows from each other: at this share recall on 20,000 sentence embeddings was that of
/// held-out queries to within 0.005 at every `ef`.
const OWN_SHARE: f32 = 0.6;
/// Spreads the rows that are mixed in over the index.
const PRIME: usize = 7919;
/// So many queries are believed as much as the mixtures of rows. Of few queries recall is known to within
/// some hundredths only, by chance; of queries that are unlike any row, the mixtures know too much: where
/// they promise 1 and .95 is asked for, a beam is taken that finds .952 of 64 queries', .913 of 16 queries'.
const MIXTURES: f32 = 24.0;
/// One query in so many is searched for with every beam, for its distances: their number differs far less
/// from query to query than what is found.
const COUNTED: usize = 4;
/// Recall at which the ladder ends.
const ENOUGH: f32 = 0.998;
/// Distances for each unit of `ef` where nothing was measured; 14 to 26 on 100,000 sentence
/// embeddings.
const EVALUATIONS: u64 = 22;
/// What [`EfTable::usual_ef`] promises, and searches ask for unless they say otherwise.
const USUAL_RECALL: f32 = 0.95;
/// A query is rarely as near to a row as rows are to each other: this part of what the wanted recall
/// lacks to 1 is asked for besides.
const MARGIN: f32 = 0.3;

/// A graph may be worn when it takes a beam so many times as wide as when it was built anew.
const WORN: f64 = 1.5;
/// Narrower beams count as this one: between them it is chance.
const NARROW: usize = 32;

/// What a width of the beam gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Beam {
    pub(super) ef: u32,
    /// Recall@10 of codes.
    pub(super) recall: f32,
    /// Distances a query.
    pub(super) evaluations: u32,
}

/// A row that may serve as a query, with its vector in stored form.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) row: u32,
    pub(crate) vector: Vec<f32>,
}

/// The rows, of so many, whose vectors [`measure`] wants to have. Evenly spread, and some more than it
/// needs: those that come to lie on an upper level do not serve.
pub(crate) fn wanted(rows: u32) -> impl Iterator<Item = u32> {
    let step = (rows as usize / WANTED).max(1);
    (0..rows).step_by(step).take(WANTED)
}

/// What each `ef` gives, ascending. `order` tells which row each node is.
///
/// O(samples × (nodes + Σ ef)).
pub(super) fn measure(
    graph: &Graph<'_>,
    codes: &CodeRows<'_>,
    order: &[u32],
    samples: &[Sample],
) -> EfTable {
    climb(graph, codes, probes(graph, codes, order, samples))
}

/// What each `ef` gives for these queries, in stored form.
///
/// O(queries × (nodes + Σ ef)).
pub(super) fn measure_with(
    graph: &Graph<'_>,
    codes: &CodeRows<'_>,
    queries: Vec<Vec<f32>>,
) -> EfTable {
    let probe = |vector| {
        let query = Query::new(codes.spec, vector);
        let truth = nearest(codes, &query, &[]);
        Probe { query, made_from: Vec::new(), truth, found: 0 }
    };
    climb(graph, codes, queries.into_iter().map(probe).collect())
}

/// What each `ef` of a graph gives, ascending; empty without a graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct EfTable(pub(super) Vec<Beam>);

impl EfTable {
    #[cfg(test)]
    pub(crate) fn of(beams: &[(u32, f32)]) -> Self {
        let beam = |&(ef, recall)| Beam { ef, recall, evaluations: 20 * ef };
        Self(beams.iter().map(beam).collect())
    }

    /// What this table, of so many queries, and one of mixtures of rows say together: the latter counts
    /// as many queries as [`MIXTURES`].
    #[must_use]
    pub(crate) fn with_mixtures(&self, queries: usize, mixtures: &Self) -> Self {
        if mixtures.0.is_empty() {
            return self.clone();
        }
        let (own, other) = (queries as f32, MIXTURES);
        let both = |beam: &Beam| {
            let recall = own * beam.recall + other * mixtures.recall_at(beam.ef as usize);
            Beam { recall: recall / (own + other), ..*beam }
        };
        Self(self.0.iter().map(both).collect())
    }

    /// The smallest `ef` that promises this recall for `k` results.
    pub(crate) fn ef_for(&self, recall: f32, k: usize) -> usize {
        let Self(table) = self;
        let wanted = with_margin(recall);
        let ef = match table.iter().position(|beam| beam.recall >= wanted) {
            Some(0) => table[0].ef as usize,
            Some(at) => between(&table[at - 1], &table[at], wanted),
            None => table.last().map_or(64, |beam| beam.ef as usize),
        };
        // More results need a wider beam, about in proportion; fewer do not need a narrower one.
        ef.saturating_mul(k.max(K)).div_ceil(K).max(k)
    }

    /// The `ef` by which graphs are compared with each other.
    pub(crate) fn usual_ef(&self) -> usize {
        self.ef_for(USUAL_RECALL, K)
    }

    /// About how many distances a search with this `ef` measures, if all nodes are accepted.
    pub(crate) fn evaluations_for(&self, ef: usize) -> u64 {
        let beam = self.0.iter().find(|beam| beam.ef as usize >= ef).or(self.0.last());
        beam.map_or((ef as u64).saturating_mul(EVALUATIONS), |beam| {
            let by_ef = u64::from(beam.evaluations).saturating_mul(ef as u64);
            by_ef / u64::from(beam.ef.max(1))
        })
    }

    /// The recall of this beam, on the line between those that were measured; of the widest or the narrowest
    /// of them, if it is beyond.
    pub(crate) fn recall_at(&self, ef: usize) -> f32 {
        let Self(table) = self;
        match table.iter().position(|beam| beam.ef as usize >= ef) {
            Some(0) => table[0].recall,
            Some(at) => {
                let (below, above) = (&table[at - 1], &table[at]);
                let share = (ef as f32 - below.ef as f32) / (above.ef - below.ef).max(1) as f32;
                below.recall + share * (above.recall - below.recall)
            }
            None => table.last().map_or(0.0, |beam| beam.recall),
        }
    }

    /// Whether a graph of which so many queries gave this table, and that took a beam of `fresh` when it was
    /// built anew, should be built anew again: it takes a much wider one, and finds clearly too little with
    /// that one. The beam alone does not say so: on some data that which the same graph is said to take
    /// differs by a factor of three from one hundred samples to the next.
    pub(crate) fn is_worn(&self, fresh: usize, queries: usize) -> bool {
        let fresh = fresh.max(NARROW);
        self.usual_ef() as f64 > WORN * fresh as f64 && self.falls_short(fresh, queries)
    }

    /// Whether this beam, with which searches would have found what they ask for, now finds less than
    /// that by more than chance explains: two standard deviations of what so many queries find if each finds
    /// all or nothing, as those among images that lie between two kinds nearly do.
    fn falls_short(&self, ef: usize, queries: usize) -> bool {
        let promised = with_margin(USUAL_RECALL);
        let deviation = (promised * (1.0 - promised) / queries.max(1) as f32).sqrt();
        self.recall_at(ef) < promised - 2.0 * deviation
    }
}

/// A query that found all with one beam finds all with a wider one, and is not searched for again but where
/// it counts distances: most of a ladder's work would be to find the same once more.
fn climb(graph: &Graph<'_>, codes: &CodeRows<'_>, mut probes: Vec<Probe>) -> EfTable {
    let mut scratch = Scratch::default();
    let mut table = Vec::new();
    for ef in LADDER {
        let beam = beam(graph, codes, &mut probes, ef, &mut scratch);
        table.push(beam);
        if beam.recall >= ENOUGH {
            break;
        }
    }
    EfTable(table)
}

/// A query with its true neighbors.
struct Probe {
    query: Query,
    /// The nodes that it was made from: hidden from its searches.
    made_from: Vec<u32>,
    truth: Vec<u32>,
    /// How many of them the widest beam so far found.
    found: usize,
}

/// Queries that are not among the rows, but not far from them either: each is a row with a part of
/// another one mixed in.
fn probes(
    graph: &Graph<'_>,
    codes: &CodeRows<'_>,
    order: &[u32],
    samples: &[Sample],
) -> Vec<Probe> {
    let vectors: HashMap<u32, &[f32]> = samples.iter().map(|s| (s.row, &s.vector[..])).collect();
    let nodes = (0u32..).zip(order);
    // A node of the upper levels could not be hidden from the descent.
    let bottom: Vec<(u32, &[f32])> = nodes
        .filter_map(|(node, row)| Some((node, *vectors.get(row)?)))
        .filter(|(node, _)| graph.levels.get(1).is_none_or(|l| !l.holds(*node)))
        .collect();
    let step = (bottom.len() / SAMPLES).max(1);
    let picked = bottom.iter().step_by(step).take(SAMPLES).enumerate();
    picked
        .map(|(i, &(node, own))| {
            let (other, mixed_in) = bottom[(i * PRIME + PRIME) % bottom.len()];
            let mut vector = own.to_vec();
            for (x, y) in vector.iter_mut().zip(mixed_in) {
                *x = *x * OWN_SHARE + y * (1.0 - OWN_SHARE);
            }
            let _ = prepare(codes.spec.metric, codes.spec.dimension, None, &mut vector);
            let query = Query::new(codes.spec, vector);
            let made_from = vec![node, other];
            let truth = nearest(codes, &query, &made_from);
            Probe { query, made_from, truth, found: 0 }
        })
        .collect()
}

fn beam(
    graph: &Graph<'_>,
    codes: &CodeRows<'_>,
    probes: &mut [Probe],
    ef: u32,
    scratch: &mut Scratch,
) -> Beam {
    let (mut found, mut wanted, mut evaluations, mut counted) = (0, 0, 0, 0);
    for (at, probe) in probes.iter_mut().enumerate() {
        let counts = at % COUNTED == 0;
        if counts || probe.found < probe.truth.len() {
            scratch.hide(&probe.made_from);
            let measure = probe.query.over(codes);
            let info = search(graph, &measure, ef as usize, None, usize::MAX, scratch);
            let got: Vec<u32> = scratch.results().iter().take(K).map(|c| c.node).collect();
            probe.found = probe.truth.iter().filter(|n| got.contains(n)).count();
            if counts {
                (evaluations, counted) = (evaluations + info.evaluations, counted + 1);
            }
        }
        found += probe.found;
        wanted += probe.truth.len();
    }
    let recall = if wanted == 0 { 1.0 } else { found as f32 / wanted as f32 };
    Beam { ef, recall, evaluations: (evaluations / counted.max(1)) as u32 }
}

/// The exact neighbors of a query by code, some nodes left out.
fn nearest(codes: &CodeRows<'_>, query: &Query, without: &[u32]) -> Vec<u32> {
    let mut top = TopK::new(K);
    let mut bound = top.bound();
    Scan::new(query).run(codes, None, 0, &mut bound, |Candidate { distance, node }| {
        if without.contains(&node) { top.bound() } else { top.offer(distance, node) }
    });
    top.into_sorted().into_iter().map(|(_, node)| node).collect()
}

fn with_margin(recall: f32) -> f32 {
    recall + (1.0 - recall).max(0.0) * MARGIN
}

/// Where the line between two beams has this recall. Recall rises ever more slowly with `ef`, so that it
/// is higher there.
fn between(below: &Beam, above: &Beam, recall: f32) -> usize {
    let share = (recall - below.recall) / (above.recall - below.recall).max(f32::EPSILON);
    let step = above.ef.saturating_sub(below.ef) as f32;
    below.ef as usize + (share * step).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_queries_change_little_of_what_mixtures_of_rows_said_and_many_most() {
        let mixtures = EfTable::of(&[(16, 0.90), (32, 0.95), (64, 1.0)]);
        let queries = EfTable::of(&[(16, 0.70), (32, 0.85), (64, 0.90), (128, 0.95)]);
        let recalls = |queries: usize, table: &EfTable| -> Vec<f32> {
            table.with_mixtures(queries, &mixtures).0.iter().map(|b| b.recall).collect()
        };
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        // What is wider than the widest beam of the mixtures finds at least as much.
        assert!(near(&recalls(24, &queries), &[0.80, 0.90, 0.95, 0.975]));
        assert!(near(&recalls(72, &queries), &[0.75, 0.875, 0.925, 0.9625]));
        assert!(near(&recalls(1_000_000, &queries)[..1], &[0.7000048]));
        let alone = queries.with_mixtures(16, &EfTable::default());
        assert_eq!(alone.usual_ef(), queries.usual_ef());
    }

    #[test]
    fn more_recall_or_more_results_never_ask_for_a_smaller_ef() {
        let table = [(10, 0.8), (32, 0.93), (64, 0.97), (128, 0.99), (256, 0.999)];
        let table = EfTable::of(&table);
        assert_eq!(table.evaluations_for(48), 960);
        assert_eq!(table.evaluations_for(512), 10_240);
        assert_eq!(EfTable::default().evaluations_for(10), 10 * EVALUATIONS);
        assert_eq!(table.ef_for(0.80, 10), 21, "between 10 and 32");
        assert_eq!(table.ef_for(0.95, 10), 60);
        assert_eq!(table.ef_for(0.99, 10), 171);
        assert_eq!(table.ef_for(0.5, 10), 10);
        assert_eq!(table.ef_for(1.0, 10), 256);
        assert_eq!(table.ef_for(0.95, 100), 600);
        assert_eq!(EfTable::default().ef_for(0.95, 1), 64);
        let recalls = [5, 10, 21, 48, 128, 1000].map(|ef| (table.recall_at(ef) * 1e4).round());
        assert_eq!(recalls, [8000.0, 8000.0, 8650.0, 9500.0, 9900.0, 9990.0]);
        assert!(EfTable::default().recall_at(64).abs() < f32::EPSILON);
    }

    #[test]
    fn what_a_hundred_samples_miss_by_chance_is_no_shortfall() {
        // A promise of .965, give or take .037.
        let table = EfTable::of(&[(32, 0.92), (64, 0.94)]);
        assert!(table.falls_short(32, SAMPLES) && !table.falls_short(64, SAMPLES));
        assert!(!table.falls_short(32, SAMPLES / 2), "of fewer, more may be chance");
    }

    #[test]
    fn a_graph_is_worn_when_its_beam_has_widened_by_more_than_chance() {
        let at = |ef: u32, found: f32| EfTable::of(&[(32, found), (ef - 1, 0.96), (ef, 0.97)]);
        let takes = |ef| at(ef, 0.90).usual_ef();
        assert_eq!((takes(49), takes(97)), (49, 97));
        assert!(at(49, 0.90).is_worn(10, SAMPLES) && at(49, 0.90).is_worn(32, SAMPLES));
        assert!(!at(48, 0.90).is_worn(10, SAMPLES) && !at(49, 0.90).is_worn(33, SAMPLES));
        assert!(!at(49, 0.93).is_worn(32, SAMPLES), "within the chance of a hundred samples");
    }
}
