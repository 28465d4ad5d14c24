//! Drops of namespaces one by one, and of half of the remaining rows in one call: the time and the
//! bytes of log. Checks the counts at once and after a replay.

use std::time::{Duration, Instant};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, Filter, HnswParams, Metric,
    Quantization, StoreOptions,
};

use crate::process::file_bytes;
use crate::setup::Scratch;
use crate::shared::{Result, Sizes, expect, memory};
use bench_tools::measure::{Json, Percentiles};

const DIM: usize = 32;
/// Number of timed drops.
const DROPS: u64 = 300;
/// Long enough that no write waits for a sync.
const LATER: Durability = Durability::buffered(Duration::from_secs(24 * 3600));

pub(crate) fn run(sizes: &Sizes) -> Result<()> {
    let dir = Scratch::new("scale-namespaces");
    let rows = sizes.rows - sizes.rows % sizes.namespaces;
    let of_each = rows / sizes.namespaces;
    let drops = DROPS.min(sizes.namespaces / 2);
    {
        let store = open(&dir)?;
        let hnsw = HnswParams::default().min_rows(u32::MAX);
        let options =
            CollectionOptions::new(DIM, Metric::L2).quantization(Quantization::Int8).hnsw(hnsw);
        let all = store.collection("all", options.durability(LATER))?;
        fill(&all, sizes.namespaces, rows, &store)?;
        store.close()?;
    }
    let store = open(&dir)?;
    let all = store.get_collection("all").ok_or("the collection is gone")?;
    expect("rows", all.len()?, rows)?;
    let log = file_bytes(dir.path(), "log-")?;
    let mut times = Vec::new();
    for n in 0..drops {
        let filter = Filter::namespace(format!("user:{n}"));
        let begun = Instant::now();
        let dropped = all.delete_where(filter)?;
        times.push(begun.elapsed());
        expect("rows of a namespace", dropped, of_each)?;
    }
    let first = times[0];
    let log = file_bytes(dir.path(), "log-")? - log;
    let left = rows - drops * of_each;
    expect("rows left", all.len()?, left)?;
    let taken = Percentiles::of(times);
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let line = Json::new()
        .field("bench", "scale")
        .field("part", "namespaces")
        .field("system", "altiplano")
        .field("rows", rows)
        .field("namespaces", sizes.namespaces)
        .field("dim", DIM)
        .field("drops", drops)
        .field("first_ms", ms(first))
        .field("p50_ms", ms(taken.p50))
        .field("p99_ms", ms(taken.p99))
        .field("log_bytes_per_drop", log / drops);
    println!("{}", line.line());
    eprintln!(
        "drop one of {} namespaces of {of_each}: first {:.3} ms, p50 {:.3} ms, p99 {:.3} ms, {} bytes of log",
        sizes.namespaces,
        ms(first),
        ms(taken.p50),
        ms(taken.p99),
        log / drops
    );
    half(&dir, store, all, left)
}

fn open(dir: &Scratch) -> Result<altiplano::Store> {
    Ok(StoreOptions::new().background(Background::Manual).open(dir.path())?)
}

/// Namespaces take turns, so that each is in every segment. Of two rows of a namespace, one is odd.
fn fill(all: &Collection, namespaces: u64, rows: u64, store: &altiplano::Store) -> Result<()> {
    for first in (0..rows).step_by(1024) {
        let memory = |id: u64| {
            let kind = if (id / namespaces).is_multiple_of(2) { "even" } else { "odd" };
            memory(id, DIM).namespace(format!("user:{}", id % namespaces)).kind(kind)
        };
        let batch: Batch = (first..(first + 1024).min(rows)).map(memory).collect();
        all.apply(batch)?;
        // The last rows stay in RAM, as in a store that is in use.
        if rows - first > 3 * 1024 {
            while store.run_pending_tasks()? {}
        }
    }
    Ok(())
}

fn half(dir: &Scratch, store: altiplano::Store, all: Collection, rows: u64) -> Result<()> {
    let odd = all.scan(Filter::kind("odd")).count() as u64;
    let log = file_bytes(dir.path(), "log-")?;
    let begun = Instant::now();
    let deleted = all.delete_where(Filter::kind("odd"))?;
    let took = begun.elapsed();
    let log = file_bytes(dir.path(), "log-")? - log;
    expect("rows deleted", deleted, odd)?;
    expect("rows left", all.len()?, rows - odd)?;
    expect("deleted again", all.delete_where(Filter::kind("odd"))?, 0)?;
    drop(all);
    // A copy as the death of the process would leave it: only the log has the delete.
    let copy = Scratch::new("scale-copy");
    std::fs::create_dir(copy.path())?;
    for entry in std::fs::read_dir(dir.path())? {
        let entry = entry?;
        std::fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
    }
    drop(store);
    let begun = Instant::now();
    let store = open(&copy)?;
    let replay = begun.elapsed();
    let all = store.get_collection("all").ok_or("the collection is gone")?;
    expect("rows after a replay", all.len()?, rows - odd)?;
    expect("odd ones after a replay", all.scan(Filter::kind("odd")).count(), 0)?;
    let line = Json::new()
        .field("bench", "scale")
        .field("part", "delete_where")
        .field("system", "altiplano")
        .field("rows", rows)
        .field("dim", DIM)
        .field("deleted", deleted)
        .field("ms", took.as_secs_f64() * 1e3)
        .field("log_bytes", log)
        .field("reopen_ms", replay.as_secs_f64() * 1e3);
    println!("{}", line.line());
    eprintln!(
        "delete {deleted} of {rows} rows: {:.2} ms, {log} bytes of log; opened again in {:.1} ms",
        took.as_secs_f64() * 1e3,
        replay.as_secs_f64() * 1e3
    );
    Ok(())
}
