//! Copies: a backup of a store that is open, one that is brought up to date, and a snapshot that
//! stays as it was while both go on.
//!
//! `cargo run --example backup`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints and cleans up"
)]

use altiplano::{Batch, CollectionOptions, Filter, Memory, Metric, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::temp_dir().join(format!("altiplano-backup-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let (path, backup, restored) = (root.join("agent.alt"), root.join("backup"), root.join("new"));
    let store = Store::open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    let one = |id: u64| Memory::new(id, [id as f32, 0.0]).text(format!("memory {id}"));
    notes.apply((0..10_000).map(one).collect::<Batch>())?;
    store.compact()?;

    println!("A first backup, by hard links where the file system has them:");
    println!("  {}", store.backup(&backup)?);

    println!("After 100 more memories, only new files are added:");
    notes.apply((10_000..10_100).map(one).collect::<Batch>())?;
    let report = store.backup(&backup)?;
    println!("  {report}");
    assert!(report.bytes_new < report.bytes);

    println!("A snapshot keeps its moment, whatever is deleted:");
    let before = store.snapshot()?;
    notes.delete_where(Filter::All)?;
    let snapshot = before.collection("notes").ok_or("it was there")?;
    println!("  {} memories in it, {} in the store", snapshot.len()?, notes.len()?);

    println!("The backup still has what was deleted. It is restored:");
    println!("  {}", Store::restore(&backup, &restored)?);
    let copy = Store::open(&restored)?;
    let len = copy.get_collection("notes").ok_or("it was there")?.len()?;
    println!("  {len} memories");
    assert_eq!((snapshot.len()?, notes.len()?, len), (10_100, 0, 10_100));
    std::fs::remove_dir_all(&root)?;
    Ok(())
}
