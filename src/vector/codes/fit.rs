//! Owns what is known of the errors of codes on the data that they were made of: measured on a sample of
//! it, against exact distances.

use super::{CodeBuffer, CodeSpec, Query};
use crate::options::Quantization;

/// Rows of a sample that serve as queries at most, and one of so many does in a small sample.
const PROBES: usize = 24;
const PROBE_OF: usize = 8;

/// Results that a recall is measured on.
const K: usize = 10;

/// Errors are said to be at most so many times their root mean square, and at least as large as this part
/// of those that were seen. Of a normal distribution, both say nearly the same.
const DEVIATIONS: f32 = 3.0;
const ALMOST_ALL: f64 = 0.998;

/// Standard deviations by which a first look is taken to be off at most where nothing was measured, and
/// however little was seen.
const LOOK: f32 = 3.0;

/// Nanoseconds, about, for a byte of codes that is scanned, and for a row that is measured exactly: its
/// checksums and columns, and a byte of its vector. Only their proportion counts here.
const BYTE: f32 = 0.03;
const ROW: (f32, f32) = (120.0, 0.12);

/// A code must scan in this part of the time of the vectors to be used.
const PAYS: f32 = 0.8;

/// How far off codes are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// How far off a product by code is at most, as a part of the lengths of what both codes are made of.
    pub(crate) sure: f32,
    /// Standard deviations by which a first look may be off.
    pub(crate) look: f32,
    /// Greatest length of what a code is made of.
    pub(crate) longest: f32,
    /// About which part of all rows seem near enough by code to be measured exactly, though they are not.
    pub(crate) share: f32,
    /// Share of the true nearest that are among those which are measured exactly.
    pub(crate) recall: f32,
}

impl Fit {
    /// Of vectors that are measured as they are.
    pub(crate) const fn exact() -> Self {
        Self { sure: 0.0, look: LOOK, longest: 0.0, share: 0.0, recall: 1.0 }
    }

    /// Of codes of which nothing was measured, in an index of format version 1, of vectors as they are: by
    /// the theory (Gao et al., SIGMOD 2025, theorem 3.2), for directions at random, with some room.
    pub(crate) fn assumed(spec: CodeSpec, longest: f32) -> Self {
        let off = match spec.codes {
            Quantization::None => 0.0,
            Quantization::Int8 => 0.013,
            Quantization::Bits4 => 0.108,
            Quantization::Bits2 => 0.367,
            Quantization::Bits1 => 0.755,
        };
        let sure = 2.0 * DEVIATIONS * off / (spec.dimension as f32).sqrt();
        Self { sure, look: 2.0 * LOOK, longest, share: 0.01, recall: 0.0 }
    }

    /// Of the codes of a sample of `rows` rows, which has these vectors.
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
        // The sample has fewer rows than there are, so that fewer of it lie within reach.
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

    /// What holds of the rows of both.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            sure: self.sure.max(other.sure),
            look: self.look.max(other.look),
            longest: self.longest.max(other.longest),
            share: self.share.max(other.share),
            recall: self.recall.min(other.recall),
        }
    }

    /// Whether a scan of such codes, with what is measured exactly behind it, costs less than a scan of the
    /// vectors.
    pub(crate) fn pays(&self, spec: CodeSpec) -> bool {
        let bytes = 4.0 * spec.dimension as f32;
        let behind = self.share * (ROW.0 + ROW.1 * bytes);
        BYTE * spec.row_bytes() as f32 + behind < PAYS * BYTE * bytes
    }
}

/// What a query sees of a sample.
struct Seen {
    rows: Vec<Row>,
    /// How far off first looks are, in their standard deviations.
    looks: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Row {
    exact: f32,
    code: f32,
    /// What an error counts in.
    unit: f32,
}

impl Seen {
    /// By a query that is the row `own` of the sample, which is left out.
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

/// What almost all of these are at most, without their signs.
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
