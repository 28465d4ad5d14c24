//! Thousands of small collections in one store: the cost to create, fill, rewrite, keep and reopen
//! them, and the resources of the process that they hold.

use std::path::Path;
use std::time::{Duration, Instant};

use altiplano::{Batch, CollectionOptions, Durability, Metric, Store};

use crate::process::{Held, file_bytes, written_bytes};
use crate::setup::Scratch;
use crate::shared::{Result, Sizes, expect, memory};
use bench_tools::measure::{Json, Rss, cpu_seconds};

const ROWS: u64 = 50;
/// Number of times that every row is replaced.
const ROUNDS: u64 = 3;
/// Rows of one more collection, which makes the workers check all collections twice a second.
const LARGE: u64 = 5_000;
const LATER: Durability = Durability::buffered(Duration::from_secs(10));

pub(crate) fn run(sizes: &Sizes, quick: bool) -> Result<()> {
    let dir = Scratch::new("scale-collections");
    let empty = Rss::now().unwrap_or_default().anon_bytes;
    let store = Store::open(dir.path())?;
    let options = CollectionOptions::new(sizes.dim, Metric::Cosine).durability(LATER);
    let (begun, written) = (Instant::now(), written_bytes());
    for n in 0..sizes.collections {
        store.collection(&format!("agent:{n}"), options.clone())?;
    }
    let (create, create_bytes) = (begun.elapsed(), written_bytes() - written);
    let created = Rss::now().unwrap_or_default().anon_bytes;
    let (begun, written) = (Instant::now(), written_bytes());
    let mut log_peak = 0;
    for round in 0..ROUNDS {
        for n in 0..sizes.collections {
            let notes =
                store.get_collection(&format!("agent:{n}")).ok_or("a collection is gone")?;
            let memory = |i: u64| memory(n * ROWS + i, sizes.dim).text(format!("{round}"));
            notes.apply((0..ROWS).map(memory).collect::<Batch>())?;
            if n % 64 == 0 {
                log_peak = log_peak.max(file_bytes(dir.path(), "log-")?);
            }
        }
    }
    store.sync()?;
    let (fill, fill_bytes) = (begun.elapsed(), written_bytes() - written);
    let large = store.collection("large", options)?;
    let ids = sizes.collections * ROWS..sizes.collections * ROWS + LARGE;
    large.apply(ids.map(|id| memory(id, sizes.dim)).collect::<Batch>())?;
    large.compact()?;
    // Waits until the workers are at rest.
    settle(dir.path())?;
    let log = file_bytes(dir.path(), "log-")?;
    let (held, heap) = (Held::now(dir.path()), Rss::now().unwrap_or_default().anon_bytes);
    let counted = store.stats()?.heap_bytes;
    let idle = idle_cpu(if quick { 1 } else { 5 });
    store.close()?;
    let begun = Instant::now();
    let store = Store::open(dir.path())?;
    let open = begun.elapsed();
    check(&store, sizes)?;
    let opened = Held::now(dir.path());
    let live = sizes.collections * ROWS * (sizes.dim as u64 * 4);
    let line = Json::new()
        .field("bench", "scale")
        .field("part", "collections")
        .field("system", "altiplano")
        .field("collections", sizes.collections)
        .field("rows", ROWS)
        .field("rounds", ROUNDS)
        .field("dim", sizes.dim)
        .field("create_ms", create.as_secs_f64() * 1e3)
        .field("create_written_bytes", create_bytes)
        .field("created_anon_bytes", created.saturating_sub(empty))
        .field("fill_ms", fill.as_secs_f64() * 1e3)
        .field("fill_written_bytes", fill_bytes)
        .field("vector_bytes", live)
        .field("log_peak_bytes", log_peak)
        .field("log_bytes", log)
        .field("heap_bytes", counted)
        .field("anon_bytes", heap.saturating_sub(empty))
        .field("threads", held.threads)
        .field("descriptors", held.descriptors)
        .field("maps", held.maps)
        .field("idle_cpu_ms_per_s", idle.map(|s| s * 1e3))
        .field("open_ms", open.as_secs_f64() * 1e3)
        .field("opened_descriptors", opened.descriptors)
        .field("opened_maps", opened.maps);
    println!("{}", line.line());
    let mb = |bytes: u64| bytes as f64 / 1e6;
    eprintln!(
        "{} collections of {ROWS}: created in {:.2} s ({:.1} MB written), filled {ROUNDS} times in {:.2} s ({:.1} MB \
         written for {:.1} MB of vectors each), log {:.1} MB at most, {:.1} at rest, heap {:.1} MB ({:.1} resident), {} threads, \
         {} descriptors, {} maps, {:.2} ms of processor a second at rest; opened in {:.1} ms",
        sizes.collections,
        create.as_secs_f64(),
        mb(create_bytes),
        fill.as_secs_f64(),
        mb(fill_bytes),
        mb(live),
        mb(log_peak),
        mb(log),
        mb(counted),
        mb(heap.saturating_sub(empty)),
        held.threads,
        held.descriptors,
        held.maps,
        idle.unwrap_or(0.0) * 1e3,
        open.as_secs_f64() * 1e3
    );
    Ok(())
}

/// Waits until the files of the store no longer change.
fn settle(dir: &Path) -> Result<()> {
    let mut last = 0;
    for _ in 0..120 {
        let now = file_bytes(dir, "")?;
        if now == last {
            break;
        }
        last = now;
        std::thread::sleep(Duration::from_millis(1500));
    }
    Ok(())
}

/// Returns the processor seconds per second while nobody asks for anything.
fn idle_cpu(seconds: u64) -> Option<f64> {
    let before = cpu_seconds(Some("altiplano"))?;
    std::thread::sleep(Duration::from_secs(seconds));
    Some((cpu_seconds(Some("altiplano"))? - before) / seconds as f64)
}

fn check(store: &Store, sizes: &Sizes) -> Result<()> {
    for n in 0..sizes.collections {
        let notes = store.get_collection(&format!("agent:{n}")).ok_or("a collection is gone")?;
        expect("rows of a collection", notes.len()?, ROWS)?;
        if n % 97 == 0 {
            let id = n * ROWS + n % ROWS;
            let found = notes.get(id)?.ok_or("a memory is gone")?;
            let newest = (ROUNDS - 1).to_string();
            expect("text", found.text.as_deref(), Some(newest.as_str()))?;
        }
    }
    Ok(())
}
