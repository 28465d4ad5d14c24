//! Filters by namespace, tag, kind and time: combined, counted, and used to delete.
//!
//! `cargo run --example filters`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints and cleans up"
)]

use altiplano::{Collection, CollectionOptions, Filter, Memory, Metric, Store, Timestamp};

/// The start of 2026, and days after it.
fn day(day: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + day * 86_400_000)
}

fn main() -> altiplano::Result<()> {
    let path = std::env::temp_dir().join(format!("altiplano-filters-{}.alt", std::process::id()));
    let store = Store::open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(2, Metric::Cosine))?;
    let note = |id: u64, user: &str, kind: &str, tag: &str, text: &str| {
        let memory = Memory::new(id, [id as f32, 1.0]).text(text).event_time(day(id as i64));
        memory.namespace(user).kind(kind).tag(tag)
    };
    notes.insert(note(1, "ana", "preference", "food", "likes green tea"))?;
    notes.insert(note(2, "ana", "task", "travel", "book a flight to Lima"))?;
    notes.insert(note(3, "ana", "task", "food", "buy coffee"))?;
    notes.insert(note(4, "ben", "task", "travel", "renew the passport"))?;

    println!("What a search for anything returns under each filter:");
    show(&notes, "of ana", Filter::namespace("ana"), 3)?;
    let tasks = Filter::kind("task").and(Filter::namespace("ana"));
    show(&notes, "tasks of ana", tasks.clone(), 2)?;
    show(&notes, "food or travel", Filter::tags_any(["food", "travel"]), 4)?;
    show(&notes, "not ana's", Filter::namespace("ana").not(), 1)?;
    show(&notes, "of the first two days", Filter::event_time(..day(3)), 2)?;

    println!("A filter is data: as JSON, the second one is");
    let json = serde_json::to_string(&tasks).unwrap_or_default();
    println!("  {json}");
    assert_eq!(serde_json::from_str::<Filter>(&json).ok(), Some(tasks.clone()));

    println!("The same filter deletes. Tasks of ana before and after:");
    println!("  {}", notes.scan(tasks.clone()).count());
    assert_eq!(notes.delete_where(tasks.clone())?, 2);
    println!("  {}", notes.scan(tasks.clone()).count());
    assert_eq!(notes.scan(tasks).count(), 0);

    store.close()?;
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}

/// Prints the texts that a search with a filter finds, and checks their number.
fn show(notes: &Collection, what: &str, filter: Filter, count: usize) -> altiplano::Result<()> {
    let hits = notes.search(&[1.0, 1.0]).filter(filter).k(10).run()?;
    let texts: Vec<&str> = hits.iter().filter_map(|hit| hit.text()).collect();
    println!("  {what:<22} {}", texts.join(" · "));
    assert_eq!(texts.len(), count, "{what}");
    Ok(())
}
