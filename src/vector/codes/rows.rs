//! Owns rows of codes: many of them in RAM, a view of many, and the contract of types that measure
//! them.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::frame::Frame;
use super::spec::CodeSpec;
use crate::map_vec::MapVec;
use crate::vector::kernel::Kernels;
use crate::vector::kernel::batch::{Batch, Part, Rows, Terms};

/// Number of f32 rows ahead of the measured one that are prefetched.
pub(super) const AHEAD: usize = 2;

/// Bytes of a cache line.
const LINE: usize = 64;

/// A cache line.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Code rows in RAM, with the alignment of a mapped file.
#[derive(Clone, Debug)]
pub(crate) struct CodeBuffer {
    frame: Arc<Frame>,
    lines: MapVec<Line>,
    /// Used bytes of `lines`.
    len: usize,
    row: Vec<u8>,
}

impl CodeBuffer {
    /// Returns an empty buffer for codes of this frame.
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

    /// Removes all rows.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.len = 0;
    }

    /// Adds an encoded row.
    pub(crate) fn push_row(&mut self, row: &[u8]) {
        let end = self.len + row.len();
        self.lines.resize(end.div_ceil(LINE), Line([0; LINE]));
        bytemuck::cast_slice_mut(&mut self.lines)[self.len..end].copy_from_slice(row);
        self.len = end;
    }

    /// Reorders the rows in place: row i becomes the former row `order[i]`. `order` contains every
    /// row once.
    pub(crate) fn permute(&mut self, order: &[u32]) {
        let width = self.frame.spec.row_bytes();
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.lines);
        let mut done = vec![false; order.len()];
        let mut first = Vec::with_capacity(width);
        for start in 0..order.len() {
            if done[start] {
                continue;
            }
            // Follows one cycle. Its first row is kept aside meanwhile.
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

/// A view of many rows of codes, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeRows<'a> {
    pub(crate) spec: CodeSpec,
    rows: Rows<'a>,
}

impl<'a> CodeRows<'a> {
    /// Returns a view of the whole rows in `bytes`; an incomplete last row is left out.
    pub(crate) fn new(spec: CodeSpec, bytes: &'a [u8]) -> Self {
        Self { spec, rows: Rows::new(bytes, spec.row_bytes()) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns one row; empty if it does not exist.
    #[inline]
    pub(crate) fn row(&self, i: u32) -> &'a [u8] {
        self.rows.row(i)
    }

    /// Prefetches a row that is measured soon.
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

    /// Prefetches a part of rows that are measured soon.
    #[inline]
    pub(super) fn ask(&self, kernels: &Kernels, part: Part, nodes: &[u32]) {
        (kernels.ask)(&self.rows, part, nodes);
    }

    /// Returns every row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        self.rows.iter()
    }

    /// Returns the length of a row's residual, to which the errors of distances are proportional:
    /// see [`Query::error`](super::query::Query::error). 0 for codes without an error.
    #[inline]
    pub(crate) fn length(&self, row: u32) -> f32 {
        self.spec.length(self.row(row))
    }

    /// Returns the greatest [`Self::length`]. O(rows).
    pub(crate) fn longest(&self) -> f32 {
        (0..self.len() as u32).map(|row| self.length(row)).fold(0.0, f32::max)
    }
}

/// Measures the distances of rows from one place.
pub(crate) trait Measure {
    /// Prefetches what [`Self::sift`] reads of these rows.
    fn ask(&self, nodes: &[u32]);

    /// Removes the nodes that the sign filter finds to be no nearer than `bound`, and prefetches
    /// what [`Self::distances`] reads of the rest. A node that is nearer is removed if the filter's
    /// error exceeds `deviations` standard deviations. `buffer` may hold anything.
    fn sift(&self, bound: f32, deviations: f32, nodes: &mut Vec<u32>, buffer: &mut Vec<f32>);

    /// Replaces the content of `out` by the distances of these rows.
    fn distances(&self, nodes: &[u32], out: &mut Vec<f32>);
}

pub(super) fn f32_row(row: &[u8], dimension: usize) -> &[f32] {
    let values: &[f32] = bytemuck::try_cast_slice(row).unwrap_or(&[]);
    values.get(..dimension).unwrap_or(values)
}
