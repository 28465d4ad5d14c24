//! Owns the walk over a snapshot that finds one page of a list: the first memories of an order
//! after a position.
//!
//! Invariant: it reads the order's column only near matching rows, and no vector. It reads bodies
//! only where the order is by key, and in RAM.

use std::collections::BinaryHeap;

use super::cursor::{Cursor, Value};
use super::order::{Direction, Order, Rank, Text};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::Matcher;
use crate::search::eligible::visible;
use crate::segment::{Column, Row, RowBuffer, Rows, set_bits};
use crate::snapshot::{Place, Snapshot};

/// Words of a bitmap whose rows are read together: 1,024 rows.
const TOGETHER: usize = 16;

/// What to list.
pub(super) struct Walk<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Timestamp,
    pub(super) filter: &'a Matcher,
    pub(super) order: Order,
    pub(super) direction: Direction,
}

/// A memory of a page.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) seq: u64,
    pub(super) value: Value,
}

/// The first `most` ranks of a stream behind `after`.
struct First<V> {
    after: Option<Rank<V>>,
    most: usize,
    /// The last rank is on top.
    heap: BinaryHeap<(Rank<V>, Place)>,
}

impl<V: Ord> First<V> {
    fn new(after: Option<Rank<V>>, most: usize) -> Self {
        Self { after, most, heap: BinaryHeap::new() }
    }

    /// Returns false if no row with this value can be on the page, whatever its sequence number.
    #[inline]
    fn may_take(&self, is_missing: bool, value: &V) -> bool {
        let of = |rank: &Rank<V>| (is_missing, value).cmp(&(rank.is_missing, &rank.value));
        let is_full = self.heap.len() >= self.most;
        let last = self.heap.peek().filter(|_| is_full).map(|(last, _)| of(last));
        let after = self.after.as_ref().map(of);
        last.is_none_or(std::cmp::Ordering::is_le) && after.is_none_or(std::cmp::Ordering::is_ge)
    }

    fn offer(&mut self, rank: Rank<V>, place: Place) {
        if self.after.as_ref().is_some_and(|after| rank <= *after) {
            return;
        }
        self.heap.push((rank, place));
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }

    fn into_sorted(self) -> Vec<(Rank<V>, Place)> {
        self.heap.into_sorted_vec()
    }
}

impl Walk<'_> {
    /// Returns the first `most` memories behind `after`, which is of this order.
    pub(super) fn page(&self, after: Option<&Cursor>, most: usize) -> Result<Vec<Found>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        match self.order.column() {
            Some(column) => self.by_number(column, after, most),
            None => self.by_key(after, most),
        }
    }

    fn by_number(&self, column: Column, after: Option<&Cursor>, most: usize) -> Result<Vec<Found>> {
        let direction = self.direction;
        let rank = |number: Option<u64>, seq| Rank {
            is_missing: number.is_none(),
            value: direction.turn(number.unwrap_or_default()),
            seq: direction.turn(seq),
        };
        let after = after.map(|cursor| match cursor.value {
            Value::Number(number) => rank(Some(number), cursor.seq),
            Value::Missing | Value::Text(_) => rank(None, cursor.seq),
        });
        let (mut first, mut numbers) = (First::new(after, most), Vec::new());
        self.each_chunk(|rows, part, some| {
            numbers.clear();
            rows.order(column, some, &mut numbers)?;
            for (row, number) in some.iter().zip(&numbers) {
                let value = direction.turn(number.unwrap_or_default());
                if first.may_take(number.is_none(), &value) {
                    let rank = rank(*number, rows.first_seq(*row)?.0);
                    first.offer(rank, self.snapshot.place(part, *row));
                }
            }
            Ok(())
        })?;
        let found = |(rank, place): (Rank<u64>, Place)| Found {
            place,
            seq: direction.turn(rank.seq),
            value: match rank.is_missing {
                true => Value::Missing,
                false => Value::Number(direction.turn(rank.value)),
            },
        };
        Ok(first.into_sorted().into_iter().map(found).collect())
    }

    fn by_key(&self, after: Option<&Cursor>, most: usize) -> Result<Vec<Found>> {
        let direction = self.direction;
        let rank = |key: Option<&str>, seq| Rank {
            is_missing: key.is_none(),
            value: Text::new(direction, key.unwrap_or_default()),
            seq: direction.turn(seq),
        };
        let after = after.map(|cursor| match &cursor.value {
            Value::Text(key) => rank(Some(key), cursor.seq),
            Value::Missing | Value::Number(_) => rank(None, cursor.seq),
        });
        let (mut first, mut buffer) = (First::new(after, most), RowBuffer::default());
        self.each_chunk(|rows, part, some| {
            for row in some {
                let seq = rows.first_seq(*row)?.0;
                let of = rows.attributes(*row, &mut buffer)?;
                first.offer(rank(of.key, seq), self.snapshot.place(part, *row));
            }
            Ok(())
        })?;
        let found = |(rank, place): (Rank<Text>, Place)| Found {
            place,
            seq: direction.turn(rank.seq),
            value: match rank.is_missing {
                true => Value::Missing,
                false => Value::Text(rank.value.as_str().to_owned()),
            },
        };
        Ok(first.into_sorted().into_iter().map(found).collect())
    }

    /// Calls `visit` with the rows, the position of the part, and some matching rows, until all
    /// were visited. Larger row numbers come first if the order is descending. Rows are mostly in
    /// order of time, so the page is full early, and other rows are only compared with its end.
    fn each_chunk(
        &self,
        mut visit: impl FnMut(&dyn Rows, usize, &[Row]) -> Result<()>,
    ) -> Result<()> {
        let mut some = Vec::with_capacity(TOGETHER * 64);
        for (part, (rows, live)) in self.snapshot.parts().enumerate() {
            let mask = visible(rows, live, self.now, self.filter, &mut 0)?;
            let words = mask.map_or_else(|| live.words().collect(), |(words, _)| words);
            let chunks = words.len().div_ceil(TOGETHER);
            for nth in 0..chunks {
                let chunk = match self.direction {
                    Direction::Ascending => nth,
                    Direction::Descending => chunks - 1 - nth,
                };
                let start = chunk * TOGETHER;
                let words = words.get(start..words.len().min(start + TOGETHER)).unwrap_or(&[]);
                some.clear();
                some.extend(set_bits(words.iter().copied()).map(|row| start as Row * 64 + row));
                if !some.is_empty() {
                    visit(rows, part, &some)?;
                }
            }
        }
        Ok(())
    }
}
