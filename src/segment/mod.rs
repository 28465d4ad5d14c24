//! Owns rows: in RAM (`active`), on disk (`sealed`), their liveness, and the link from index nodes
//! to rows (`locator`). Knows one collection's dimension and metric; nothing of the log, the
//! manifest or other segments.
//!
//! Invariants: a row number is never reused within a segment (I7); a sealed segment never changes
//! (I2) and holds each id once, in ascending order; liveness belongs to the snapshot, not to the
//! rows.

mod active;
mod bloom;
mod deletes;
mod expiry;
mod ids;
mod liveness;
mod locator;
mod postings;
mod salvage;
mod seal;
mod sealed;
mod select;

use roaring::RoaringBitmap;

pub(crate) use active::{Active, Coder};
pub(crate) use deletes::{read_deletes, salvage_deletes, verify_deletes, write_deletes};
pub(crate) use liveness::{Liveness, set_bits};
pub(crate) use locator::{Locator, LocatorBuilder};
pub(crate) use salvage::SalvagedSegment;
pub(crate) use seal::{RowSource, write_segment};
pub(crate) use sealed::SealedSegment;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Attributes, Matcher};
use crate::ids::{MemoryId, Seq};

/// The number of a row within its segment.
pub(crate) type Row = u32;

/// Smallest cap on the bytes of a segment.
pub(crate) const MIN_SEGMENT_BYTES: u64 = 4 << 20;
/// Largest cap on the bytes of a segment.
pub(crate) const MAX_SEGMENT_BYTES: u64 = 256 << 20;
/// The most bytes that a segment may have in a collection with this many live bytes: an eighth,
/// so that one rewrite never needs much scratch space.
pub(crate) fn segment_cap(live_bytes: u64) -> u64 {
    (live_bytes / 8).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES)
}

/// Everything that a row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RowRef<'a> {
    pub(crate) id: MemoryId,
    pub(crate) seq: Seq,
    /// Length of the vector before it was normalised; 1 where it is not.
    pub(crate) norm: f32,
    /// In stored form.
    pub(crate) vector: &'a [f32],
    /// See `format::record`.
    pub(crate) body: &'a [u8],
}

/// A row to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewRow {
    pub(crate) id: MemoryId,
    pub(crate) seq: Seq,
    pub(crate) norm: f32,
    /// In stored form.
    pub(crate) vector: Vec<f32>,
    pub(crate) body: Vec<u8>,
    pub(crate) expires_at: Timestamp,
}

/// What a row is read into where its file is not mapped for that; kept from one row to the next.
#[derive(Debug, Default)]
pub(crate) struct RowBuffer {
    vector: Vec<f32>,
    body: Vec<u8>,
}

/// Rows, wherever they are. What is read from disk is checked before it is returned.
pub(crate) trait Rows: Send + Sync {
    /// How many rows there are, dead ones included.
    fn rows(&self) -> Row;
    /// A whole row.
    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>>;
    /// The body of a row.
    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]>;
    /// The vector of a row, in stored form.
    fn vector<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [f32]>;
    /// Asks for the vector of a row that is read soon.
    fn prefetch(&self, _row: Row) {}
    fn id(&self, row: Row) -> Result<MemoryId>;
    fn seq(&self, row: Row) -> Result<Seq>;
    fn expires_at(&self, row: Row) -> Result<Timestamp>;
    fn attributes<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<Attributes<'a>>;
    /// The rows with this id, newest first. The live one is among them; in RAM, older ones need not be.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>>;
    /// The rows that match, dead ones included.
    fn select(&self, filter: &Matcher) -> Result<RoaringBitmap>;
    /// The rows that have not expired at `now`, dead ones included; `None` if these are all.
    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>>;

    /// How many of these live rows have expired at `now`. O(rows / 64) while some and not all have,
    /// O(1) otherwise, beside [`Rows::unexpired`].
    fn live_expired(&self, live: &Liveness, now: Timestamp) -> Result<u64> {
        let unexpired = self.unexpired(now)?;
        Ok(unexpired.map_or(0, |unexpired| u64::from(live.live() - live.live_in_both(&unexpired))))
    }
}

#[cfg(test)]
mod tests;
