//! Owns codes: the compact form of stored vectors that searches read first. Encoding is
//! deterministic; parameters are in each row, so codes of one collection can be copied between
//! indexes. Here is what codes look like and how a query measures them; `rows` has many of them in one
//! piece, `int8` and `bits` one row each.
//!
//! An f32 row: the vector, padded to 16 bytes.

mod bits;
mod blocks;
mod int8;
mod rows;
mod sieve;
#[cfg(test)]
mod tests;

pub(crate) use blocks::{AT_ONCE as BLOCKS_AT_ONCE, BlockSieve, SignBlocks};
pub(crate) use rows::{CodeBuffer, CodeRows, Origin, Reduction};

use super::kernel::Kernels;
use super::kernel::batch::{Part, Scale, Terms};
use crate::options::{Codes, Metric};
use sieve::Sieve;

/// Rows of f32 ahead of the one that is measured for which cache lines are asked.
const AHEAD: usize = 2;

/// How far one bit a coordinate is off.
const SIGNS_OFF: f32 = 0.755;

/// Standard deviations that a code's error is taken to have at most.
pub(crate) const SURE: f32 = 3.0;

/// What the codes of a collection look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeSpec {
    pub(crate) codes: Codes,
    pub(crate) metric: Metric,
    pub(crate) dimension: usize,
}

impl CodeSpec {
    pub(crate) const fn new(codes: Codes, metric: Metric, dimension: usize) -> Self {
        Self { codes, metric, dimension }
    }

    /// Bytes of one row.
    pub(crate) const fn row_bytes(&self) -> usize {
        let bytes = self.part().end;
        match self.codes {
            // On cache lines: what is read first is then the first of them.
            Codes::Bits4 => bytes.next_multiple_of(64),
            _ => bytes.next_multiple_of(16),
        }
    }

    /// Bytes of a row that a first look reads, if there is one (see [`Measure::sift`]).
    pub(crate) fn look_bytes(&self) -> Option<usize> {
        (self.codes == Codes::Bits4).then(|| bits::look(self.dimension).end)
    }

    /// Where in a row its codes are.
    const fn part(&self) -> Part {
        match self.codes {
            Codes::Int8 => {
                let end = int8::HEAD + self.dimension;
                Part { start: int8::HEAD, end: end.next_multiple_of(16) }
            }
            Codes::F32 => Part { start: 0, end: 4 * self.dimension },
            Codes::Bits4 => bits::codes(4, self.dimension),
            Codes::Bits2 => bits::codes(2, self.dimension),
            Codes::Bits1 => bits::codes(1, self.dimension),
        }
    }

    /// Appends the row of a stored vector.
    fn encode(&self, vector: &[f32], out: &mut Vec<u8>) {
        let end = out.len() + self.row_bytes();
        match self.codes {
            Codes::Int8 => int8::encode(vector, out),
            Codes::F32 => out.extend(vector.iter().flat_map(|x| x.to_le_bytes())),
            Codes::Bits4 => bits::encode(4, vector, out),
            Codes::Bits2 => bits::encode(2, vector, out),
            Codes::Bits1 => bits::encode(1, vector, out),
        }
        out.resize(end, 0);
    }

    /// How many of the nearest by code are kept to be measured exactly, at most: enough for queries that
    /// lie far from everything, where many rows are about as far. Most queries need few of them, see
    /// [`CodeError`].
    pub(crate) const fn rerank_depth(&self, k: usize) -> usize {
        let (times, more) = match self.codes {
            Codes::F32 => (1, 0),
            Codes::Int8 => (2, 16),
            Codes::Bits4 => (16, 160),
            Codes::Bits2 => (40, 400),
            Codes::Bits1 => (80, 800),
        };
        k.saturating_mul(times).saturating_add(more)
    }

    /// Standard deviation of the estimated product of a query and a row, as a part of the product of
    /// their lengths. The code is off by a vector in a random direction: its length, as a part of the
    /// row's, is that of the best quantizer of equal steps for a normal distribution (1 − cos²)^½ / cos,
    /// and one of `dimension` directions counts (Gao et al., SIGMOD 2025, theorem 3.2). For int8, whose
    /// query is as coarse, the steps are 1/127 of the largest coordinate, some four deviations.
    fn deviation(&self) -> f32 {
        let off = match self.codes {
            Codes::F32 => 0.0,
            Codes::Int8 => 0.013,
            Codes::Bits4 => 0.108,
            Codes::Bits2 => 0.367,
            Codes::Bits1 => SIGNS_OFF,
        };
        off / (self.dimension as f32).sqrt()
    }

