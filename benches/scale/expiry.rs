//! Expiry of whole segments, of some or of all: the time of a compaction, and the bytes of the
//! segments that it reads. Also the cost of a count before, at and after the expiry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use altiplano::{
    Background, Batch, Collection, CollectionOptions, Durability, HnswParams, ManualClock, Metric,
    Store, StoreOptions, Timestamp,
};

use crate::setup::Scratch;
use crate::shared::{Result, Sizes, expect, memory};
use bench_tools::measure::{Json, Rss, median};

const DIM: usize = 32;
const HOUR: Duration = Duration::from_secs(3600);
/// Fewest rows that expire together. A segment of fewer rows is small and would be merged.
const GROUP: u64 = 12_000;
const START: i64 = 1_700_000_000_000;

pub(crate) fn run(sizes: &Sizes) -> Result<()> {
    let dir = Scratch::new("scale-expiry");
    let groups = (sizes.rows / 4 / GROUP).clamp(2, 8);
    let of_each = (sizes.rows / 4 / groups).max(GROUP);
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(START)));
    let open = || -> Result<Store> {
        let options = StoreOptions::new().background(Background::Manual).clock(clock.clone());
        Ok(options.open(dir.path())?)
    };
    {
        let store = open()?;
        let later = Durability::buffered(24 * HOUR);
        let options = CollectionOptions::new(DIM, Metric::L2).durability(later);
        let hnsw = HnswParams::default().min_rows(u32::MAX);
        let options = options.memtable_rows(65_536).hnsw(hnsw);
        let all = store.collection("all", options)?;
        for group in 0..groups {
            let ids = group * of_each..(group + 1) * of_each;
            let expires = Timestamp::from_millis(START) + HOUR * (group as u32 + 1);
            for first in ids.clone().step_by(1024) {
                let ids = first..(first + 1024).min(ids.end);
                let batch: Batch = ids.map(|id| memory(id, DIM).expires_at(expires)).collect();
                all.apply(batch)?;
                while store.run_pending_tasks()? {}
            }
            all.compact()?;
        }
        store.close()?;
    }
    let store = open()?;
    let all = store.get_collection("all").ok_or("the collection is gone")?;
    while store.run_pending_tasks()? {}
    let before = store.stats()?;
    let asked_before = ask(&all)?;
    // Holds the maps of removed segments, so that the bytes that were read of them show.
    let reader = all.iter();
    let read_before = Rss::now().unwrap_or_default().file_bytes;
    // Half of the groups.
    clock.advance(HOUR * (groups as u32 / 2) + HOUR / 2);
    let begun = Instant::now();
    let left = all.len()?;
    let first_asked = begun.elapsed();
    let asked = ask(&all)?;
    let expired = store.stats()?.collections[0].expired_rows;
    let begun = Instant::now();
    while store.run_pending_tasks()? {}
    let took = begun.elapsed();
    let read = Rss::now().unwrap_or_default().file_bytes.saturating_sub(read_before);
    expect("expired rows", expired, of_each * groups / 2)?;
    expect("rows counted", left, of_each * groups / 2)?;
    expect("rows left", all.len()?, of_each * groups / 2)?;
    let after = store.stats()?;
    expect("expired rows left", after.collections[0].expired_rows, 0)?;
    drop(reader);
    let of = |stats: &altiplano::StoreStats| -> u64 {
        stats.collections[0].segments.iter().map(|s| s.bytes).sum()
    };
    let us = |d: Duration| d.as_secs_f64() * 1e6;
    let line = Json::new()
        .field("bench", "scale")
        .field("part", "expiry")
        .field("system", "altiplano")
        .field("rows", of_each * groups)
        .field("dim", DIM)
        .field("expired", expired)
        .field("segment_bytes_before", of(&before))
        .field("segment_bytes_after", of(&after))
        .field("compact_ms", took.as_secs_f64() * 1e3)
        .field("read_bytes", read)
        .field("count_before_us", us(asked_before))
        .field("count_first_us", us(first_asked))
        .field("count_expired_us", us(asked));
    println!("{}", line.line());
    eprintln!(
        "expiry of {expired} of {} rows: {:.1} of {:.1} MB go in {:.1} ms, {:.2} MB read; a count takes {:.1} µs, \
         {:.0} once they expired, {:.1} after",
        of_each * groups,
        (of(&before) - of(&after)) as f64 / 1e6,
        of(&before) as f64 / 1e6,
        took.as_secs_f64() * 1e3,
        read as f64 / 1e6,
        us(asked_before),
        us(first_asked),
        us(asked)
    );
    Ok(())
}

/// Returns the time of a count.
fn ask(all: &Collection) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        all.len()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    Ok(Duration::from_secs_f64(median(&times)))
}
