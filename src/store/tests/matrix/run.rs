//! Owns the size of the matrix, its seeds, the threads that it runs on and its report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::sabotage;
use crate::sync::lock;
use crate::testing::sim;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    Test,
    Ci,
    Soak,
}

pub(super) fn size() -> Size {
    match std::env::var("ALTIPLANO_MATRIX").as_deref() {
        Ok("ci") => Size::Ci,
        Ok("soak") => Size::Soak,
        _ => Size::Test,
    }
}

/// The number for this run's size.
pub(super) fn sized(test: usize, ci: usize, soak: usize) -> usize {
    match size() {
        Size::Test => test,
        Size::Ci => ci,
        Size::Soak => soak,
    }
}

pub(super) fn seed() -> u64 {
    std::env::var("ALTIPLANO_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_125)
}

/// Whether something is broken on purpose, so that one failure is enough.
pub(super) fn broken() -> bool {
    sabotage::active().is_some() || sim::left_out().is_some()
}

/// What one row of the matrix found.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) cases: u64,
    /// Cases within cases, such as second crashes.
    pub(super) inner: u64,
    pub(super) failures: Vec<String>,
}

impl Row {
    pub(super) fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.inner += other.inner;
        self.failures.extend(other.failures);
    }
}

/// Does jobs `0..count` on all processors.
pub(super) fn each(count: usize, job: impl Fn(usize) -> Row + Sync) -> Row {
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Row::default()));
    // What is broken on purpose here is broken there.
    let (switch, place) = (sabotage::active(), sim::left_out());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let work = || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= count {
                            return;
                        }
                        let row = job(at);
                        lock(&total).add(row);
                    }
                };
                sabotage::with(switch, || sim::leaving_out(place, work));
            });
        }
    });
    total.into_inner().unwrap_or_default()
}

/// Prints what a row came to, and fails if anything did.
#[expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may print and use clocks"
)]
pub(super) fn report(name: &str, inner: &str, least: u64, row: impl FnOnce() -> Row) {
    let begun = Instant::now();
    let row = row();
    let seconds = begun.elapsed().as_secs_f64();
    let (cases, failed) = (row.cases + row.inner, row.failures.len());
    eprintln!(
        "matrix: {name}: {} cases and {} {inner} passed, {failed} failed (seed {}, {:?}, {seconds:.1} s, {:.0}/s)",
        row.cases,
        row.inner,
        seed(),
        size(),
        cases as f64 / seconds
    );
    // One of each workload says more than many of one.
    let mut seen = std::collections::HashSet::new();
    let of = |f: &&String| seen.insert(f.split([',', ':']).next().unwrap_or_default().to_owned());
    let first: Vec<&String> = row.failures.iter().filter(of).take(12).collect();
    assert!(row.failures.is_empty(), "{name}: {failed} of {cases} failed:\n{first:#?}");
    assert!(row.cases >= least, "{name}: only {} cases of {least}", row.cases);
}
