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

#[path = "../benches/distributions_parts/families.rs"]
mod families;

#[path = "../benches/distributions_parts/samplers.rs"]
mod samplers;

#[path = "../benches/distributions_parts/places.rs"]
mod places;

#[path = "../benches/distributions_parts/truth.rs"]
mod truth;

// Beside what they test, and named here: other tests use the judge, too.
#[path = "../benches/distributions_parts/families_tests.rs"]
mod families_tests;

#[path = "../benches/distributions_parts/truth_tests.rs"]
mod truth_tests;

// The model is part of a benchmark, which uses more of it than its tests do.
#[path = "../benches/soak_parts/model.rs"]
#[allow(dead_code, reason = "the tests use a part")]
mod model;
