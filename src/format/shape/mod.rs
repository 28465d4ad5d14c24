//! Owns `Shape`, what a type looked like when a value of it was stored: names of fields in their order,
//! kinds of values. bincode goes by position, so the shape is kept beside the bytes and compared when
//! they are read as a type (`check`). It is made by looking on while the value is serialised (`record`).
//! Layout: `format.md`, "Shape".
//!
//! Invariants: decoding is total, never recurses deeper than `MAX_NODES_DEEP` and makes no more parts than
//! the input has bytes.

mod check;
mod kinds;
mod record;

use serde::Serialize;

pub(super) use check::Checked;
pub(crate) use kinds::{MAX_SHAPE_BYTES, Shape};

use kinds::MAX_DEPTH;

/// The encoded shape of a value's type; `None` if it is too long, or the value cannot be serialised.
pub(crate) fn of<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let shape = value.serialize(record::Recorder { depth: MAX_DEPTH }).ok()?;
    let mut out = Vec::new();
    shape.encode(&mut out)?;
    (out.len() <= MAX_SHAPE_BYTES).then_some(out)
}

#[cfg(test)]
mod tests;
