//! Lists, windows, counts and passes over a million rows in sessions of 500, all sealed.
//!
//! The turns of all sessions are interleaved, so the rows of one session lie in every segment, far
//! apart. Every answer is compared with the plain arithmetic by which the rows were made (`rows`).
//!
//! Prints a JSON line per case with the median and the 99th percentile of its time, after one round
//! that warms up. The verdict is `holds` if the newest 20 of a session take less than a millisecond
//! in the median. A `--quick` run shows that the benchmark works, not how fast lists are.
//!
//! `cargo bench --bench list [-- --rows 1000000 --times 300]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

mod rows;
#[path = "../common/setup.rs"]
mod setup;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Direction, Durability, Fields, Filter,
    HnswParams, Memory, Metric, NameCount, Order, Page, Store, StoreOptions, Window,
};
use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::{self, Json, Percentiles};
use rows::Rows;
use setup::Scratch;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [Opt; 4] = [
    Opt { key: "rows", value: "N", help: "default 1000000; --quick: 20000" },
    Opt { key: "times", value: "N", help: "calls of each case; default 300; --quick: 20" },
    Opt { key: "quick", value: "", help: "small and short, for CI" },
    Opt { key: "dim", value: "N", help: "dimension of the vectors; default 8" },
];

/// Memories on a page.
const PAGE: usize = 20;
/// Cases that read something of every row are repeated less often, by this factor.
const SELDOM: usize = 10;
/// Passes over all rows, after one that warms up.
const PASSES: usize = 3;
const BOUND: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    args::run("Lists and counts.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool> {
    let pinned = measure::pin_to_core(0);
    let quick = args.has("quick");
    let rows = Rows::new(args.get_or("rows", if quick { 20_000 } else { 1_000_000 })?);
    let times = args.get_or("times", if quick { 20 } else { 300 })?;
    let dimension = args.get_or("dim", 8)?;
    let dir = Scratch::new("list");
    fill(&dir, &rows, dimension)?;
    let store = Store::open(dir.path())?;
    let notes = store.get_collection("notes").ok_or("the collection is gone")?;
    let segments = store.stats()?.collections[0].segments.len();
    eprintln!("{} rows in {segments} segments", rows.count);
    let run = Run { rows, notes, times, dimension, segments, pinned };
    let session = run.lists()?;
    run.windows()?;
    run.counts()?;
    run.passes()?;
    let holds = session.p50 < BOUND;
    let verdict = if holds { "holds" } else { "does not hold" };
    let line = Json::new()
        .field("bench", "list")
        .field("verdict", verdict)
        .field("n", run.rows.count)
        .field("newest_of_session_p50_us", micros(session.p50));
    println!("{}", line.line());
    eprintln!("{verdict}: the newest {PAGE} of a session in {:?}, wanted < {BOUND:?}", session.p50);
    Ok(holds || quick)
}

/// Writes all rows and compacts them. No graph is built: nothing is searched for.
fn fill(dir: &Scratch, rows: &Rows, dimension: usize) -> Result<()> {
    let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
    let hnsw = HnswParams::default().min_rows(u32::MAX);
    let options = CollectionOptions::new(dimension, Metric::L2).hnsw(hnsw);
    let notes = store.collection("notes", options)?;
    let unsynced = Durability::buffered(Duration::from_secs(3600));
    for first in (0..rows.count).step_by(1024) {
        let batch = (first..rows.count.min(first + 1024)).map(|row| rows.memory(row, dimension));
        notes.apply_with(batch.collect::<Batch>(), unsynced)?;
        while store.run_pending_tasks()? {}
    }
    notes.compact()?;
    drop(notes);
    store.close()?;
    Ok(())
}

