//! Budgets: a store that uses at most a given number of bytes of disk and RAM, however long it is
//! written to. Old memories expire, and writers wait while their space is reclaimed.
//!
//! `cargo run --release --example budgets`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints and cleans up"
)]

use std::sync::Arc;
use std::time::Duration;

use altiplano::{Batch, CollectionOptions, ManualClock, Memory, Metric, StoreOptions, Timestamp};

const MIB: u64 = 1 << 20;
const DISK: u64 = 96 * MIB;
const HEAP: u64 = 64 * MIB;

fn main() -> altiplano::Result<()> {
    let path = std::env::temp_dir().join(format!("altiplano-budgets-{}.alt", std::process::id()));
    // A clock that the program moves by hand, so that an hour passes in each round.
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_767_225_600_000)));
    let options = StoreOptions::new().clock(clock.clone());
    let store = options.disk_budget(DISK).heap_budget(HEAP).open(&path)?;
    // A memory without a lifetime of its own lives for two hours.
    let options = CollectionOptions::new(256, Metric::L2).default_ttl(Duration::from_secs(7_200));
    let notes = store.collection("notes", options)?;

    println!("Ten rounds of an hour, 5,000 memories each. What the store holds after each round:");
    println!("  round  written  live  disk MiB of {}  heap MiB of {}", DISK / MIB, HEAP / MIB);
    for round in 1..=10u64 {
        for batch in 0..50u64 {
            let first = round * 5_000 + batch * 100;
            let memory = |id: u64| {
                let vector: Vec<f32> = (0..256).map(|i| ((id + i) % 97) as f32).collect();
                Memory::new(id, vector).text(format!("observation {id}"))
            };
            notes.apply((first..first + 100).map(memory).collect::<Batch>())?;
        }
        clock.advance(Duration::from_secs(3_600));
        let stats = store.stats()?;
        println!(
            "  {round:>5}  {:>7}  {:>4}  {:>14}  {:>14}",
            round * 5_000,
            notes.len()?,
            stats.disk_bytes / MIB,
            stats.heap_bytes / MIB
        );
        assert!(stats.disk_bytes <= DISK, "the budget is never passed");
        assert!(stats.heap_bytes <= HEAP, "nor is this one");
        assert!(notes.len()? <= 10_000, "what is older than two hours is gone");
    }
    let raw = 50_000 * 256 * 4 / MIB;
    println!("{raw} MiB of vectors were written in all.");

    store.close()?;
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}
