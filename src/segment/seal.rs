//! Owns the writing of `seg` files. Layout: `format.md`, "Segment". Vectors and bodies are
//! streamed. About 100 bytes per row, the postings, the columns of fields within their limit, and
//! about twice the bytes of the texts if there is a text index, stay in RAM during the write.

use std::path::Path;

use super::bloom;
use super::fields::FieldsBuilder;
use super::layout::{self, FIRST_EXPIRY_AT, HAS_EVENT, HAS_HISTORY, PINNED, key_hash, vector_crc};
use super::postings::PostingsBuilder;
use super::row::{Row, RowBuffer, RowRef};
use super::words::WordsBuilder;
use crate::clock::Timestamp;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::format::crc32;
use crate::format::header::FileHeader;
use crate::format::names::FileName;
use crate::format::record;
use crate::map_vec::MapVec;
use crate::section::{Check, SectionWriter};
use crate::words::Analyzer;

/// The rows of a segment to be written: in ascending order of ids, each id once.
pub(crate) trait RowSource {
    fn rows(&self) -> Row;
    fn row<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<RowRef<'a>>;
    /// Returns the body of a row that was read as a whole before.
    fn body<'a>(&'a self, row: Row, buffer: &'a mut RowBuffer) -> Result<&'a [u8]>;
    /// Returns the words of the rows by these rules, if they are known without reading the texts.
    fn words(&self, _by: Analyzer) -> Result<Option<MapVec<u8>>> {
        Ok(None)
    }
    /// Returns a more specific error for a damaged body, if the source has one.
    fn damage(&self, _row: Row) -> Option<Error> {
        None
    }
}

/// Columns collected while the vectors are written.
struct Columns {
    ids: MapVec<u128>,
    seqs: MapVec<u64>,
    created: MapVec<u64>,
    events: MapVec<u64>,
    expiries: MapVec<u64>,
    importances: MapVec<f32>,
    flags: MapVec<u8>,
    norms: MapVec<f32>,
    vector_crcs: MapVec<u32>,
    body_crcs: MapVec<u32>,
    body_offsets: MapVec<u64>,
    keys: Vec<(u64, Row)>,
    postings: PostingsBuilder,
    fields: FieldsBuilder,
    words: Option<WordsBuilder>,
}

impl Columns {
    fn new(rows: Row, dimension: usize, words: Option<Analyzer>) -> Self {
        Self {
            ids: MapVec::default(),
            seqs: MapVec::default(),
            created: MapVec::default(),
            events: MapVec::default(),
            expiries: MapVec::default(),
            importances: MapVec::default(),
            flags: MapVec::default(),
            norms: MapVec::default(),
            vector_crcs: MapVec::default(),
            body_crcs: MapVec::default(),
            body_offsets: MapVec::default(),
            keys: Vec::new(),
            postings: PostingsBuilder::default(),
            fields: FieldsBuilder::new(rows, dimension),
            words: words.map(WordsBuilder::new),
        }
    }

    fn add(&mut self, into: &Path, at: Row, row: &RowRef<'_>) -> Result<()> {
        let id = row.id.as_u128();
        if self.ids.last().is_some_and(|last| *last >= id) {
            let reason = "rows for one segment have the same id, or their ids do not ascend";
            return Err(Error::Corrupt { file: into.to_owned(), offset: 0, reason: reason.into() });
        }
        let of = record::attributes(row.id, row.body)
            .map_err(|e| Error::internal(format!("the body of a row: {}", e.reason)))?;
        self.ids.push(id);
        self.seqs.push(row.seq.0);
        self.created.push(of.created_at.to_bits());
        self.events.push(of.event_time.unwrap_or(Timestamp::MAX).to_bits());
        self.expiries.push(of.expires_at.to_bits());
        self.importances.push(of.importance);
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let history = record::history(row.body)
            .map_err(|e| Error::internal(format!("the body of a row: {}", e.reason)))?;
        self.flags.push(
            bit(of.pinned, PINNED)
                | bit(of.event_time.is_some(), HAS_EVENT)
                | bit(history != record::History::default(), HAS_HISTORY),
        );
        self.norms.push(row.norm);
        self.vector_crcs.push(vector_crc(row));
        self.body_crcs.push(crc32(&[&id.to_le_bytes(), row.body]));
        let end = self.body_offsets.last().copied().unwrap_or_default();
        if self.body_offsets.is_empty() {
            self.body_offsets.push(0);
        }
        self.body_offsets.push(end + row.body.len() as u64);
        if let Some(key) = of.key {
            self.keys.push((key_hash(key), at));
        }
        self.postings.add(at, &of);
        self.fields.add(at, &of);
        if let Some(words) = &mut self.words {
            let text = record::text_of(row.body)
                .map_err(|e| Error::internal(format!("the body of a row: {}", e.reason)))?;
            words.add(text);
        }
        Ok(())
    }
}

