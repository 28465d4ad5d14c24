//! Owns the truth against which recall is measured: queries with the rows that are really nearest
//! to them, by exact distances of stored vectors. Rows are offered one by one, so that only the
//! queries and a few places for each are in memory.

use super::top::TopK;
use crate::options::Metric;
use crate::vector::metric::Exact;

/// Number of results on which recall is measured.
pub(crate) const K: usize = 10;

/// Number of nearest rows kept per query. It exceeds [`K`], because several rows may be as far as
/// the last one, and each of them is as good an answer.
const SAMPLE_SIZE: usize = 24;

/// Two distances count as equal if the larger exceeds the other by at most this share of it.
const SAME: f32 = 1e-6;

/// The origin of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Mixtures of two rows.
    Mixture,
    /// Rows.
    Row,
    /// Queries of users.
    Asked,
}

/// A query in stored form. The rows it was made from do not count as its neighbors.
#[derive(Clone, Debug)]
pub(crate) struct Probe<P> {
    pub(crate) kind: Kind,
    pub(crate) vector: Vec<f32>,
    pub(crate) made_from: Vec<P>,
}

/// A probe with its true neighbors.
#[derive(Clone, Debug)]
pub(crate) struct Truth<P> {
    pub(crate) probe: Probe<P>,
    /// The rows that are right answers, nearest first.
    pub(crate) nearest: Vec<P>,
    /// Largest distance of a right answer.
    pub(crate) reach: f32,
    /// Number of right answers to be found.
    pub(crate) wanted: usize,
}

/// The exact search for the true neighbors.
#[derive(Debug)]
pub(crate) struct TruthSearch<P> {
    probes: Vec<(Probe<P>, Exact, TopK<P>)>,
}

impl<P: Ord + Copy> TruthSearch<P> {
    pub(crate) fn new(metric: Metric, probes: Vec<Probe<P>>) -> Self {
        let begin = |probe: Probe<P>| {
            let exact = Exact::new(metric, probe.vector.clone());
            (probe, exact, TopK::new(SAMPLE_SIZE))
        };
        Self { probes: probes.into_iter().map(begin).collect() }
    }

    /// Offers a row with its stored vector. O(probes × dimension).
    pub(crate) fn offer(&mut self, place: P, vector: &[f32]) {
        for (probe, exact, top) in &mut self.probes {
            let distance = exact.distance(vector);
            if distance < top.bound() && !probe.made_from.contains(&place) {
                top.offer(distance, place);
            }
        }
    }

    /// Returns each probe with its true neighbors.
    pub(crate) fn finish(self) -> Vec<Truth<P>> {
        self.probes.into_iter().map(|(probe, _, top)| truth(probe, top.into_sorted())).collect()
    }
}

fn truth<P: Copy>(probe: Probe<P>, sorted: Vec<(f32, P)>) -> Truth<P> {
    let wanted = sorted.len().min(K);
    let kth = wanted.checked_sub(1).and_then(|at| sorted.get(at)).map_or(0.0, |(d, _)| *d);
    let reach = kth + kth.abs() * SAME;
    let right = sorted.iter().take_while(|(distance, _)| *distance <= reach);
    let nearest = right.map(|(_, place)| *place).collect();
    Truth { probe, nearest, reach, wanted }
}

impl<P: Copy> Truth<P> {
    /// Returns the truth with other names for its rows. Rows without a name are left out. So are
    /// rows that share their name with a row of the query, because that one is hidden.
    pub(crate) fn renamed<Q: PartialEq>(&self, name: impl Fn(P) -> Option<Q>) -> Truth<Q> {
        let names =
            |places: &[P]| -> Vec<Q> { places.iter().filter_map(|place| name(*place)).collect() };
        let Probe { kind, vector, made_from } = &self.probe;
        let probe = Probe { kind: *kind, vector: vector.clone(), made_from: names(made_from) };
        let mut nearest = names(&self.nearest);
        nearest.retain(|name| !probe.made_from.contains(name));
        let wanted = self.wanted.min(nearest.len());
        Truth { probe, nearest, reach: self.reach, wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_what_is_nearest_and_what_is_as_near_as_the_last_of_it() {
        let probe = |x: f32, made_from| Probe { kind: Kind::Row, vector: vec![x], made_from };
        let probes = vec![probe(0.0, vec![0u32]), probe(100.0, Vec::new())];
        let mut search = TruthSearch::new(Metric::L2, probes);
        // Row 0 is the first query itself. Rows 10 to 15 are equally far from it.
        for row in 0..30u32 {
            let x = if row < 10 { row } else { (row - 5).max(10) };
            search.offer(row, &[x as f32]);
        }
        let found = search.finish();
        assert_eq!(found[0].nearest, (1..=15).collect::<Vec<u32>>());
        assert_eq!((found[0].wanted, found[0].reach > 99.9), (K, true));
        assert_eq!(found[1].nearest, (20..30).rev().collect::<Vec<u32>>());
        let even = found[1].renamed(|row| (row % 2 == 0).then_some(row / 2));
        assert_eq!((even.nearest, even.wanted), (vec![14, 13, 12, 11, 10], 5));
        // Rows with the same name are hidden together.
        let pairs = found[0].renamed(|row| Some(row / 2));
        assert_eq!((pairs.nearest[0], pairs.nearest.len(), pairs.wanted), (1, 14, K));
        let none = TruthSearch::new(Metric::L2, vec![probe(0.0, vec![0u32])]).finish();
        assert_eq!((none[0].wanted, none[0].nearest.len()), (0, 0));
    }
}
