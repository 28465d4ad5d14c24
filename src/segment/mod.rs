//! Owns rows: in RAM (`active`), on disk (`sealed`), their liveness, and the link from index nodes
//! to rows (`locator`). Knows one collection's dimension and metric, but nothing of the log, the
//! manifest or other segments.
//!
//! Invariants: a row number is never reused within a segment (I7). A sealed segment never changes
//! (I2) and holds each id once, in ascending order. Liveness belongs to the snapshot, not to the
//! rows.

mod active;
mod bloom;
mod cap;
mod changed;
mod changes;
mod deletes;
mod expiry;
mod fields;
mod ids;
mod layout;
mod liveness;
mod locator;
mod postings;
mod row;
mod rows;
mod salvage;
mod seal;
mod sealed;
mod select;
mod words;

pub(crate) use active::{Active, Coder};
pub(crate) use cap::segment_cap;
pub(crate) use changed::{ChangedRows, add_changes};
pub(crate) use changes::Changes;
pub(crate) use deletes::{
    DeadAndChanged, read_deletes, salvage_deletes, verify_deletes, write_deletes,
};
pub(crate) use liveness::{Liveness, set_bits};
pub(crate) use locator::{Locator, LocatorBuilder};
pub(crate) use postings::Field;
pub(crate) use row::{NewRow, Row, RowBuffer, RowRef};
pub(crate) use rows::{Column, Rows};
pub(crate) use salvage::SalvagedSegment;
pub(crate) use seal::{RowSource, write_segment};
pub(crate) use sealed::SealedSegment;
pub(crate) use words::{Term, WordList, moved_words, row_bound};

#[cfg(test)]
mod tests;