struct Run {
    rows: Rows,
    notes: Collection,
    times: usize,
    dimension: usize,
    segments: usize,
    pinned: bool,
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn ids(memories: &[Memory]) -> Vec<u64> {
    memories.iter().map(|memory| memory.id.as_u128() as u64).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(case: &str, got: &T, wanted: &T) -> Result<()> {
    match got == wanted {
        true => Ok(()),
        false => Err(format!("{case}: a wrong answer: {got:?}, not {wanted:?}").into()),
    }
}

impl Run {
    /// Calls `ask` so many times with other numbers each, and `check` with every answer. Prints a
    /// line.
    fn case<T>(
        &self,
        name: &str,
        times: usize,
        ask: impl Fn(u64) -> altiplano::Result<T>,
        check: impl Fn(u64, &T) -> Result<()>,
    ) -> Result<Percentiles> {
        check(0, &ask(0)?)?;
        let mut took = Vec::with_capacity(times);
        for nth in 0..times as u64 {
            // A step that shares no factor with the number of sessions meets them all.
            let nth = nth * 7_919;
            let begun = Instant::now();
            let answer = ask(nth)?;
            took.push(begun.elapsed());
            check(nth, &answer)?;
        }
        let took = Percentiles::of(took);
        let line = Json::new()
            .field("bench", "list")
            .field("system", "altiplano")
            .field("case", name)
            .field("n", self.rows.count)
            .field("dim", self.dimension)
            .field("segments", self.segments)
            .field("threads", 1usize)
            .field("pinned", self.pinned)
            .field("calls", times)
            .field("p50_us", micros(took.p50))
            .field("p99_us", micros(took.p99));
        println!("{}", line.line());
        eprintln!(
            "{name:<36} p50 {:>10.1} us  p99 {:>10.1} us",
            micros(took.p50),
            micros(took.p99)
        );
        Ok(took)
    }

    fn seldom(&self) -> usize {
        (self.times / SELDOM).max(3)
    }

    /// Returns the times of the newest page of a session.
    fn lists(&self) -> Result<Percentiles> {
        let (notes, rows) = (&self.notes, &self.rows);
        let list = |nth| notes.list().session(rows.session(nth)).limit(PAGE);
        let newest = |nth, skip: usize| -> Vec<u64> {
            rows.of_session(nth).into_iter().rev().skip(skip).take(PAGE).collect()
        };
        let session = self.case(
            "newest 20 of a session",
            self.times,
            |nth| list(nth).run(),
            |nth, page: &Page| same("newest", &ids(&page.memories), &newest(nth, 0)),
        )?;
        self.case(
            "first and second page of a session",
            self.times,
            |nth| list(nth).after(list(nth).run()?.next).run(),
            |nth, page| same("second page", &ids(&page.memories), &newest(nth, PAGE)),
        )?;
        self.case(
            "most important 20 of a session",
            self.times,
            |nth| list(nth).order(Order::Importance, Direction::Descending).run(),
            |nth, page| {
                let mut all = rows.of_session(nth);
                all.sort_by_key(|row| std::cmp::Reverse((rows.importance(*row), *row)));
                all.truncate(PAGE);
                same("most important", &ids(&page.memories), &all)
            },
        )?;
        let of_all = |skip: u64| -> Vec<u64> {
            (0..rows.count).rev().skip(skip as usize).take(PAGE).collect()
        };
        self.case(
            "newest 20 of all",
            self.seldom(),
            |_| notes.list().limit(PAGE).run(),
            |_, page| same("newest of all", &ids(&page.memories), &of_all(0)),
        )?;
        self.case(
            "first and second page of all",
            self.seldom(),
            |_| notes.list().limit(PAGE).after(notes.list().limit(PAGE).run()?.next).run(),
            |_, page| same("second page of all", &ids(&page.memories), &of_all(PAGE as u64)),
        )?;
        let oldest: Vec<u64> = (0..rows.count).take(PAGE).collect();
        self.case(
            "oldest 20 of all",
            self.seldom(),
            |_| notes.list().oldest_first().limit(PAGE).run(),
            |_, page| same("oldest of all", &ids(&page.memories), &oldest),
        )?;
        Ok(session)
    }

    fn windows(&self) -> Result<()> {
        let (notes, rows) = (&self.notes, &self.rows);
        self.case(
            "recent 20 turns",
            self.times,
            |nth| notes.recent(rows.session(nth), Window::turns(20)),
            |nth, turns| {
                let all = rows.of_session(nth);
                same("turns", &ids(turns), &all[all.len().saturating_sub(20)..].to_vec())
            },
        )?;
        self.case(
            "recent 2000 tokens",
            self.times,
            |nth| notes.recent(rows.session(nth), Window::tokens(2_000)),
            |nth, turns| {
                let mut left = 2_000;
                let fits = |row: &u64| {
                    let tokens = u64::from(rows.tokens(*row));
                    let fits = tokens <= left;
                    left -= tokens.min(left);
                    fits
                };
                let all = rows.of_session(nth).into_iter().rev();
                let mut wanted: Vec<u64> = all.take_while(fits).collect();
                wanted.reverse();
                same("tokens", &ids(turns), &wanted)
            },
        )?;
        Ok(())
    }

    /// Reads every row, with fewer and fewer fields.
    fn passes(&self) -> Result<()> {
        let (notes, rows) = (&self.notes, &self.rows);
        let wanted = (0..rows.count).map(|row| u64::from(rows.tokens(row))).sum();
        for (name, fields) in [
            ("pass over all fields", Fields::All),
            ("pass without vectors", Fields::Payload),
            ("pass over attributes", Fields::Attributes),
        ] {
            let tokens = |memory: altiplano::Result<Memory>| {
                memory.map(|memory| u64::from(memory.tokens.unwrap_or_default()))
            };
            self.case(
                name,
                PASSES,
                |_| notes.iter().fields(fields).map(tokens).sum::<altiplano::Result<u64>>(),
                |_, tokens| same(name, tokens, &wanted),
            )?;
        }
        Ok(())
    }

    fn counts(&self) -> Result<()> {
        let (notes, rows) = (&self.notes, &self.rows);
        self.case(
            "count of a session",
            self.times,
            |nth| notes.count(Filter::session(rows.session(nth))),
            |nth, count| same("count", count, &(rows.of_session(nth).len() as u64)),
        )?;
        let plain = |counts: &[NameCount]| -> Vec<(String, u64)> {
            counts.iter().map(|count| (count.name.clone(), count.memories)).collect()
        };
        self.case(
            "sessions of a namespace",
            self.times,
            |nth| notes.sessions(&*rows.namespace(nth)),
            |nth, counts| same("its sessions", &plain(counts), &rows.sessions_beside(nth)),
        )?;
        self.case(
            "all sessions",
            self.seldom(),
            |_| notes.sessions(None),
            |_, counts| same("sessions", &plain(counts), &rows.sessions()),
        )?;
        self.case(
            "all namespaces",
            self.seldom(),
            |_| notes.namespaces("", usize::MAX),
            |_, counts| same("namespaces", &plain(counts), &rows.namespaces()),
        )?;
        self.case(
            "namespaces below one",
            self.times,
            |nth| notes.namespaces(&rows.namespace(nth), 1),
            |nth, counts| {
                let mut wanted = rows.namespaces();
                wanted.retain(|(name, _)| *name == rows.namespace(nth));
                same("a namespace", &plain(counts), &wanted)
            },
        )?;
        Ok(())
    }
}
