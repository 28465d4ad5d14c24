//! One graph of all rows: building it, opening its store, and merging it after a fifth of the rows
//! was replaced. Each is reported with its peak of anonymous memory.
//!
//! A build may take half of the store's `heap_budget`. The budget is chosen so that this half is a
//! little more than the store's own estimate of the build. Recall is measured against the store's
//! exact search.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, Event, HnswParams, Memory,
    Metric, SearchMode, Store, StoreOptions,
};

use crate::setup::{K, Scratch};
use crate::shared::{Result, Sizes, expect};
use bench_tools::measure::{self, Json, Percentiles, Rss};
use bench_tools::vectors::{Vectors, clustered};

/// `GRAPH` is the most bytes that a graph's build takes per row, without its code, from half of the
/// budget. `STORE` is for the rest of the store.
const GRAPH: u64 = 600;
const STORE: u64 = 128 << 20;
const QUERIES: usize = 100;
/// Rows per insert.
const BATCH: usize = 1024;
/// Interval between samples of memory, each of which takes time of its own.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(sizes: &Sizes) -> Result<()> {
    let rows = sizes.rows as usize;
    let replaced = rows / 5;
    let data = clustered(rows + replaced + QUERIES, sizes.dim, 2000, 5);
    let dir = Scratch::new("scale-merge");
    let budget = STORE + 2 * sizes.rows * (sizes.dim as u64 * 2 / 3 + GRAPH);
    let open = || -> Result<Store> {
        let options = StoreOptions::new().background(Background::Manual).heap_budget(budget);
        Ok(options.on_event(note).open(dir.path())?)
    };
    let store = open()?;
    let later = Durability::buffered(Duration::from_secs(1));
    let options = CollectionOptions::new(sizes.dim, Metric::Cosine)
        .durability(later)
        .hnsw(HnswParams::default().min_rows(rows as u32));
    let all = store.collection("all", options)?;
    let empty = Rss::now().unwrap_or_default();
    for first in (0..rows).step_by(BATCH) {
        // No graph is built until all rows are there.
        while store.stats()?.heap_bytes > STORE / 2 && store.run_pending_tasks()? {}
        insert(&all, &data, first..(first + BATCH).min(rows))?;
    }
    let bench = Bench { sizes, budget, empty };
    bench.tell("build", &store, &all)?;
    ask(sizes, "built", &all, &data)?;

    let (store, all) = {
        drop(all);
        store.close()?;
        let before = Rss::now().unwrap_or_default();
        let begun = Instant::now();
        let store = open()?;
        let all = store.get_collection("all").ok_or("the collection is gone")?;
        let first = all.search(data.row(rows + replaced)).k(K).run()?;
        let open_ms = begun.elapsed().as_secs_f64() * 1e3;
        expect("results of the first search", first.len(), K)?;
        let (now, stats) = (Rss::now().unwrap_or_default(), store.stats()?);
        let line = line(sizes, "open")
            .field("open_ms", open_ms)
            .field("heap_bytes", stats.heap_bytes)
            .field("rss_anon_bytes", now.anon_bytes.saturating_sub(before.anon_bytes))
            .field("mapped_bytes", stats.mapped_bytes);
        println!("{}", line.line());
        let heap = stats.heap_bytes as f64 / 1e6;
        eprintln!("open to first answer {open_ms:.1} ms, heap {heap:.1} MB");
        (store, all)
    };
    // One of every five rows. Their vectors have no order.
    let gone: Batch = (0..replaced).fold(Batch::new(), |batch, i| {
        batch.delete((i as u64 * 5 + (i as u64 * 7919) % 5) % rows as u64)
    });
    all.apply(gone)?;
    for first in (rows..rows + replaced).step_by(BATCH) {
        insert(&all, &data, first..(first + BATCH).min(rows + replaced))?;
    }
    bench.tell("merge", &store, &all)?;
    expect("rows", all.len()?, sizes.rows)?;
    ask(sizes, "merged", &all, &data)?;
    drop(all);
    Ok(store.close()?)
}

/// Prints the events of graphs.
fn note(event: &Event) {
    if let Event::Indexed { rows, graph: true, merged, evaluations, .. } = event {
        let how = if *merged { "merged" } else { "built" };
        eprintln!(
            "  a graph of {rows} rows {how} with {:.1} M distances",
            *evaluations as f64 / 1e6
        );
    }
}

