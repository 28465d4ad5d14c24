//! The store in thirty lines: remember, recall, forget. The vectors here are made by hand; an agent
//! takes them from its embedding model.
//!
//! `cargo run --example quickstart`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints and cleans up"
)]

use std::time::Duration;

use altiplano::{CollectionOptions, Filter, Memory, Metric, Store};

fn main() -> altiplano::Result<()> {
    // A store is a directory; a collection holds vectors of one dimension and metric.
    let name = format!("altiplano-quickstart-{}.alt", std::process::id());
    let path = std::env::temp_dir().join(name);
    let store = Store::open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(3, Metric::Cosine))?;

    // Remember: acknowledged means durable. An id that is there already is replaced.
    let tea = Memory::new(1u64, [0.9, 0.1, 0.0]).text("likes green tea").namespace("user:42");
    let trip =
        Memory::new(2u64, [0.1, 0.9, 0.0]).text("flies to Lima on Friday").namespace("user:42");
    let rain = Memory::new(3u64, [0.0, 0.8, 0.3]).text("it may rain today").namespace("world");
    notes.insert(tea.importance(0.8))?;
    notes.insert(trip.tag("travel").ttl(Duration::from_secs(7 * 86_400)))?;
    notes.insert(rain.ttl(Duration::from_secs(3_600)))?;

    // Recall: the nearest first, filtered by plain data.
    for hit in notes.search(&[0.2, 0.9, 0.1]).namespace("user:42").k(2).run()? {
        println!("{:.3}  {}", hit.distance, hit.text().unwrap_or_default());
    }

    // Forget: gone for readers at once; the compactor gives the bytes back by itself.
    notes.delete(1u64)?;
    let forgotten = notes.delete_where(Filter::namespace("user:42"))?;
    println!("forgot {} memories, {} left", forgotten + 1, notes.len()?);
    store.close()?;

    // This was only an example.
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}
