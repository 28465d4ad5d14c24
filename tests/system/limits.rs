//! Owns the proof that a process's limits lose nothing: too few open files, and a limit on the size
//! of files, with the signal that ends the process and without it. Also a clock that jumps. Errors
//! must be typed, and a process with higher limits may continue with the store (I4, I10).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use files and clocks and print"
)]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use crate::common::size::sized;
use crate::faults::book::Book;
use crate::faults::places::in_ram;
use crate::faults::process::{self, Child};
use crate::faults::seed;

const STEPS: u64 = 30;
/// The signal for a file that grows beyond the limit, unless the process ignores it.
const SIGXFSZ: i32 = 25;

/// Runs children, each under a shell that sets a limit first. Returns the number of failed calls by
/// kind.
fn under(scripts: &[String], first: u64) -> BTreeMap<String, u64> {
    let temp = in_ram();
    let (begun, mut kinds) = (Instant::now(), BTreeMap::<String, u64>::new());
    let (mut unborn, mut signalled) = (0u64, 0u64);
    for (n, script) in scripts.iter().enumerate() {
        let dir = temp.path().join(format!("limited-{n}.alt"));
        let report = temp.path().join("report");
        let child = Child { dir: &dir, report, first, steps: STEPS, seed: seed() };
        let script = format!("{script}; exec \"$0\" \"$@\"");
        let ended = child.run(&["sh", "-c", &script]);
        if ended.lines.is_empty() {
            // The program itself could not start with this limit.
            unborn += 1;
            continue;
        }
        if ended.status.signal() == Some(SIGXFSZ) && !script.contains("trap") {
            signalled += 1;
        } else {
            ended.lived(&script);
        }
        for line in &ended.lines {
            let mut words = line.split(' ');
            if matches!(words.next(), Some("fail" | "trouble" | "openfail")) {
                *kinds.entry(words.nth(1).unwrap().to_owned()).or_default() += 1;
            }
        }
        let mut book = Book::new(seed());
        book.enter(&ended.lines);
        // The parent has no such limit.
        book.check(&dir, &script, n.is_multiple_of(2));
    }
    eprintln!(
        "{} limits in {:?}: {kinds:?}, {signalled} ended by a signal, {unborn} did not start",
        scripts.len(),
        begun.elapsed(),
    );
    assert!(unborn < scripts.len() as u64 / 2, "{unborn}");
    *kinds.entry("signal".to_owned()).or_default() = signalled;
    kinds
}

#[test]
fn too_few_open_files_lose_nothing() {
    // From a limit that just lets the program start.
    let most = sized("limits of open files", 22, 22, 64);
    let scripts: Vec<String> = (4..most).map(|n| format!("ulimit -n {n}")).collect();
    let kinds = under(&scripts, 1);
    assert!(kinds.get("Io").is_some_and(|n| *n > 0), "{kinds:?}");
}

#[test]
fn files_that_may_not_grow_lose_nothing() {
    // In units of 512 bytes, from one in which even a report fits.
    let sizes = [40, 70, 200, 500, 2000, 5000, 9000].into_iter();
    let ignored = sizes.clone().map(|n| format!("trap '' XFSZ; ulimit -f {n}"));
    let fatal = sizes.map(|n| format!("ulimit -f {n}"));
    let kinds = under(&ignored.chain(fatal).collect::<Vec<_>>(), 1);
    assert!(kinds.get("Io").is_some_and(|n| *n > 0), "{kinds:?}");
    assert!(kinds["signal"] > 0, "{kinds:?}");
}

/// The same sessions under a clock that is years off, and one that runs a thousand times too fast.
#[test]
fn a_clock_that_is_off_loses_nothing() {
    if let Err(reason) = process::works("faketime", &["-f", "+1d", "true"]) {
        return eprintln!("skipped: {reason}");
    }
    let temp = in_ram();
    let mut book = Book::new(seed());
    let dir = temp.path().join("clock.alt");
    let clocks = ["+0 x1000", "-30y", "+2y", "@1970-01-02 00:00:00", "+0 x0.01"];
    for clock in clocks {
        let report = temp.path().join("report");
        let child = Child { dir: &dir, report, first: book.next, steps: STEPS, seed: seed() };
        let ended = child.run(&["faketime", "-f", clock]);
        ended.lived(clock);
        book.enter(&ended.lines);
        book.check(&dir, clock, true);
    }
    eprintln!("{} clocks that are off, {} batches", clocks.len(), book.acknowledged);
    assert_eq!(book.acknowledged, STEPS * clocks.len() as u64);
}
