//! Owns the tests of memories at their edges: lifetimes, times, metadata, the options that they are
//! stored with, batches of memories that a store returned, and what is said about them.

mod batches;
mod lifetimes;
mod metadata;
mod options;
mod times;
mod words;
