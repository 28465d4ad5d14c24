//! Owns codes: the compact form of stored vectors that searches read first. Encoding is
//! deterministic; parameters are in each row, so codes of one collection can be copied between
//! indexes.
//!
//! An int8 row: scale f32 | squared norm f32 | `dimension` signed bytes | zero pad to 16 bytes.
//! x ≈ scale · byte, scale = max|x| / 127. An f32 row: the vector, padded to 16 bytes.

use super::kernel::Kernels;
use crate::options::{Codes, Metric};

/// Bytes of an int8 row before its values.
const INT8_HEAD: usize = 8;

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
        let bytes = match self.codes {
            Codes::Int8 => INT8_HEAD + self.dimension,
            Codes::F32 => 4 * self.dimension,
        };
        bytes.next_multiple_of(16)
    }

    /// Appends the row of a stored vector.
    fn encode(&self, vector: &[f32], out: &mut Vec<u8>) {
        let end = out.len() + self.row_bytes();
        match self.codes {
            Codes::Int8 => {
                let scale = int8_scale(vector);
                let squared: f32 = vector.iter().map(|x| x * x).sum();
                out.extend_from_slice(&scale.to_le_bytes());
                out.extend_from_slice(&squared.to_le_bytes());
                out.extend(int8_values(vector, scale).map(|v| v as u8));
            }
            Codes::F32 => out.extend(vector.iter().flat_map(|x| x.to_le_bytes())),
        }
        out.resize(end, 0);
    }

    /// How many of the nearest by code must be measured exactly to find the nearest `k`. For int8,
    /// twice `k` held the true ten every time in 150 queries over 50,000 sentence embeddings.
    pub(crate) const fn rerank_depth(&self, k: usize) -> usize {
        match self.codes {
            Codes::Int8 => k.saturating_mul(2).saturating_add(16),
            Codes::F32 => k,
        }
    }
}

fn int8_scale(vector: &[f32]) -> f32 {
    let largest = vector.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    largest / 127.0
}

fn int8_values(vector: &[f32], scale: f32) -> impl Iterator<Item = i8> {
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    // A float that does not fit is cut to the range by `as`.
    vector.iter().map(move |x| (x * inverse).round() as i8)
}

/// A query, encoded once for all rows.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    spec: CodeSpec,
    kernels: &'static Kernels,
    vector: Vec<f32>,
    values: Vec<i8>,
    scale: f32,
    squared: f32,
}

impl Query {
    /// A query from a vector in stored form.
    pub(crate) fn new(spec: CodeSpec, vector: Vec<f32>) -> Self {
        let (scale, squared) = (int8_scale(&vector), vector.iter().map(|x| x * x).sum());
        let values = match spec.codes {
            Codes::Int8 => int8_values(&vector, scale).collect(),
            Codes::F32 => Vec::new(),
        };
        Self { spec, kernels: Kernels::detect(), vector, values, scale, squared }
    }

    /// The same query, measured by other kernels.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn with_kernels(self, kernels: &'static Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// The exact distance to a stored vector.
    pub(crate) fn exact(&self, stored: &[f32]) -> f32 {
        super::metric::distance_stored(self.spec.metric, self.kernels, &self.vector, stored)
    }

    /// The distance to a code row, as near as codes can tell.
    #[inline]
    pub(crate) fn distance(&self, row: &[u8]) -> f32 {
        match self.spec.codes {
            Codes::Int8 => {
                let (scale, squared, values) = int8_row(row);
                let values = &values[..values.len().min(self.values.len())];
                let dot = (self.kernels.dot_i8)(&self.values, values) as f32 * scale * self.scale;
                from_dot(self.spec.metric, dot, self.squared, squared)
            }
            Codes::F32 => self.exact(f32_row(row, self.spec.dimension)),
        }
    }

    /// The distances to the rows from `from` on, one for each place in `out`.
    pub(crate) fn scan(&self, rows: &CodeRows<'_>, from: u32, out: &mut [f32]) {
        for (node, out) in (from..).zip(out) {
            *out = self.distance(rows.row(node));
        }
    }

