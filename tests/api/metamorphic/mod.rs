//! Metamorphic tests of search: changes that must not change an answer, and changes that must
//! change it in a known way.
//!
//! Each property is checked on rows in RAM, sealed, compacted with a graph, and reopened. Answers
//! are judged by distances in `f64`, so any of several rows that are equally near is right. Ids are
//! compared only where they must be the same. The judge is that of the benchmark `distributions`.

mod answers;
mod every_family;
mod rows;
mod transforms;
pub(crate) mod world;
