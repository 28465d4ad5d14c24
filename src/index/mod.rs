//! Owns indexes: codes in node order and, where worthwhile, an HNSW graph over them. Searches,
//! builds and stores both. Knows nodes, codes and neighbors, but nothing of rows, deletion, time or
//! filters (I9): the caller's `offer` or `accept` decides liveness.

mod built;
mod calibrate;
mod cost;
mod ef_table;
mod hnsw;
mod layout;
mod open;
mod probes;
mod scan;
mod top;
mod truth;
mod write;

pub(crate) use built::{BuiltGraph, GraphBase};
pub(crate) use cost::Costs;
pub(crate) use ef_table::{Beam, EfTable};
pub(crate) use hnsw::builder::{BuildParams, heap_bytes_per_row};
pub(crate) use hnsw::graph::NO_NODE;
pub(crate) use hnsw::search::Accept;
pub(crate) use hnsw::search_level::Scratch;
pub(crate) use open::Index;
pub(crate) use probes::probes;
pub(crate) use scan::Scan;
pub(crate) use top::{Candidate, TopK};
pub(crate) use truth::{Kind, Probe, Truth, TruthSearch};
pub(crate) use write::{IndexParts, write_index};

#[cfg(test)]
mod tests;
