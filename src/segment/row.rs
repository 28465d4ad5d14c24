//! Owns the fields of a row, and its number.

use crate::clock::Timestamp;
use crate::ids::{MemoryId, Seq};

/// The number of a row within its segment.
pub(crate) type Row = u32;

/// All fields of a row, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RowRef<'a> {
    pub(crate) id: MemoryId,
    pub(crate) seq: Seq,
    /// Factor that restores the inserted vector from the stored one; 1 where they are equal.
    pub(crate) norm: f32,
    /// In stored form.
    pub(crate) vector: &'a [f32],
    /// See `format::record`.
    pub(crate) body: &'a [u8],
}

/// A row to be added, owned.
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

/// Buffer for a row whose file is not read through the map; reused from one row to the next.
#[derive(Debug, Default)]
pub(crate) struct RowBuffer {
    pub(super) vector: Vec<f32>,
    pub(super) body: Vec<u8>,
    /// The row as it was written, while `body` holds its body with later changes.
    pub(super) written: Option<Box<Self>>,
}
