//! Metamorphic tests of search: what must not change an answer, and what must change it in a known
//! way.
//!
//! Each property is checked on rows in RAM, sealed, compacted with a graph, and reopened. Answers
//! are judged by distances in `f64`, so that of several rows that are as near any will do; ids are
//! compared only where they must be the same. The judge is that of the benchmark `distributions`.

mod common;

#[path = "../benches/distributions_parts/families.rs"]
#[allow(dead_code, reason = "the benchmark uses the rest")]
mod families;
#[path = "../benches/distributions_parts/places.rs"]
mod places;
#[path = "../benches/distributions_parts/samplers.rs"]
mod samplers;
#[path = "../benches/distributions_parts/truth.rs"]
#[allow(dead_code, reason = "the benchmark uses the rest")]
mod truth;
#[path = "../benches/common/vectors.rs"]
mod vectors;

#[path = "metamorphic/answers.rs"]
mod answers;
#[path = "metamorphic/families.rs"]
mod every_family;
#[path = "metamorphic/rows.rs"]
mod rows;
#[path = "metamorphic/transforms.rs"]
mod transforms;
#[path = "metamorphic/world.rs"]
mod world;