    /// The same of the signs in front of a row and a query that is off by so much, as a part of its
    /// length, in a direction that is random to the row. With the scale that makes products right on
    /// average the signs are longer than the row, by the cosine of the angle between them, and their
    /// product with what the query is off by has that length.
    fn sign_deviation(&self, query_off: f32) -> f32 {
        let squared_length = 1.0 + SIGNS_OFF * SIGNS_OFF;
        let off = SIGNS_OFF * SIGNS_OFF + squared_length * query_off * query_off;
        (off / self.dimension as f32).sqrt()
    }
}

/// A query, encoded once for all rows.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    spec: CodeSpec,
    kernels: &'static Kernels,
    vector: Vec<f32>,
    values: Values,
    terms: Terms,
    squared: f32,
    sieve: Option<Sieve>,
}

/// The form of a query that kernels read.
#[derive(Clone, Debug)]
enum Values {
    /// As long as the values of a row with their padding.
    Int8(Vec<i8>),
    Bits4(bits::Values),
    Bits2(bits::Values),
    Bits1(bits::Values),
    /// The vector itself.
    F32,
}

impl Query {
    /// A query from a vector in stored form.
    pub(crate) fn new(spec: CodeSpec, vector: Vec<f32>) -> Self {
        let values = match spec.codes {
            Codes::Int8 => {
                let mut values: Vec<i8> =
                    int8::values(&vector, int8::scale(&vector)).take(spec.dimension).collect();
                values.resize(spec.row_bytes() - int8::HEAD, 0);
                Values::Int8(values)
            }
            Codes::Bits4 => Values::Bits4(bits::Values::new(4, &vector)),
            Codes::Bits2 => Values::Bits2(bits::Values::new(2, &vector)),
            Codes::Bits1 => Values::Bits1(bits::Values::new(1, &vector)),
            Codes::F32 => Values::F32,
        };
        // Codes of few bits are 2 c - top, twice as far apart as the c that kernels multiply.
        let (scale, factor, shift) = match &values {
            Values::Int8(_) => (int8::scale(&vector), 1, 0),
            Values::Bits4(values) => (values.scale, 2, -15 * values.sum),
            Values::Bits2(values) => (values.scale, 2, -3 * values.sum),
            Values::Bits1(values) => (values.scale, 2, -values.sum),
            Values::F32 => (0.0, 0, 0),
        };
        let norm = squared_norm(&vector);
        let (weight, bias, squared) = match spec.metric {
            Metric::Cosine => (-scale, 1.0, 0.0),
            Metric::Dot => (-scale, 0.0, 0.0),
            Metric::L2 => (-2.0 * scale, norm, 1.0),
        };
        let terms = Terms { factor, shift, weight, bias, squared, slack: 0.0, scale: Scale::First };
        let sieve = match &values {
            Values::Bits4(values) => {
                let product = if spec.metric == Metric::L2 { 2.0 } else { 1.0 };
                Some(Sieve::new(spec, &values.values, terms, product * norm.sqrt()))
            }
            _ => None,
        };
        Self { spec, kernels: Kernels::detect(), vector, values, terms, squared: norm, sieve }
    }

