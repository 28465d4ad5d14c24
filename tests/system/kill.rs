//! Owns the proof by `kill -9`. A child process writes to a store and reports on a pipe what was
//! acknowledged. The parent kills it at any moment, opens the store, and compares it with a ledger
//! (I1, I3, I4, I5, I8). The ledger continues over all cycles.
//!
//! The system keeps what a killed process gave it, so this proves nothing about a power cut: see
//! `syscalls/mod.rs` and `src/store/tests`. Kills at named points are in `kill_points.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may use clocks and print"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::Rng;
use crate::common::size::{self, sized};
use crate::faults::ledger::{self, Ledger, batch};
use altiplano::{Background, Collection, Durability, Event, Store, StoreOptions};

const CYCLES: u64 = 210;
const DIR: &str = "ALTIPLANO_KILL_DIR";
const FIRST: &str = "ALTIPLANO_KILL_FIRST";
const SEED: &str = "ALTIPLANO_KILL_SEED";

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads");
}

fn open(dir: &Path, background: Background) -> (Store, [Collection; 2]) {
    let options = StoreOptions::new().background(background);
    let store = options
        .on_event(move |event| match event {
            Event::BackgroundError { reason, .. } | Event::IndexDamaged { reason, .. } => {
                say(&format!("note error {reason}"));
            }
            _ if background == Background::Manual => {}
            Event::Sealed { .. } => say("note sealed"),
            Event::Compacted { .. } => say("note compacted"),
            Event::Indexed { graph, .. } => say(if *graph { "note graph" } else { "note codes" }),
            _ => {}
        })
        .open(dir)
        .unwrap_or_else(|e| panic!("the store does not open: {e}"));
    let collections = [0, 1].map(|c| {
        let (name, options) = ledger::collection(c);
        store.collection(name, options).expect("the collection")
    });
    (store, collections)
}

/// The child: writes batches until it is killed. Does nothing in any other process.
pub(crate) fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (first, seed) = (number(FIRST), number(SEED));
    // The harness has printed the beginning of a line.
    say("");
    let (_store, collections) = open(Path::new(&dir), Background::Auto);
    say("open");
    for n in first.. {
        let (base, ops) = batch(seed, n);
        let durability = match n % 3 {
            0 => Durability::buffered(Duration::from_millis(5)),
            _ => Durability::Sync,
        };
        let batch = ledger::to_batch(&collections, base, n, &ops);
        say(&format!("try {n}"));
        collections[base].apply_with(batch, durability).expect("the batch");
        say(&format!("ack {n}"));
    }
}

struct Running {
    child: Child,
    lines: Receiver<String>,
    reader: JoinHandle<()>,
}

