//! Vectors per second by batch size and durability: until they are acknowledged, and until the
//! background has sealed them. Also the bytes written per byte kept. Afterwards every vector must
//! be there.
//!
//! `cargo bench --bench ingest [-- --base FILE --queries FILE --metric cosine]`
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

use altiplano::{CollectionOptions, Durability, HnswParams, Store};
use bench_tools::args::Args;
use bench_tools::measure::{self, Json, median};
use setup::{Data, Scratch};

const PASSES: usize = 3;

fn main() -> ExitCode {
    setup::run("Vectors inserted a second.", &[], bench)
}

fn bench(args: &Args) -> Result<bool, Box<dyn Error>> {
    let data = Data::of(args, 40_000)?;
    let buffered = Durability::buffered(Duration::from_millis(100));
    eprintln!("durability  batch   vectors    acked/s   sealed/s  written/kept");
    for durability in [Durability::Sync, buffered] {
        for batch in [1, 16, 256, 1024] {
            run(&data, durability, batch)?;
        }
    }
    Ok(true)
}

/// The measurements of one pass.
struct Pass {
    acked: f64,
    sealed: f64,
    amplification: Option<f64>,
}

fn run(data: &Data, durability: Durability, batch: usize) -> Result<(), Box<dyn Error>> {
    // Single inserts wait for the disk one by one, so fewer of them are enough.
    let vectors = data.base.len().min(if batch == 1 { 2_000 } else { usize::MAX });
    let passes = (0..PASSES)
        .map(|_| one_pass(data, durability, batch, vectors))
        .collect::<Result<Vec<Pass>, _>>()?;
    let of = |value: fn(&Pass) -> f64| median(&passes.iter().map(value).collect::<Vec<_>>());
    let (acked, sealed) = (of(|p| p.acked), of(|p| p.sealed));
    let amplification = passes.last().and_then(|p| p.amplification);
    let name = if durability == Durability::Sync { "Sync" } else { "Buffered" };
    println!(
        "{}",
        Json::new()
            .field("bench", "ingest")
            .field("system", "altiplano")
            .field("data", &*data.name)
            .field("n", vectors)
            .field("dim", data.base.dim)
            .field("durability", name)
            .field("batch", batch)
            .field("acked_per_s", acked)
            .field("sealed_per_s", sealed)
            .field("bytes_written_per_byte_kept", amplification)
            .line()
    );
    eprintln!(
        "{name:<10} {batch:>6} {vectors:>9} {acked:>10.0} {sealed:>10.0} {:>13}",
        amplification.map_or("-".to_owned(), |a| format!("{a:.2}")),
    );
    Ok(())
}

fn one_pass(
    data: &Data,
    durability: Durability,
    batch: usize,
    vectors: usize,
) -> Result<Pass, Box<dyn Error>> {
    let dir = Scratch::new("ingest");
    let store = Store::open(dir.path())?;
    // No graph here: `recall` measures the building of one.
    let hnsw = HnswParams::default().min_rows(u32::MAX);
    let options = CollectionOptions::new(data.base.dim, data.metric);
    let collection = store.collection("vectors", options.hnsw(hnsw).durability(durability))?;
    let written = written_bytes();
    let begun = Instant::now();
    data.insert(&collection, 0..vectors, batch)?;
    let acked = begun.elapsed();
    while store.stats()?.collections[0].memtable_rows > 4096 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let sealed = begun.elapsed();
    store.sync()?;
    let kept = measure::allocated_bytes(dir.path())?;
    let amplification = match (written, written_bytes()) {
        (Some(before), Some(after)) => Some((after - before) as f64 / kept as f64),
        _ => None,
    };
    if collection.len()? != vectors as u64 {
        return Err("some vectors are missing".into());
    }
    for i in (0..vectors).step_by(vectors / 100 + 1) {
        let memory = collection.get(i as u64)?.ok_or("a vector is missing")?;
        let same = |(x, y): (&f32, &f32)| (x - y).abs() <= y.abs() * 1e-5 + 1e-7;
        if !memory.vector.iter().zip(data.base.row(i)).all(same) {
            return Err("a vector came back changed".into());
        }
    }
    let rate = |took: Duration| vectors as f64 / took.as_secs_f64();
    Ok(Pass { acked: rate(acked), sealed: rate(sealed), amplification })
}

/// Returns the bytes that this process has sent to the disk, where the system reports them.
fn written_bytes() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    let line = io.lines().find_map(|l| l.strip_prefix("wchar: "))?;
    line.trim().parse().ok()
}
