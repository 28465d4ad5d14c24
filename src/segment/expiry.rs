//! Owns which rows of a sealed segment have expired. It remembers the answer and the rows that
//! expire next, so asking again takes O(rows that expired since). The column of expiries is read
//! once for every [`AHEAD`] rows that expire. It is not read while nothing has expired, nor once
//! all rows have.
//!
//! Invariants: the remembered answer is an immutable value, so that readers never wait. If two
//! readers compute one at once, either may stay. It takes one bit per row, and the rows that expire
//! next.

use std::collections::BinaryHeap;
use std::sync::Arc;

use super::liveness::Liveness;
use super::row::Row;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sync::Published;

/// Number of rows that expire next that are remembered, in order.
const AHEAD: usize = 1024;

/// Up to this many changed ends are worked into what is remembered.
const FEW: usize = 16;

/// The remembered expiries of one segment.
#[derive(Debug)]
pub(crate) struct Expiries {
    first: Timestamp,
    known: Published<Option<Known>>,
}

/// The rows that have not expired at any moment from `from` until the next of `coming`.
#[derive(Clone, Debug)]
struct Known {
    unexpired: Liveness,
    from: Timestamp,
    /// The first rows that expire after the column was read, in order of expiry.
    coming: Arc<[(Timestamp, Row)]>,
    /// Number of rows in `coming` that have expired at `from`.
    passed: usize,
    /// Rows that have not expired and are not in `coming` expire at this moment or later.
    horizon: Timestamp,
}

impl Expiries {
    /// Returns the expiries of a segment whose first row expires at `first`.
    pub(super) fn new(first: Timestamp) -> Self {
        Self { first, known: Published::new(None) }
    }

    pub(super) const fn first(&self) -> Timestamp {
        self.first
    }

    /// Returns the rows that have not expired at `now`; `None` if these are all rows. `column`
    /// returns the expiry of every row.
    pub(super) fn unexpired<C: ExactSizeIterator<Item = Timestamp>>(
        &self,
        now: Timestamp,
        column: impl FnOnce() -> Result<C>,
    ) -> Result<Option<Liveness>> {
        if now < self.first {
            return Ok(None);
        }
        let known = self.known.load();
        let answer = match known.as_ref() {
            Some(known) if known.answers(now) => return Ok(Some(known.unexpired.clone())),
            Some(known) if known.reaches(now) => known.at(now),
            // An earlier `now` than before: two clocks ask. The later answer stays remembered.
            Some(known) if now < known.from => {
                return Ok(Some(Known::read(now, column()?).unexpired));
            }
            _ => Known::read(now, column()?),
        };
        let unexpired = answer.unexpired.clone();
        self.known.store(Some(answer));
        Ok(Some(unexpired))
    }

    /// Returns the expiries after these rows got other ends. The column is not read. With more
    /// than [`FEW`] rows nothing stays remembered. O(rows · [`AHEAD`]) for few rows.
    pub(super) fn changed(&self, ends: &[(Row, Timestamp)]) -> Self {
        let first = ends.iter().map(|(_, end)| *end).fold(self.first, Timestamp::min);
        let known = self.known.load();
        let known = known.as_ref().as_ref().filter(|_| ends.len() <= FEW).and_then(|known| {
            let step = |known: Known, (row, end): &(Row, Timestamp)| known.changed(*row, *end);
            ends.iter().try_fold(known.clone(), step)
        });
        Self { first, known: Published::new(known) }
    }
}

impl Known {
    /// Reads the whole column.
    fn read(now: Timestamp, column: impl ExactSizeIterator<Item = Timestamp>) -> Self {
        let mut unexpired = Liveness::all_live(column.len() as Row);
        let mut from = Timestamp::MIN;
        // The latest of the remembered rows is on top.
        let mut next: BinaryHeap<(Timestamp, Row)> = BinaryHeap::with_capacity(AHEAD + 1);
        let mut horizon = Timestamp::MAX;
        for (row, expires_at) in (0..).zip(column) {
            if expires_at <= now {
                unexpired.kill(row);
                from = from.max(expires_at);
            } else if expires_at < horizon {
                next.push((expires_at, row));
                if next.len() > AHEAD
                    && let Some((latest, _)) = next.pop()
                {
                    horizon = latest;
                }
            }
        }
        Self { unexpired, from, coming: next.into_sorted_vec().into(), passed: 0, horizon }
    }

    /// Returns true if no row expired between `from` and `now`.
    fn answers(&self, now: Timestamp) -> bool {
        let next = self.coming.get(self.passed).map_or(self.horizon, |(at, _)| *at);
        now >= self.from && now < next.min(self.horizon)
    }

    /// Returns true if every row that expires until `now` is in `coming`.
    fn reaches(&self, now: Timestamp) -> bool {
        now >= self.from && now < self.horizon
    }

