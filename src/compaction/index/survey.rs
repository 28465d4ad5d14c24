//! Owns the reading of rows before an index is built, or to measure one with queries: a sample for
//! the choice of codes, and the true neighbors for recall. Every row is read once, in the order of
//! its file, and pages are released behind it.

use crate::compaction::index::nodes::Place;
use crate::compaction::job::Job;
use crate::compaction::policy::IndexStep;
use crate::error::Result;
use crate::index::{Probe, Truth, TruthSearch, probes};
use crate::options::Metric;
use crate::segment::{Row, RowBuffer, Rows};
use crate::snapshot::state::CollectionState;
use crate::snapshot::{IndexPart, Snapshot};
use crate::vector::metric::unit;

/// Number of vectors by which codes are chosen.
const SAMPLE: usize = 1024;

/// Number of rows that are read between two steps of the job.
const CHUNK: usize = 2048;

/// Live rows of a snapshot: the position of the segment in its list, and the row number.
pub(super) struct Survey<'a> {
    core: &'a CollectionState,
    snapshot: &'a Snapshot,
    rows: Vec<(u32, Row)>,
}

impl<'a> Survey<'a> {
    /// Collects the rows that a new index will cover.
    pub(super) fn of_step(
        core: &'a CollectionState,
        snapshot: &'a Snapshot,
        step: &IndexStep,
    ) -> Self {
        let mut survey = Self { core, snapshot, rows: Vec::new() };
        let replaced = snapshot.indexes.iter().filter(|i| step.replaces.contains(&i.indexed.file));
        replaced.for_each(|part| survey.add_rows_of(part));
        for (at, segment) in (0u32..).zip(&snapshot.segments) {
            if step.with_uncovered && !segment.covered {
                survey.rows.extend(segment.live.iter().map(|row| (at, row)));
            }
        }
        survey.rows.sort_unstable();
        survey
    }

    /// Collects the rows that an index covers.
    pub(super) fn of_index(
        core: &'a CollectionState,
        snapshot: &'a Snapshot,
        part: &IndexPart,
    ) -> Self {
        let mut survey = Self { core, snapshot, rows: Vec::new() };
        survey.add_rows_of(part);
        survey.rows.sort_unstable();
        survey
    }

    fn add_rows_of(&mut self, part: &IndexPart) {
        for (slot, at) in (0u32..).zip(part.slots.iter()) {
            let Some(at) = *at else { continue };
            let Some(segment) = self.snapshot.segments.get(at as usize) else { continue };
            let node_of = part.indexed.locator.nodes_of(slot);
            let rows = segment.live.iter().filter(|row| node_of(*row).is_some());
            self.rows.extend(rows.map(|row| (at, row)));
        }
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Returns vectors in stored form, evenly spread over the rows. Rows that cannot be read are
    /// left out.
    pub(super) fn sample(&self) -> Vec<Vec<f32>> {
        let step = self.rows.len().div_ceil(SAMPLE).max(1);
        let read = |at: usize| self.read(at).map(|(_, vector)| vector);
        (0..self.rows.len()).step_by(step).filter_map(read).collect()
    }

    fn read(&self, at: usize) -> Option<(Place, Vec<f32>)> {
        let (segment, row) = *self.rows.get(at)?;
        let sealed = &self.snapshot.segments.get(segment as usize)?.sealed;
        let vector = sealed.segment.vector(row, &mut RowBuffer::default()).ok()?.to_vec();
        Some(((sealed.file, row), vector))
    }

    /// Returns queries that are derived from the rows, with their true neighbors among the rows.
    pub(super) fn truths(&self, merged: bool, job: &Job<'_>) -> Result<Vec<Truth<Place>>> {
        let cosine = self.core.spec.metric == Metric::Cosine;
        let read = |at: u32| {
            let (place, vector) = self.read(at as usize)?;
            // Otherwise the longer of two mixed vectors would count for more.
            Some((place, if cosine { unit(&vector) } else { vector }))
        };
        self.truths_of(probes(self.rows.len() as u32, merged, read), job)
    }

    /// Returns the true neighbors of these queries among the rows.
    ///
    /// O(queries × rows × dimension).
    pub(super) fn truths_of(
        &self,
        probes: Vec<Probe<Place>>,
        job: &Job<'_>,
    ) -> Result<Vec<Truth<Place>>> {
        let mut search = TruthSearch::new(self.core.spec.metric, probes);
        let mut buffer = RowBuffer::default();
        for rows in self.rows.chunks(CHUNK) {
            job.step(0)?;
            for &(segment, row) in rows {
                let Some(part) = self.snapshot.segments.get(segment as usize) else { continue };
                let sealed = &part.sealed;
                // Damage is reported where the row is copied or read.
                if let Ok(vector) = sealed.segment.vector(row, &mut buffer) {
                    search.offer((sealed.file, row), vector);
                }
                sealed.segment.release_behind(row);
            }
        }
        Ok(search.finish())
    }
}