    /// The same query, measured by other kernels.
    #[cfg(any(test, feature = "fuzzing", feature = "bench-internals"))]
    pub(crate) fn with_kernels(self, kernels: &'static Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// The vector, in stored form.
    pub(crate) fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The exact distance to a stored vector.
    pub(crate) fn exact(&self, stored: &[f32]) -> f32 {
        super::metric::distance_stored(self.spec.metric, self.kernels, &self.vector, stored)
    }

    /// How far off codes may be for this query.
    pub(crate) fn code_error(&self) -> CodeError {
        let Self { spec, squared, .. } = self;
        CodeError { metric: spec.metric, sure: SURE * spec.deviation(), length: squared.sqrt() }
    }

    /// The length of a stored vector where [`CodeError`] asks for it.
    pub(crate) fn length(&self, stored: &[f32]) -> f32 {
        match self.spec.metric {
            Metric::Dot => (self.kernels.dot_f32)(stored, stored).sqrt(),
            Metric::Cosine | Metric::L2 => 1.0,
        }
    }

    /// The distances to these rows, in their order, in place of what `out` held.
    #[inline]
    pub(crate) fn distances(&self, rows: &CodeRows<'_>, nodes: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(nodes.len(), 0.0);
        self.measure(rows, nodes, out);
    }

    /// The query as what measures rows of one piece.
    pub(crate) const fn over<'a>(&'a self, rows: &'a CodeRows<'a>) -> QueryOver<'a> {
        QueryOver { query: self, rows }
    }

    fn measure(&self, rows: &CodeRows<'_>, nodes: &[u32], out: &mut [f32]) {
        let kernels = self.kernels;
        let batch = rows.batch(nodes, self.spec.part(), self.terms);
        match &self.values {
            Values::Int8(values) => (kernels.int8)(&batch, values, out),
            Values::Bits4(values) => (kernels.bits4)(&batch, &values.lanes, out),
            Values::Bits2(values) => (kernels.bits2)(&batch, &values.lanes, out),
            Values::Bits1(values) => (kernels.bits1)(&batch, &values.lanes, out),
            Values::F32 => {
                for (at, (node, out)) in nodes.iter().zip(out).enumerate() {
                    if let Some(next) = nodes.get(at + AHEAD) {
                        (kernels.prefetch)(rows.row(*next));
                    }
                    *out = self.exact(f32_row(rows.row(*node), self.spec.dimension));
                }
            }
        }
    }
}

/// How far off the distances by code from a query may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeError {
    metric: Metric,
    sure: f32,
    length: f32,
}

impl CodeError {
    /// How far off a distance is that was found to be this, for a row at most as long as `longest`, which
    /// only dot asks for.
    pub(crate) fn at(&self, distance: f32, longest: f32) -> f32 {
        let product = match self.metric {
            Metric::Cosine => 1.0,
            // A row is at most as long as the query and the way to it.
            Metric::L2 => 2.0 * self.length * (self.length + distance.max(0.0).sqrt()),
            Metric::Dot => self.length * longest,
        };
        self.sure * product
    }

    /// The distance by code from which on a row is farther for certain than one whose distance by code was
    /// found to be this, both codes being off.
    pub(crate) fn beyond(&self, distance: f32) -> f32 {
        // Under dot it takes the longest row to tell.
        let own = self.at(distance, f32::INFINITY);
        distance + own + self.at(distance + 2.0 * own, f32::INFINITY)
    }
}

/// What measures the distances of rows from one place.
pub(crate) trait Measure {
    /// Asks for what [`Self::sift`] reads of these rows.
    fn ask(&self, nodes: &[u32]);

    /// Leaves of `nodes` those that may be nearer than the bound, and asks for what [`Self::distances`] reads
    /// of them. One that is nearer is left out if a first look at it is off by so many standard
    /// deviations. `buffer` may hold anything.
    fn sift(&self, bound: f32, deviations: f32, nodes: &mut Vec<u32>, buffer: &mut Vec<f32>);

    /// The distances of these rows, in place of what `out` held.
    fn distances(&self, nodes: &[u32], out: &mut Vec<f32>);
}

/// A query over the rows of one piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryOver<'a> {
    query: &'a Query,
    rows: &'a CodeRows<'a>,
}

impl Measure for QueryOver<'_> {
    #[inline]
    fn ask(&self, nodes: &[u32]) {
        sieve::ask(self.query.kernels, self.rows, self.query.sieve.as_ref(), nodes);
    }

    #[inline]
    fn sift(&self, bound: f32, deviations: f32, nodes: &mut Vec<u32>, buffer: &mut Vec<f32>) {
        let Some(sieve) = &self.query.sieve else { return };
        if bound < f32::INFINITY {
            sieve.measure(self.query.kernels, self.rows, deviations, nodes, buffer);
            sieve::keep_nearer(nodes, buffer, bound);
        }
        self.rows.ask(self.query.kernels, self.query.spec.part(), nodes);
    }

    #[inline]
    fn distances(&self, nodes: &[u32], out: &mut Vec<f32>) {
        self.query.distances(self.rows, nodes, out);
    }
}

/// The squared norm, in sums of so many lanes: vector instructions can add them, and every machine adds
/// them in the same order, so that codes are the same everywhere.
fn squared_norm(vector: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (chunks, rest) = vector.as_chunks::<16>();
    for chunk in chunks {
        for i in 0..16 {
            sums[i] += chunk[i] * chunk[i];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

fn f32_row(row: &[u8], dimension: usize) -> &[f32] {
    let values: &[f32] = bytemuck::try_cast_slice(row).unwrap_or(&[]);
    values.get(..dimension).unwrap_or(values)
}
