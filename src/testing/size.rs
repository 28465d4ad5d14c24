//! Owns the amount of testing. `ALTIPLANO_TESTS` is `quick` (the default: a few minutes), `ci`
//! (what must pass before a change lands) or `soak` (as much as a night allows). The integration
//! tests include this file, so that one variable controls all of them.
//!
//! `ALTIPLANO_SEED` repeats a run from the seed that a report names.
#![allow(
    dead_code,
    clippy::print_stderr,
    reason = "each test binary uses a part, and a test may print"
)]

/// The amount of testing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    Quick,
    Ci,
    Soak,
}

/// Returns the size of this run.
pub(crate) fn size() -> Size {
    match std::env::var("ALTIPLANO_TESTS").as_deref() {
        Err(_) | Ok("" | "quick") => Size::Quick,
        Ok("ci") => Size::Ci,
        Ok("soak") => Size::Soak,
        Ok(other) => panic!("ALTIPLANO_TESTS={other:?} is none of quick, ci, soak"),
    }
}

/// Returns the number for this run's size. A quick run prints the number that CI would use.
pub(crate) fn sized<T: PartialEq + std::fmt::Display>(what: &str, quick: T, ci: T, soak: T) -> T {
    match size() {
        Size::Quick => {
            if quick != ci {
                eprintln!("{what}: {quick} here, {ci} with ALTIPLANO_TESTS=ci");
            }
            quick
        }
        Size::Ci => ci,
        Size::Soak => soak,
    }
}

/// Returns the seed of this run: `ALTIPLANO_SEED`, or the default.
pub(crate) fn seed(default: u64) -> u64 {
    std::env::var("ALTIPLANO_SEED").map_or(default, |seed| seed.parse().expect("a seed"))
}
