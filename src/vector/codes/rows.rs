//! Owns rows of codes: many of them in RAM, a view of many, and the contract of what measures them.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::frame::Frame;
use super::spec::CodeSpec;
use crate::map_vec::MapVec;
use crate::vector::kernel::Kernels;
use crate::vector::kernel::batch::{Batch, Part, Rows, Terms};

/// Rows of f32 ahead of the one that is measured for which cache lines are asked.
pub(super) const AHEAD: usize = 2;

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

    /// Length of what a row's code is made of, which the errors of distances to it grow with: see
    /// [`Query::error`](super::query::Query::error). 0 where they have none.
    #[inline]
    pub(crate) fn length(&self, row: u32) -> f32 {
        self.spec.length(self.row(row))
    }

    /// The greatest [`Self::length`]. O(rows).
    pub(crate) fn longest(&self) -> f32 {
        (0..self.len() as u32).map(|row| self.length(row)).fold(0.0, f32::max)
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

pub(super) fn f32_row(row: &[u8], dimension: usize) -> &[f32] {
    let values: &[f32] = bytemuck::try_cast_slice(row).unwrap_or(&[]);
    values.get(..dimension).unwrap_or(values)
}
