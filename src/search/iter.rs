//! Owns streaming over a snapshot: one part after the other, one memory at a time.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::engine::moment::Moment;
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::memory::Memory;
use crate::options::Metric;
use crate::search::eligible::{bits, visible};
use crate::search::hit::read_fields;
use crate::search::request::Fields;
use crate::segment::Row;
use crate::snapshot::Snapshot;

/// The visible memories of a collection at one moment. While it lives, the files that it reads stay
/// on disk, even if compaction has replaced them.
///
/// ```
/// # fn main() -> altiplano::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # use altiplano::{CollectionOptions, Fields, Memory, Metric, Store};
/// # let store = Store::open(dir.path().join("agent.alt"))?;
/// # let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
/// notes.insert(Memory::new(1, [0.0, 1.0]).text("likes tea").importance(0.75))?;
/// let mut important = 0;
/// for memory in notes.iter().fields(Fields::Attributes) {
///     important += usize::from(memory?.importance >= 0.5);
/// }
/// assert_eq!(important, 1);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Iter {
    snapshot: Arc<Snapshot>,
    now: Timestamp,
    metric: Metric,
    fields: Fields,
    filter: Matcher,
    /// The error to return as the first and last item, if nothing can be read.
    refused: Option<Error>,
    /// The next part to open.
    part: usize,
    /// Rows of the part before `part` that are still to come, last first.
    rows: Vec<Row>,
}

impl Iter {
    pub(crate) fn new(at: Moment, metric: Metric, filter: Filter) -> Self {
        let Moment { snapshot, now, .. } = at;
        let refused = filter.check().err();
        let (snapshot, filter) =
            if refused.is_some() { (Arc::default(), Filter::All) } else { (snapshot, filter) };
        let (filter, rows) = (Matcher::new(filter), Vec::new());
        Self { snapshot, now, metric, fields: Fields::All, filter, refused, part: 0, rows }
    }

    /// Sets which fields of each memory are read. Default = [`Fields::All`]. Without
    /// [`Fields::All`] no byte of a vector is read, which makes a pass over many memories faster.
    #[must_use = "an iterator does nothing until it is asked for items"]
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Returns an iterator that yields an error and ends.
    pub(crate) fn refused(metric: Metric, error: Error) -> Self {
        let now = Timestamp::MIN;
        let at = Moment { snapshot: Arc::default(), now, is_held: false };
        Self { refused: Some(error), ..Self::new(at, metric, Filter::All) }
    }

    fn advance(&mut self) -> Result<Option<Memory>> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        loop {
            if let Some(row) = self.rows.pop() {
                let Some(rows) = self.snapshot.part(self.part - 1) else {
                    return Ok(None);
                };
                return read_fields(self.metric, rows, row, self.fields).map(Some);
            }
            let Some((rows, live)) = self.snapshot.parts().nth(self.part) else {
                return Ok(None);
            };
            // A part that cannot be read is one error, not an endless series.
            self.part += 1;
            let matching = visible(rows, live, self.now, &self.filter, &mut 0)?;
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

    /// Returns the next memory. An error about one row does not end the iteration.
    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl std::iter::FusedIterator for Iter {}
