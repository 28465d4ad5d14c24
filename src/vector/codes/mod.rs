//! Owns codes: the compact form of stored vectors that searches read first. Encoding is
//! deterministic; codes of one frame can be copied between indexes. Here is what codes look like and
//! how a query measures them; `frame` says what they are made of, `fit` how far off they are, `rows` has
//! many of them in one piece, `int8` and `bits` one row each.
//!
//! An f32 row: the stored vector, padded to 16 bytes. It is measured exactly.

mod bits;
mod blocks;
mod fit;
mod frame;
mod int8;
mod queries;
mod rows;
mod sieve;
#[cfg(test)]
mod tests;

pub(crate) use blocks::{AT_ONCE as BLOCKS_AT_ONCE, BlockSieve, SignBlocks};
pub(crate) use fit::Fit;
pub(crate) use frame::Frame;
pub(crate) use queries::Queries;
pub(crate) use rows::{CodeBuffer, CodeRows, Origin};

use std::sync::Arc;

use super::kernel::Kernels;
use super::kernel::batch::{Part, Scale, Terms};
use super::metric::Exact;
use crate::options::{Metric, Quantization};
use sieve::Sieve;

/// Rows of f32 ahead of the one that is measured for which cache lines are asked.
const AHEAD: usize = 2;

/// How far one bit a coordinate is off.
const SIGNS_OFF: f32 = 0.755;

/// What the codes of a collection look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeSpec {
    pub(crate) codes: Quantization,
    pub(crate) metric: Metric,
    pub(crate) dimension: usize,
    /// Whether they are made of what is left of a vector when a centre is taken off.
    pub(crate) centred: bool,
}

impl CodeSpec {
    /// Of vectors as they are.
    pub(crate) const fn new(codes: Quantization, metric: Metric, dimension: usize) -> Self {
        Self { codes, metric, dimension, centred: false }
    }

    /// Bytes of one row.
    pub(crate) const fn row_bytes(&self) -> usize {
        let bytes = self.part().end;
        match self.codes {
            // On cache lines: what is read first is then the first of them.
            Quantization::Bits4 => bytes.next_multiple_of(64),
            _ => bytes.next_multiple_of(16),
        }
    }

    /// Bytes of a row that a first look reads, if there is one (see [`Measure::sift`]).
    pub(crate) fn look_bytes(&self) -> Option<usize> {
        (self.codes == Quantization::Bits4).then(|| bits::look(self.dimension).end)
    }

    /// Where in a row its codes are.
    const fn part(&self) -> Part {
        match self.codes {
            Quantization::Int8 => {
                let end = int8::HEAD + self.dimension;
                Part { start: int8::HEAD, end: end.next_multiple_of(16) }
            }
            Quantization::None => Part { start: 0, end: 4 * self.dimension },
            Quantization::Bits4 => bits::codes(4, self.dimension),
            Quantization::Bits2 => bits::codes(2, self.dimension),
            Quantization::Bits1 => bits::codes(1, self.dimension),
        }
    }

    /// Appends the row of a stored vector.
    fn encode(&self, vector: &[f32], out: &mut Vec<u8>) {
        let end = out.len() + self.row_bytes();
        match self.codes {
            Quantization::Int8 => int8::encode(vector, out),
            Quantization::None => out.extend(vector.iter().flat_map(|x| x.to_le_bytes())),
            Quantization::Bits4 => bits::encode(4, vector, out),
            Quantization::Bits2 => bits::encode(2, vector, out),
            Quantization::Bits1 => bits::encode(1, vector, out),
        }
        out.resize(end, 0);
    }

    /// What an error of a product of codes counts in a distance.
    const fn product_counts(&self) -> f32 {
        match self.metric {
            Metric::L2 => 2.0,
            Metric::Cosine | Metric::Dot => 1.0,
        }
    }

    /// Standard deviation of what a product with the signs in front of a row is off, as a part of both
    /// lengths, for a query that is off by `query_off` of its length in a direction that is random to the
    /// row. The code is off by a vector in a random direction, whose length, as a part of the row's, is that
    /// of the best quantizer of one bit for a normal distribution, (1 − cos²)^½ / cos; one of `dimension`
    /// directions counts (Gao et al., SIGMOD 2025, theorem 3.2). With the scale that makes products
    /// right on average the signs are longer than the row, by the cosine of the angle between them, and
    /// their product with what the query is off by has that length.
    fn sign_deviation(&self, query_off: f32) -> f32 {
        let squared_length = 1.0 + SIGNS_OFF * SIGNS_OFF;
        let off = SIGNS_OFF * SIGNS_OFF + squared_length * query_off * query_off;
        (off / self.dimension as f32).sqrt()
    }
}

