//! Owns the columns of fields of a segment: for each path that occurs in metadata, the rows of each
//! value, in the order of values. Stored attributes that have no column of their own are beside
//! them, under names that no path can have. `build` collects and writes the section, `column` reads
//! it, and `answer` answers filters by it. Layout: `format.md`, "Fields".
//!
//! Invariants: the section takes at most [`limit`] bytes. A path that has no column has one of
//! three reasons, which a reader can tell: no row has it, its column was left out, or there were
//! more paths than the section names. A segment without the section is older than this.

mod answer;
mod build;
mod column;

pub(super) use answer::{Answer, answer, are_asked, needs_rows};
pub(super) use build::FieldsBuilder;
pub(super) use column::Fields;

use super::row::Row;

/// Names of the columns of stored attributes. No path begins with a dot.
pub(super) mod name {
    pub(in super::super) const VALID_FROM: &str = ".valid_from";
    pub(in super::super) const VALID_TO: &str = ".valid_to";
    pub(in super::super) const SUPERSEDED: &str = ".superseded";
    pub(in super::super) const DERIVED_FROM: &str = ".derived_from";
    pub(in super::super) const TOKENS: &str = ".tokens";
}

/// Bytes before the dictionary: number of columns, whether there are more paths, how many columns
/// were left out, and four that are reserved.
const HEAD: usize = 16;
/// Bytes of an entry of the dictionary: offset and length of the name, and of the column.
const ENTRY: usize = 16;
/// Bytes of a column before its values: number of values and of rows.
const COLUMN_HEAD: usize = 8;
/// Most paths of a section.
const MAX_PATHS: usize = 4096;
/// The section may always take this many bytes.
const LEAST_LIMIT: usize = 64 << 10;
/// The section never takes more bytes, so that offsets fit into 32 bits.
const MOST_LIMIT: usize = 1 << 30;

/// Returns how many bytes the section may take: a quarter of the bytes of the vectors, within
/// bounds.
pub(super) fn limit(rows: Row, dimension: usize) -> usize {
    (rows as usize).saturating_mul(dimension).clamp(LEAST_LIMIT, MOST_LIMIT)
}

#[cfg(test)]
mod tests;
