//! Owns the fault matrix: workloads on the simulated disk, with a power cut, an error or a full
//! disk at every operation. The result is checked against a model of the true content (I1 to I10).
//!
//! `ALTIPLANO_TESTS` sets the size: `quick` for a sample, `ci` for every scripted operation, `soak`
//! for ten times that. `ALTIPLANO_SEED` sets the first seed. A failure is repeated with the seed
//! that the report names.

mod acts;
mod answers;
mod check;
mod clock;
mod copied;
mod copies;
mod copying;
mod cuts;
mod damage;
mod damages;
mod erasure;
mod errors;
mod golden;
mod model;
mod order;
mod places;
mod record;
mod regressions;
mod run;
mod sabotage;
mod script;
mod seen;
mod sequences;
mod setup;
mod words;
