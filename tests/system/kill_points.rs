//! Owns the proof by `kill -9` at named points. `strace` kills the process at its n-th call of a
//! kind, before the call is carried out, for every kind of call in the protocol. The store is then
//! compared with a ledger (I1, I3, I4, I5, I8).
//!
//! The calls are those of one thread in a fixed order. So a kill before each of them is a kill
//! before and after each step. Kills at any moment are in `kill.rs`. Without `strace` the test
//! reports that it skips.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use files and clocks and print"
)]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Instant;

use crate::common::Rng;
use crate::common::size::sized;
use crate::faults::book::Book;
use crate::faults::places::in_ram;
use crate::faults::process::{self, Call, Child, by_point, point, turn};
use crate::faults::seed;

const KILLS: u64 = 150;
const STEPS: u64 = 34;
/// Includes the calls that a report is made of, and calls that only read.
const CALLS: [&str; 12] = [
    "fdatasync",
    "fsync",
    "write",
    "writev",
    "rename",
    "unlink",
    "openat",
    "close",
    "mmap",
    "flock",
    "mkdir",
    "pread64",
];

fn traced() -> String {
    let optional = CALLS.map(|call| format!("?{call}"));
    format!("trace={}", optional.join(","))
}

/// Returns the calls that a child makes when it is not killed.
fn without_faults(dir: &Path) -> BTreeMap<String, Vec<Call>> {
    let store = dir.join("whole.alt");
    let trace = dir.join("trace");
    let report = dir.join("report");
    let child = Child { dir: &store, report, first: 1, steps: STEPS, seed: seed() };
    let calls = traced();
    let wrapper = ["strace", "-f", "-y", "-qq", "-e", &calls, "-o", trace.to_str().unwrap()];
    let ended = child.run(&wrapper);
    ended.lived("without a fault");
    let mut book = Book::new(seed());
    book.enter(&ended.lines);
    book.check(&store, "without a fault", true);
    by_point(&std::fs::read_to_string(&trace).unwrap(), &store)
}

/// Kills a child at its n-th call. Returns the point of the call; `None` if the child never reached
/// it.
fn kill_at(dir: &Path, store: &Path, call: &str, n: u64, book: &mut Book) -> Option<String> {
    let (trace, report) = (dir.join("trace"), dir.join("report"));
    let child = Child { dir: store, report, first: book.next, steps: STEPS, seed: seed() };
    let (calls, inject) = (traced(), format!("inject={call}:signal=KILL:when={n}"));
    let trace_path = trace.to_str().unwrap();
    let wrapper = ["strace", "-f", "-y", "-qq", "-e", &calls, "-e", &inject, "-o", trace_path];
    let ended = child.run(&wrapper);
    book.enter(&ended.lines);
    if ended.status.signal() != Some(9) {
        ended.lived(&inject);
        return None;
    }
    let trace = std::fs::read_to_string(&trace).unwrap();
    let last = trace.lines().rfind(|line| line.contains(&format!(" {call}(")));
    point(last.expect("the call that killed it"), store)
}

#[test]
fn a_kill_before_or_after_any_call_loses_nothing_acknowledged_i4_i8() {
    if let Err(reason) = process::strace_works() {
        return eprintln!("skipped: {reason}");
    }
    let (kills, seed) = (sized("kills at points", 15, KILLS, 10 * KILLS), seed());
    let (temp, begun) = (in_ram(), Instant::now());
    let whole = without_faults(temp.path());
    let whole: Vec<(String, Vec<Call>)> = whole.into_iter().collect();
    let mut rng = Rng(seed);
    let mut points: BTreeMap<String, u64> = BTreeMap::new();
    let (mut killed, mut twice, mut acknowledged, mut stored) = (0, 0, 0, 0);
    for round in 0.. {
        if killed >= kills {
            break;
        }
        let store = temp.path().join(format!("killed-{round}.alt"));
        let mut book = Book::new(seed);
        // Every point has its turn, at any of its calls.
        let (wanted, calls) = turn(&whole, round);
        let (call, n) = &calls[rng.below(calls.len() as u64) as usize];
        let what = format!("killed before {call} {n}, {wanted}");
        let at = kill_at(temp.path(), &store, call, *n, &mut book);
        killed += u64::from(at.is_some());
        at.into_iter().for_each(|at| *points.entry(at).or_default() += 1);
        if rng.below(3) == 0 {
            // And again during the recovery from it.
            let (_, calls) = &whole[rng.below(whole.len() as u64) as usize];
            let (call, n) = &calls[rng.below(6.min(calls.len() as u64)) as usize];
            let at = kill_at(temp.path(), &store, call, *n, &mut book);
            (killed, twice) = (killed + u64::from(at.is_some()), twice + u64::from(at.is_some()));
            at.into_iter().for_each(|at| *points.entry(at).or_default() += 1);
        }
        book.check(&store, &what, round.is_multiple_of(2));
        acknowledged += book.acknowledged;
        stored += book.stored_in_flight;
        std::fs::remove_dir_all(&store).unwrap();
    }
    eprintln!(
        "{killed} kills at {} named points in {:?}, seed {seed}: {twice} during recovery, \
         {acknowledged} batches acknowledged, {stored} in flight stored; {points:?}",
        points.len(),
        begun.elapsed(),
    );
    if kills >= KILLS {
        // Otherwise the session is too tame to prove anything.
        assert!(points.len() >= 25, "{points:?}");
        assert!(twice > 0 && acknowledged > kills && stored > 0);
        for needed in ["fdatasync log", "fdatasync seg", "rename MANIFEST.tmp", "fsync directory"] {
            assert!(points.contains_key(needed), "{needed} is not in {points:?}");
        }
    }
}
