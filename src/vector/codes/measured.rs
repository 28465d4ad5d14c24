//! Owns the measurement of a `Fit`: the error of codes on a sample of their rows, against exact
//! distances.

use super::fit::{DEVIATIONS, Fit, LOOK};
use super::query::Query;
use super::rows::CodeBuffer;
use crate::options::Quantization;

/// Most rows of a sample that serve as queries. In a small sample, one of `PROBE_OF` rows does.
const PROBES: usize = 24;
const PROBE_OF: usize = 8;

/// Number of results on which recall is measured.
const K: usize = 10;

/// The bound on errors is at least as large as this share of the observed errors. For a normal
/// distribution that is nearly the same bound as [`DEVIATIONS`].
const ALMOST_ALL: f64 = 0.998;

impl Fit {
    /// Measures the codes of a sample of `rows` rows; `sample` has the vectors.
    ///
    /// O(sample × dimension): at most [`PROBES`] of the sample serve as queries.
    pub(crate) fn measured(codes: &CodeBuffer, sample: &[Vec<f32>], rows: u64) -> Self {
        let view = codes.rows();
        if codes.frame().spec.codes == Quantization::None {
            return Self::exact();
        }
        let probes = (sample.len() / PROBE_OF).clamp(1, PROBES).min(sample.len());
        let step = (sample.len() / probes.max(1)).max(1);
        let mut seen: Vec<Seen> = Vec::with_capacity(probes);
        for at in (0..sample.len()).step_by(step).take(probes) {
            let query = Query::new(codes.frame().clone(), sample[at].clone());
            seen.push(Seen::of(&query, codes, sample, at));
        }
        let errors = seen.iter().flat_map(|s| s.rows.iter().map(|r| (r.code - r.exact) / r.unit));
        let sure = bound(errors.collect());
        let looks: Vec<f32> = seen.iter().flat_map(|s| s.looks.iter().copied()).collect();
        let look = if looks.is_empty() { LOOK } else { bound(looks).max(LOOK) };
        let (mut behind, mut found, mut wanted) = (0, 0, 0);
        // The sample has fewer rows than the collection, so fewer of them lie within reach.
        let nth = (K as u64 * sample.len() as u64 / rows.max(1)).clamp(1, K as u64) as usize;
        for seen in &mut seen {
            seen.rows.sort_unstable_by(|a, b| a.exact.total_cmp(&b.exact));
            let near = |r: &&Row, bound: f32| r.code - sure * r.unit <= bound;
            let kth = |k: usize| seen.rows.get(k - 1).or(seen.rows.last()).map_or(0.0, |r| r.exact);
            let (reach, k) = (kth(nth), kth(K));
            behind += seen.rows.iter().filter(|r| r.exact > reach && near(r, reach)).count();
            found += seen.rows.iter().take(K).filter(|r| near(r, k)).count();
            wanted += seen.rows.len().min(K);
        }
        let pairs = (probes * sample.len()).max(1);
        Self {
            sure,
            look,
            longest: view.longest(),
            share: behind as f32 / pairs as f32,
            recall: if wanted == 0 { 1.0 } else { found as f32 / wanted as f32 },
        }
    }
}

/// The measurements of one query on a sample.
struct Seen {
    rows: Vec<Row>,
    /// Errors of the sign filter, in its standard deviations.
    looks: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Row {
    exact: f32,
    code: f32,
    /// The unit of an error.
    unit: f32,
}

impl Seen {
    /// Measures with the row `own` of the sample as the query; that row is left out.
    fn of(query: &Query, codes: &CodeBuffer, sample: &[Vec<f32>], own: usize) -> Self {
        let view = codes.rows();
        let nodes: Vec<u32> = (0..sample.len() as u32).filter(|n| *n as usize != own).collect();
        let mut distances = Vec::new();
        query.distances(&view, &nodes, &mut distances);
        let unit = query.unit();
        let rows = nodes.iter().zip(&distances).map(|(&node, &code)| Row {
            exact: query.exact(&sample[node as usize]),
            code,
            unit: (unit * view.length(node)).max(f32::MIN_POSITIVE),
        });
        let rows: Vec<Row> = rows.collect();
        let exact: Vec<f32> = rows.iter().map(|row| row.exact).collect();
        Self { looks: query.looks(&view, &nodes, &exact), rows }
    }
}

/// Returns a bound that almost all absolute errors do not exceed.
fn bound(mut errors: Vec<f32>) -> f32 {
    errors.retain(|error| error.is_finite());
    if errors.is_empty() {
        return 0.0;
    }
    let squares: f64 = errors.iter().map(|e| f64::from(*e) * f64::from(*e)).sum();
    let root = (squares / errors.len() as f64).sqrt() as f32;
    errors.iter_mut().for_each(|error| *error = error.abs());
    let at = ((errors.len() - 1) as f64 * ALMOST_ALL) as usize;
    let (_, almost_all, _) = errors.select_nth_unstable_by(at, f32::total_cmp);
    (DEVIATIONS * root).max(*almost_all)
}
