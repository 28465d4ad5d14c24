//! What the benchmarks, the examples and some tests share, without knowledge of the store. It
//! measures a process, and reads command lines, tables of vectors and families of them. It has
//! exact answers, curves, trends and plots. Its tests are in `tests/tools`.
//!
//! It is a package of its own, so that it is compiled once. It uses the standard library alone.

pub mod args;
pub mod curve;
pub mod families;
pub mod measure;
pub mod plot;
pub mod trend;
pub mod truth;
pub mod vectors;