    /// Returns the answer at a later moment, which [`Self::reaches`] allows.
    fn at(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        for (expires_at, row) in self.coming.iter().skip(self.passed) {
            if *expires_at > now {
                break;
            }
            next.unexpired.kill(*row);
            next.from = next.from.max(*expires_at);
            next.passed += 1;
        }
        next
    }
}

impl Known {
    /// Returns the answer after a row got another end. `None` if too much changed to remember it.
    fn changed(mut self, row: Row, end: Timestamp) -> Option<Self> {
        match end > self.from {
            true => self.unexpired.revive(row),
            false => self.unexpired.kill(row),
        };
        let rest = self.coming.iter().skip(self.passed).filter(|(_, other)| *other != row);
        let mut coming: Vec<(Timestamp, Row)> = rest.copied().collect();
        if end > self.from && end < self.horizon {
            coming.insert(coming.partition_point(|other| *other < (end, row)), (end, row));
        }
        let few = coming.len() <= 2 * AHEAD;
        (self.coming, self.passed) = (coming.into(), 0);
        few.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Compares the answer with the column, and counts how often the column was read.
    fn check(expiries: &Expiries, column: &[i64], now: i64, reads: &Cell<u32>) {
        let read = || {
            reads.set(reads.get() + 1);
            Ok(column.iter().copied().map(Timestamp::from_millis))
        };
        let got = expiries.unexpired(Timestamp::from_millis(now), read).unwrap();
        let wanted: Vec<Row> =
            (0..).zip(column).filter(|(_, at)| **at > now).map(|(r, _)| r).collect();
        match got {
            None => assert_eq!(wanted.len(), column.len(), "at {now}"),
            Some(rows) => assert!(rows.iter().eq(wanted), "at {now}"),
        }
    }

    fn of(column: &[i64]) -> Expiries {
        let first = column.iter().min().copied().unwrap_or(i64::MAX);
        Expiries::new(Timestamp::from_millis(first))
    }

    #[test]
    fn it_says_what_the_column_says_and_reads_it_once_for_many_rows() {
        // Out of order, several rows at one moment, some without end.
        let column: Vec<i64> = (0..10_000i64)
            .map(|i| if i % 5 == 4 { i64::MAX } else { 1_000 + i * 7919 % 4_000 })
            .collect();
        let (expiries, reads) = (of(&column), Cell::new(0));
        for now in [0, 999] {
            check(&expiries, &column, now, &reads);
        }
        assert_eq!(reads.get(), 0, "nothing has expired");
        for now in (1_000..6_000).step_by(3) {
            check(&expiries, &column, now, &reads);
        }
        assert!((1..=10).contains(&reads.get()), "{} reads", reads.get());
        let before = reads.get();
        for now in [6_000, 1 << 40, i64::MAX - 1] {
            check(&expiries, &column, now, &reads);
        }
        assert_eq!(reads.get(), before, "all that ever expire have expired");
        for now in [5_000, i64::MAX, 1_000, 2_345] {
            check(&expiries, &column, now, &reads);
        }
    }

    #[test]
    fn rows_whose_ends_change_expire_by_their_new_ends() {
        let mut column: Vec<i64> = (0..5_000i64).map(|i| 1_000 + i * 7919 % 4_000).collect();
        let (mut expiries, reads) = (of(&column), Cell::new(0));
        let mut random = crate::splitmix::SplitMix(7);
        for now in (0..6_000).step_by(11) {
            check(&expiries, &column, now, &reads);
            let some = if now % 1_000 == 0 { 40 } else { 1 + now as usize % 5 };
            let mut ends = Vec::new();
            for _ in 0..some {
                let row = (random.next() % 5_000) as usize;
                // No end of a row that has expired changes.
                if column[row] > now {
                    column[row] = now + 1 + (random.next() % 3_000) as i64;
                    ends.push((row as Row, Timestamp::from_millis(column[row])));
                }
            }
            expiries = expiries.changed(&ends);
            check(&expiries, &column, now, &reads);
        }
        assert!(reads.get() <= 40, "{} reads", reads.get());
    }

    #[test]
    fn rows_that_expire_together_are_read_of_once_before_and_once_after() {
        for rows in [1, AHEAD - 1, AHEAD, AHEAD + 1, 3 * AHEAD] {
            let mut column = vec![500; rows];
            column.push(100);
            let (expiries, reads) = (of(&column), Cell::new(0));
            for now in [99, 100, 101, 499, 500, 501, 10_000, 500, 501] {
                check(&expiries, &column, now, &reads);
            }
            assert!((1..=2).contains(&reads.get()), "{} reads of {rows}", reads.get());
        }
    }

    #[test]
    fn an_earlier_moment_does_not_take_the_place_of_a_later_one() {
        let column: Vec<i64> = (-40..=59).collect();
        let (expiries, reads) = (of(&column), Cell::new(0));
        check(&expiries, &column, 9, &reads);
        check(&expiries, &column, -21, &reads);
        assert_eq!(reads.get(), 2);
        check(&expiries, &column, 10, &reads);
        assert_eq!(reads.get(), 2);
    }
}
