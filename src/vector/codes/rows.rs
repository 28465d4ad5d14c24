//! Owns rows of codes: many of them in RAM, a view of many, and the distances between them that a
//! graph is built with.

use super::sieve::{self, Sieve};
use super::{CodeSpec, Measure, bits, f32_row, int8};
use bytemuck::{Pod, Zeroable};

use crate::disk::Pages;
use crate::options::{Codes, Metric};
use crate::vector::kernel::batch::{Batch, Part, Rows, Scale, Terms};
use crate::vector::kernel::{BitsFromBits, Kernels};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A cache line.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Code rows in RAM, aligned as in a mapped file.
#[derive(Clone, Debug)]
pub(crate) struct CodeBuffer {
    spec: CodeSpec,
    lines: Pages<Line>,
    /// Bytes of `lines` that are taken.
    len: usize,
    row: Vec<u8>,
}

impl CodeBuffer {
    pub(crate) fn new(spec: CodeSpec, capacity: usize) -> Self {
        let lines = Pages::with_capacity((capacity * spec.row_bytes()).div_ceil(LINE));
        Self { spec, lines, len: 0, row: Vec::new() }
    }

    /// Encodes and adds a stored vector.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        self.spec.encode(vector, &mut row);
        self.push_row(&row);
        self.row = row;
    }

    /// Takes all rows out.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.len = 0;
    }

    /// Adds a row that is encoded already.
    pub(crate) fn push_row(&mut self, row: &[u8]) {
        let end = self.len + row.len();
        self.lines.resize(end.div_ceil(LINE), Line([0; LINE]));
        bytemuck::cast_slice_mut(&mut self.lines)[self.len..end].copy_from_slice(row);
        self.len = end;
    }

    /// Brings the rows into another order, in place: row i becomes the former row `order[i]`.
    /// `order` names every row once.
    pub(crate) fn permute(&mut self, order: &[u32]) {
        let width = self.spec.row_bytes();
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.lines);
        let mut done = vec![false; order.len()];
        let mut first = Vec::with_capacity(width);
        for start in 0..order.len() {
            if done[start] {
                continue;
            }
            // Follows one cycle; its first row waits outside meanwhile.
            first.clear();
            first.extend_from_slice(&bytes[start * width..(start + 1) * width]);
            let mut to = start;
            loop {
                done[to] = true;
                let from = order[to] as usize;
                if from == start {
                    bytes[to * width..(to + 1) * width].copy_from_slice(&first);
                    break;
                }
                bytes.copy_within(from * width..(from + 1) * width, to * width);
                to = from;
            }
        }
    }

    pub(crate) fn rows(&self) -> CodeRows<'_> {
        CodeRows::new(self.spec, self.bytes())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

/// The rows of many codes, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeRows<'a> {
    pub(crate) spec: CodeSpec,
    rows: Rows<'a>,
}

impl<'a> CodeRows<'a> {
    /// Whole rows only; a rest is left out.
    pub(crate) fn new(spec: CodeSpec, bytes: &'a [u8]) -> Self {
        Self { spec, rows: Rows::new(bytes, spec.row_bytes()) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// One row; empty if there is none.
    #[inline]
    pub(crate) fn row(&self, i: u32) -> &'a [u8] {
        self.rows.row(i)
    }

    /// Asks for a row that is measured soon.
    #[inline]
    pub(crate) fn prefetch(&self, i: u32) {
        (Kernels::detect().prefetch)(self.row(i));
    }

    pub(super) const fn batch<'b>(&self, nodes: &'b [u32], part: Part, terms: Terms) -> Batch<'b>
    where
        'a: 'b,
    {
        Batch { rows: self.rows, nodes, part, terms }
    }

    /// Asks for a part of rows that are measured soon.
    #[inline]
    pub(super) fn ask(&self, kernels: &Kernels, part: Part, nodes: &[u32]) {
        (kernels.ask)(&self.rows, part, nodes);
    }

    /// Every row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        self.rows.iter()
    }

    /// The distance of two rows that a graph is built with: a distance in the strict sense, never
    /// negative. Under dot it is that of L2 after the reduction of `reach` (see [`Reduction`]).
    pub(crate) fn pair(&self, reduction: &Reduction, a: u32, b: u32) -> f32 {
        let mut out = [0.0];
        self.origin(reduction, a).measure(&[b], &mut out);
        out[0]
    }

    /// A row from which distances to others are measured, as [`Self::pair`] gives them.
    pub(crate) fn origin(&self, reduction: &Reduction, a: u32) -> Origin<'a> {
        Origin::new(self, reduction, a)
    }

    /// The squared norm of the vector of a row.
    fn squared(&self, row: &[u8]) -> f32 {
        match self.spec.codes {
            Codes::Int8 => int8::read(row).1,
            Codes::F32 => squared(f32_row(row, self.spec.dimension)),
            Codes::Bits4 | Codes::Bits2 | Codes::Bits1 => bits::head(row).squared,
        }
    }
}

/// A row from which distances are measured.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    rows: CodeRows<'a>,
    reduction: Reduction,
    codes: OriginCodes<'a>,
    terms: Terms,
    squared: f32,
    sieve: Option<Sieve>,
}

