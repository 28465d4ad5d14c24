//! Owns the tests of memories at their edges: lifetimes, times, metadata, the options that they are
//! stored with, and batches of memories that a store returned.

mod batches;
mod lifetimes;
mod metadata;
mod options;
mod times;
