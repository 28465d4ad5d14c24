//! Owns the table that turns a wanted recall into an `ef`: what each width of the beam found when
//! it was measured. The queries were few, so a beam is believed only as far as chance allows.

use super::truth::K;

/// So many of the mixtures serve in the end after a merge, about: a row on an upper level cannot be
/// hidden.
pub(super) const SAMPLES: usize = 50;
/// Queries of a canary that count as much as the table made at the build.
const MIXTURES: f32 = 24.0;
/// Distances for each unit of `ef` where nothing was measured; 14 to 26 on 100,000 sentence
/// embeddings.
const EVALUATIONS: u64 = 22;
/// What [`EfTable::default_ef`] promises, and searches ask for unless they say otherwise.
const USUAL_RECALL: f32 = 0.95;
/// A query is rarely as near to a row as rows are to each other: this part of what the wanted
/// recall lacks to 1 is asked for besides.
const MARGIN: f32 = 0.3;
/// A beam must also be within this of the wanted recall if it finds less than was measured by so
/// many standard errors of what so few queries say.
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

/// What each `ef` of a graph gives, ascending; empty without a graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct EfTable(Vec<Beam>);

impl EfTable {
    /// Of beams in ascending order.
    pub(super) const fn new(beams: Vec<Beam>) -> Self {
        Self(beams)
    }

    #[cfg(test)]
    pub(crate) fn of(beams: &[(u32, f32)]) -> Self {
        let beam = |&(ef, recall)| Beam { ef, recall, error: 0.0, evaluations: 20 * ef };
        Self(beams.iter().map(beam).collect())
    }

    /// The beams that were measured.
    pub(crate) fn beams(&self) -> &[Beam] {
        &self.0
    }

    /// What this table, of so many queries, and one of mixtures of rows say together: the latter
    /// counts as many queries as [`MIXTURES`].
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
    pub(crate) fn default_ef(&self) -> usize {
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

    /// The recall of this beam, on the line between those that were measured; of the widest or the
    /// narrowest of them, if it is beyond.
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

    /// Whether a graph of which so many queries gave this table, and that took a beam of `fresh`
    /// when it was built anew, should be built anew again: it takes a much wider one, and finds
    /// clearly too little with that one. The beam alone does not say so: on some data that which
    /// the same graph is said to take differs by a factor of three from one hundred samples to the
    /// next.
    pub(crate) fn is_worn(&self, fresh: usize, queries: usize) -> bool {
        let fresh = fresh.max(NARROW);
        self.default_ef() as f64 > WORN * fresh as f64 && self.falls_short(fresh, queries)
    }

    /// Whether this beam, with which searches would have found what they ask for, now finds less
    /// than that by more than chance explains: two standard deviations of what so many queries find
    /// if each finds all or nothing, as those among images that lie between two kinds nearly do.
    fn falls_short(&self, ef: usize, queries: usize) -> bool {
        let promised = with_margin(USUAL_RECALL);
        let deviation = (promised * (1.0 - promised) / queries.max(1) as f32).sqrt();
        self.recall_at(ef) < promised - 2.0 * deviation
    }
}

fn with_margin(recall: f32) -> f32 {
    recall + (1.0 - recall).max(0.0) * MARGIN
}

/// Where the line between two beams, each with its recall, has this recall. Recall rises ever more
/// slowly with `ef`, so that it is higher there.
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
        // A promise of .965, give or take .037.
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
