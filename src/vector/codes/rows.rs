//! Owns rows of codes: many of them in RAM, a view of many, and the distances between them that a
//! graph is built with.

use super::{CodeSpec, bits, f32_row, int8};
use crate::options::{Codes, Metric};
use crate::vector::kernel::batch::{Batch, Rows, Terms};
use crate::vector::kernel::{BitsFromBits, Kernels};

/// Code rows in RAM. Kept in words, so that every row is aligned as in a mapped file.
#[derive(Clone, Debug)]
pub(crate) struct CodeBuffer {
    spec: CodeSpec,
    words: Vec<u128>,
    row: Vec<u8>,
}

impl CodeBuffer {
    pub(crate) fn new(spec: CodeSpec, capacity: usize) -> Self {
        let words = Vec::with_capacity(capacity * spec.row_bytes() / 16);
        Self { spec, words, row: Vec::new() }
    }

    /// Encodes and adds a stored vector.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        self.row.clear();
        self.spec.encode(vector, &mut self.row);
        self.words.extend(self.row.chunks_exact(16).map(word));
    }

    /// Takes all rows out.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
    }

    /// Adds a row that is encoded already.
    pub(crate) fn push_row(&mut self, row: &[u8]) {
        self.words.extend(row.chunks_exact(16).map(word));
    }

    /// Brings the rows into another order, in place: row i becomes the former row `order[i]`.
    /// `order` names every row once.
    pub(crate) fn permute(&mut self, order: &[u32]) {
        let width = self.spec.row_bytes() / 16;
        let mut done = vec![false; order.len()];
        let mut first = Vec::with_capacity(width);
        for start in 0..order.len() {
            if done[start] {
                continue;
            }
            // Follows one cycle; its first row waits outside meanwhile.
            first.clear();
            first.extend_from_slice(&self.words[start * width..(start + 1) * width]);
            let mut to = start;
            loop {
                done[to] = true;
                let from = order[to] as usize;
                if from == start {
                    self.words[to * width..(to + 1) * width].copy_from_slice(&first);
                    break;
                }
                self.words.copy_within(from * width..(from + 1) * width, to * width);
                to = from;
            }
        }
    }

    pub(crate) fn rows(&self) -> CodeRows<'_> {
        CodeRows::new(self.spec, self.bytes())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }
}

/// A word with these bytes in memory, whatever the machine's byte order.
fn word(bytes: &[u8]) -> u128 {
    let mut word = 0u128;
    bytemuck::bytes_of_mut(&mut word).copy_from_slice(bytes);
    word
}

/// The rows of many codes, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeRows<'a> {
    pub(crate) spec: CodeSpec,
    rows: Rows<'a>,
}

impl<'a> CodeRows<'a> {
    /// One row, or none if there are not enough bytes for it.
    pub(super) fn one(spec: CodeSpec, bytes: &'a [u8]) -> Self {
        Self { spec, rows: Rows::one(bytes, spec.row_bytes()) }
    }

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

    pub(super) const fn batch<'b>(&self, nodes: &'b [u32], terms: Terms) -> Batch<'b>
    where
        'a: 'b,
    {
        Batch { rows: self.rows, nodes, terms }
    }

    /// Every row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        self.rows.iter()
    }

    /// The distance of two rows that a graph is built with: a distance in the strict sense, never
    /// negative. Under dot it is that of L2 after the reduction of `reach` (see [`Reduction`]).
    pub(crate) fn pair(&self, reduction: &Reduction, a: u32, b: u32) -> f32 {
        let mut out = [0.0];
        self.measure_pairs(reduction, a, &[b], &mut out);
        out[0]
    }

    /// The distances from one row to others, as [`Self::pair`] gives them, in place of what `out` held.
    pub(crate) fn pairs(&self, reduction: &Reduction, a: u32, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(others.len(), 0.0);
        self.measure_pairs(reduction, a, others, out);
    }

    fn measure_pairs(&self, reduction: &Reduction, a: u32, others: &[u32], out: &mut [f32]) {
        let kernels = Kernels::detect();
        let row = self.row(a);
        let own = match self.spec.codes {
            Codes::Int8 => {
                let (scale, squared, values) = int8::read(row);
                let terms = self.pair_terms(scale, squared, 1, 0);
                (kernels.int8)(&self.batch(others, terms), values, out);
                squared
            }
            Codes::F32 => {
                let row = f32_row(row, self.spec.dimension);
                for (at, (out, other)) in out.iter_mut().zip(others).enumerate() {
                    if let Some(next) = others.get(at + super::AHEAD) {
                        self.prefetch(*next);
                    }
                    let other = f32_row(self.row(*other), self.spec.dimension);
                    // Of vectors, l2 is the sum of both squares minus twice the product.
                    *out = match self.spec.metric {
                        Metric::Cosine => 1.0 - (kernels.dot_f32)(row, other),
                        Metric::Dot | Metric::L2 => (kernels.l2_f32)(row, other),
                    };
                }
                squared(row)
            }
            Codes::Bits4 | Codes::Bits2 | Codes::Bits1 => {
                let (head, codes) = bits::read(row);
                let (measure, top): (BitsFromBits, _) = match self.spec.codes {
                    Codes::Bits4 => (kernels.bits4_pairs, 15),
                    Codes::Bits2 => (kernels.bits2_pairs, 3),
                    _ => (kernels.bits1_pairs, 1),
                };
                let (factor, shift) = bits::pair_terms(top, head.sum, self.spec.dimension);
                let terms = self.pair_terms(head.pair_scale, head.squared, factor, shift);
                measure(&self.batch(others, terms), codes, out);
                head.squared
            }
        };
        if self.spec.metric == Metric::Dot {
            let lift = reduction.lift(own);
            for (out, other) in out.iter_mut().zip(others) {
                let difference = lift - reduction.lift(self.squared(self.row(*other)));
                *out += difference * difference;
            }
        }
        out.iter_mut().for_each(|distance| *distance = distance.max(0.0));
    }

    const fn pair_terms(&self, scale: f32, squared: f32, factor: i32, shift: i32) -> Terms {
        match self.spec.metric {
            Metric::Cosine => Terms { factor, shift, weight: -scale, bias: 1.0, squared: 0.0 },
            Metric::Dot | Metric::L2 => {
                Terms { factor, shift, weight: -2.0 * scale, bias: squared, squared: 1.0 }
            }
        }
    }

    /// The squared norm of the vector of a row.
    fn squared(&self, row: &[u8]) -> f32 {
        match self.spec.codes {
            Codes::Int8 => int8::read(row).1,
            Codes::F32 => squared(f32_row(row, self.spec.dimension)),
            Codes::Bits4 | Codes::Bits2 | Codes::Bits1 => bits::read(row).0.squared,
        }
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
