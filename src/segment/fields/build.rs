//! Owns the collection of the columns of fields while a segment is written.
//!
//! Invariant: the bytes collected never exceed the limit by more than one value. The heap that they
//! take is at most twice that: when the sum passes the limit, the largest column is dropped.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::{COLUMN_HEAD, ENTRY, HEAD, MAX_PATHS, limit, name};
use crate::fields::{self, Number, Scalar, id_key, tag};
use crate::filter::Attributes;
use crate::map_vec::MapVec;
use crate::segment::row::Row;

/// Collects columns.
#[derive(Debug)]
pub(in crate::segment) struct FieldsBuilder {
    columns: HashMap<String, Slot>,
    hasher: RandomState,
    limit: usize,
    /// Bytes that the section would take now.
    bytes: usize,
    /// The part of them in the dictionary.
    names: usize,
    /// True if there are paths beside `columns`.
    incomplete: bool,
}

/// A path of the dictionary.
#[derive(Debug)]
enum Slot {
    Column(Column),
    LeftOut,
}

/// The values of one path.
#[derive(Debug)]
struct Column {
    /// The keys of the values, one after the other, in the order in which they were met.
    keys: MapVec<u8>,
    /// Where each key ends.
    ends: MapVec<u32>,
    /// The newest row of each value.
    newest: MapVec<Row>,
    /// The number of a value plus one, at the place of its hash; 0 in free places.
    table: MapVec<u32>,
    /// The values of the rows: number of the value, row.
    rows: MapVec<[u32; 2]>,
}

impl FieldsBuilder {
    /// Returns a builder for a segment of this many rows of this dimension.
    pub(in crate::segment) fn new(rows: Row, dimension: usize) -> Self {
        Self {
            columns: HashMap::new(),
            hasher: RandomState::new(),
            limit: limit(rows, dimension),
            bytes: HEAD,
            names: HEAD,
            incomplete: false,
        }
    }

    /// Adds a row. Rows come in ascending order.
    pub(in crate::segment) fn add(&mut self, row: Row, of: &Attributes<'_>) {
        let times = [(name::VALID_FROM, of.valid_from), (name::VALID_TO, of.valid_to)];
        for (name, time) in times {
            if let Some(at) = time {
                self.scalar(row, name, &Scalar::Number(Number::of_signed(at.as_millis())));
            }
        }
        if of.superseded {
            self.scalar(row, name::SUPERSEDED, &Scalar::Bool(true));
        }
        if let Some(tokens) = of.tokens {
            self.scalar(row, name::TOKENS, &Scalar::Number(Number::of_signed(tokens.into())));
        }
        for id in of.derived_from {
            let key = id_key(u128::from_le_bytes(*id));
            self.put(row, name::DERIVED_FROM, tag::ID, key.get(1..).unwrap_or_default());
        }
        if let Some(json) = of.json {
            fields::each(json, &mut |path, value| self.scalar(row, path, value));
        }
    }

    fn scalar(&mut self, row: Row, path: &str, value: &Scalar<'_>) {
        value.with_key(|tag, bytes| self.put(row, path, tag, bytes));
    }

    fn put(&mut self, row: Row, path: &str, tag: u8, bytes: &[u8]) {
        match self.columns.get_mut(path) {
            Some(Slot::Column(column)) => self.bytes += column.put(&self.hasher, row, tag, bytes),
            Some(Slot::LeftOut) => return,
            None => {
                let named = self.names + ENTRY + path.len();
                // The rest of the limit is for columns, so that dropping them is always enough.
                // Many paths of one row each leave room for the paths that many rows have.
                if self.columns.len() == MAX_PATHS || named > self.limit / 4 {
                    self.incomplete = true;
                    return;
                }
                let mut column = Column::new();
                column.put(&self.hasher, row, tag, bytes);
                self.bytes += ENTRY + path.len() + column.stored();
                self.names = named;
                self.columns.insert(path.to_owned(), Slot::Column(column));
            }
        }
        while self.bytes > self.limit {
            self.drop_largest();
        }
    }

    fn drop_largest(&mut self) {
        let size = |slot: &Slot| match slot {
            Slot::Column(column) => column.stored(),
            Slot::LeftOut => 0,
        };
        // Of equal columns the first by name goes, so that equal rows make equal files.
        let largest = self
            .columns
            .iter_mut()
            .max_by(|(a, x), (b, y)| size(x).cmp(&size(y)).then_with(|| b.cmp(a)));
        if let Some((_, slot)) = largest {
            self.bytes -= size(slot);
            *slot = Slot::LeftOut;
        }
    }

