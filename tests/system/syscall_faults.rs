//! Owns the proof that failing system calls lose nothing. A child writes while `strace` or `libfiu`
//! makes its calls fail, once or from some call on, with errors or short writes. Errors must be
//! typed, nothing is acknowledged after a failed sync, and reads still work. Afterwards the store
//! is what the ledger says (I4, I10). Without these programs the tests report that they skip.
//!
//! No store can survive a call that lies, that is, reports a write that it did not do.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use files and clocks and print"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::common::Rng;
use crate::common::size::sized;
use crate::faults::book::Book;
use crate::faults::places::in_ram;
use crate::faults::process::{self, Call, Child, Ended, by_point, turn};
use crate::faults::seed;

const STRACE_RUNS: u64 = 60;
const LIBFIU_RUNS: u64 = 30;
const STEPS: u64 = 34;
const CALLS: [&str; 10] = [
    "fdatasync",
    "fsync",
    "write",
    "rename",
    "unlink",
    "openat",
    "mmap",
    "flock",
    "mkdir",
    "pread64",
];

/// The results of all runs of a test.
#[derive(Debug, Default)]
struct Tally {
    runs: u64,
    injected: u64,
    acknowledged: u64,
    failed: u64,
    stored_in_flight: u64,
    reopened: u64,
    gave_up: u64,
    kinds: BTreeMap<String, u64>,
}

impl Tally {
    /// Records a child's report and checks its store.
    fn enter(&mut self, store: &Path, ended: &Ended, what: &str) {
        ended.lived(what);
        let mut book = Book::new(seed());
        book.enter(&ended.lines);
        book.check(store, what, self.runs.is_multiple_of(2));
        std::fs::remove_dir_all(store).unwrap();
        self.runs += 1;
        self.acknowledged += book.acknowledged;
        self.failed += book.failed;
        self.stored_in_flight += book.stored_in_flight;
        self.reopened += book.reopened;
        self.gave_up += u64::from(ended.lines.last().is_some_and(|l| l == "gaveup"));
        for line in &ended.lines {
            let mut words = line.split(' ');
            if matches!(words.next(), Some("fail" | "trouble" | "openfail")) {
                let kind = words.nth(1).unwrap().to_owned();
                *self.kinds.entry(kind).or_default() += 1;
            }
        }
    }
}

/// Returns a child's calls without faults.
fn without_faults(dir: &Path) -> BTreeMap<String, Vec<Call>> {
    let (store, trace) = (dir.join("whole.alt"), dir.join("trace"));
    let child =
        Child { dir: &store, report: dir.join("report"), first: 1, steps: STEPS, seed: seed() };
    let calls = format!("trace={}", CALLS.map(|call| format!("?{call}")).join(","));
    let wrapper = ["strace", "-f", "-y", "-qq", "-e", &calls, "-o", trace.to_str().unwrap()];
    let ended = child.run(&wrapper);
    Tally::default().enter(&store, &ended, "without a fault");
    let mut points = by_point(&std::fs::read_to_string(&trace).unwrap(), &store);
    // A failed map without a file is a failed allocation, which ends every Rust program.
    points.retain(|point, _| !point.ends_with("elsewhere"));
    points
}

/// Returns the injection of `strace` for one run.
fn injection(rng: &mut Rng, (call, n): &Call) -> String {
    let error = match call.as_str() {
        "write" | "openat" | "mkdir" => ["EIO", "ENOSPC", "EINTR", "EROFS", "EDQUOT"],
        "fdatasync" | "fsync" => ["EIO", "ENOSPC", "EINTR", "EIO", "EDQUOT"],
        "mmap" => ["ENOMEM", "ENODEV", "EAGAIN", "ENOMEM", "EPERM"],
        _ => ["EIO", "ENOSPC", "EINTR", "EROFS", "EIO"],
    }[rng.below(5) as usize];
    // `std` repeats an interrupted call, as often as it is interrupted.
    let when = match rng.below(3) {
        0 if error == "EINTR" => format!("{n}..{}", n + 4),
        0 => format!("{n}+"),
        1 => format!("{n}..{}", n + 3),
        _ => n.to_string(),
    };
    // A file system that accepts no byte and reports no error.
    if call == "write" && rng.below(6) == 0 {
        return format!("inject={call}:retval=0:when={when}");
    }
    format!("inject={call}:error={error}:when={when}")
}

