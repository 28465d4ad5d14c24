//! Owns the contract of rows, wherever they are: in RAM or on disk.

use roaring::RoaringBitmap;

use super::liveness::Liveness;
use super::row::{Row, RowBuffer, RowRef};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Attributes, Matcher};
use crate::ids::{MemoryId, Seq};

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
