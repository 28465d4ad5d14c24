//! Owns the tests of the edges of a memory: its lifetime, its times, its metadata, the options that
//! it is stored under, and batches of memories that a store gave back.

mod batches;
mod lifetimes;
mod metadata;
mod options;
mod times;
