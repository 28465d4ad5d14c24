//! Owns the exact measurements of a search: rows without codes, candidates that may be among the
//! nearest by code, or all rows.

use std::collections::HashSet;

use super::{Near, Run};
use crate::error::Result;
use crate::ids::MemoryId;
use crate::index::TopK;
use crate::search::shortlist::Shortlist;
use crate::segment::{RowBuffer, Rows};
use crate::snapshot::{IndexPart, Place};

/// How many rows ahead of the measured one are prefetched.
const ROWS_AHEAD: usize = 3;

impl Run<'_> {
    /// Segments that no index covers have no codes: their rows are measured exactly.
    pub(super) fn measure_uncovered(&mut self) -> Result<()> {
        for (at, segment) in (0u32..).zip(&self.snapshot.segments) {
            if !segment.covered {
                self.measure_rows(at, None)?;
            }
        }
        Ok(())
    }

    /// Measures the eligible rows of a segment exactly. With `of`, only the rows that this index
    /// covers.
    pub(super) fn measure_rows(&mut self, at: u32, of: Option<&IndexPart>) -> Result<()> {
        let Some(part) = self.snapshot.segments.get(at as usize) else {
            return Ok(());
        };
        let slot = of.and_then(|of| of.slots.iter().position(|slot| *slot == Some(at)));
        let node_of = of.zip(slot).map(|(of, slot)| of.indexed.locator.nodes_of(slot as u32));
        let mut buffer = RowBuffer::default();
        for row in self.eligible.rows(self.eligible.part_of_segment(at)) {
            if node_of.as_ref().is_some_and(|node_of| node_of(row).is_none()) {
                continue;
            }
            let vector = part.sealed.segment.vector(row, &mut buffer)?;
            let distance = self.queries.exact().distance(vector);
            self.told.reranked += 1;
            let place = Place::Segment(at, row);
            if distance < self.top.upper() && self.eligible.accept(place) {
                self.top.offer(distance, 0.0, place);
            }
        }
        Ok(())
    }

    /// Measures the candidates exactly and keeps the nearest `k`. Candidates are sorted by least
    /// possible distance, so the walk ends at the first that cannot be among the nearest.
    pub(super) fn rerank(&mut self) -> Result<Vec<Near>> {
        let empty = Shortlist::new(0, 0);
        let candidates = std::mem::replace(&mut self.top, empty).into_sorted();
        // A damaged locator may name a row twice; no row takes two places in an answer (I6).
        let mut seen = HashSet::with_capacity(self.k.min(candidates.len()) + 16);
        let mut nearest: TopK<(MemoryId, Place)> = TopK::new(self.k);
        let mut buffer = RowBuffer::default();
        let (snapshot, exact) = (self.snapshot, self.queries.exact());
        for (at, &(least, place)) in candidates.iter().enumerate() {
            if least >= nearest.bound() {
                break;
            }
            if let Some((_, ahead)) = candidates.get(at + ROWS_AHEAD)
                && let Some((rows, _, row)) = snapshot.rows_at(*ahead)
            {
                rows.prefetch(row);
            }
            let Some((rows, _, row)) = snapshot.rows_at(place).filter(|_| seen.insert(place))
            else {
                continue;
            };
            self.told.reranked += 1;
            let distance = exact.distance(rows.vector(row, &mut buffer)?);
            nearest.offer(distance, (rows.id(row)?, place));
        }
        Ok(nearest.into_sorted().into_iter().map(|(d, (id, place))| (d, id, place)).collect())
    }

    /// Measures every eligible row exactly.
    pub(super) fn exact(&mut self) -> Result<Vec<Near>> {
        let mut nearest: TopK<(MemoryId, Place)> = TopK::new(self.k);
        let mut buffer = RowBuffer::default();
        let (snapshot, exact) = (self.snapshot, self.queries.exact());
        for (part, (rows, _)) in snapshot.parts().enumerate() {
            for row in self.eligible.rows(part) {
                let distance = exact.distance(rows.vector(row, &mut buffer)?);
                self.told.reranked += 1;
                let place = snapshot.place(part, row);
                if distance < nearest.bound() && self.eligible.accept(place) {
                    nearest.offer(distance, (rows.id(row)?, place));
                }
            }
        }
        self.eligible.check()?;
        Ok(nearest.into_sorted().into_iter().map(|(d, (id, place))| (d, id, place)).collect())
    }
}