struct Bench<'a> {
    sizes: &'a Sizes,
    budget: u64,
    /// The memory of the process with the vectors and an empty store.
    empty: Rss,
}

fn line(sizes: &Sizes, what: &str) -> Json {
    Json::new()
        .field("bench", "scale")
        .field("part", "merge")
        .field("system", "altiplano")
        .field("rows", sizes.rows)
        .field("dim", sizes.dim)
        .field("what", what)
}

fn insert(all: &Collection, data: &Vectors, rows: std::ops::Range<usize>) -> Result<()> {
    let memory = |row| Memory::new(row as u64, data.row(row));
    Ok(all.apply(rows.map(memory).collect::<Batch>()).map(drop)?)
}

impl Bench<'_> {
    /// Compacts and prints the cost.
    fn tell(&self, what: &str, store: &Store, all: &Collection) -> Result<()> {
        let Self { sizes, budget, empty } = *self;
        let (cpu, begun) = (measure::cpu_seconds(None).unwrap_or(0.0), Instant::now());
        let done = AtomicBool::new(false);
        let (mut peak, mut counted) = (0, 0);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let (mut peak, mut counted) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    peak = peak.max(Rss::now().map_or(0, |rss| rss.anon_bytes));
                    counted = counted.max(store.stats().map_or(0, |s| s.job_heap_bytes));
                    std::thread::sleep(LOOK);
                }
                (peak, counted)
            });
            let worked = all.compact();
            done.store(true, Ordering::Relaxed);
            (peak, counted) = watch.join().unwrap_or((0, 0));
            worked
        })?;
        let cpu = measure::cpu_seconds(None).unwrap_or(0.0) - cpu;
        let (took, peak) = (begun.elapsed().as_secs_f64(), peak.saturating_sub(empty.anon_bytes));
        let graphs = store.stats()?.collections[0].indexes.iter().filter(|i| i.graph).count();
        expect("graphs", graphs, 1)?;
        if peak > budget {
            return Err(format!("{what}: {peak} bytes at the most, the budget is {budget}").into());
        }
        let line = line(sizes, what)
            .field("seconds", took)
            .field("cpu_s", cpu)
            .field("peak_anon_bytes", peak)
            .field("counted_bytes", counted)
            .field("heap_budget", budget);
        println!("{}", line.line());
        eprintln!(
            "{what} of {} rows: {took:.1} s, {cpu:.1} s of processor time, at the most {:.0} MB of anonymous \
         memory ({:.0} MB by the store's count) of a budget of {:.0}",
            all.len()?,
            peak as f64 / 1e6,
            counted as f64 / 1e6,
            budget as f64 / 1e6
        );
        Ok(())
    }
}

/// Searches through the graph and compares the hits with exact search.
fn ask(sizes: &Sizes, what: &str, all: &Collection, data: &Vectors) -> Result<()> {
    let first = data.len() - QUERIES;
    let (mut found, mut times) = (0, Vec::new());
    for query in (first..data.len()).map(|row| data.row(row)) {
        let exact: Vec<_> =
            all.search(query).k(K).exact().run()?.into_iter().map(|h| h.id).collect();
        expect("exact results", exact.len(), K)?;
        all.search(query).k(K).run()?;
        let begun = Instant::now();
        let hits = all.search(query).k(K).mode(SearchMode::Auto).run()?;
        times.push(begun.elapsed());
        found += hits.iter().filter(|hit| exact.contains(&hit.id)).count();
    }
    let recall = found as f64 / (K * QUERIES) as f64;
    let times = Percentiles::of(times);
    let rss = Rss::now().unwrap_or_default();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let line = line(sizes, what)
        .field("recall_at_10", recall)
        .field("p50_us", us(times.p50))
        .field("p99_us", us(times.p99))
        .field("rss_file_bytes", rss.file_bytes);
    println!("{}", line.line());
    eprintln!("  recall@10 {recall:.4}, p50 {:.0} us, p99 {:.0} us", us(times.p50), us(times.p99));
    if recall < 0.9 {
        return Err(format!("{what}: recall {recall}").into());
    }
    Ok(())
}
