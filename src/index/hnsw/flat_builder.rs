//! Owns the crate's own graph builder: insertion one by one (algorithm 1 of the paper) into flat
//! arrays. Deterministic. It takes about `10.4 m + 8` bytes of heap per row, against 2 KB for
//! `hnsw_rs`. It runs on one thread, because it is background work beside readers.

use super::base::Base;
use super::builder::{BuildGraph, BuildParams};
use super::draft::{CHUNK, Draft};
use super::graph::{FlatGraph, MAX_LEVELS};
use crate::error::Result;
use crate::splitmix::{STEP, mix};
use crate::vector::codes::CodeRows;

/// The builder with flat arrays.
#[derive(Debug)]
pub(crate) struct FlatBuilder;

impl BuildGraph for FlatBuilder {
    fn name(&self) -> &'static str {
        "built_in"
    }

    fn build(&self, codes: &CodeRows<'_>, params: &BuildParams<'_>) -> Result<FlatGraph> {
        let mut draft = Draft::empty(codes, params);
        draft.raise(0, draft.level_of(0));
        draft.insert_from(1, params)?;
        Ok(draft.finish(params))
    }

    /// New rows take half as many neighbors again at level 0. Few later rows link back to them, so
    /// without that lists would get thinner with every merge. A narrower beam for new rows saves an
    /// eighth of the distances, but lists get thinner (`benches/NOTES.md`, "Merging graphs").
    fn merge(
        &self,
        codes: &CodeRows<'_>,
        base: &Base<'_>,
        params: &BuildParams<'_>,
    ) -> Result<FlatGraph> {
        let (mut draft, gaps) = Draft::from_base(codes, params, base);
        draft.repair(base, &gaps, params)?;
        drop(gaps);
        draft.lowest_links = params.m * 3 / 2;
        draft.insert_from(base.kept(), params)?;
        Ok(draft.finish(params))
    }
}

impl Draft<'_> {
    /// Inserts the row `first` and all that follow.
    fn insert_from(&mut self, first: u32, params: &BuildParams<'_>) -> Result<()> {
        for node in first..self.codes.len() as u32 {
            if node % CHUNK == 0 {
                params.check()?;
            }
            self.insert(node);
        }
        Ok(())
    }

    /// Returns the level of a node, exponentially distributed with 1/ln(m) as in section 4 of the
    /// paper. It comes from a hash of the node, so that the same rows give the same graph.
    fn level_of(&self, node: u32) -> usize {
        let drawn = mix(u64::from(node).wrapping_mul(STEP));
        let uniform = (drawn >> 11) as f64 / (1u64 << 53) as f64;
        let level = -(1.0 - uniform).ln() / (self.m as f64).ln();
        (level as usize).min(MAX_LEVELS - 1)
    }

    /// Algorithm 1: finds the place of a node from the top down, and links it on the way.
    fn insert(&mut self, node: u32) {
        let level = self.level_of(node);
        if level > 0 {
            self.upper.insert(node, vec![Vec::new(); level]);
        }
        let mut work = std::mem::take(&mut self.work);
        let origin = self.codes.origin(node).with_sieve();
        self.approach(&origin, node, level, &mut work);
        for depth in (0..=level.min(self.top)).rev() {
            self.search_level(&origin, node, depth, &mut work);
            let found = std::mem::take(&mut work.candidates);
            let links = if depth == 0 { self.lowest_links } else { self.m };
            let chosen = self.select(&[], &found, links, &mut work);
            self.set_list(node, depth, chosen.iter().map(|c| c.node));
            for neighbor in &chosen {
                self.link_back(neighbor.node, node, depth, &mut work);
            }
            work.candidates = found;
        }
        self.work = work;
        if level > self.top {
            (self.entry, self.top) = (node, level);
        }
    }
}
