//! Owns the check of a whole sealed segment: its columns, postings, fields, bodies and vectors are
//! sound and agree.

use std::collections::HashSet;

use super::SealedSegment;
use crate::error::Result;
use crate::format::record;
use crate::segment::layout::{
    BLOOM, BODIES, BODY_OFFSETS, CREATED, FIELDS, IDS, KEYS, PINNED, POSTINGS, WORDS,
};
use crate::segment::row::RowBuffer;
use crate::segment::rows::Rows;
use crate::segment::words::WordsBuilder;

impl SealedSegment {
    /// Checks everything except vectors and bodies: ids ascend and can be found, and offsets, keys,
    /// postings and columns of fields are in order and in range. O(rows).
    pub(crate) fn verify_structure(&self) -> Result<()> {
        self.file.verify()?;
        let mut last = None;
        let (mut end, bodies) = (0, self.file.bytes(BODIES).map_or(0, <[u8]>::len) as u64);
        for row in 0..self.rows {
            let id = self.id(row)?;
            if last.is_some_and(|last| last >= id) {
                return Err(self.file.corrupt_in(IDS, u64::from(row) * 16, "ids do not ascend"));
            }
            last = Some(id);
            if self.find(id)? != [row] {
                let reason = format!("row {row} cannot be found by its id");
                return Err(self.file.corrupt_in(BLOOM, 0, reason));
            }
            let body = self.number(BODY_OFFSETS, row)?..self.number(BODY_OFFSETS, row + 1)?;
            if body.start != end || body.end < end || self.expires_at(row)? < self.expiries.first()
            {
                let reason = format!("the body's place or the expiry of row {row} cannot be");
                return Err(self.file.corrupt_in(BODY_OFFSETS, u64::from(row) * 8, reason));
            }
            end = body.end;
        }
        if end != bodies {
            return Err(self.file.corrupt_in(
                BODY_OFFSETS,
                0,
                "the bodies do not end where they do",
            ));
        }
        let (keys, rest) = self.file.checked(KEYS)?.as_chunks::<12>();
        let key = |[a, b, c, d, e, f, g, h, i, j, k, l]: &[u8; 12]| {
            let row = u32::from_le_bytes([*i, *j, *k, *l]);
            (u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), row)
        };
        let whole = rest.is_empty() && keys.iter().map(key).is_sorted_by(|a, b| a < b);
        if !whole || keys.iter().any(|entry| key(entry).1 >= self.rows) {
            return Err(self.file.corrupt_in(KEYS, 0, "the keys are out of order or of no row"));
        }
        let fields = self.fields().map_or(Ok(()), |fields| {
            fields.check(self.rows, self.file.bytes(FIELDS).map_or(0, <[u8]>::len))
        });
        fields.map_err(|unread| unread.error(&self.file, FIELDS))?;
        if let Some(words) = self.stored_words()? {
            words.check()?;
        }
        self.names().map(drop)
    }

    /// Checks that the words are those of the bodies, if they were made by rules that this version
    /// knows.
    fn verify_words(&self) -> Result<()> {
        let Some(words) = self.stored_words()? else { return Ok(()) };
        let Some(analyzer) = words.analyzer().filter(|_| words.rows() == self.rows) else {
            return Ok(());
        };
        let (mut made, mut buffer) = (WordsBuilder::new(analyzer), RowBuffer::default());
        for row in 0..self.rows {
            let text = record::text_of(self.body(row, &mut buffer)?);
            made.add(text.map_err(|e| self.file.corrupt_in(BODIES, e.offset, e.reason))?);
        }
        if !words.equals(&made.encode())? {
            let reason = "the words do not say what the bodies say";
            return Err(self.file.corrupt_in(WORDS, 0, reason));
        }
        Ok(())
    }

    /// Returns how many names the rows have in all, as the postings say.
    fn names(&self) -> Result<u64> {
        let total = self.postings().total(self.rows);
        total.map_err(|unread| unread.error(&self.file, POSTINGS))
    }

    /// Checks every byte, and that columns, postings, words and rows agree. Releases pages on the
    /// way, so that the check does not make the file resident.
    pub(crate) fn verify(&self) -> Result<()> {
        self.verify_written()?;
        self.verify_words()
    }

    /// As [`SealedSegment::verify`], of a segment that was just written: its words are only checked
    /// for themselves. They were made of these rows a moment ago, and making them takes longer than
    /// all other checks.
    pub(crate) fn verify_written(&self) -> Result<()> {
        self.verify_structure()?;
        let (mut names, mut buffer) = (0, RowBuffer::default());
        for row in 0..self.rows {
            self.head(row, &mut buffer.vector)?;
            self.release_behind(row);
            let of = self.attributes(row, &mut buffer)?;
            let columns = (
                self.time(CREATED, row)?,
                self.expires_at(row)?,
                self.importance(row)?.to_bits(),
                self.flags(row)? & PINNED != 0,
            );
            let body = (of.created_at, of.expires_at, of.importance.to_bits(), of.pinned);
            if columns != body {
                let reason = format!("the columns of row {row} do not say what its body says");
                return Err(self.file.corrupt_in(CREATED, u64::from(row) * 8, reason));
            }
            names += [of.namespace, of.session, of.kind].iter().flatten().count() as u64;
            // Some older rows repeat a tag; the postings have it once.
            names += of.tags.iter().collect::<HashSet<_>>().len() as u64;
        }
        if self.names()? != names {
            let reason = "the postings do not say what the bodies say";
            return Err(self.file.corrupt_in(POSTINGS, 0, reason));
        }
        Ok(())
    }
}
