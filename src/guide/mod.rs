//! The guide: how to use a store well.
//!
//! | page | for |
//! |---|---|
//! | [`cookbook`] | fifteen tasks, each a small program that compiles |
//! | [`asking`] | finding, listing, counting and changing: recipes, meanings and costs |
//! | [`agents`] | text in, text out: tiers, sessions, what stays, what goes into a prompt |
//! | [`words`] | search by words, and by words and vectors |
//! | [`tuning`] | choosing between recall, memory and speed |
//! | [`copies`] | snapshots, backups, and new names for collections |
//! | [`compaction`] | what the background does, and when |
//! | [`comparison`] | this crate beside other libraries |
//! | [`faq`] | short answers to common questions |
//!
//! Every code block of these pages is compiled and run as a test.

#[doc = include_str!("agents.md")]
pub mod agents {}

#[doc = include_str!("asking.md")]
pub mod asking {}

#[doc = include_str!("compaction.md")]
pub mod compaction {}

#[doc = include_str!("comparison.md")]
pub mod comparison {}

#[doc = include_str!("copies.md")]
pub mod copies {}

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("faq.md")]
pub mod faq {}

#[doc = include_str!("tuning.md")]
#[doc = include_str!("recall.svg")]
pub mod tuning {}

#[doc = include_str!("words.md")]
pub mod words {}
