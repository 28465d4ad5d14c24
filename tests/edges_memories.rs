//! Owns the tests of the edges of a memory: its lifetime, its times, its metadata, the options that
//! it is stored under, and batches of memories that a store gave back.

mod common;

#[path = "edges_memories/batches.rs"]
mod batches;
#[path = "edges_memories/lifetimes.rs"]
mod lifetimes;
#[path = "edges_memories/metadata.rs"]
mod metadata;
#[path = "edges_memories/options.rs"]
mod options;
#[path = "edges_memories/times.rs"]
mod times;
