//! Owns the table that turns a wanted recall into an `ef`: the measured recall of each beam width.
//! The number of queries is small, so the table allows for chance.

use super::truth::K;

/// About how many mixtures are measured after a merge. Mixtures of rows on upper levels drop out,
/// because such rows cannot be hidden.
pub(super) const SAMPLES: usize = 50;
/// The table made at the build counts as much as this many queries of the recall monitor.
const MIXTURES: f32 = 24.0;
/// Assumed number of distances per unit of `ef` without a measurement. Measured: 14 to 26 on
/// 100,000 sentence embeddings.
const EVALUATIONS: u64 = 22;
/// The recall that [`EfTable::default_ef`] promises, and the default target of searches.
const USUAL_RECALL: f32 = 0.95;
/// Safety margin: the share of the gap between the wanted recall and 1 that is asked for in
/// addition. A real query is rarely as near to a row as rows are to each other.
const MARGIN: f32 = 0.3;
/// A beam is accepted only if its recall, less `DOUBT` standard errors, is at most `SLACK` below
/// the wanted recall.
const SLACK: f32 = 0.005;
const DOUBT: f32 = 2.0;
/// A graph may be degraded if it needs a beam this many times wider than when freshly built.
const WORN: f64 = 1.5;
/// Narrower beams count as this width, because their differences are due to chance.
const NARROW: usize = 32;

/// The measurement of one beam width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Beam {
    pub(crate) ef: u32,
    /// Recall@10 of the answers that users get.
    pub(crate) recall: f32,
    /// Standard error of the recall.
    pub(crate) error: f32,
    /// Distances per query.
    pub(crate) evaluations: u32,
}

/// The measurement of each `ef` of a graph, ascending; empty without a graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct EfTable(Vec<Beam>);

impl EfTable {
    /// Returns a table of beams in ascending order.
    pub(super) const fn new(beams: Vec<Beam>) -> Self {
        Self(beams)
    }

    #[cfg(test)]
    pub(crate) fn of(beams: &[(u32, f32)]) -> Self {
        let beam = |&(ef, recall)| Beam { ef, recall, error: 0.0, evaluations: 20 * ef };
        Self(beams.iter().map(beam).collect())
    }

    /// Returns the beams that were measured.
    pub(crate) fn beams(&self) -> &[Beam] {
        &self.0
    }

    /// Returns the weighted mean of this table, measured with `queries` queries, and one of
    /// mixtures of rows. The latter counts as [`MIXTURES`] queries.
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

    /// Returns the smallest `ef` that promises this recall for `k` results. `None` if no measured
    /// beam does.
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
        // More results need a wider beam, about in proportion. Fewer do not need a narrower one.
        Some(ef.saturating_mul(k.max(K)).div_ceil(K).max(k))
    }

    /// Returns the widest beam that was measured.
    pub(crate) fn widest(&self) -> usize {
        self.0.last().map_or(64, |beam| beam.ef as usize)
    }

    /// Returns the `ef` by which graphs are compared with each other.
    pub(crate) fn default_ef(&self) -> usize {
        self.ef_for(USUAL_RECALL, K).unwrap_or_else(|| self.widest())
    }

    /// Returns about how many distances a search with this `ef` measures, if all nodes are
    /// accepted.
    pub(crate) fn evaluations_for(&self, ef: usize) -> u64 {
        let beam = self.0.iter().find(|beam| beam.ef as usize >= ef).or(self.0.last());
        beam.map_or((ef as u64).saturating_mul(EVALUATIONS), |beam| {
            let by_ef = u64::from(beam.evaluations).saturating_mul(ef as u64);
            by_ef / u64::from(beam.ef.max(1))
        })
    }

    /// Returns the recall of this beam, interpolated between the measured beams. Outside of their
    /// range, returns the recall of the nearest one.
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

    /// Returns true if the graph should be rebuilt. It must need a much wider beam than `fresh`,
    /// the width when freshly built. Its recall with `fresh` must also be clearly too low.
    /// `queries` is the number of queries behind this table.
    ///
    /// The beam width alone proves nothing. On some data, the width measured for the same graph
    /// differs by a factor of three between samples of one hundred queries.
    pub(crate) fn is_worn(&self, fresh: usize, queries: usize) -> bool {
        let fresh = fresh.max(NARROW);
        self.default_ef() as f64 > WORN * fresh as f64 && self.falls_short(fresh, queries)
    }

    /// Returns true if the recall of this beam is more than two standard deviations below the
    /// promise. The deviation assumes the worst case, in which each query finds all or nothing.
    /// Images between two clusters come close to that.
    fn falls_short(&self, ef: usize, queries: usize) -> bool {
        let promised = with_margin(USUAL_RECALL);
        let deviation = (promised * (1.0 - promised) / queries.max(1) as f32).sqrt();
        self.recall_at(ef) < promised - 2.0 * deviation
    }
}

fn with_margin(recall: f32) -> f32 {
    recall + (1.0 - recall).max(0.0) * MARGIN
}

/// Returns where the line between two beams, each with its recall, reaches this recall. The real
/// recall is higher there, because it rises ever more slowly with `ef`.
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
        // Beams wider than the widest of the mixtures find at least as much.
        assert!(near(&recalls(24, &queries), &[0.80, 0.90, 0.95, 0.975]));
        assert!(near(&recalls(72, &queries), &[0.75, 0.875, 0.925, 0.9625]));
        assert!(near(&recalls(1_000_000, &queries)[..1], &[0.7000048]));
        let alone = queries.with_mixtures(16, &EfTable::default());
        assert_eq!(alone.default_ef(), queries.default_ef());
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
        // A promise of 0.965, with a tolerance of 0.037.
        let table = EfTable::of(&[(32, 0.92), (64, 0.94)]);
        assert!(table.falls_short(32, 100) && !table.falls_short(64, 100));
        assert!(!table.falls_short(32, 50), "of fewer, more may be chance");
    }

    #[test]
    fn a_graph_is_worn_when_its_beam_has_widened_by_more_than_chance() {
        let at = |ef: u32, found: f32| EfTable::of(&[(32, found), (ef - 1, 0.96), (ef, 0.97)]);
        let takes = |ef| at(ef, 0.90).default_ef();
        assert_eq!((takes(49), takes(97)), (49, 97));
        assert!(at(49, 0.90).is_worn(10, 100) && at(49, 0.90).is_worn(32, 100));
        assert!(!at(48, 0.90).is_worn(10, 100) && !at(49, 0.90).is_worn(33, 100));
        assert!(!at(49, 0.93).is_worn(32, 100), "within the chance of a hundred samples");
    }
}