#[test]
fn a_system_call_that_fails_loses_nothing_acknowledged_i4_i10() {
    if let Err(reason) = process::strace_works() {
        return eprintln!("skipped: {reason}");
    }
    let (runs, seed) = (sized("runs under strace", 8, STRACE_RUNS, 10 * STRACE_RUNS), seed());
    let (temp, begun) = (in_ram(), Instant::now());
    let whole: Vec<(String, Vec<Call>)> = without_faults(temp.path()).into_iter().collect();
    let (mut rng, mut tally) = (Rng(seed ^ 0xFA17), Tally::default());
    let mut points = BTreeMap::<&str, u64>::new();
    let trace = temp.path().join("trace");
    for run in 0..runs {
        let (point, calls) = turn(&whole, run as usize);
        let call = &calls[rng.below(calls.len() as u64) as usize];
        let inject = injection(&mut rng, call);
        let store = temp.path().join(format!("failing-{run}.alt"));
        let report = temp.path().join("report");
        let child = Child { dir: &store, report, first: 1, steps: STEPS, seed };
        let traced = format!("trace={}", call.0);
        let ended = child.run(&[
            "strace",
            "-f",
            "-qq",
            "-e",
            &traced,
            "-e",
            &inject,
            "-o",
            trace.to_str().unwrap(),
        ]);
        let injected = std::fs::read_to_string(&trace).unwrap().matches("(INJECTED)").count();
        tally.injected += injected as u64;
        *points.entry(point).or_default() += u64::from(injected > 0);
        tally.enter(&store, &ended, &format!("run {run}, {inject} ({point})"));
    }
    eprintln!(
        "{runs} runs with failing system calls at {} points in {:?}, seed {seed}: {tally:?}, {points:?}",
        points.len(),
        begun.elapsed(),
    );
    if runs >= STRACE_RUNS {
        assert!(points.len() >= 20 && tally.injected > runs, "{tally:?}");
        assert!(tally.acknowledged > runs * 10 && tally.failed > 3, "{tally:?}");
        assert!(tally.reopened > runs && tally.gave_up > 0, "{tally:?}");
        for kind in ["Io", "DiskFull", "CommitUnknown"] {
            assert!(tally.kinds.contains_key(kind), "{kind} is not in {tally:?}");
        }
    }
}

/// Places of `libfiu`, and the probability that each call fails.
const LIBFIU: [(&str, &str); 9] = [
    ("posix/io/rw/write", "0.02"),
    ("posix/io/rw/write/reduce", "0.3"),
    ("posix/io/sync/fdatasync", "0.02"),
    ("posix/io/sync/fsync", "0.04"),
    ("posix/io/sync/*", "0.01"),
    ("posix/io/dir/rename", "0.1"),
    ("posix/io/dir/unlink", "0.2"),
    ("posix/io/rw/pread", "0.05"),
    ("posix/io/oc/open", "0.02"),
];

#[test]
fn a_library_call_that_fails_now_and_then_loses_nothing_acknowledged_i4_i10() {
    if let Err(reason) = process::works("fiu-run", &["-x", "-f", "", "true"]) {
        return eprintln!("skipped: {reason}");
    }
    let (runs, seed) = (sized("runs under libfiu", 4, LIBFIU_RUNS, 10 * LIBFIU_RUNS), seed());
    let (temp, begun, mut tally) = (in_ram(), Instant::now(), Tally::default());
    let mut unborn = 0;
    while tally.runs < runs {
        let (place, probability) = LIBFIU[tally.runs as usize % LIBFIU.len()];
        let store = temp.path().join(format!("failing-{}.alt", tally.runs));
        let report = temp.path().join("report");
        let child = Child { dir: &store, report, first: 1, steps: STEPS, seed };
        let command = format!("enable_random name={place},probability={probability}");
        let ended = child.run(&["fiu-run", "-x", "-f", "", "-c", &command]);
        if ended.lines.is_empty() && unborn < runs {
            // The fault hit the harness before the store was opened.
            unborn += 1;
            continue;
        }
        tally.enter(&store, &ended, &format!("run {}, {command}", tally.runs));
    }
    eprintln!(
        "{runs} runs under libfiu in {:?}: {tally:?}, {unborn} did not start",
        begun.elapsed()
    );
    if runs >= LIBFIU_RUNS {
        assert!(tally.acknowledged > runs * 10 && tally.failed > 3, "{tally:?}");
        assert!(tally.reopened > runs, "{tally:?}");
    }
}
