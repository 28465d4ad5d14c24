//! Owns the words of rows that have none, or words by other rules: they are made for one search.

use std::ops::Range;

use super::build::WordsBuilder;
use super::list::WordList;
use super::read::{InRam, Words};
use crate::error::Result;
use crate::format::record;
use crate::segment::row::{Row, RowBuffer};
use crate::segment::rows::Rows;
use crate::words::Analyzer;

/// The words that are made at once take about this number of bytes.
const PIECE_BYTES: usize = 4 << 20;

/// Reads these rows and calls `visit` with their words, in pieces: the first row of each piece, and
/// its words. Adds the number of rows to `read`. O(bytes of their bodies).
pub(in crate::segment) fn each_piece(
    rows: &dyn Rows,
    wanted: Range<Row>,
    analyzer: Analyzer,
    visit: &mut dyn FnMut(Row, &dyn WordList) -> Result<()>,
    read: &mut u64,
) -> Result<()> {
    let (mut at, mut buffer) = (wanted.start, RowBuffer::default());
    while at < wanted.end {
        let (first, mut words) = (at, WordsBuilder::new(analyzer));
        while at < wanted.end && words.bytes() < PIECE_BYTES {
            let body = rows.body(at, &mut buffer)?;
            words.add(record::text_of(body).map_err(|e| rows.damaged(at, e))?);
            at += 1;
        }
        *read += u64::from(at - first);
        let bytes = words.encode();
        visit(first, &Words::open(InRam(&bytes), at - first)?)?;
    }
    Ok(())
}
