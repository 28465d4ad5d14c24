//! Owns codes: the compact form of stored vectors that searches read first. Encoding is
//! deterministic, and codes of one frame can be copied between indexes. `spec` has the layout of
//! codes, `frame` how they are made, and `fit` their error. `rows` has many rows in one piece;
//! `int8` and `bits` encode one row each. `query` and `origin` measure rows.

mod bits;
mod blocks;
mod choose;
mod fit;
mod frame;
mod int8;
mod measured;
mod origin;
mod queries;
mod query;
mod rows;
mod sieve;
mod spec;
#[cfg(test)]
mod tests;

pub(crate) use blocks::{BATCH as BLOCKS_AT_ONCE, BlockSieve, FastScanBlocks};
pub(crate) use fit::Fit;
pub(crate) use frame::Frame;
pub(crate) use origin::Origin;
pub(crate) use queries::Queries;
pub(crate) use query::{Query, QueryOver};
pub(crate) use rows::{CodeBuffer, CodeRows, Measure};
pub(crate) use spec::CodeSpec;