/// Writes a segment and syncs the file. Returns its length. The caller syncs the directory. `words`
/// makes the words of the rows, if their texts are indexed. Calls `progress` with the number of
/// rows written so far.
pub(crate) fn write_segment(
    disk: &dyn Disk,
    dir: &Path,
    header: &FileHeader,
    (dimension, words): (usize, Option<Analyzer>),
    source: &dyn RowSource,
    progress: &mut dyn FnMut(Row) -> Result<()>,
) -> Result<u64> {
    let name = FileName::Segment(header.file);
    let mut writer = SectionWriter::create(disk, dir, name, header)?;
    let mut buffer = RowBuffer::default();
    let known = words.map(|by| source.words(by)).transpose()?.flatten();
    let mut columns = Columns::new(source.rows(), dimension, words.filter(|_| known.is_none()));
    writer.begin(layout::VECTORS, Check::Rows)?;
    for at in 0..source.rows() {
        let row = source.row(at, &mut buffer)?;
        if row.vector.len() != dimension {
            return Err(Error::Dimension { expected: dimension, got: row.vector.len() });
        }
        let added = columns.add(dir, at, &row);
        added.map_err(|error| source.damage(at).unwrap_or(error))?;
        writer.write(bytemuck::cast_slice(row.vector))?;
        if at % 1024 == 0 {
            progress(at)?;
        }
    }
    writer.begin(layout::BODIES, Check::Rows)?;
    for at in 0..source.rows() {
        writer.write(source.body(at, &mut buffer)?)?;
    }
    let words = columns.words.take();
    write_columns(&mut writer, columns, source.rows(), dimension)?;
    if let Some(words) = known.or_else(|| words.map(WordsBuilder::encode)) {
        writer.section(layout::WORDS, Check::Blocks, &words)?;
    }
    writer.finish()
}

fn write_columns(
    writer: &mut SectionWriter,
    mut columns: Columns,
    rows: Row,
    dimension: usize,
) -> Result<()> {
    let expiries = columns.expiries.iter().map(|bits| Timestamp::from_bits(*bits));
    let first_expiry = expiries.min().unwrap_or(Timestamp::MAX).to_bits();
    let mut description = Vec::new();
    description.extend_from_slice(&rows.to_le_bytes());
    description.extend_from_slice(&(dimension as u32).to_le_bytes());
    debug_assert_eq!(description.len(), FIRST_EXPIRY_AT);
    description.extend_from_slice(&first_expiry.to_le_bytes());
    columns.keys.sort_unstable();
    let keys: Vec<u8> = columns
        .keys
        .iter()
        .flat_map(|(hash, row)| {
            let mut entry = [0; 12];
            entry[..8].copy_from_slice(&hash.to_le_bytes());
            entry[8..].copy_from_slice(&row.to_le_bytes());
            entry
        })
        .collect();
    if columns.body_offsets.is_empty() {
        columns.body_offsets.push(0);
    }
    let sections: [(u32, &[u8]); 14] = [
        (layout::DESCRIPTION, &description),
        (layout::IDS, bytemuck::cast_slice(&columns.ids)),
        (layout::BLOOM, &bloom::build(&columns.ids)),
        (layout::SEQS, bytemuck::cast_slice(&columns.seqs)),
        (layout::CREATED, bytemuck::cast_slice(&columns.created)),
        (layout::EVENTS, bytemuck::cast_slice(&columns.events)),
        (layout::EXPIRIES, bytemuck::cast_slice(&columns.expiries)),
        (layout::IMPORTANCES, bytemuck::cast_slice(&columns.importances)),
        (layout::FLAGS, &columns.flags),
        (layout::NORMS, bytemuck::cast_slice(&columns.norms)),
        (layout::VECTOR_CRCS, bytemuck::cast_slice(&columns.vector_crcs)),
        (layout::BODY_CRCS, bytemuck::cast_slice(&columns.body_crcs)),
        (layout::BODY_OFFSETS, bytemuck::cast_slice(&columns.body_offsets)),
        (layout::KEYS, &keys),
    ];
    for (kind, bytes) in sections {
        writer.section(kind, Check::Blocks, bytes)?;
    }
    writer.section(layout::POSTINGS, Check::Blocks, &columns.postings.encode())?;
    writer.section(layout::FIELDS, Check::Blocks, &columns.fields.encode())
}
