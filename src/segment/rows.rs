//! Owns the interface of rows, in RAM or on disk.

use roaring::RoaringBitmap;

use super::liveness::Liveness;
use super::row::{Row, RowBuffer, RowRef};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Attributes, Matcher};
use crate::ids::{MemoryId, Seq};

/// Rows, in RAM or on disk. Data from disk is checked before it is returned.
pub(crate) trait Rows: Send + Sync {
    /// Returns the number of rows, dead ones included.
    fn rows(&self) -> Row;
    /// Returns a whole row.
    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>>;
    /// Returns the body of a row.
    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]>;
    /// Returns the vector of a row, in stored form.
    fn vector<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [f32]>;
    /// Prefetches the vector of a row that is read soon.
    fn prefetch(&self, _row: Row) {}
    fn id(&self, row: Row) -> Result<MemoryId>;
    /// Returns the sequence number of the operation that wrote the row.
    fn seq(&self, row: Row) -> Result<Seq>;
    /// Returns the sequence number of the newest operation that wrote or changed the row.
    fn version(&self, row: Row) -> Result<Seq>;
    fn expires_at(&self, row: Row) -> Result<Timestamp>;
    fn attributes<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<Attributes<'a>>;
    /// Returns the rows with this id, newest first. The live one is always included; in RAM, older
    /// ones may be missing.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>>;
    /// Returns the rows that match, dead ones included. Adds to `read` the number of rows whose
    /// metadata was parsed for it.
    fn select(&self, filter: &Matcher, read: &mut u64) -> Result<RoaringBitmap>;
    /// Returns the rows that have not expired at `now`, dead ones included; `None` if these are all
    /// rows.
    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>>;

    /// Returns how many of these live rows have expired at `now`. In addition to
    /// [`Rows::unexpired`] it takes O(rows / 64) while some but not all rows have expired, and O(1)
    /// otherwise.
    fn live_expired(&self, live: &Liveness, now: Timestamp) -> Result<u64> {
        let unexpired = self.unexpired(now)?;
        Ok(unexpired.map_or(0, |unexpired| u64::from(live.live() - live.live_in_both(&unexpired))))
    }
}
