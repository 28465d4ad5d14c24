//! Runs the tests of what benchmarks and examples share, which no harness of their own would run.

#[path = "../benches/common/vectors.rs"]
mod vectors;

#[path = "../benches/common/measure.rs"]
mod measure;

#[path = "../benches/common/plot.rs"]
mod plot;

#[path = "../benches/common/curve.rs"]
mod curve;

#[path = "../benches/common/trend.rs"]
mod trend;

// The model is part of a benchmark, which uses more of it than its tests do.
#[path = "../benches/soak_parts/model.rs"]
#[allow(dead_code, reason = "the tests use a part")]
mod model;
