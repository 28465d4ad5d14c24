//! The loop of an agent. It recalls before it answers, and remembers what was said for the length
//! of the session. At the end it keeps what was learned and drops the rest in one atomic step.
//!
//! `cargo run --example agent_loop`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints and cleans up"
)]

use std::time::Duration;

use altiplano::{Batch, CollectionOptions, Filter, Memory, Metric, Store};

const DIMENSION: usize = 64;

/// A stand-in for an embedding model: each word points in a direction of its own.
fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    for word in text.to_lowercase().split_whitespace() {
        let hash = word.bytes().fold(7usize, |hash, byte| hash * 31 % 8_191 + usize::from(byte));
        vector[hash % DIMENSION] += 1.0;
    }
    vector
}

fn main() -> altiplano::Result<()> {
    let path = std::env::temp_dir().join(format!("altiplano-agent-{}.alt", std::process::id()));
    let store = Store::open(&path)?;
    let notes = store.collection("notes", CollectionOptions::new(DIMENSION, Metric::Cosine))?;
    let mut next_id = 0u64;
    let mut memory = |text: &str| {
        next_id += 1;
        Memory::new(next_id, embed(text)).text(text).namespace("user:42")
    };
    notes.insert(memory("the user likes green tea").kind("preference"))?;

    println!("Each turn, with the memory that was recalled for it:");
    let session = "2026-03-02";
    for turn in ["which tea should i buy", "my sister ana visits on friday", "when does ana visit"]
    {
        let question = embed(turn);
        let hits = notes.search(&question).namespace("user:42").k(1).run()?;
        println!("  {turn:<32} <- {}", hits[0].text().unwrap_or_default());
        // If the session never ends properly, its turns expire by themselves.
        notes.insert(memory(turn).session(session).ttl(Duration::from_secs(7_200)))?;
    }
    let hits = notes.search(&embed("when does ana visit")).k(2).run()?;
    assert_eq!(hits[1].text(), Some("my sister ana visits on friday"));

    println!("The session ends: one batch keeps the summary and drops the turns. Left over:");
    let summary = memory("ana is the sister of the user and visits on friday").kind("summary");
    notes.apply(Batch::new().insert(summary).delete_where(Filter::session(session)))?;
    for memory in notes.iter() {
        println!("  {}", memory?.text.as_deref().unwrap_or_default());
    }
    assert_eq!(notes.len()?, 2);

    store.close()?;
    let _ = std::fs::remove_dir_all(path);
    Ok(())
}
