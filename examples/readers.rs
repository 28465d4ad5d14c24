//! Readers: threads share one handle, a second process opens the store read-only, and an iterator
//! sees one moment whatever is written meanwhile.
//!
//! `cargo run --example readers`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints and cleans up"
)]

use std::thread;

use altiplano::{CollectionOptions, Error, Memory, Metric, Store, StoreOptions};

fn main() -> altiplano::Result<()> {
    let path = std::env::temp_dir().join(format!("altiplano-readers-{}.alt", std::process::id()));
    let store = Store::open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;
    for id in 0..1_000u64 {
        notes.insert(Memory::new(id, [id as f32, 0.0]))?;
    }

    println!("Four threads search while one writes. A handle is cheap to clone; no reader waits:");
    let found: usize = thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|reader| {
                let notes = notes.clone();
                scope.spawn(move || -> altiplano::Result<usize> {
                    let query = [reader as f32 * 100.0, 0.0];
                    (0..50).map(|_| Ok(notes.search(&query).k(5).run()?.len())).sum()
                })
            })
            .collect();
        for id in 1_000..1_100u64 {
            notes.insert(Memory::new(id, [id as f32, 0.0])).expect("the insert");
        }
        readers.into_iter().map(|reader| reader.join().expect("the reader").unwrap_or(0)).sum()
    });
    println!("  {found} results of 200 searches for 5 each");
    assert_eq!(found, 1_000);

    println!("An iterator keeps its moment. Rows that it returns after half of them were deleted:");
    let moment = notes.iter();
    (0..550u64).try_for_each(|id| notes.delete(id).map(drop))?;
    let seen = moment.count();
    println!("  {seen}, while the collection has {}", notes.len()?);
    assert_eq!((seen, notes.len()?), (1_100, 550));

    println!("A second opening reads beside the writer. It sees new writes after a refresh:");
    let reader = StoreOptions::new().open_read_only(&path)?;
    let beside = reader.get_collection("notes").expect("the collection");
    notes.delete(1_099u64)?;
    print!("  {} rows, ", beside.len()?);
    reader.refresh()?;
    let beside = reader.get_collection("notes").expect("the collection");
    println!("then {}", beside.len()?);
    assert_eq!(beside.len()?, 549);
    let refused = beside.insert(Memory::new(1, [0.0, 0.0]));
    println!("  its writes are refused: {}", refused.as_ref().unwrap_err());
    assert!(matches!(refused, Err(Error::ReadOnly { .. })));

    drop(reader);
    store.close()?;
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}
