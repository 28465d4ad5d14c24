//! The tests of `altiplano::agent` through its public API: the contract in the docs of `Agent` and
//! of its options, one file per subject.

#[path = "../common/mod.rs"]
mod common;

mod archive;
mod basics;
mod budget;
mod consolidation;
mod duplicates;
mod model;
mod models;
mod packing;
mod ranks;
mod recalls;
mod retention;
mod sessions;
mod support;
mod texts;