/// The form of a row that kernels read.
#[derive(Clone, Copy, Debug)]
enum OriginCodes<'a> {
    Int8(&'a [i8]),
    F32(&'a [f32]),
    Bits(BitsFromBits, &'a [u8]),
}

impl<'a> Origin<'a> {
    fn new(rows: &CodeRows<'a>, reduction: &Reduction, a: u32) -> Self {
        let (kernels, spec, row) = (Kernels::detect(), rows.spec, rows.row(a));
        let bits = |measure: BitsFromBits, top| {
            let head = bits::head(row);
            let (factor, shift) = bits::pair_terms(top, head.sum, spec.dimension);
            let terms = Terms { factor, shift, scale: Scale::Pairs, ..Terms::default() };
            let codes = spec.part().codes(row);
            (OriginCodes::Bits(measure, codes), head.squared, head.pair_scale, terms)
        };
        let (codes, squared, scale, terms) = match spec.codes {
            Codes::Int8 => {
                let (scale, squared, values) = int8::read(row);
                let terms = Terms { factor: 1, ..Terms::default() };
                (OriginCodes::Int8(values), squared, scale, terms)
            }
            Codes::F32 => {
                let row = f32_row(row, spec.dimension);
                (OriginCodes::F32(row), squared(row), 0.0, Terms::default())
            }
            Codes::Bits4 => bits(kernels.bits4_pairs, 15),
            Codes::Bits2 => bits(kernels.bits2_pairs, 3),
            Codes::Bits1 => bits(kernels.bits1_pairs, 1),
        };
        let (weight, bias, times) = match spec.metric {
            Metric::Cosine => (-scale, 1.0, 0.0),
            Metric::Dot | Metric::L2 => (-2.0 * scale, squared, 1.0),
        };
        let terms = Terms { weight, bias, squared: times, ..terms };
        Self { rows: *rows, reduction: *reduction, codes, terms, squared, sieve: None }
    }

    /// The same, made ready for [`Measure::sift`].
    pub(crate) fn with_sieve(mut self) -> Self {
        if let (Codes::Bits4, OriginCodes::Bits(_, codes)) = (self.rows.spec.codes, self.codes) {
            // Products count twice in squared distances.
            let times = 1.0 + self.terms.squared;
            let length = times * self.squared.sqrt();
            let values = bits::values4(codes);
            self.sieve = Some(Sieve::new(self.rows.spec, &values, self.terms, length));
        }
        self
    }

    #[cfg(test)]
    pub(super) const fn sieve(&self) -> Option<&Sieve> {
        self.sieve.as_ref()
    }

    fn measure(&self, others: &[u32], out: &mut [f32]) {
        let (kernels, rows) = (Kernels::detect(), &self.rows);
        let batch = rows.batch(others, rows.spec.part(), self.terms);
        match self.codes {
            OriginCodes::Int8(values) => (kernels.int8)(&batch, values, out),
            OriginCodes::Bits(measure, codes) => measure(&batch, codes, out),
            OriginCodes::F32(row) => {
                for (at, (out, other)) in out.iter_mut().zip(others).enumerate() {
                    if let Some(next) = others.get(at + super::AHEAD) {
                        rows.prefetch(*next);
                    }
                    let other = f32_row(rows.row(*other), rows.spec.dimension);
                    // Of vectors, l2 is the sum of both squares minus twice the product.
                    *out = match rows.spec.metric {
                        Metric::Cosine => 1.0 - (kernels.dot_f32)(row, other),
                        Metric::Dot | Metric::L2 => (kernels.l2_f32)(row, other),
                    };
                }
            }
        }
        self.lift(others, out);
        out.iter_mut().for_each(|distance| *distance = distance.max(0.0));
    }

    /// Adds what the reduction does to the distances.
    fn lift(&self, others: &[u32], out: &mut [f32]) {
        if self.rows.spec.metric != Metric::Dot {
            return;
        }
        let own = self.reduction.lift(self.squared);
        for (out, other) in out.iter_mut().zip(others) {
            let other = self.rows.squared(self.rows.row(*other));
            let difference = own - self.reduction.lift(other);
            *out += difference * difference;
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
            self.lift(nodes, buffer);
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

fn squared(vector: &[f32]) -> f32 {
    (Kernels::detect().dot_f32)(vector, vector)
}

/// Turns nearest-by-dot into nearest-by-L2: each x gets one more coordinate, √(R² − |x|²), with R
/// the largest norm, and a query gets 0 there. All x then have the length R, so the order by L2
/// distance from a query is the order by dot product (Neyshabur and Srebro, "On symmetric and
/// asymmetric LSHs for inner product search", ICML 2015, section 4.2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reduction {
    squared_radius: f32,
}

impl Reduction {
    /// The reduction for these rows; nothing unless the metric is dot.
    pub(crate) fn new(rows: &CodeRows<'_>) -> Self {
        if rows.spec.metric != Metric::Dot {
            return Self::default();
        }
        let squared = rows.rows().map(|row| rows.squared(row));
        Self { squared_radius: squared.fold(0.0, f32::max) }
    }

    fn lift(&self, squared: f32) -> f32 {
        (self.squared_radius - squared).max(0.0).sqrt()
    }
}
