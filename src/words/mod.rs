//! Owns the words of a text: where they are, and the form in which they are compared. Knows neither
//! rows nor files.
//!
//! Invariant: the words of a text depend on the text and on [`Analyzer::code`] alone. Words that
//! were made under another code may differ.

mod analyzer;
mod language;

pub(crate) use analyzer::{Analyzer, MAX_WORD_BYTES};
pub use language::Language;
