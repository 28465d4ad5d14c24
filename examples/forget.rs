//! Three ways to forget: a lifetime, a delete by filter, and a purge that leaves no byte of the dead
//! in any file.
//!
//! `cargo run --example forget`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, looks at files and cleans up"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use altiplano::{CollectionOptions, Filter, ManualClock, Memory, Metric, StoreOptions, Timestamp};

const SECRET: &str = "the door code is 4711";

fn main() -> altiplano::Result<()> {
    let path = std::env::temp_dir().join(format!("altiplano-forget-{}.alt", std::process::id()));
    // A clock that the program moves by hand, so that a day passes at once. The default is the
    // system's clock.
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_767_225_600_000)));
    let store = StoreOptions::new().clock(clock.clone()).open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::L2))?;

    println!("1. A lifetime. A memory with a ttl of one hour, looked for before and after:");
    let parking = Memory::new(1, [0.0, 1.0]).text("parked on level 3");
    notes.insert(parking.ttl(Duration::from_secs(3_600)))?;
    println!("  now: {} memory", notes.len()?);
    assert_eq!(notes.len()?, 1);
    clock.advance(Duration::from_secs(86_400));
    println!("  a day later: {} memories", notes.len()?);
    assert_eq!(notes.len()?, 0);

    println!("2. A delete by filter. One session ends, and all its memories go in one step:");
    for turn in 0..100u64 {
        let memory = Memory::new(100 + turn, [turn as f32, 1.0]).text(SECRET);
        notes.insert(memory.session("support-17"))?;
    }
    let deleted = notes.delete_where(Filter::session("support-17"))?;
    println!("  {deleted} memories deleted, {} found by a search", nearest(&notes)?);
    assert_eq!((deleted, nearest(&notes)?), (100, 0));

    println!("3. A purge. Files that still hold a deleted text, before and after:");
    let before = files_with(&path, SECRET);
    let receipt = store.purge()?;
    let after = files_with(&path, SECRET);
    println!("  {before} before, {after} after; complete: {}", receipt.is_complete());
    assert!(before > 0 && after == 0 && receipt.is_complete());

    store.close()?;
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}

fn nearest(notes: &altiplano::Collection) -> altiplano::Result<usize> {
    Ok(notes.search(&[3.0, 1.0]).k(10).run()?.len())
}

/// Counts the files of the store that contain the text.
fn files_with(dir: &Path, text: &str) -> usize {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes = files.filter_map(|file| std::fs::read(file.path()).ok());
    bytes.filter(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes())).count()
}
