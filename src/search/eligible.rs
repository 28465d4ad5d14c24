//! Owns which rows of a snapshot may be results of one search or scan. An eligible row is live in
//! the snapshot, not expired at its `now`, matches the filter, and passes the closure. Bitmaps are
//! computed once per query; the closure is called row by row.

use std::cell::RefCell;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::filter::{Filter, Matcher};
use crate::options::Metric;
use crate::search::hit::read_fields;
use crate::search::request::{Fields, FilterFn};
use crate::segment::{Liveness, Row, Rows, set_bits};
use crate::snapshot::{IndexPart, Place, Snapshot};

/// The rows of a part that pass liveness, expiry and filter, one bit each, and their number. `None`
/// if these are all live rows.
pub(super) type Mask = Option<(Vec<u64>, u64)>;

/// Decides which rows of a snapshot are eligible.
pub(super) struct Eligible<'a> {
    snapshot: &'a Snapshot,
    metric: Metric,
    /// In the order of `Snapshot::parts`.
    masks: Vec<Mask>,
    /// Rows whose metadata was parsed to answer the filter.
    pub(super) fields_read: u64,
    closure: Option<&'a FilterFn<'a>>,
    /// The first error of a read for the closure.
    error: RefCell<Option<Error>>,
}

/// Returns the rows of one part that are visible and match; `None` if these are all live rows.
/// O(rows / 64), plus the time of the filter. Adds to `read` as `Rows::select` does.
pub(super) fn visible(
    rows: &dyn Rows,
    live: &Liveness,
    now: Timestamp,
    filter: &Matcher,
    read: &mut u64,
) -> Result<Mask> {
    let unexpired = rows.unexpired(now)?;
    if filter.is_all() && unexpired.is_none() {
        return Ok(None);
    }
    let mut words: Vec<u64> = live.words().take((rows.rows() as usize).div_ceil(64)).collect();
    if let Some(unexpired) = unexpired {
        words.iter_mut().zip(unexpired.words()).for_each(|(word, other)| *word &= other);
    }
    if !filter.is_all() {
        let mut matching = vec![0u64; words.len()];
        for row in &rows.select(filter, read)? {
            if let Some(word) = matching.get_mut(row as usize / 64) {
                *word |= 1 << (row % 64);
            }
        }
        words.iter_mut().zip(matching).for_each(|(word, other)| *word &= other);
    }
    let count = words.iter().map(|word| u64::from(word.count_ones())).sum();
    Ok(Some((words, count)))
}

impl<'a> Eligible<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        metric: Metric,
        now: Timestamp,
        filter: &Filter,
        closure: Option<&'a FilterFn<'a>>,
    ) -> Result<Self> {
        let filter = Matcher::new(filter.clone());
        let mut fields_read = 0;
        let masks = snapshot
            .parts()
            .map(|(rows, live)| visible(rows, live, now, &filter, &mut fields_read))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { snapshot, metric, masks, fields_read, closure, error: RefCell::default() })
    }

    /// Returns how many rows of a part pass, without regard to the closure.
    pub(super) fn count(&self, part: usize) -> u64 {
        match self.masks.get(part) {
            Some(Some((_, count))) => *count,
            _ => self.live(part).map_or(0, |live| u64::from(live.live())),
        }
    }

    fn live(&self, part: usize) -> Option<&Liveness> {
        match part.checked_sub(self.snapshot.memtables.len()) {
            None => self.snapshot.memtables.get(part).map(|m| &m.live),
            Some(segment) => self.snapshot.segments.get(segment).map(|s| &s.live),
        }
    }

    /// Returns an upper bound of the eligible rows: a closure may reject more.
    pub(super) fn total(&self) -> u64 {
        (0..self.masks.len()).map(|part| self.count(part)).sum()
    }

    /// Returns the approximate share of an index's nodes that stand for an eligible row, at most 1.
    /// With a closure the share is unknown and 0.
    pub(super) fn share(&self, part: &IndexPart) -> f64 {
        if self.closure.is_some() {
            return 0.0;
        }
        (self.matches(part) as f64 / f64::from(part.indexed.index.nodes().max(1))).min(1.0)
    }

    /// Returns true if every node of an index stands for an eligible row.
    pub(super) fn all_of(&self, part: &IndexPart) -> bool {
        let whole = |segment: &Option<u32>| {
            segment.is_some_and(|segment| {
                let part = self.part_of_segment(segment);
                let all_live = self.live(part).is_some_and(|live| live.dead() == 0);
                all_live && matches!(self.masks.get(part), Some(None))
            })
        };
        self.closure.is_none() && part.indexed.locator.is_full() && part.slots.iter().all(whole)
    }

    /// Returns how many rows of the segments that an index covers pass, without regard to the
    /// closure.
    pub(super) fn matches(&self, part: &IndexPart) -> u64 {
        part.slots.iter().flatten().map(|s| self.count(self.part_of_segment(*s))).sum()
    }

    /// Returns the position of a segment in the order of parts.
    pub(super) fn part_of_segment(&self, segment: u32) -> usize {
        self.snapshot.memtables.len() + segment as usize
    }

    /// Returns the rows of a part that pass, without regard to the closure.
    pub(super) fn rows(&self, part: usize) -> Box<dyn Iterator<Item = Row> + '_> {
        match (self.masks.get(part), self.live(part)) {
            (Some(Some((words, _))), _) => Box::new(bits(words)),
            (_, Some(live)) => Box::new(live.iter()),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Returns true if a row may be a result.
    #[inline]
    pub(super) fn accept(&self, place: Place) -> bool {
        let (part, row) = match place {
            Place::Memtable(part, row) => (part as usize, row),
            Place::Segment(segment, row) => (self.part_of_segment(segment), row),
        };
        self.has(part, row) && self.closure.is_none_or(|closure| self.ask(closure, place))
    }

    /// Returns true if a row of a part passes, without regard to the closure.
    #[inline]
    pub(super) fn has(&self, part: usize, row: Row) -> bool {
        match self.masks.get(part) {
            Some(Some((words, _))) => is_set(words, row),
            _ => self.live(part).is_some_and(|live| live.is_live(row)),
        }
    }

    /// Calls the closure for a row. If the row cannot be read, the error is kept for
    /// [`Self::check`].
    fn ask(&self, closure: &FilterFn<'_>, place: Place) -> bool {
        let Some((rows, _, row)) = self.snapshot.rows_at(place) else {
            return false;
        };
        match read_fields(self.metric, rows, row, Fields::Payload) {
            Ok(memory) => closure(&memory),
            Err(error) => {
                self.error.borrow_mut().get_or_insert(error);
                false
            }
        }
    }

    /// Fails if a row could not be read for the closure.
    pub(super) fn check(&self) -> Result<()> {
        self.error.borrow_mut().take().map_or(Ok(()), Err)
    }
}

/// Returns true if the bit of a row is set.
#[inline]
pub(super) fn is_set(words: &[u64], row: Row) -> bool {
    words.get(row as usize / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
}

/// Returns the rows whose bit is set.
pub(super) fn bits(words: &[u64]) -> impl Iterator<Item = Row> {
    set_bits(words.iter().copied())
}
