//! Time from opening a store to its first answer. The store was closed cleanly, or it is a copy of
//! the files of an open store, as the death of the process would leave them. The answer is checked.
//!
//! `cargo bench --bench open [-- --base FILE --queries FILE --metric cosine]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

#[path = "common/setup.rs"]
mod setup;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use altiplano::{Background, CollectionOptions, SearchMode, Store, StoreOptions};
use bench_tools::args::Args;
use bench_tools::measure::{Json, Rss, median};
use setup::{Data, K, Scratch};

const PASSES: usize = 5;

fn main() -> ExitCode {
    setup::run("Time to open a store.", &[], bench)
}

fn bench(args: &Args) -> Result<bool, Box<dyn Error>> {
    let data = Data::of(args, 100_000)?;
    let (dir, copy) = (Scratch::new("open"), Scratch::new("open-copy"));
    let store = StoreOptions::new().background(Background::Manual).open(dir.path())?;
    let options = CollectionOptions::new(data.base.dim, data.metric)
        .hnsw(altiplano::HnswParams::default().min_rows(u32::MAX));
    let collection = store.collection("vectors", options)?;
    // The last rows stay in the log, so that recovery has work to do.
    let sealed = data.base.len().saturating_sub(3_000);
    data.insert(&collection, 0..sealed, 1024)?;
    collection.compact()?;
    data.insert(&collection, sealed..data.base.len(), 256)?;
    std::fs::create_dir(copy.path())?;
    for entry in std::fs::read_dir(dir.path())? {
        let entry = entry?;
        std::fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
    }
    drop(collection);
    store.close()?;
    eprintln!("after            vectors   open ms   heap MB   mapped MB   disk MB");
    measure_open(&data, "close", dir.path())?;
    measure_open(&data, "kill", copy.path())?;
    Ok(true)
}

fn measure_open(data: &Data, after: &str, dir: &Path) -> Result<(), Box<dyn Error>> {
    let (mut times, mut last) = (Vec::new(), None);
    let before = Rss::now().unwrap_or_default();
    for _ in 0..PASSES {
        let begun = Instant::now();
        let store = Store::open(dir)?;
        let collection = store.get_collection("vectors").ok_or("the collection is gone")?;
        let search = collection.search(data.queries.row(0)).k(K).mode(SearchMode::Scan);
        let hits = search.run()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        let recall = data.truth.recall(0, K, hits.iter().map(|h| h.id.as_u128() as u32));
        if recall < 0.9 || collection.len()? != data.base.len() as u64 {
            return Err(format!("after a {after} the answer is wrong: recall {recall}").into());
        }
        last = Some((store.stats()?, Rss::now().unwrap_or_default()));
        store.close()?;
    }
    let (stats, rss) = last.ok_or("no pass was made")?;
    let open_ms = median(&times);
    println!(
        "{}",
        Json::new()
            .field("bench", "open")
            .field("system", "altiplano")
            .field("data", &*data.name)
            .field("n", data.base.len())
            .field("dim", data.base.dim)
            .field("after", after)
            .field("open_ms", open_ms)
            .field("heap_bytes", stats.heap_bytes)
            .field("mapped_bytes", stats.mapped_bytes)
            .field("disk_bytes", stats.disk_bytes)
            .field("rss_anon_bytes", rss.anon_bytes.saturating_sub(before.anon_bytes))
            .field("rss_file_bytes", rss.file_bytes.saturating_sub(before.file_bytes))
            .line()
    );
    eprintln!(
        "{after:<14} {:>9} {open_ms:>9.2} {:>9.1} {:>11.1} {:>9.1}",
        data.base.len(),
        stats.heap_bytes as f64 / 1e6,
        stats.mapped_bytes as f64 / 1e6,
        stats.disk_bytes as f64 / 1e6,
    );
    Ok(())
}
