//! Owns the scan of codes: the sign filter tests every row in order, and rows that pass are
//! measured. There are two forms. One reads the sign bits in front of each row, if there are any.
//! The other reads FastScan blocks, if a piece has them.

use super::top::Candidate;
use crate::vector::codes::{
    BLOCKS_AT_ONCE, BlockSieve, CodeRows, FastScanBlocks, Measure, Query, QueryOver,
};
use crate::vector::kernel::blocks::ROWS;

/// Codes that a scan measures at once.
const BATCH: usize = 256;

/// A scan over several pieces of codes, one after the other.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    query: &'a Query,
    /// Standard deviations of the sign filter's error that are allowed for.
    look: f32,
    /// Made at the first piece with FastScan blocks.
    sieve: Option<BlockSieve>,
    nodes: Vec<u32>,
    passed: Vec<u32>,
    distances: Vec<f32>,
}

impl<'a> Scan<'a> {
    /// Returns a scan whose sign filter allows for `look` standard deviations of its error.
    pub(crate) fn new(query: &'a Query, look: f32) -> Self {
        let (nodes, passed) = (Vec::new(), Vec::new());
        Self { query, look, sieve: None, nodes, passed, distances: Vec::new() }
    }

    /// Measures rows by code, in order. Calls `offer` with each row that is nearer than the bound,
    /// numbered from `first`; `offer` returns the new bound. `signs` are the FastScan blocks of the
    /// same rows.
    ///
    /// O(rows).
    pub(crate) fn run(
        &mut self,
        codes: &CodeRows<'_>,
        signs: Option<&FastScanBlocks<'_>>,
        first: u32,
        bound: &mut f32,
        mut offer: impl FnMut(Candidate) -> f32,
    ) {
        let measure = self.query.over(codes);
        let offer = |node, distance| offer(Candidate { distance, node: first + node });
        if self.sieve.is_none() && signs.is_some() {
            self.sieve = self.query.block_sieve(self.look);
        }
        match (signs, self.sieve.take()) {
            (Some(signs), Some(sieve)) => {
                self.blocks(&measure, &sieve, signs, bound, offer);
                self.sieve = Some(sieve);
            }
            (_, sieve) => {
                self.sieve = sieve;
                self.rows(&measure, codes.len() as u32, bound, offer);
            }
        }
    }

    fn rows(
        &mut self,
        measure: &QueryOver<'_>,
        len: u32,
        bound: &mut f32,
        mut offer: impl FnMut(u32, f32) -> f32,
    ) {
        for start in (0..len).step_by(BATCH) {
            self.passed.clear();
            self.passed.extend((start..len).take(BATCH));
            measure.sift(*bound, self.look, &mut self.passed, &mut self.distances);
            self.measure_passed(measure, bound, &mut offer);
        }
    }

    /// The rows that pass in one part are measured after the next part was filtered, so that their
    /// codes are loaded meanwhile.
    fn blocks(
        &mut self,
        measure: &QueryOver<'_>,
        sieve: &BlockSieve,
        signs: &FastScanBlocks<'_>,
        bound: &mut f32,
        mut offer: impl FnMut(u32, f32) -> f32,
    ) {
        self.passed.clear();
        for first in (0..signs.rows()).step_by(BLOCKS_AT_ONCE * ROWS) {
            self.nodes.clear();
            measure.sift_blocks(sieve, signs, first, *bound, &mut self.nodes);
            self.measure_passed(measure, bound, &mut offer);
            std::mem::swap(&mut self.nodes, &mut self.passed);
        }
        self.measure_passed(measure, bound, &mut offer);
    }

    fn measure_passed(
        &mut self,
        measure: &QueryOver<'_>,
        bound: &mut f32,
        offer: &mut impl FnMut(u32, f32) -> f32,
    ) {
        measure.distances(&self.passed, &mut self.distances);
        for (&node, &distance) in self.passed.iter().zip(&self.distances) {
            if distance < *bound {
                *bound = offer(node, distance);
            }
        }
    }
}
