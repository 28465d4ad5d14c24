//! Damage: a bit flips on the disk. A verification names the file. A repair copies every memory
//! that can still be trusted into a new store.
//!
//! `cargo run --example repair`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, damages a file and cleans up"
)]

use altiplano::{CollectionOptions, Memory, Metric, Store, StoreOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::temp_dir().join(format!("altiplano-repair-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let (path, repaired) = (root.join("agent.alt"), root.join("repaired.alt"));
    let store = Store::open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    for id in 0..1_000u64 {
        notes.insert(Memory::new(id, [id as f32, 0.0]).text(format!("memory {id}")))?;
    }
    store.compact()?;
    store.close()?;

    println!(
        "One bit of a file with rows is flipped. What a verification finds, before and after:"
    );
    let store = Store::open(&path)?;
    println!("  {} problems", store.verify()?.problems.len());
    assert!(store.verify()?.is_clean());
    store.close()?;
    let files = std::fs::read_dir(&path)?.filter_map(|file| Some(file.ok()?.path()));
    let segment = files
        .filter(|file| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seg-"))
        })
        .max_by_key(|file| file.metadata().map_or(0, |metadata| metadata.len()))
        .ok_or("there is no segment")?;
    let mut bytes = std::fs::read(&segment)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes)?;
    match Store::open(&path).and_then(|store| store.verify()) {
        Ok(report) => {
            report.problems.iter().for_each(|problem| println!("  {problem}"));
            assert!(!report.is_clean());
        }
        // An open finds damage in the parts that it reads.
        Err(error) => println!("  {error}"),
    }

    println!("The repair reads the damaged store and writes a new one:");
    let report = StoreOptions::new().repair(&path, &repaired)?;
    for salvaged in &report.salvaged {
        println!("  {} of 1000 memories of {:?}", salvaged.rows, salvaged.collection);
    }
    let store = Store::open(&repaired)?;
    let notes = store.get_collection("notes").ok_or("the collection is there")?;
    assert!(store.verify()?.is_clean());
    assert!((900..=1_000).contains(&notes.len()?), "at most a few rows are lost");
    for memory in notes.iter() {
        let memory = memory?;
        let id = memory.id.as_u128();
        assert_eq!(memory.text.as_deref(), Some(format!("memory {id}").as_str()));
    }

    store.close()?;
    let _ = std::fs::remove_dir_all(root);
    Ok(())
}
