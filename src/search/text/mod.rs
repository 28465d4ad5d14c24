//! Owns the search by words. `query` is what is asked, `asked` its words as the collection's rules
//! make them, `score` ranks rows by them, and `fuse` joins this ranking with one by vectors.
//!
//! Scores are BM25 with the statistics of all visible memories of the collection, so they do not
//! depend on segments, on dead rows or on the filter of the search.

mod asked;
mod fuse;
mod query;
mod score;

pub use fuse::Fusion;
pub use query::TextQuery;

pub(super) use asked::Asked;
pub(super) use fuse::{Both, fuse};
pub(super) use score::{TextGround, score};
