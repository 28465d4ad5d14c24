//! The whole idea in one program: remember, recall, forget. The vectors are made by hand here; an
//! agent takes them from its embedding model.
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
    // A store is a directory. A collection holds vectors of one dimension and one metric.
    let name = format!("altiplano-quickstart-{}.alt", std::process::id());
    let path = std::env::temp_dir().join(name);
    let store = Store::open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(3, Metric::Cosine))?;

    // Remember: a write that has returned is durable. An id that exists already is replaced.
    let tea = Memory::new(1, [0.9, 0.1, 0.0]).text("likes green tea").namespace("user:42");
    let trip = Memory::new(2, [0.1, 0.9, 0.0]).text("flies to Lima on Friday").namespace("user:42");
    let rain = Memory::new(3, [0.0, 0.8, 0.3]).text("it may rain today").namespace("world");
    notes.insert(tea.importance(0.8))?;
    notes.insert(trip.tag("travel").ttl(Duration::from_secs(7 * 86_400)))?;
    notes.insert(rain.ttl(Duration::from_secs(3_600)))?;

    println!("The two memories of user:42 that are nearest to a question, with their distances:");
    let hits = notes.search(&[0.2, 0.9, 0.1]).namespace("user:42").k(2).run()?;
    for hit in &hits {
        println!("  {:.3}  {}", hit.distance, hit.text().unwrap_or_default());
    }
    assert_eq!(hits[0].text(), Some("flies to Lima on Friday"));
    assert_eq!(hits.len(), 2, "the memory of another namespace is not among them");

    println!("Forget one memory by its id, then everything else of user:42. Left over:");
    assert!(notes.delete(1)?);
    assert_eq!(notes.delete_where(Filter::namespace("user:42"))?, 1);
    for memory in notes.iter() {
        println!("  {}", memory?.text.as_deref().unwrap_or_default());
    }
    assert_eq!(notes.len()?, 1);

    store.close()?;
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}