    /// The distances to these rows, in their order, in place of what `out` held.
    #[inline]
    pub(crate) fn distances(&self, rows: &CodeRows<'_>, nodes: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.extend(nodes.iter().map(|node| self.distance(rows.row(*node))));
    }
}

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

    fn bytes(&self) -> &[u8] {
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
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> CodeRows<'a> {
    /// Whole rows only; a rest is left out.
    pub(crate) fn new(spec: CodeSpec, bytes: &'a [u8]) -> Self {
        Self { spec, bytes, stride: spec.row_bytes() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() / self.stride
    }

    /// One row; empty if there is none.
    #[inline]
    pub(crate) fn row(&self, i: u32) -> &'a [u8] {
        let start = i as usize * self.stride;
        self.bytes.get(start..start + self.stride).unwrap_or(&[])
    }

    /// Asks for a row that is measured soon.
    #[inline]
    pub(crate) fn prefetch(&self, i: u32) {
        (Kernels::detect().prefetch)(self.row(i));
    }

    /// The distances from one row to others, as [`Self::pair`] gives them, in place of what `out` held.
    pub(crate) fn pairs(&self, reduction: &Reduction, a: u32, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        out.extend(others.iter().map(|b| self.pair(reduction, a, *b)));
    }

    /// Every row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks_exact(self.stride)
    }

    /// The distance of two rows that a graph is built with: a distance in the strict sense, never
    /// negative. Under dot it is that of L2 after the reduction of `reach` (see [`Reduction`]).
    pub(crate) fn pair(&self, reduction: &Reduction, a: u32, b: u32) -> f32 {
        let (x, y) = (self.row(a), self.row(b));
        let kernels = Kernels::detect();
        let (dot, x2, y2) = match self.spec.codes {
            Codes::Int8 => {
                let (xs, x2, xv) = int8_row(x);
                let (ys, y2, yv) = int8_row(y);
                ((kernels.dot_i8)(xv, yv) as f32 * xs * ys, x2, y2)
            }
            Codes::F32 => {
                let d = self.spec.dimension;
                let (x, y) = (f32_row(x, d), f32_row(y, d));
                if self.spec.metric == Metric::L2 {
                    return (kernels.l2_f32)(x, y);
                }
                let squared = |v| (kernels.dot_f32)(v, v);
                ((kernels.dot_f32)(x, y), squared(x), squared(y))
            }
        };
        let distance = match self.spec.metric {
            Metric::Cosine => 1.0 - dot,
            Metric::L2 => x2 + y2 - 2.0 * dot,
            Metric::Dot => {
                let lift = reduction.lift(x2) - reduction.lift(y2);
                x2 + y2 - 2.0 * dot + lift * lift
            }
        };
        distance.max(0.0)
    }
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
        let squared = |row| match rows.spec.codes {
            Codes::Int8 => int8_row(row).1,
            Codes::F32 => f32_row(row, rows.spec.dimension).iter().map(|x| x * x).sum(),
        };
        Self { squared_radius: rows.rows().map(squared).fold(0.0, f32::max) }
    }

    fn lift(&self, squared: f32) -> f32 {
        (self.squared_radius - squared).max(0.0).sqrt()
    }
}

fn from_dot(metric: Metric, dot: f32, x2: f32, y2: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - dot,
        Metric::Dot => -dot,
        Metric::L2 => x2 + y2 - 2.0 * dot,
    }
}

#[inline]
fn int8_row(row: &[u8]) -> (f32, f32, &[i8]) {
    let Some((head, values)) = row.split_first_chunk::<INT8_HEAD>() else {
        return (0.0, 0.0, &[]);
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let (scale, squared) = (f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]));
    // The padding is zero and adds nothing to a dot product.
    (scale, squared, bytemuck::cast_slice(values))
}

fn f32_row(row: &[u8], dimension: usize) -> &[f32] {
    let values: &[f32] = bytemuck::try_cast_slice(row).unwrap_or(&[]);
    values.get(..dimension).unwrap_or(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(n: usize, dimension: usize) -> Vec<Vec<f32>> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..n).map(|_| (0..dimension).map(|_| next()).collect()).collect()
    }

    #[test]
    fn codes_are_near_the_exact_distance_in_every_metric_and_dimension() {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            for dimension in [1, 3, 15, 16, 17, 100, 385] {
                for codes in [Codes::Int8, Codes::F32] {
                    let spec = CodeSpec::new(codes, metric, dimension);
                    let mut rows = vectors(20, dimension);
                    for row in &mut rows {
                        crate::vector::metric::prepare(metric, dimension, None, row).unwrap();
                    }
                    let mut buffer = CodeBuffer::new(spec, 20);
                    rows.iter().for_each(|row| buffer.push(row));
                    let view = buffer.rows();
                    assert_eq!(view.len(), 20);
                    let query = Query::new(spec, rows[7].clone());
                    let size: f32 = rows[7].iter().map(|x| x * x).sum::<f32>().max(1.0);
                    for (i, row) in rows.iter().enumerate() {
                        let error = query.distance(view.row(i as u32)) - query.exact(row);
                        assert!(error.abs() <= 0.03 * size, "{metric:?} {dimension} {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_can_be_put_into_any_order() {
        let spec = CodeSpec::new(Codes::F32, Metric::L2, 7);
        let rows = vectors(9, 7);
        let order = [3, 0, 8, 1, 4, 6, 7, 5, 2];
        let (mut buffer, mut expected) = (CodeBuffer::new(spec, 9), CodeBuffer::new(spec, 9));
        rows.iter().for_each(|row| buffer.push(row));
        order.iter().for_each(|row| expected.push(&rows[*row as usize]));
        buffer.permute(&order);
        assert_eq!(buffer.bytes(), expected.bytes());
    }

    #[test]
    fn the_reduction_keeps_the_order_by_dot_product() {
        let spec = CodeSpec::new(Codes::F32, Metric::Dot, 8);
        let mut rows = vectors(50, 8);
        for (i, row) in rows.iter_mut().enumerate() {
            row.iter_mut().for_each(|x| *x *= 0.1 + i as f32 / 5.0);
        }
        let mut buffer = CodeBuffer::new(spec, 50);
        rows.iter().for_each(|row| buffer.push(row));
        let view = buffer.rows();
        let reduction = Reduction::new(&view);
        // Every row has the same length after the reduction, so d(a, b) = 2R² − 2(a·b + lifts).
        for i in 0..50 {
            assert!(view.pair(&reduction, i, i).abs() < 1e-2);
        }
    }

    #[test]
    fn rows_that_are_not_there_do_not_panic() {
        let spec = CodeSpec::new(Codes::Int8, Metric::L2, 4);
        let query = Query::new(spec, vec![1.0; 4]);
        let rows = CodeRows::new(spec, &[]);
        assert!(query.distance(rows.row(3)).is_finite());
        assert!(rows.pair(&Reduction::default(), 0, 9).is_finite());
    }
}
