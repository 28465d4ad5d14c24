//! Owns a query by code: it is encoded once and measured against all rows of one frame.

use std::sync::Arc;

use super::blocks::{BATCH, BlockSieve, FastScanBlocks};
use super::fit::Fit;
use super::frame::Frame;
use super::rows::{AHEAD, CodeRows, Measure, f32_row};
use super::sieve::{self, SignFilter};
use super::spec::CodeSpec;
use super::{bits, int8};
use crate::options::{Metric, Quantization};
use crate::vector::kernel::Kernels;
use crate::vector::kernel::batch::{Scale, Terms};
use crate::vector::kernel::blocks::ROWS;
use crate::vector::metric::{Exact, squared_norm};

/// A query, encoded once for all rows of one frame.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    frame: Arc<Frame>,
    pub(super) spec: CodeSpec,
    pub(super) kernels: &'static Kernels,
    exact: Exact,
    values: Values,
    terms: Terms,
    /// Length of its residual.
    length: f32,
    pub(super) sieve: Option<SignFilter>,
}

/// The form of a query that the kernels read.
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
    /// Returns the query for a vector in stored form.
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
        // Values of codes of few bits are 2 c - top: they are twice as far apart as the c that
        // kernels multiply.
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
                Some(SignFilter::new(spec, &values.values, terms, spec.product_counts() * length))
            }
            _ => None,
        };
        let exact = Exact::new(spec.metric, vector);
        Self { frame, spec, kernels: Kernels::detect(), exact, values, terms, length, sieve }
    }

    /// Returns the same query, measured by other kernels.
    #[cfg(any(test, feature = "__fuzzing", feature = "__bench"))]
    pub(crate) fn with_kernels(self, kernels: &'static Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// Returns the frame of the codes that it measures.
    pub(crate) const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Returns the exact distance to a stored vector.
    #[inline]
    pub(crate) fn exact(&self, stored: &[f32]) -> f32 {
        self.exact.distance(stored)
    }

    /// Returns the largest error of a distance by code, per unit of [`CodeRows::length`].
    pub(crate) fn error(&self, fit: &Fit) -> f32 {
        fit.sure * self.unit()
    }

    /// Returns the error of a distance per error of a product, relative to the length of the row.
    pub(super) fn unit(&self) -> f32 {
        self.spec.product_counts() * self.length
    }

    /// Returns by how much the sign filter overestimates the distance of each row, in its standard
    /// deviations. Empty for codes without signs.
    pub(super) fn looks(&self, rows: &CodeRows<'_>, nodes: &[u32], exact: &[f32]) -> Vec<f32> {
        let Some(sieve) = &self.sieve else { return Vec::new() };
        let (mut plain, mut less) = (Vec::new(), Vec::new());
        sieve.measure(self.kernels, rows, 0.0, nodes, &mut plain);
        sieve.measure(self.kernels, rows, 1.0, nodes, &mut less);
        let looks = plain.iter().zip(&less).zip(exact);
        looks.map(|((plain, less), exact)| (plain - exact) / (plain - less)).collect()
    }

    /// Replaces the content of `out` by the distances to these rows, in their order.
    #[inline]
    pub(crate) fn distances(&self, rows: &CodeRows<'_>, nodes: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(nodes.len(), 0.0);
        self.measure(rows, nodes, out);
    }

    /// Returns the query as a [`Measure`] of the rows of one piece.
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

    /// Returns the form of the query that is compared with FastScan blocks, which allows for an
    /// error of `deviations` standard deviations. `None` for codes without signs. O(dimension).
    pub(crate) fn block_sieve(&self, deviations: f32) -> Option<BlockSieve> {
        self.spec.block_bytes()?;
        match (&self.values, &self.sieve) {
            (Values::Bits4(values), Some(sieve)) => {
                Some(sieve.over_blocks(&values.values, deviations))
            }
            _ => None,
        }
    }
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

impl QueryOver<'_> {
    /// Adds the rows of the next [`BATCH`] blocks that may be nearer than the bound to `nodes`.
    /// Prefetches what [`Measure::distances`] reads of them. `first` is a multiple of [`ROWS`].
    pub(crate) fn sift_blocks(
        &self,
        sieve: &BlockSieve,
        signs: &FastScanBlocks<'_>,
        first: u32,
        bound: f32,
        nodes: &mut Vec<u32>,
    ) {
        let start = nodes.len();
        let end = (first + (BATCH * ROWS) as u32).min(signs.rows());
        if bound < f32::INFINITY {
            let bytes = signs.bytes_from(first);
            let mut near = [0u32; BATCH];
            (self.query.kernels.blocks)(&sieve.blocks(bytes, bound), &mut near);
            for (first, mut bits) in (first..end).step_by(ROWS).zip(near) {
                // The last block may have fewer rows.
                bits &= u32::MAX >> (ROWS as u32).saturating_sub(end - first);
                while bits != 0 {
                    nodes.push(first + bits.trailing_zeros());
                    bits &= bits - 1;
                }
            }
        } else {
            nodes.extend(first..end);
        }
        self.rows.ask(self.query.kernels, self.query.spec.part(), &nodes[start..]);
    }
}