/// A query, encoded once for all rows of one frame.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    frame: Arc<Frame>,
    spec: CodeSpec,
    kernels: &'static Kernels,
    exact: Exact,
    values: Values,
    terms: Terms,
    /// Length of what its code is made of.
    length: f32,
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
    pub(crate) fn new(frame: impl Into<Arc<Frame>>, vector: Vec<f32>) -> Self {
        let frame = frame.into();
        let spec = frame.spec;
        let placed = frame.place(&vector);
        let values = match spec.codes {
            Quantization::Int8 => {
                let mut values: Vec<i8> =
                    int8::values(&placed, int8::scale(&placed)).take(spec.dimension).collect();
                values.resize(spec.row_bytes() - int8::HEAD, 0);
                Values::Int8(values)
            }
            Quantization::Bits4 => Values::Bits4(bits::Values::new(4, &placed)),
            Quantization::Bits2 => Values::Bits2(bits::Values::new(2, &placed)),
            Quantization::Bits1 => Values::Bits1(bits::Values::new(1, &placed)),
            Quantization::None => Values::F32,
        };
        // Codes of few bits are 2 c - top, twice as far apart as the c that kernels multiply.
        let (scale, factor, shift) = match &values {
            Values::Int8(_) => (int8::scale(&placed), 1, 0),
            Values::Bits4(values) => (values.scale, 2, -15 * values.sum),
            Values::Bits2(values) => (values.scale, 2, -3 * values.sum),
            Values::Bits1(values) => (values.scale, 2, -values.sum),
            Values::F32 => (0.0, 0, 0),
        };
        let norm = squared_norm(&placed);
        let (weight, bias, squared) = match spec.metric {
            // Half the squared distance of two vectors of length 1 is one minus their product.
            Metric::Cosine if spec.centred => (-scale, norm / 2.0, 0.5),
            Metric::Cosine => (-scale, 1.0, 0.0),
            Metric::Dot => (-scale, 0.0, 0.0),
            Metric::L2 => (-2.0 * scale, norm, 1.0),
        };
        let terms = Terms { factor, shift, weight, bias, squared, slack: 0.0, scale: Scale::First };
        let length = norm.sqrt();
        let sieve = match &values {
            Values::Bits4(values) => {
                Some(Sieve::new(spec, &values.values, terms, spec.product_counts() * length))
            }
            _ => None,
        };
        let exact = Exact::new(spec.metric, vector);
        Self { frame, spec, kernels: Kernels::detect(), exact, values, terms, length, sieve }
    }

    /// The same query, measured by other kernels.
    #[cfg(any(test, feature = "fuzzing", feature = "bench-internals"))]
    pub(crate) fn with_kernels(self, kernels: &'static Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// What the codes are made in that it measures.
    pub(crate) const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// The exact distance to a stored vector.
    #[inline]
    pub(crate) fn exact(&self, stored: &[f32]) -> f32 {
        self.exact.distance(stored)
    }

    /// How far off a distance by code is at most, for each unit of [`CodeRows::length`].
    pub(crate) fn error(&self, fit: &Fit) -> f32 {
        fit.sure * self.unit()
    }

    /// What an error of a product counts in a distance, as a part of the length of the row.
    fn unit(&self) -> f32 {
        self.spec.product_counts() * self.length
    }

    /// By how many of its standard deviations a first look at each row finds it too far away; nothing for
    /// codes that have none.
    fn looks(&self, rows: &CodeRows<'_>, nodes: &[u32], exact: &[f32]) -> Vec<f32> {
        let Some(sieve) = &self.sieve else { return Vec::new() };
        let (mut plain, mut less) = (Vec::new(), Vec::new());
        sieve.measure(self.kernels, rows, 0.0, nodes, &mut plain);
        sieve.measure(self.kernels, rows, 1.0, nodes, &mut less);
        let looks = plain.iter().zip(&less).zip(exact);
        looks.map(|((plain, less), exact)| (plain - exact) / (plain - less)).collect()
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
                    *out = self.exact.distance(f32_row(rows.row(*node), self.spec.dimension));
                }
            }
        }
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
