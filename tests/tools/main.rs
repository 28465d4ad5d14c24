//! Runs the tests of the code that the benchmarks, the examples and other tests share. No harness
//! of its own would run them.
#![allow(clippy::disallowed_methods, reason = "tests may use files and clocks")]

mod corpus_tests;
mod curve;
mod families;
mod measure;
mod plot;
mod trend;
mod truth;
mod vectors;

// The model is part of a benchmark, which uses more of it than its tests do.
#[path = "../../benches/soak/model.rs"]
#[allow(dead_code, reason = "the tests use a part")]
mod model;

#[path = "../../benches/forgetting/corpus.rs"]
#[allow(dead_code, reason = "the tests use a part")]
mod corpus;