fn spawn(dir: &Path, first: u64, seed: u64) -> Running {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(FIRST, first.to_string())
        .env(SEED, seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = channel();
    let reader = std::thread::spawn(move || {
        // The pipe may end inside a line, which then does not count.
        for line in out.split(b'\n').map_while(Result::ok) {
            let _ = send.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    Running { child, lines, reader }
}

#[derive(Debug, Default)]
struct Counts {
    kills: u64,
    batches: u64,
    in_flight: u64,
    killed_while_opening: u64,
    sealed: u64,
    compacted: u64,
    codes: u64,
    graphs: u64,
    with_graph: u64,
    log_rolls: u64,
    stored_in_flight: u64,
    rows_checked: u64,
    searches: u64,
}

/// Lets a child write and kills it after `delay`, counted from its start or from the open of its
/// store. Records its report in the ledger. Returns the next batch's number.
fn kill_one(dir: &Path, ledger: &mut Ledger, first: u64, rng: &mut Rng, n: &mut Counts) -> u64 {
    let mut running = spawn(dir, first, ledger.seed);
    let mut lines = Vec::new();
    let longest = [20_000, 80_000][usize::from(rng.below(2) == 0)];
    let delay = Duration::from_micros(2_000 + rng.below(longest));
    // One in four dies at any moment of its start and recovery.
    if rng.below(4) > 0 {
        while lines.last().is_none_or(|l| l != "open") {
            let line = running.lines.recv_timeout(Duration::from_secs(60));
            lines.push(line.expect("the child opens the store"));
        }
    }
    std::thread::sleep(delay);
    running.child.kill().unwrap();
    let status = running.child.wait().unwrap();
    running.reader.join().unwrap();
    lines.extend(running.lines.iter());
    assert_eq!(status.signal(), Some(9), "the child ended by itself: {lines:?}");
    n.kills += 1;
    n.killed_while_opening += u64::from(!lines.iter().any(|l| l == "open"));
    let (mut next, mut tried) = (first, None);
    for line in &lines {
        match line.split_once(' ') {
            Some(("try", number)) => {
                tried = Some(number.parse::<u64>().unwrap());
                next = tried.unwrap() + 1;
            }
            Some(("ack", number)) => {
                assert_eq!(tried.take(), number.parse().ok(), "{lines:?}");
                ledger.acknowledged(next - 1);
                n.batches += 1;
            }
            Some(("note", "sealed")) => n.sealed += 1,
            Some(("note", "compacted")) => n.compacted += 1,
            Some(("note", "codes")) => n.codes += 1,
            Some(("note", "graph")) => n.graphs += 1,
            Some(("note", other)) => panic!("the child noticed: {other}"),
            _ => {}
        }
    }
    if let Some(number) = tried {
        ledger.in_flight(number);
        n.in_flight += 1;
    }
    next
}

/// Opens the store and compares everything with the ledger.
fn check(dir: &Path, ledger: &mut Ledger, cycle: u64, n: &mut Counts) {
    if cycle % 4 == 3 {
        // A reader of an unrecovered store sees the same, and changes nothing.
        let reader = StoreOptions::new().open_read_only(dir).unwrap();
        if let [Some(notes), Some(facts)] = ledger::NAMES.map(|name| reader.get_collection(name)) {
            ledger.settle(&ledger::read(&[notes, facts]));
        }
    }
    let (store, collections) = open(dir, Background::Manual);
    let found = ledger::read(&collections);
    n.stored_in_flight += ledger.settle(&found);
    n.rows_checked += found.iter().map(|rows| rows.len() as u64).sum::<u64>();
    for (collection, rows) in collections.iter().zip(&found) {
        assert_eq!(collection.len().unwrap(), rows.len() as u64);
    }
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "cycle {cycle}: {:?}", report.problems);
    let stats = store.stats().unwrap();
    n.log_rolls += u64::from(stats.log_files > 1);
    let mut indexes = stats.collections.iter().flat_map(|c| &c.indexes);
    n.with_graph += u64::from(indexes.any(|i| i.graph));
    if cycle % 8 == 7 {
        n.searches += ledger::search(&collections, &found, cycle);
    }
    if cycle % 16 == 15 {
        // The next child starts from the state that the parent compacted.
        while store.run_pending_tasks().unwrap() {}
        assert_eq!(ledger::read(&collections), found);
    }
    match cycle % 2 {
        0 => store.close().unwrap(),
        _ => drop(store),
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_deleted_comes_back_i4_i8() {
    let (cycles, seed) = (sized("kills", 20, CYCLES, 10 * CYCLES), size::seed(20_260_501));
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("kill.alt");
    let mut rng = Rng(seed);
    let (mut ledger, mut counts, mut next) = (Ledger::new(seed), Counts::default(), 1);
    let begun = Instant::now();
    for cycle in 0..cycles {
        next = kill_one(&dir, &mut ledger, next, &mut rng, &mut counts);
        // Some are killed again before anybody has opened the store: recovery of an interrupted
        // recovery.
        while rng.below(5) == 0 {
            next = kill_one(&dir, &mut ledger, next, &mut rng, &mut counts);
        }
        check(&dir, &mut ledger, cycle, &mut counts);
    }
    eprintln!("{cycles} cycles in {:?}, seed {seed}: {counts:?}", begun.elapsed());
    assert!(counts.kills >= cycles);
    if cycles >= CYCLES {
        // Otherwise the workload is too tame to prove anything.
        assert!(counts.batches > cycles && counts.in_flight > cycles / 4);
        assert!(counts.killed_while_opening > 0 && counts.stored_in_flight > 0);
        assert!(counts.sealed > 0 && counts.compacted > 0);
        assert!(counts.with_graph > 0 && counts.log_rolls > 0 && counts.searches > 0);
    }
}
