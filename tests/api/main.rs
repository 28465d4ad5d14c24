//! The tests of the public verbs and options, without faults: the contract in the docs of
//! `Collection`, `Store`, `Memory` and their options, one file per subject. Answers are compared
//! with models, with exact search, and with themselves after a change whose effect is known.

#[path = "../common/mod.rs"]
mod common;

mod background;
mod bad_input;
mod batches;
mod collections;
mod copies;
mod cosine_near;
mod edges_clock;
mod edges_filters;
mod edges_ids;
mod edges_memories;
mod edges_search;
mod edges_store_life;
mod expiry;
mod field_filters;
mod fields;
mod filters;
mod forget;
mod keys;
mod lists;
mod metamorphic;
mod model;
mod old_versions;
mod patches;
mod readers;
mod renames;
mod scopes;
mod search_options;
mod snapshots;
mod store;
mod text;
mod updates;
mod uses;
mod verbs;
mod words;
