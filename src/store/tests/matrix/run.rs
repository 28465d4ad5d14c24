//! Owns the size of the matrix, its seeds, the threads that it runs on and its report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::sabotage;
use crate::sync::lock;
use crate::testing::sim;
use crate::testing::size::{self, Size, size};

/// Returns the number for this run's size, which the report of the row names.
pub(super) fn sized(quick: usize, ci: usize, soak: usize) -> usize {
    match size() {
        Size::Quick => quick,
        Size::Ci => ci,
        Size::Soak => soak,
    }
}

pub(super) fn seed() -> u64 {
    size::seed(20_261_125)
}

/// Returns true if something is broken on purpose, so that one failure is enough.
pub(super) fn broken() -> bool {
    sabotage::active().is_some() || sim::left_out().is_some()
}

/// The result of one row of the matrix.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) cases: u64,
    /// Number of cases within cases, such as second crashes.
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

/// Runs jobs `0..count` on all processors.
pub(super) fn each(count: usize, job: impl Fn(usize) -> Row + Sync) -> Row {
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Row::default()));
    // The other threads need the same sabotage switches.
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

/// Prints the result of a row, and fails if any case failed.
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
    // One failure of each workload is more useful than many of one.
    let mut seen = std::collections::HashSet::new();
    let of = |f: &&String| seen.insert(f.split([',', ':']).next().unwrap_or_default().to_owned());
    let first: Vec<&String> = row.failures.iter().filter(of).take(12).collect();
    assert!(row.failures.is_empty(), "{name}: {failed} of {cases} failed:\n{first:#?}");
    assert!(row.cases >= least, "{name}: only {} cases of {least}", row.cases);
}
