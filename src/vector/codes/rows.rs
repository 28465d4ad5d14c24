//! Owns rows of codes: many of them in RAM, a view of many, and the distances between them that a
//! graph is built with.

use super::sieve::{self, Sieve};
use super::{CodeSpec, Frame, Measure, bits, f32_row, int8};
use bytemuck::{Pod, Zeroable};
use std::sync::Arc;

use crate::map_vec::MapVec;
use crate::options::{Metric, Quantization};
use crate::vector::kernel::batch::{Batch, Part, Rows, Scale, Terms};
use crate::vector::kernel::{BitsFromBits, Kernels};
use crate::vector::metric::Exact;

/// Bytes of a cache line.
const LINE: usize = 64;

/// A cache line.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Code rows in RAM, aligned as in a mapped file.
#[derive(Clone, Debug)]
pub(crate) struct CodeBuffer {
    frame: Arc<Frame>,
    lines: MapVec<Line>,
    /// Bytes of `lines` that are taken.
    len: usize,
    row: Vec<u8>,
}

impl CodeBuffer {
    /// Of codes made in this frame.
    pub(crate) fn new(frame: impl Into<Arc<Frame>>, capacity: usize) -> Self {
        let frame = frame.into();
        let lines = MapVec::with_capacity((capacity * frame.spec.row_bytes()).div_ceil(LINE));
        Self { frame, lines, len: 0, row: Vec::new() }
    }

    pub(crate) const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Encodes and adds a stored vector.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        self.frame.spec.encode(&self.frame.place(vector), &mut row);
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
        let width = self.frame.spec.row_bytes();
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
        CodeRows::new(self.frame.spec, self.bytes())
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

    /// The distance of two rows that a graph is built with. Under dot it is the negative product.
    pub(crate) fn pair(&self, a: u32, b: u32) -> f32 {
        let mut out = [0.0];
        self.origin(a).measure(&[b], &mut out);
        out[0]
    }

    /// A row from which distances to others are measured, as [`Self::pair`] gives them.
    pub(crate) fn origin(&self, a: u32) -> Origin<'a> {
        Origin::new(self, a)
    }

    /// Length of what a row's code is made of, which the errors of distances to it grow with: see
    /// [`Query::error`](super::Query::error). 0 where they have none.
    #[inline]
    pub(crate) fn length(&self, row: u32) -> f32 {
        self.spec.length(self.row(row))
    }

    /// The greatest [`Self::length`]. O(rows).
    pub(crate) fn longest(&self) -> f32 {
        (0..self.len() as u32).map(|row| self.length(row)).fold(0.0, f32::max)
    }
}

impl CodeSpec {
    /// See [`CodeRows::length`].
    #[inline]
    pub(crate) fn length(&self, row: &[u8]) -> f32 {
        let squared = match (self.codes, self.metric) {
            (Quantization::None, _) => return 0.0,
            (_, Metric::Cosine) if !self.centred => return 1.0,
            (Quantization::Int8, _) => int8::read(row).1,
            _ => bits::head(row).squared,
        };
        squared.max(0.0).sqrt()
    }
}

/// A row from which distances are measured.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    rows: CodeRows<'a>,
    codes: OriginCodes<'a>,
    terms: Terms,
    squared: f32,
    sieve: Option<Sieve>,
}

/// The form of a row that kernels read.
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

    /// The same, made ready for [`Measure::sift`].
    pub(crate) fn with_sieve(mut self) -> Self {
        if let (Quantization::Bits4, OriginCodes::Bits(_, codes)) =
            (self.rows.spec.codes, &self.codes)
        {
            let length = self.rows.spec.product_counts() * self.squared.sqrt();
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
        match &self.codes {
            OriginCodes::Int8(values) => (kernels.int8)(&batch, values, out),
            OriginCodes::Bits(measure, codes) => measure(&batch, codes, out),
            OriginCodes::F32(exact) => {
                for (at, (out, other)) in out.iter_mut().zip(others).enumerate() {
                    if let Some(next) = others.get(at + super::AHEAD) {
                        rows.prefetch(*next);
                    }
                    *out = exact.distance(f32_row(rows.row(*other), rows.spec.dimension));
                }
            }
        }
        if rows.spec.metric != Metric::Dot {
            // By code, a row may seem nearer to another than it can be.
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
