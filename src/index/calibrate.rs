//! Owns the table that turns a wanted recall into an `ef`: measured when a graph is built, end to end as
//! searches are answered (graph, codes, what is measured exactly behind them), against the true
//! neighbors of its queries (`truth`).
//!
//! The queries are made of rows of the index, and hidden from their own searches: a row that could be
//! found would lead straight to its neighbors. Some are mixtures of two rows, some single rows: real
//! queries are like the one or the other, and the worse of the two counts. They are few, so a beam is
//! believed only as far as chance allows.

use super::hnsw::graph::Graph;
use super::hnsw::search::search;
use super::hnsw::search_level::Scratch;
use super::truth::{K, Kind, Probe, Truth};
use crate::vector::codes::{CodeRows, Fit, Frame, Query};
use std::sync::Arc;

/// Mixtures of rows and single rows that serve as queries.
const MIXED: usize = 112;
const SINGLE: usize = 44;
/// So many of the mixtures serve in the end after a merge, about: a row on an upper level cannot be hidden.
pub(super) const SAMPLES: usize = 50;
/// Queries of a canary that count as much as the table made at the build.
const MIXTURES: f32 = 24.0;
/// The `ef` that are tried.
const LADDER: [u32; 13] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/// Share of a mixture that is one row; the rest is another one. Real queries lie farther from the
/// rows than rows from each other: at this share recall on 20,000 sentence embeddings was that of
/// held-out queries to within 0.005 at every `ef`.
const OWN_SHARE: f32 = 0.6;
/// Spreads the rows that are mixed in over the index.
const PRIME: usize = 7919;
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
/// A beam must also be within this of the wanted recall if it finds less than was measured by so many
/// standard errors of what so few queries say.
const SLACK: f32 = 0.005;
const DOUBT: f32 = 2.0;

/// A graph may be worn when it takes a beam so many times as wide as when it was built anew.
const WORN: f64 = 1.5;
/// Narrower beams count as this one: between them it is chance.
const NARROW: usize = 32;

/// What a width of the beam gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Beam {
    pub(crate) ef: u32,
    /// Recall@10 of what users get.
    pub(crate) recall: f32,
    /// Standard error of that.
    pub(crate) error: f32,
    /// Distances a query.
    pub(crate) evaluations: u32,
}

/// The numbers, below `rows`, of those that probes are made of: pairs to be mixed, and single ones.
/// Evenly spread. After a merge half as many: it costs a quarter of a build, and what they say is
/// added to what is known of the graph.
fn picked(rows: u32, merged: bool) -> (Vec<[u32; 2]>, Vec<u32>) {
    let (mixed, single) = if merged { (MIXED / 2, SINGLE / 2) } else { (MIXED, SINGLE) };
    let spread = |count: usize| {
        let count = count.min(rows as usize);
        (0..count).map(move |i| (i * rows as usize / count.max(1)) as u32)
    };
    let other = |i: usize| ((i * PRIME + PRIME) % rows.max(1) as usize) as u32;
    let mixed = spread(mixed).enumerate().map(|(i, own)| [own, other(i)]);
    // Between those that are mixed.
    let step = rows / single as u32;
    (
        mixed.collect(),
        spread(single).map(|own| (own + step / 2).min(rows.saturating_sub(1))).collect(),
    )
}

/// The mixture of two rows in stored form.
pub(crate) fn mixture(own: &[f32], other: &[f32]) -> Vec<f32> {
    own.iter().zip(other).map(|(x, y)| x * OWN_SHARE + y * (1.0 - OWN_SHARE)).collect()
}

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

/// What each `ef` of a graph gives, ascending; empty without a graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct EfTable(pub(super) Vec<Beam>);

impl EfTable {
    #[cfg(test)]
    pub(crate) fn of(beams: &[(u32, f32)]) -> Self {
        let beam = |&(ef, recall)| Beam { ef, recall, error: 0.0, evaluations: 20 * ef };
        Self(beams.iter().map(beam).collect())
    }

