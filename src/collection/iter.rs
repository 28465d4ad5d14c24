//! Owns streaming over a snapshot: one part at a time, one memory at a time.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::eligible::{bits, visible};
use crate::collection::search::read_memory;
use crate::collection::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::memory::Memory;
use crate::options::Metric;
use crate::segment::Row;

/// The visible memories of a collection as of one moment. While it lives, the files that it reads
/// stay on disk, also if compaction has replaced them.
#[derive(Debug)]
pub struct Iter {
    snapshot: Arc<Snapshot>,
    now: Timestamp,
    metric: Metric,
    filter: Filter,
    /// The next part to open.
    part: usize,
    /// Rows of the part before it that are still to come, last first.
    rows: Vec<Row>,
    /// The store was closed before it began.
    closed: bool,
}

impl Iter {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        now: Timestamp,
        metric: Metric,
        filter: Filter,
    ) -> Self {
        Self { snapshot, now, metric, filter, part: 0, rows: Vec::new(), closed: false }
    }

    /// One that gives [`Error::Closed`] and ends.
    pub(super) fn closed(metric: Metric) -> Self {
        let iter = Self::new(Arc::default(), Timestamp::MIN, metric, Filter::All);
        Self { closed: true, ..iter }
    }

    /// Refuses a filter that no search would take either; the iteration ends with the error.
    fn check(&mut self) -> Result<()> {
        if self.part > 0 {
            return Ok(());
        }
        if std::mem::take(&mut self.closed) {
            return Err(Error::Closed);
        }
        let checked = self.filter.check();
        if checked.is_err() {
            self.snapshot = Arc::default();
            self.filter = Filter::All;
        }
        checked
    }

    fn advance(&mut self) -> Result<Option<Memory>> {
        self.check()?;
        loop {
            if let Some(row) = self.rows.pop() {
                let Some((rows, _)) = self.snapshot.parts().nth(self.part - 1) else {
                    return Ok(None);
                };
                return read_memory(self.metric, rows, row, true).map(Some);
            }
            let Some((rows, live)) = self.snapshot.parts().nth(self.part) else {
                return Ok(None);
            };
            // A part that cannot be read is one error, not one without end.
            self.part += 1;
            let matching = visible(rows, live, self.now, &self.filter)?;
            self.rows = match matching {
                None => live.iter().collect(),
                Some((words, _)) => bits(&words).collect(),
            };
            self.rows.reverse();
        }
    }
}

impl Iterator for Iter {
    type Item = Result<Memory>;

    /// The next memory. An error about one row does not end the iteration.
    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
