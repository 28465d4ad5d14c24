//! Owns which rows of a sealed segment have expired. The answer is kept, with the rows that expire
//! next: to ask again takes O(rows that expired since), and the column of expiries is read once for
//! every [`AHEAD`] of them, not at all while nothing has expired, and never again once all have.
//!
//! Invariants: what is kept is a value that never changes, so that readers wait for nobody; of two
//! that were worked out at once either may stay. It takes one bit a row and the rows that are next.

use std::collections::BinaryHeap;
use std::sync::Arc;

use super::liveness::Liveness;
use super::row::Row;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sync::Published;

/// So many rows that expire next are kept in order.
const AHEAD: usize = 1024;

/// What is known of the expiries of one segment.
#[derive(Debug)]
pub(super) struct Expiries {
    first: Timestamp,
    known: Published<Option<Known>>,
}

/// Which rows have not expired at any moment from `from` until the next of `coming`.
#[derive(Clone, Debug)]
struct Known {
    unexpired: Liveness,
    from: Timestamp,
    /// Rows that expire after the column was read, the first one first.
    coming: Arc<[(Timestamp, Row)]>,
    /// How many of them have expired at `from`.
    passed: usize,
    /// Rows that are not in `coming` expire at this moment at the earliest.
    horizon: Timestamp,
}

impl Expiries {
    /// Of a segment whose first row expires then.
    pub(super) fn new(first: Timestamp) -> Self {
        Self { first, known: Published::new(None) }
    }

    pub(super) const fn first(&self) -> Timestamp {
        self.first
    }

    /// The rows that have not expired at `now`; `None` if these are all. `column` gives the expiry of
    /// every row.
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
            // An earlier moment than the one before: two clocks ask, and the later one is kept.
            Some(known) if now < known.from => {
                return Ok(Some(Known::read(now, column()?).unexpired));
            }
            _ => Known::read(now, column()?),
        };
        let unexpired = answer.unexpired.clone();
        self.known.store(Some(answer));
        Ok(Some(unexpired))
    }
}

impl Known {
    /// Reads the whole column.
    fn read(now: Timestamp, column: impl ExactSizeIterator<Item = Timestamp>) -> Self {
        let mut unexpired = Liveness::all_live(column.len() as Row);
        let mut from = Timestamp::MIN;
        // The latest of those that are next on top.
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

    /// Whether nothing expired between the moments that it is right for and `now`.
    fn answers(&self, now: Timestamp) -> bool {
        let next = self.coming.get(self.passed).map_or(self.horizon, |(at, _)| *at);
        now >= self.from && now < next.min(self.horizon)
    }

    /// Whether it knows what expires until `now`.
    fn reaches(&self, now: Timestamp) -> bool {
        now >= self.from && now < self.horizon
    }

    /// The same at a later moment that it reaches.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Asks as the column says, and counts how often it was read.
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
        // Out of order, several at a time, some for ever.
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