    /// Returns the section.
    pub(in crate::segment) fn encode(self) -> Vec<u8> {
        let mut columns: Vec<(String, Slot)> = self.columns.into_iter().collect();
        columns.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let left_out = columns.iter().filter(|(_, slot)| matches!(slot, Slot::LeftOut)).count();
        let mut out = Vec::with_capacity(self.bytes);
        for number in [columns.len(), usize::from(self.incomplete), left_out, 0] {
            out.extend_from_slice(&(number as u32).to_le_bytes());
        }
        let mut entry = out.len();
        out.resize(entry + columns.len() * ENTRY, 0);
        for (name, slot) in columns {
            let name_at = out.len();
            out.extend_from_slice(name.as_bytes());
            let column_at = out.len();
            if let Slot::Column(column) = slot {
                column.encode(&mut out);
            }
            let numbers = [name_at, name.len(), column_at, out.len() - column_at];
            for (to, number) in out[entry..entry + ENTRY].chunks_exact_mut(4).zip(numbers) {
                to.copy_from_slice(&(number as u32).to_le_bytes());
            }
            entry += ENTRY;
        }
        out
    }
}

impl Column {
    /// Places of the table of a new column.
    const PLACES: usize = 8;

    fn new() -> Self {
        Self {
            keys: MapVec::new(),
            ends: MapVec::new(),
            newest: MapVec::new(),
            table: MapVec::zeroed(Self::PLACES),
            rows: MapVec::new(),
        }
    }

    /// Returns the bytes that the column takes in the section.
    fn stored(&self) -> usize {
        COLUMN_HEAD + 8 * self.ends.len() + self.keys.len() + 4 * self.rows.len()
    }

    fn key(&self, value: usize) -> &[u8] {
        let start = value.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.keys[start as usize..self.ends[value] as usize]
    }

    /// Adds a value of a row. Returns the bytes by which the column grows in the section.
    fn put(&mut self, hasher: &RandomState, row: Row, tag: u8, bytes: &[u8]) -> usize {
        let before = self.stored();
        let value = self.value(hasher, tag, bytes);
        // A list may have an element twice.
        if self.newest[value] != row {
            self.newest[value] = row;
            self.rows.push([value as u32, row]);
        }
        self.stored() - before
    }

    /// Returns the number of a value, which may be new.
    fn value(&mut self, hasher: &RandomState, tag: u8, bytes: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut place = hasher.hash_one((tag, bytes)) as usize & mask;
        while let Some(value) = (self.table[place] as usize).checked_sub(1) {
            if self.key(value).split_first() == Some((&tag, bytes)) {
                return value;
            }
            place = (place + 1) & mask;
        }
        self.keys.push(tag);
        self.keys.extend_from_slice(bytes);
        self.ends.push(self.keys.len() as u32);
        // No row has this number: a segment has fewer rows.
        self.newest.push(Row::MAX);
        let value = self.ends.len() - 1;
        self.table[place] = value as u32 + 1;
        if self.ends.len() * 4 > self.table.len() * 3 {
            self.grow(hasher);
        }
        value
    }

    /// Doubles the table.
    fn grow(&mut self, hasher: &RandomState) {
        let mut table = MapVec::zeroed(self.table.len() * 2);
        let mask = table.len() - 1;
        for value in 0..self.ends.len() {
            if let Some((tag, bytes)) = self.key(value).split_first() {
                let mut place = hasher.hash_one((*tag, bytes)) as usize & mask;
                while table[place] != 0 {
                    place = (place + 1) & mask;
                }
                table[place] = value as u32 + 1;
            }
        }
        self.table = table;
    }

    fn encode(self, out: &mut Vec<u8>) {
        let values = self.ends.len();
        let mut order: Vec<u32> = (0..values as u32).collect();
        order.sort_unstable_by(|a, b| self.key(*a as usize).cmp(self.key(*b as usize)));
        let mut counts = vec![0u32; values];
        self.rows.iter().for_each(|[value, _]| counts[*value as usize] += 1);
        let mut put = |number: u32| out.extend_from_slice(&number.to_le_bytes());
        put(values as u32);
        put(self.rows.len() as u32);
        let mut end = 0;
        for value in &order {
            end += self.key(*value as usize).len() as u32;
            put(end);
        }
        // Where the next row of each value goes.
        let (mut next, mut end) = (vec![0u32; values], 0);
        for value in &order {
            next[*value as usize] = end;
            end += counts[*value as usize];
            put(end);
        }
        order.iter().for_each(|value| out.extend_from_slice(self.key(*value as usize)));
        let mut rows = vec![0u32; self.rows.len()];
        for [value, row] in self.rows.iter() {
            let at = &mut next[*value as usize];
            rows[*at as usize] = *row;
            *at += 1;
        }
        rows.iter().for_each(|row| out.extend_from_slice(&row.to_le_bytes()));
    }
}
