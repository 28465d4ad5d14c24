//! Owns HNSW: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", arXiv:1603.09320. The names are the paper's: `m`,
//! `ef`, `ef_construction`, level, entry point, `search_level` (its SEARCH-LAYER, algorithm 2).
//!
//! Invariants of every stored graph: neighbors are nodes of the same level. None occurs twice in a
//! list or is the node itself. A list has at most `2 m` entries at level 0 and `m` above. Every
//! node can be reached from the entry point at level 0 (I11).

pub(super) mod base;
pub(super) mod build;
pub(super) mod builder;
mod draft;
mod flat_builder;
pub(super) mod graph;
#[cfg(feature = "hnsw-rs")]
mod hnsw_rs_builder;
mod merge;
pub(super) mod pool;
mod reach;
pub(super) mod search;
pub(super) mod search_level;
mod select;
mod validate;
