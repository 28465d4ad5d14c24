//! Loads a file of embeddings, answers queries, and prints recall and speed.
//!
//! `cargo run --release --example ingest` runs on the data set in `examples/data`. Add `--base FILE
//! --queries FILE [--neighbors FILE] --metric cosine|l2|dot` for your own data (`.npy`, `.fvecs`,
//! `.fbin`).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example prints and measures"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use altiplano::{Batch, Collection, CollectionOptions, Fields, Memory, Metric, Store};
use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::{self, Percentiles, Rss};
use bench_tools::vectors::{self, Neighbors, Vectors};

/// Memories that are acknowledged together.
const BATCH: usize = 256;
const K: usize = 10;

const OPTIONS: &[Opt] = &[
    Opt { key: "base", value: "FILE", help: "vectors to load; default: examples/data" },
    Opt { key: "queries", value: "FILE", help: "vectors to look for" },
    Opt { key: "neighbors", value: "FILE", help: "the true neighbors; default: exact search" },
    Opt { key: "metric", value: "NAME", help: "cosine (default), l2 or dot" },
    Opt { key: "limit", value: "N", help: "load at most so many vectors" },
    Opt { key: "dir", value: "DIR", help: "keep the store here; default: a temporary directory" },
];

fn main() -> ExitCode {
    args::run("Load embeddings, answer queries.", OPTIONS, ingest)
}

fn ingest(args: &Args) -> Result<bool, Box<dyn Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let file =
        |key: &str, name: &str| args.text(key).map_or_else(|| data.join(name), PathBuf::from);
    let limit = args.get::<usize>("limit")?;
    let base = Vectors::read(&file("base", "memories.npy"), limit)?;
    let queries = Vectors::read(&file("queries", "queries.npy"), None)?;
    let (metric, truth_metric) = match args.text("metric").unwrap_or("cosine") {
        "cosine" => (Metric::Cosine, vectors::Metric::Cosine),
        "dot" => (Metric::Dot, vectors::Metric::Dot),
        "l2" => (Metric::L2, vectors::Metric::L2),
        other => return Err(format!("--metric {other}: not cosine, dot or l2").into()),
    };
    let truth = match args.text("neighbors") {
        Some(file) => Neighbors::read(Path::new(file), None)?,
        None => vectors::exact_neighbors(&base, &queries, truth_metric, K, 2),
    };
    if !truth.fits(base.len()) || truth.len() < queries.len() {
        return Err("the neighbors are not those of these vectors".into());
    }

    let dir = args.text("dir").map_or_else(
        || std::env::temp_dir().join(format!("altiplano-ingest-{}.alt", std::process::id())),
        PathBuf::from,
    );
    let store = Store::open(&dir)?;
    let collection = store.collection("vectors", CollectionOptions::new(base.dim, metric))?;
    let before = Rss::now();
    load(&store, &collection, &base)?;
    ask(&collection, &queries, &truth)?;
    report(&dir, before)?;
    drop(collection);
    store.close()?;
    if args.text("dir").is_none() {
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(true)
}

/// Inserts everything in durable batches, then waits until the background has caught up.
fn load(store: &Store, collection: &Collection, base: &Vectors) -> Result<(), Box<dyn Error>> {
    println!(
        "{} vectors of {} dimensions are inserted, in durable batches of {BATCH}:",
        base.len(),
        base.dim
    );
    let begun = Instant::now();
    for first in (0..base.len()).step_by(BATCH) {
        let last = (first + BATCH).min(base.len());
        let memory = |i: usize| Memory::new(i as u64, base.row(i));
        collection.apply((first..last).map(memory).collect::<Batch>())?;
    }
    let acknowledged = begun.elapsed();
    let rate = |took: Duration| base.len() as f64 / took.as_secs_f64();
    println!("  acknowledged  {:>10.0} vectors/s", rate(acknowledged));

    wait_until_indexed(store, collection)?;
    println!("  indexed       {:>10.0} vectors/s, by the background", rate(begun.elapsed()));
    Ok(())
}

/// Waits until the background work is done: no debt, and no worker active for a while.
fn wait_until_indexed(store: &Store, collection: &Collection) -> altiplano::Result<()> {
    let options = collection.settings();
    let mut quiet = 0;
    while quiet < 4 {
        std::thread::sleep(Duration::from_millis(250));
        let stats = store.stats()?;
        let own = &stats.collections[0];
        let graph_rows: u64 = own.indexes.iter().filter(|i| i.graph).map(|i| i.live_nodes).sum();
        let wants_graph = own.live_rows >= u64::from(options.hnsw.min_rows);
        // Up to a quarter of the rows may lack a graph: they are scanned.
        let indexed = !wants_graph || graph_rows * 4 >= own.live_rows * 3;
        let sealed = own.memtable_rows <= u64::from(options.memtable_rows);
        quiet = if indexed && sealed && own.debt_bytes == 0 { quiet + 1 } else { 0 };
    }
    Ok(())
}

fn ask(collection: &Collection, queries: &Vectors, truth: &Neighbors) -> altiplano::Result<()> {
    println!("{} queries are asked, and compared with exact search:", queries.len());
    let (mut recall, mut times) = (0.0, Vec::with_capacity(queries.len()));
    for (i, query) in queries.rows().enumerate() {
        let begun = Instant::now();
        let hits = collection.search(query).k(K).fields(Fields::None).run()?;
        times.push(begun.elapsed());
        recall += truth.recall(i, K, hits.iter().map(|hit| hit.id.as_u128() as u32));
    }
    let seconds: f64 = times.iter().map(Duration::as_secs_f64).sum();
    let rate = queries.len() as f64 / seconds;
    let Percentiles { p50, p99, .. } = Percentiles::of(times);
    println!("  queries       {rate:>10.0} /s on one thread, p50 {p50:.0?}, p99 {p99:.0?}");
    println!("  recall@{K}     {:>10.4}", recall / queries.len() as f64);
    Ok(())
}

fn report(dir: &Path, before: Option<Rss>) -> Result<(), Box<dyn Error>> {
    const MB: f64 = 1e6;
    println!("What the store takes now, RAM as added since it was opened:");
    if let (Some(before), Some(now)) = (before, Rss::now()) {
        let added = |now: u64, before: u64| now.saturating_sub(before) as f64 / MB;
        println!(
            "  RSS           {:>10.1} MB anonymous, {:.1} MB mapped",
            added(now.anon_bytes, before.anon_bytes),
            added(now.file_bytes, before.file_bytes),
        );
    }
    println!("  disk          {:>10.1} MB", measure::allocated_bytes(dir)? as f64 / MB);
    Ok(())
}
