//! Owns distances between rows of codes, with which a graph is built.

use super::rows::{AHEAD, CodeRows, Measure, f32_row};
use super::sieve::{self, SignFilter};
use super::{bits, int8};
use crate::options::{Metric, Quantization};
use crate::vector::kernel::batch::{Scale, Terms};
use crate::vector::kernel::{BitsFromBits, Kernels};
use crate::vector::metric::Exact;

impl<'a> CodeRows<'a> {
    /// Returns the distance of two rows for building a graph. Under dot it is the negative product.
    pub(crate) fn pair(&self, a: u32, b: u32) -> f32 {
        let mut out = [0.0];
        self.origin(a).measure(&[b], &mut out);
        out[0]
    }

    /// Returns a row from which distances to others are measured, the same as those of
    /// [`Self::pair`].
    pub(crate) fn origin(&self, a: u32) -> Origin<'a> {
        Origin::new(self, a)
    }
}

/// A row from which distances are measured.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    rows: CodeRows<'a>,
    codes: OriginCodes<'a>,
    terms: Terms,
    squared: f32,
    sieve: Option<SignFilter>,
}

/// The form of a row that the kernels read.
#[derive(Clone, Debug)]
enum OriginCodes<'a> {
    Int8(&'a [i8]),
    F32(Exact<&'a [f32]>),
    Bits(BitsFromBits, &'a [u8]),
}

impl<'a> Origin<'a> {
    fn new(rows: &CodeRows<'a>, a: u32) -> Self {
        let (kernels, spec, row) = (Kernels::detect(), rows.spec, rows.row(a));
        let bits = |measure: BitsFromBits, top| {
            let head = bits::head(row);
            let (factor, shift) = bits::pair_terms(top, head.sum, spec.dimension);
            let terms = Terms { factor, shift, scale: Scale::Pairs, ..Terms::default() };
            let codes = spec.part().codes(row);
            (OriginCodes::Bits(measure, codes), head.squared, head.pair_scale, terms)
        };
        let (codes, squared, scale, terms) = match spec.codes {
            Quantization::Int8 => {
                let (scale, squared, values) = int8::read(row);
                let terms = Terms { factor: 1, ..Terms::default() };
                (OriginCodes::Int8(values), squared, scale, terms)
            }
            Quantization::None => {
                let exact = Exact::new(spec.metric, f32_row(row, spec.dimension));
                (OriginCodes::F32(exact), 0.0, 0.0, Terms::default())
            }
            Quantization::Bits4 => bits(kernels.bits4_pairs, 15),
            Quantization::Bits2 => bits(kernels.bits2_pairs, 3),
            Quantization::Bits1 => bits(kernels.bits1_pairs, 1),
        };
        let (weight, bias, times) = match spec.metric {
            Metric::Cosine if spec.centred => (-scale, squared / 2.0, 0.5),
            Metric::Cosine => (-scale, 1.0, 0.0),
            Metric::Dot => (-scale, 0.0, 0.0),
            Metric::L2 => (-2.0 * scale, squared, 1.0),
        };
        let terms = Terms { weight, bias, squared: times, ..terms };
        Self { rows: *rows, codes, terms, squared, sieve: None }
    }

    /// Returns the origin with a sign filter, for [`Measure::sift`].
    pub(crate) fn with_sieve(mut self) -> Self {
        if let (Quantization::Bits4, OriginCodes::Bits(_, codes)) =
            (self.rows.spec.codes, &self.codes)
        {
            let length = self.rows.spec.product_counts() * self.squared.sqrt();
            let values = bits::values4(codes);
            self.sieve = Some(SignFilter::new(self.rows.spec, &values, self.terms, length));
        }
        self
    }

    #[cfg(test)]
    pub(super) const fn sieve(&self) -> Option<&SignFilter> {
        self.sieve.as_ref()
    }

    fn measure(&self, others: &[u32], out: &mut [f32]) {
        let (kernels, rows) = (Kernels::detect(), &self.rows);
        let batch = rows.batch(others, rows.spec.part(), self.terms);
        match &self.codes {
            OriginCodes::Int8(values) => (kernels.int8)(&batch, values, out),
            OriginCodes::Bits(measure, codes) => measure(&batch, codes, out),
            OriginCodes::F32(exact) => {
                for (at, (out, other)) in out.iter_mut().zip(others).enumerate() {
                    if let Some(next) = others.get(at + AHEAD) {
                        rows.prefetch(*next);
                    }
                    *out = exact.distance(f32_row(rows.row(*other), rows.spec.dimension));
                }
            }
        }
        if rows.spec.metric != Metric::Dot {
            // By code, a distance may come out negative.
            out.iter_mut().for_each(|distance| *distance = distance.max(0.0));
        }
    }
}

impl Measure for Origin<'_> {
    #[inline]
    fn ask(&self, nodes: &[u32]) {
        sieve::ask(Kernels::detect(), &self.rows, self.sieve.as_ref(), nodes);
    }

    #[inline]
    fn sift(&self, bound: f32, deviations: f32, nodes: &mut Vec<u32>, buffer: &mut Vec<f32>) {
        let Some(sieve) = &self.sieve else { return };
        if bound < f32::INFINITY {
            sieve.measure(Kernels::detect(), &self.rows, deviations, nodes, buffer);
            sieve::keep_nearer(nodes, buffer, bound);
        }
        self.rows.ask(Kernels::detect(), self.rows.spec.part(), nodes);
    }

    #[inline]
    fn distances(&self, nodes: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(nodes.len(), 0.0);
        self.measure(nodes, out);
    }
}