    /// The beams that were measured.
    pub(crate) fn beams(&self) -> &[Beam] {
        &self.0
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
            let at = mixtures.at(beam.ef as usize);
            let recall = (own * beam.recall + other * at.recall) / (own + other);
            let error = (own * beam.error).hypot(other * at.error) / (own + other);
            Beam { recall, error, ..*beam }
        };
        Self(self.0.iter().map(both).collect())
    }

    /// The smallest `ef` that promises this recall for `k` results; `None` if no beam does that was
    /// measured.
    pub(crate) fn ef_for(&self, recall: f32, k: usize) -> Option<usize> {
        let Self(table) = self;
        let wanted = with_margin(recall);
        let believed = |beam: &Beam| {
            let least = beam.recall - DOUBT * beam.error + SLACK + (wanted - recall);
            beam.recall.min(least)
        };
        let ef = match table.iter().position(|beam| believed(beam) >= wanted)? {
            0 => table[0].ef as usize,
            at => {
                let (below, above) = (&table[at - 1], &table[at]);
                between((below.ef, believed(below)), (above.ef, believed(above)), wanted)
            }
        };
        // More results need a wider beam, about in proportion; fewer do not need a narrower one.
        Some(ef.saturating_mul(k.max(K)).div_ceil(K).max(k))
    }

    /// The widest beam that was measured.
    pub(crate) fn widest(&self) -> usize {
        self.0.last().map_or(64, |beam| beam.ef as usize)
    }

    /// The `ef` by which graphs are compared with each other.
    pub(crate) fn usual_ef(&self) -> usize {
        self.ef_for(USUAL_RECALL, K).unwrap_or_else(|| self.widest())
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
        self.at(ef).recall
    }

    fn at(&self, ef: usize) -> Beam {
        let Self(table) = self;
        let nothing = Beam { ef: 1, recall: 0.0, error: 0.0, evaluations: 0 };
        match table.iter().position(|beam| beam.ef as usize >= ef) {
            Some(0) => table[0],
            Some(at) => {
                let (below, above) = (&table[at - 1], &table[at]);
                let share = (ef as f32 - below.ef as f32) / (above.ef - below.ef).max(1) as f32;
                let recall = below.recall + share * (above.recall - below.recall);
                Beam { recall, error: below.error.max(above.error), ..*above }
            }
            None => table.last().copied().unwrap_or(nothing),
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
    EfTable(table)
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

/// Probes with their vectors, for a graph that is built anew or merged. A row that cannot be read serves no
/// more.
pub(crate) fn probes<P: Copy>(
    rows: u32,
    merged: bool,
    mut read: impl FnMut(u32) -> Option<(P, Vec<f32>)>,
) -> Vec<Probe<P>> {
    let (mixed, single) = picked(rows, merged);
    let mut probes = Vec::with_capacity(mixed.len() + single.len());
    for [own, other] in mixed {
        if let (Some((a, own)), Some((b, other))) = (read(own), read(other)) {
            let vector = mixture(&own, &other);
            probes.push(Probe { kind: Kind::Mixture, vector, made_from: vec![a, b] });
        }
    }
    for own in single {
        if let Some((place, vector)) = read(own) {
            probes.push(Probe { kind: Kind::Row, vector, made_from: vec![place] });
        }
    }
    probes
}

fn with_margin(recall: f32) -> f32 {
    recall + (1.0 - recall).max(0.0) * MARGIN
}

/// Where the line between two beams, each with its recall, has this recall. Recall rises ever more slowly
/// with `ef`, so that it is higher there.
fn between(below: (u32, f32), above: (u32, f32), recall: f32) -> usize {
    let share = (recall - below.1) / (above.1 - below.1).max(f32::EPSILON);
    let step = above.0.saturating_sub(below.0) as f32;
    below.0 as usize + (share.clamp(0.0, 1.0) * step).ceil() as usize
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
        assert_eq!(table.ef_for(0.80, 10), Some(21), "between 10 and 32");
        assert_eq!(table.ef_for(0.95, 10), Some(60));
        assert_eq!(table.ef_for(0.99, 10), Some(171));
        assert_eq!(table.ef_for(0.5, 10), Some(10));
        assert_eq!(table.ef_for(1.0, 10), None, "no beam finds that much");
        assert_eq!(table.ef_for(0.95, 100), Some(600));
        assert_eq!(EfTable::default().ef_for(0.95, 1), None);
        assert_eq!((table.widest(), EfTable::default().widest()), (256, 64));
        let recalls = [5, 10, 21, 48, 128, 1000].map(|ef| (table.recall_at(ef) * 1e4).round());
        assert_eq!(recalls, [8000.0, 8000.0, 8650.0, 9500.0, 9900.0, 9990.0]);
        assert!(EfTable::default().recall_at(64).abs() < f32::EPSILON);
    }

    #[test]
    fn what_a_hundred_samples_miss_by_chance_is_no_shortfall() {
        // A promise of .965, give or take .037.
        let table = EfTable::of(&[(32, 0.92), (64, 0.94)]);
        assert!(table.falls_short(32, 100) && !table.falls_short(64, 100));
        assert!(!table.falls_short(32, 50), "of fewer, more may be chance");
    }

    #[test]
    fn a_graph_is_worn_when_its_beam_has_widened_by_more_than_chance() {
        let at = |ef: u32, found: f32| EfTable::of(&[(32, found), (ef - 1, 0.96), (ef, 0.97)]);
        let takes = |ef| at(ef, 0.90).usual_ef();
        assert_eq!((takes(49), takes(97)), (49, 97));
        assert!(at(49, 0.90).is_worn(10, 100) && at(49, 0.90).is_worn(32, 100));
        assert!(!at(48, 0.90).is_worn(10, 100) && !at(49, 0.90).is_worn(33, 100));
        assert!(!at(49, 0.93).is_worn(32, 100), "within the chance of a hundred samples");
    }
}
