//! Owns the right answers: exact distances in `f64` of the vectors as they were inserted, and the
//! rule for a right hit. The store is not asked. Needs `vectors`.
//!
//! An id is right when its distance is within that of the k-th true nearest times 1 + 1e-6, the
//! resolution of distances in `f32`. So any of several rows that are equally near is right. A slack
//! is added for what vectors in `f32` cannot distinguish. Under dot it is two units in the last
//! place of
//! query| × |row|, since products cancel. Under cosine it is the square of one unit in the last
//! place, by which a row of length 1 is rounded. L2 has none: differences are exact.

use std::collections::HashSet;

use crate::vectors::{Metric, Vectors};

/// Relative slack of a distance.
const RELATIVE: f64 = 1e-6;
const EPSILON: f64 = f32::EPSILON as f64;
/// Number of queries that are measured against a row at once, while the rows stay in the cache.
const TILE: usize = 4;
const BLOCK: usize = 32;

/// The true distances of the nearest rows of each query, and the data they were measured on.
pub struct Truth<'a> {
    base: &'a Vectors,
    queries: &'a Vectors,
    metric: Metric,
    k: usize,
    nearest: Vec<f64>,
}

/// The quality of one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The share of the k nearest rows that the answer contains.
    pub recall: f64,
    /// True if its first hit is as near as any row.
    pub first: bool,
}

impl<'a> Truth<'a> {
    /// Measures every query against every row, on `threads` threads.
    ///
    /// The result has min(`k`, rows) distances per query.
    pub fn of(
        base: &'a Vectors,
        queries: &'a Vectors,
        metric: Metric,
        k: usize,
        threads: usize,
    ) -> Self {
        let k = k.min(base.len());
        let mut nearest = vec![f64::INFINITY; k * queries.len()];
        let share = queries.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            for (i, out) in nearest.chunks_mut((share * k).max(1)).enumerate() {
                scope.spawn(move || measure(base, queries, i * share, metric, k, out));
            }
        });
        Self { base, queries, metric, k, nearest }
    }

    /// Returns the true distances of the nearest rows of a query, ascending.
    pub fn nearest(&self, query: usize) -> &[f64] {
        &self.nearest[query * self.k..][..self.k]
    }

    /// Compares the ids of an answer, which are row numbers, with the truth for a query.
    pub fn judge(&self, query: usize, ids: &[u64]) -> Judged {
        let nearest = self.nearest(query);
        let (Some(&first), Some(&last)) = (nearest.first(), nearest.last()) else {
            return Judged { recall: 1.0, first: true };
        };
        let within = |id: u64, bound: f64| {
            let row = self.base.row(id as usize);
            let query = self.queries.row(query);
            distance(query, row, self.metric) <= bound + slack(query, row, bound, self.metric)
        };
        let distinct: HashSet<u64> = ids.iter().copied().take(self.k).collect();
        let right = distinct.into_iter().filter(|&id| within(id, last)).count();
        Judged {
            recall: right as f64 / self.k as f64,
            first: ids.first().is_some_and(|&id| within(id, first)),
        }
    }
}

fn slack(query: &[f32], row: &[f32], bound: f64, metric: Metric) -> f64 {
    let absolute = match metric {
        Metric::L2 => 0.0,
        Metric::Dot => 2.0 * EPSILON * length(query) * length(row),
        Metric::Cosine => EPSILON * EPSILON,
    };
    RELATIVE * bound.abs() + absolute
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// Returns the distance of two vectors; smaller is nearer.
///
/// Under cosine it is half the squared distance of the vectors at length 1. That equals 1 - cosine,
/// and has all its digits where the value is near 0.
pub fn distance(query: &[f32], row: &[f32], metric: Metric) -> f64 {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    widen(query, metric, &mut a);
    widen(row, metric, &mut b);
    to_distance(sums([&a; TILE], &b, metric)[0], metric)
}

fn to_distance(sum: f64, metric: Metric) -> f64 {
    match metric {
        Metric::L2 => sum,
        Metric::Dot => -sum,
        Metric::Cosine => sum / 2.0,
    }
}

/// Appends a vector in `f64`, at length 1 under cosine, and zeros up to a multiple of four.
fn widen(vector: &[f32], metric: Metric, into: &mut Vec<f64>) {
    let length = if metric == Metric::Cosine { length(vector) } else { 1.0 };
    into.extend(vector.iter().map(|&x| f64::from(x) / length));
    into.resize(into.len().next_multiple_of(4), 0.0);
}

/// Returns the products with a row, or the squared distances from it.
fn sums(queries: [&[f64]; TILE], row: &[f64], metric: Metric) -> [f64; TILE] {
    let mut sums = [[0f64; 4]; TILE];
    let [a, b, c, d] = queries.map(|query| query.as_chunks::<4>().0.iter());
    let quads = row.as_chunks::<4>().0.iter().zip(a.zip(b).zip(c.zip(d)));
    if metric == Metric::Dot {
        for (row, ((a, b), (c, d))) in quads {
            for (sum, query) in sums.iter_mut().zip([a, b, c, d]) {
                (0..4).for_each(|i| sum[i] += query[i] * row[i]);
            }
        }
    } else {
        for (row, ((a, b), (c, d))) in quads {
            for (sum, query) in sums.iter_mut().zip([a, b, c, d]) {
                (0..4).for_each(|i| sum[i] += (query[i] - row[i]) * (query[i] - row[i]));
            }
        }
    }
    sums.map(|[a, b, c, d]| (a + b) + (c + d))
}

/// Fills `out` for the queries from number `first` on, as many as it has room for.
fn measure(
    base: &Vectors,
    queries: &Vectors,
    first: usize,
    metric: Metric,
    k: usize,
    out: &mut [f64],
) {
    let count = out.len() / k.max(1);
    let width = base.dim.next_multiple_of(4);
    let mut wide = Vec::new();
    (first..first + count).for_each(|i| widen(queries.row(i), metric, &mut wide));
    let mut rows = Vec::new();
    for start in (0..base.len()).step_by(BLOCK) {
        rows.clear();
        let end = (start + BLOCK).min(base.len());
        (start..end).for_each(|i| widen(base.row(i), metric, &mut rows));
        for (tile, out) in out.chunks_mut(TILE * k).enumerate() {
            // The last tile measures its last query more than once.
            let query = |i: usize| &wide[(tile * TILE + i).min(count - 1) * width..][..width];
            let tile = [query(0), query(1), query(2), query(3)];
            for row in rows.chunks_exact(width) {
                let sums = sums(tile, row, metric);
                for (nearest, sum) in out.chunks_exact_mut(k).zip(sums) {
                    keep(nearest, to_distance(sum, metric));
                }
            }
        }
    }
}

/// Inserts a distance among the nearest, and drops the last of them.
fn keep(nearest: &mut [f64], distance: f64) {
    if nearest.last().is_some_and(|&last| distance < last) {
        let at = nearest.partition_point(|&known| known <= distance);
        nearest[at..].rotate_right(1);
        nearest[at] = distance;
    }
}
