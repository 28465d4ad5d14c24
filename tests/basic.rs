//! Owns the tests of what the public verbs and options do, one at a time, without faults: the
//! contract in the docs of `Collection`, `Store`, `Memory` and their options. Damage, time and
//! concurrency have files of their own.

mod common;

#[path = "basic/batches.rs"]
mod batches;
#[path = "basic/collections.rs"]
mod collections;
#[path = "basic/fields.rs"]
mod fields;
#[path = "basic/filters.rs"]
mod filters;
#[path = "basic/store.rs"]
mod store;
#[path = "basic/verbs.rs"]
mod verbs;
