//! Owns the tests of purges that `kill -9` cuts short. The store opens and holds every live memory,
//! and a second purge leaves no byte of the dead (I1, I3, I4, I14).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use altiplano::{Background, Filter, Metric, Quantization, Store, StoreOptions};

use super::canary::{Canary, DIMENSION, Needle, found};
use super::{assert_all, assert_none, everything, options};
use crate::common::size::sized;
use crate::common::{Rng, memory};

const CYCLES: u64 = 24;
/// The name of the test below.
const TEST: &str = "purge::kill::a_purge_that_was_killed_is_done_again_and_leaves_nothing_i4_i14";
const DIR: &str = "ALTIPLANO_PURGE_DIR";

fn open(dir: &Path, background: Background) -> Store {
    StoreOptions::new().background(background).reserve_bytes(0).open(dir).unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads");
}

/// The child process, which runs this test again: it opens the store, purges, and is killed.
fn child(dir: &Path) {
    // The harness has printed the beginning of a line.
    say("");
    let store = open(dir, Background::Manual);
    say("purge");
    store.purge().unwrap();
    say("done");
    // Waits to be killed.
    std::thread::park();
}

/// Puts canaries into segments, graphs and the log, and deletes them. Returns their needles.
fn plant(store: &Store, cycle: u64) -> Vec<Needle> {
    let mut needles = Vec::new();
    for (name, min_rows) in [("graph", 40), ("codes", 1_000_000)] {
        let notes =
            store.collection(name, options(Metric::L2, Quantization::Int8, min_rows)).unwrap();
        let dead: Vec<Canary> =
            (0..4).map(|i| Canary::new(cycle * 1000 + i + u64::from(min_rows))).collect();
        (0..100).for_each(|id| {
            notes.insert(memory(id + cycle, DIMENSION)).unwrap();
        });
        dead[..2].iter().for_each(|c| {
            notes.insert(c.memory()).unwrap();
        });
        store.compact().unwrap();
        dead[2..].iter().for_each(|c| {
            notes.insert(c.memory()).unwrap();
        });
        needles.extend(dead.iter().flat_map(|c| c.needles()));
        needles.extend(dead[..2].iter().map(|c| c.code(Metric::L2)));
        assert!(notes.delete(dead[0].id).unwrap() && notes.delete(dead[2].id).unwrap());
        for canary in [&dead[1], &dead[3]] {
            assert_eq!(notes.delete_where(Filter::namespace(canary.namespace())).unwrap(), 1);
        }
    }
    needles
}

/// Lets a child purge, and kills it `delay` after it began. If it had ended by then, returns the
/// time that the purge took.
fn kill_one(dir: &Path, delay: Duration) -> Option<Duration> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "purge"), "the child opens the store");
    let begun = Instant::now();
    let waited = match delay {
        Duration::MAX => lines.any(|line| line == "done").then(|| begun.elapsed()),
        delay => {
            std::thread::sleep(delay);
            None
        }
    };
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "the child ended by itself");
    // Its last words are still in the pipe.
    waited.or_else(|| lines.any(|line| line == "done").then_some(delay))
}

#[test]
fn a_purge_that_was_killed_is_done_again_and_leaves_nothing_i4_i14() {
    if let Some(dir) = std::env::var_os(DIR) {
        return child(Path::new(&dir));
    }
    let cycles = sized("purges that are killed", 6, CYCLES, 10 * CYCLES);
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a.alt");
    let mut rng = Rng(20_260_501);
    let (mut within, mut left, mut longest) = (0, 0, Duration::ZERO);
    let mut needles = Vec::new();
    for cycle in 0..cycles {
        let store = open(&dir, Background::Manual);
        needles.extend(plant(&store, cycle));
        assert_all(&dir, &needles[needles.len() - 8..], &cycle);
        let before = everything(&store);
        store.close().unwrap();
        // The first children are not killed, to measure the time of a purge.
        let delay = match cycle {
            0 | 1 => Duration::MAX,
            _ => longest.mul_f64(rng.below(1000) as f64 / 1000.0),
        };
        match kill_one(&dir, delay) {
            Some(took) if cycle < 2 => longest = took,
            Some(_) => {}
            None => within += 1,
        }
        left += u64::from(!found(&dir, &needles).is_empty());
        let store = open(&dir, Background::Manual);
        assert_eq!(everything(&store), before, "cycle {cycle}");
        assert!(store.purge().unwrap().is_complete());
        assert_none(&dir, &needles, &cycle);
        assert_eq!(everything(&store), before, "cycle {cycle}");
        assert!(store.verify().unwrap().is_clean());
        store.close().unwrap();
        assert_none(&dir, &needles, &cycle);
    }
    eprintln!(
        "{cycles} purges, {within} killed within, {left} of them left something, {longest:?}"
    );
    assert!(cycles < CYCLES || (within > cycles / 4 && left > 0));
}
