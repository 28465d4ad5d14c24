//! Implements `Rows` for a memtable.

use roaring::RoaringBitmap;

use super::Active;
use super::block::{name_hash, short_hash};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Attributes, Filter, Matcher};
use crate::format::record;
use crate::ids::{MemoryId, Seq};
use crate::memory::Uses;
use crate::segment::changed::{Written, changed};
use crate::segment::changes::Changes;
use crate::segment::liveness::Liveness;
use crate::segment::row::{Row, RowBuffer, RowRef};
use crate::segment::rows::{Column, Rows, number_of_importance, number_of_time};
use crate::segment::words::{WordList, WordParts, each_piece};
use crate::words::Analyzer;

impl Rows for Active {
    fn rows(&self) -> Row {
        self.rows
    }

    fn row<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<RowRef<'a>> {
        let (block, at) = self.locate(row)?;
        Ok(block.row(at, self.spec.dimension))
    }

    fn body<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<&'a [u8]> {
        let (block, at) = self.locate(row)?;
        Ok(block.body(at))
    }

    fn body_bytes(&self, row: Row) -> Result<usize> {
        let (block, at) = self.locate(row)?;
        Ok(block.body(at).len())
    }

    fn vector<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<&'a [f32]> {
        let (block, at) = self.locate(row)?;
        Ok(block.vector(at, self.spec.dimension))
    }

    fn id(&self, row: Row) -> Result<MemoryId> {
        let (block, at) = self.locate(row)?;
        Ok(MemoryId::from_u128(block.heads[at].id))
    }

    fn seq(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        Ok(Seq(block.heads[at].seq))
    }

    fn first_seq(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        let first = record::history(block.body(at)).ok().and_then(|history| history.first_seq);
        Ok(first.unwrap_or(Seq(block.heads[at].seq)))
    }

    fn version(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        let seq = Seq(block.heads[at].seq);
        let history = record::history(block.body(at));
        let version = history.ok().and_then(|history| history.version);
        Ok(version.map_or(seq, |version| version.max(seq)))
    }

    fn newest(&self, row: Row) -> Result<Seq> {
        let (block, at) = self.locate(row)?;
        let history = record::history(block.body(at)).unwrap_or_default();
        Ok(history.newest(Seq(block.heads[at].seq)))
    }

    fn uses(&self, row: Row) -> Result<Uses> {
        let (block, at) = self.locate(row)?;
        record::uses(block.body(at)).map_err(|e| self.damaged(row, e))
    }

    fn dimension(&self) -> usize {
        self.spec.dimension
    }

    fn expires_at(&self, row: Row) -> Result<Timestamp> {
        let (block, at) = self.locate(row)?;
        Ok(block.heads[at].expires_at())
    }

    fn attributes<'a>(&'a self, row: Row, _: &'a mut RowBuffer) -> Result<Attributes<'a>> {
        let (block, at) = self.locate(row)?;
        block.attributes(at)
    }

    /// O(log² rows): see `ids`.
    fn find(&self, id: MemoryId) -> Result<Vec<Row>> {
        let has_it = |row: &Row| self.id(*row).is_ok_and(|of| of == id);
        Ok(self.ids.candidates(id).filter(has_it).collect())
    }

    fn select(&self, filter: &Matcher, read: &mut u64) -> Result<RoaringBitmap> {
        self.select_changed(filter, &Changes::default(), read)
    }

    /// Decodes the bodies of these rows.
    fn order(&self, by: Column, rows: &[Row], numbers: &mut Vec<Option<u64>>) -> Result<()> {
        for row in rows {
            let (block, at) = self.locate(*row)?;
            let of = block.attributes(at)?;
            numbers.push(match by {
                Column::Created => Some(number_of_time(of.created_at)),
                Column::Event => of.event_time.map(number_of_time),
                Column::Importance => Some(number_of_importance(of.importance)),
            });
        }
        Ok(())
    }

    /// One piece per block.
    fn words(
        &self,
        analyzer: Analyzer,
        visit: &mut dyn FnMut(Row, &dyn WordList) -> Result<()>,
        read: &mut u64,
    ) -> Result<()> {
        for (&first, block) in self.starts.iter().zip(&self.blocks) {
            match block.words()? {
                Some(words) if words.is_by(analyzer) => visit(first, &words)?,
                _ => each_piece(self, first..first + block.rows() as Row, analyzer, visit, read)?,
            }
        }
        Ok(())
    }

    fn word_parts(&self, by: Analyzer) -> Result<Option<WordParts<'_>>> {
        let parts = self.blocks.iter().map(|block| Ok((block.words()?, block.rows() as Row)));
        WordParts::of(parts, by)
    }

    /// O(rows) once something has expired.
    fn unexpired(&self, now: Timestamp) -> Result<Option<Liveness>> {
        if now < self.first_expiry {
            return Ok(None);
        }
        let mut unexpired = Liveness::all_live(self.rows);
        for (row, (block, at)) in self.places() {
            if block.heads[at].expires_at() <= now {
                unexpired.kill(row);
            }
        }
        Ok(Some(unexpired))
    }
}

impl Written for Active {
    /// O(rows), plus decoding the bodies of rows with the wanted namespace, session, key and id.
    fn select_changed(
        &self,
        filter: &Matcher,
        changes: &Changes,
        read: &mut u64,
    ) -> Result<RoaringBitmap> {
        let mut rows = RoaringBitmap::new();
        let (mut namespace, mut session, mut key, mut listed) = (None, None, None, None);
        for condition in filter.conditions() {
            match condition {
                Filter::Namespace(name) => namespace = Some(name_hash(name)),
                Filter::Session(name) => session = Some(short_hash(name)),
                Filter::Key(name) => key = Some(short_hash(name)),
                Filter::Ids(ids) => listed = Some(ids),
                _ => {}
            }
        }
        for (row, (block, at)) in self.places() {
            let head = &block.heads[at];
            let may = namespace.is_none_or(|hash| head.namespace == hash)
                && session.is_none_or(|hash| head.session == hash)
                && key.is_none_or(|hash| head.key == hash)
                && listed
                    .is_none_or(|ids| ids.binary_search(&MemoryId::from_u128(head.id)).is_ok());
            if may
                && filter.matches_counted(&changed(block.attributes(at)?, changes.get(row)), read)
            {
                rows.insert(row);
            }
        }
        Ok(rows)
    }

    fn ends(&self) -> Result<Vec<Timestamp>> {
        Ok(self.places().map(|(_, (block, at))| block.heads[at].expires_at()).collect())
    }
}
