//! How long `Store::stats` takes in a store of 100 segments, some of whose rows are dead.
//!
//! The answer is checked: rows against what was written and deleted, bytes against the directory.
//! Prints a JSON line with the median and the 99th percentile. The verdict is `holds` if the median
//! is below 50 µs.
//!
//! `cargo bench --bench stats [-- --segments 100 --times 2000]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

#[path = "common/setup.rs"]
mod setup;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use altiplano::{
    Batch, CollectionOptions, Durability, HnswParams, Memory, Metric, Store, StoreStats,
};
use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::{self, Json, Percentiles};
use setup::Scratch;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPTIONS: [Opt; 3] = [
    Opt { key: "segments", value: "N", help: "default 100" },
    Opt { key: "times", value: "N", help: "calls; default 2000; --quick: 100" },
    Opt { key: "quick", value: "", help: "short, for CI" },
];

/// Rows of a segment.
const ROWS: u64 = 256;
const BOUND: Duration = Duration::from_micros(50);

fn main() -> ExitCode {
    args::run("Statistics of a store.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool> {
    let pinned = measure::pin_to_core(0);
    let quick = args.has("quick");
    let segments: u64 = args.get_or("segments", 100)?;
    let times: usize = args.get_or("times", if quick { 100 } else { 2000 })?;
    let dir = Scratch::new("stats");
    let store = Store::open(dir.path())?;
    let live = fill(&store, segments)?;
    check(&store.stats()?, &dir, segments, live)?;
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        let stats = store.stats()?;
        took.push(began.elapsed());
        std::hint::black_box(stats);
    }
    let began = Instant::now();
    let resident = store.resident_bytes()?;
    let resident_took = began.elapsed();
    let percentiles = Percentiles::of(took);
    let holds = percentiles.p50 < BOUND;
    let verdict = if holds { "holds" } else { "does not hold" };
    let line = Json::new()
        .field("bench", "stats")
        .field("verdict", verdict)
        .field("segments", segments)
        .field("pinned", pinned)
        .field("p50_us", micros(percentiles.p50))
        .field("p99_us", micros(percentiles.p99))
        .field("resident_bytes", resident)
        .field("resident_us", micros(resident_took));
    println!("{}", line.line());
    eprintln!("{verdict}: {:?} at {segments} segments, wanted < {BOUND:?}", percentiles.p50);
    Ok(holds || quick)
}

/// Writes segments, and deletes a row of every fourth. Returns how many rows are live.
fn fill(store: &Store, segments: u64) -> Result<u64> {
    let hnsw = HnswParams::default().min_rows(u32::MAX);
    let options = CollectionOptions::new(32, Metric::L2).hnsw(hnsw).memtable_rows(ROWS as u32);
    let notes = store.collection("notes", options)?;
    let unsynced = Durability::buffered(Duration::from_secs(3600));
    store.pause_background();
    for segment in 0..segments {
        let ids = segment * ROWS..(segment + 1) * ROWS;
        let memory = |id: u64| Memory::new(id, vec![id as f32; 32]).field("n", id % 7);
        notes.apply_with(ids.map(memory).collect::<Batch>(), unsynced)?;
        while notes.stats()?.memtable_rows > 0 && notes.stats()?.segments.len() as u64 <= segment {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let dead: Vec<u64> = (0..segments).step_by(4).map(|segment| segment * ROWS).collect();
    let batch = dead.iter().fold(Batch::new(), |batch, id| batch.delete(*id));
    notes.apply(batch)?;
    Ok(segments * ROWS - dead.len() as u64)
}

fn check(stats: &StoreStats, dir: &Scratch, segments: u64, live: u64) -> Result<()> {
    let notes = &stats.collections[0];
    if notes.live_rows != live || (notes.segments.len() as u64) < segments {
        return Err(format!("{live} rows in {segments} segments were expected: {notes:?}").into());
    }
    let mut on_disk = 0;
    for entry in std::fs::read_dir(dir.path())? {
        let entry = entry?;
        if entry.file_name() != "RESERVE" {
            on_disk += entry.metadata()?.len().next_multiple_of(4096);
        }
    }
    if stats.disk_bytes != on_disk {
        return Err(format!("{} bytes are counted, {on_disk} are there", stats.disk_bytes).into());
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}
