//! Owns what a row is, and its number.

use crate::clock::Timestamp;
use crate::ids::{MemoryId, Seq};

/// The number of a row within its segment.
pub(crate) type Row = u32;

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
    pub(super) vector: Vec<f32>,
    pub(super) body: Vec<u8>,
}
