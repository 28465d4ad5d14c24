//! Owns the words of rows: which rows have a word, and how often. `list` is what a search asks,
//! `build` collects and encodes words, `read` reads them, `merge` joins several, and `rows` makes
//! them of rows that have none. Layout: `format.md`, "Words".
//!
//! Invariants: the words of a segment are those of its bodies, so nothing of a dead row stays. Rows
//! that move take their words along; where they have none, these are made of the bodies. Words say
//! by which rules they were made. The words of a segment either hold all of its rows, or are left
//! out because they would be too large.

mod build;
mod list;
mod merge;
mod read;
mod rows;

pub(super) use build::WordsBuilder;
pub(crate) use list::{Term, WordList};
pub(super) use merge::merge;
pub(crate) use merge::{WordParts, moved_words};
pub(super) use read::{InRam, Source, Words};
pub(super) use rows::each_piece;

/// Bytes before the lengths: code, rows, documents, terms, tokens, bytes of all terms, and four
/// that are reserved.
const HEAD: usize = 32;
/// Bytes of a row: its length.
const LENGTH: usize = 4;
/// Bytes of an entry of the dictionary: where the term ends, and where its list ends.
const ENTRY: usize = 8;
/// The words of a segment never take more bytes, so that offsets fit into 32 bits.
const MOST_BYTES: usize = 1 << 31;

/// Returns an upper bound of the bytes that a row with a text of `text` bytes adds to the words of
/// its block. Of all texts, those of different words of one letter take most: two bytes of such a
/// text make an entry, a letter, the number of its rows, and a row.
pub(crate) const fn row_bound(text: usize) -> usize {
    HEAD + LENGTH + BYTES_PER_TEXT * (text + 1)
}

/// See [`row_bound`].
const BYTES_PER_TEXT: usize = 7;

#[cfg(all(test, feature = "text"))]
mod tests;
