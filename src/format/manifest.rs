//! Owns the bytes of a manifest: the list of everything that is part of the store. Layout:
//! `format.md`, "Manifest". The body is bincode behind a version, one frozen struct per version.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use super::header::{FileHeader, FileKind, HEADER_LEN, HeaderError, StoreId};
use super::names::FileName;
use super::{DecodeError, codec, crc32};
use crate::clock::Timestamp;
use crate::ids::{CollectionId, FileId, Seq};
use crate::options::{CollectionSettings, Durability, HnswParams, Metric, Quantization};

const BODY_VERSION: u16 = 3;

/// The durable state of a store beside its log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) store: StoreId,
    pub(crate) generation: u64,
    /// Every file number in use is smaller; only orphans may have larger ones.
    pub(crate) next_file: FileId,
    pub(crate) next_collection: CollectionId,
    /// The high-water mark of time.
    pub(crate) time: Timestamp,
    /// What the clock showed when first found too far ahead; `Timestamp::MIN` without doubt.
    pub(crate) clock_doubted: Timestamp,
    /// The largest sequence number that was assigned.
    pub(crate) last_seq: Seq,
    /// The log's files, oldest first.
    pub(crate) log: Vec<LogEntry>,
    pub(crate) collections: Vec<CollectionEntry>,
}

/// One file of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogEntry {
    pub(crate) file: FileId,
    /// Bytes that were durable when the manifest was written.
    pub(crate) synced_len: u64,
    /// Valid bytes of a closed file; a failed append may have left more behind them.
    pub(crate) valid_len: Option<u64>,
}

/// One collection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CollectionEntry {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    pub(crate) options: CollectionSettings,
    /// The files below hold the effects of all operations up to this one.
    pub(crate) covers_seq: Seq,
    /// Log files before this one hold nothing that the collection still needs.
    pub(crate) log_from: FileId,
    pub(crate) segments: Vec<SegmentEntry>,
    pub(crate) indexes: Vec<IndexEntry>,
}

/// One sealed segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SegmentEntry {
    pub(crate) file: FileId,
    pub(crate) len: u64,
    pub(crate) rows: u32,
    pub(crate) deletes: Option<DeletesEntry>,
    /// When the store first saw dead rows in it: their deadline counts from then.
    pub(crate) dead_since: Option<Timestamp>,
}

/// The newest file of a segment's deletes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeletesEntry {
    pub(crate) file: FileId,
    pub(crate) len: u64,
    /// The file holds the deletes of all operations up to this one.
    pub(crate) covers_seq: Seq,
    pub(crate) dead: u32,
}

/// An index and its locator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexEntry {
    pub(crate) index: FileId,
    pub(crate) index_len: u64,
    pub(crate) locator: FileId,
    pub(crate) locator_len: u64,
    /// The segments that the locator names.
    pub(crate) segments: Vec<FileId>,
}

impl Manifest {
    /// Returns every file that is part of the store, without the lock and the manifest itself.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileName> {
        let log = self.log.iter().map(|l| FileName::Log(l.file));
        let segments = self.collections.iter().flat_map(|c| &c.segments).flat_map(|s| {
            let deletes = s.deletes.as_ref().map(|d| FileName::Deletes(d.file));
            [Some(FileName::Segment(s.file)), deletes].into_iter().flatten()
        });
        let indexes = self
            .collections
            .iter()
            .flat_map(|c| &c.indexes)
            .flat_map(|i| [FileName::Index(i.index), FileName::Locator(i.locator)]);
        log.chain(segments).chain(indexes)
    }

    /// Returns the entry of a collection.
    pub(crate) fn collection_mut(&mut self, id: CollectionId) -> Option<&mut CollectionEntry> {
        self.collections.iter_mut().find(|c| c.id == id)
    }

    /// Encodes the whole file.
    pub(crate) fn encode(&self, salt: [u8; 16]) -> crate::Result<Vec<u8>> {
        let body = codec::encode(&BodyV3::from(self))?;
        let file = FileId(self.generation);
        let header = FileHeader { kind: FileKind::Manifest, store: self.store, file, salt };
        let mut out = header.encode().to_vec();
        out.extend_from_slice(&BODY_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        let crc = checksum(BODY_VERSION, salt, &body);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// Decodes a whole file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header = FileHeader::decode(bytes)?;
        if header.kind != FileKind::Manifest {
            return Err(DecodeError::new(8, "this is not a manifest").into());
        }
        let mut cursor = Cursor::new(bytes);
        cursor.bytes(HEADER_LEN)?;
        let version = cursor.u16()?;
        let reserved = cursor.u16()?;
        let len = cursor.u32()? as usize;
        let crc = cursor.u32()?;
        // No checksum covers these bytes.
        if (u32::from(reserved), cursor.u32()?) != (0, 0) {
            return Err(cursor.error("reserved bytes of the manifest are not zero").into());
        }
        let at = cursor.position() as u64;
        if len != cursor.remaining() {
            return Err(DecodeError::new(at, "the manifest's length does not match").into());
        }
        let body = cursor.bytes(len)?;
        if crc != checksum(version, header.salt, body) {
            return Err(DecodeError::new(at, "the manifest's checksum does not match").into());
        }
        let body: Result<BodyV3, _> = match version {
            1 => codec::decode(body).map(|rest| BodyV2 { rest, dead_since: Vec::new() }.into()),
            2 => codec::decode(body).map(|rest: BodyV2| rest.into()),
            BODY_VERSION => codec::decode(body),
            _ => return Err(HeaderError::TooNew(version)),
        };
        let body =
            body.map_err(|_| DecodeError::new(at, "the manifest's body cannot be decoded"))?;
        let manifest = body.into_manifest(header);
        manifest.check().map_err(|reason| DecodeError::new(at, reason))?;
        Ok(manifest)
    }

    /// Checks what must hold between the parts of a manifest.
    fn check(&self) -> Result<(), &'static str> {
        let mut seen = HashSet::new();
        if !self.files().filter_map(FileName::file).all(|f| f < self.next_file && seen.insert(f)) {
            return Err("the manifest names a file twice, or one that was never made");
        }
        if self.log.is_empty() {
            return Err("the manifest names no log");
        }
        let numbers = [self.generation, self.next_file.0, self.last_seq.0];
        if numbers.into_iter().any(|n| n > Seq::MAX.0) || self.next_collection.0 > u32::MAX / 2 {
            return Err("a number of the manifest is out of range");
        }
        if !self.log.is_sorted_by(|a, b| a.file < b.file) {
            return Err("the manifest's log files are out of order");
        }
        let mut names = HashSet::new();
        for collection in &self.collections {
            if collection.id >= self.next_collection || !names.insert(&collection.name) {
                return Err("the manifest names a collection twice");
            }
            if collection.options.validate().is_err() {
                return Err("the manifest's options of a collection are out of range");
            }
            let segments: HashSet<FileId> = collection.segments.iter().map(|s| s.file).collect();
            let mut listed = collection.indexes.iter().flat_map(|i| &i.segments);
            if !listed.all(|file| segments.contains(file)) {
                return Err("an index covers a segment that is not there");
            }
        }
        Ok(())
    }
}

/// Returns the checksum of a body. It covers the version. Otherwise one flipped bit, as in version
/// 1, makes a manifest look newer, and not even a repair touches a newer one.
pub(crate) fn checksum(version: u16, salt: [u8; 16], body: &[u8]) -> u32 {
    match version {
        1 => crc32(&[&salt, body]),
        _ => crc32(&[&salt, &version.to_le_bytes(), body]),
    }
}

/// Version 3 adds which collections keep keys unique, and which prolong lifetimes on reads.
#[derive(Serialize, Deserialize)]
struct BodyV3 {
    rest: BodyV2,
    unique_keys: Vec<u32>,
    /// Collection, milliseconds.
    refresh_on_read: Vec<(u32, u64)>,
}

/// Version 2 adds when each segment was first seen with dead rows.
#[derive(Serialize, Deserialize)]
struct BodyV2 {
    rest: BodyV1,
    /// Segment, time in milliseconds.
    dead_since: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct BodyV1 {
    next_file: u64,
    next_collection: u32,
    time: u64,
    clock_doubted: u64,
    last_seq: u64,
    log: Vec<(u64, u64, Option<u64>)>,
    collections: Vec<CollectionV1>,
}

#[derive(Serialize, Deserialize)]
struct CollectionV1 {
    id: u32,
    name: String,
    dimension: u32,
    metric: Metric,
    embedding_space: Option<String>,
    codes: Quantization,
    hnsw: HnswParams,
    durability: Durability,
    default_ttl: Option<Duration>,
    memtable_rows: u32,
    covers_seq: u64,
    log_from: u64,
    segments: Vec<SegmentV1>,
    indexes: Vec<IndexV1>,
}

#[derive(Serialize, Deserialize)]
struct SegmentV1 {
    file: u64,
    len: u64,
    rows: u32,
    /// File, bytes, covers_seq, dead rows.
    deletes: Option<(u64, u64, u64, u32)>,
}

#[derive(Serialize, Deserialize)]
struct IndexV1 {
    index: u64,
    index_len: u64,
    locator: u64,
    locator_len: u64,
    segments: Vec<u64>,
}

impl From<&Manifest> for BodyV3 {
    fn from(m: &Manifest) -> Self {
        let unique = m.collections.iter().filter(|c| c.options.unique_keys);
        let refresh = m.collections.iter().filter_map(|c| {
            let span = c.options.refresh_on_read?.as_millis();
            Some((c.id.0, u64::try_from(span).unwrap_or(u64::MAX)))
        });
        let (unique_keys, refresh_on_read) = (unique.map(|c| c.id.0).collect(), refresh.collect());
        Self { rest: BodyV2::from(m), unique_keys, refresh_on_read }
    }
}

impl From<BodyV2> for BodyV3 {
    fn from(rest: BodyV2) -> Self {
        Self { rest, unique_keys: Vec::new(), refresh_on_read: Vec::new() }
    }
}

impl BodyV3 {
    fn into_manifest(self, header: FileHeader) -> Manifest {
        let mut manifest = self.rest.into_manifest(header);
        let unique: HashSet<u32> = self.unique_keys.into_iter().collect();
        let refresh: HashMap<u32, u64> = self.refresh_on_read.into_iter().collect();
        for collection in &mut manifest.collections {
            let span = refresh.get(&collection.id.0).copied();
            collection.options.refresh_on_read = span.map(Duration::from_millis);
            collection.options.unique_keys = unique.contains(&collection.id.0);
        }
        manifest
    }
}

impl From<&Manifest> for BodyV2 {
    fn from(m: &Manifest) -> Self {
        let segments = m.collections.iter().flat_map(|c| &c.segments);
        let dead_since = segments.filter_map(|s| Some((s.file.0, s.dead_since?.to_bits())));
        Self { rest: BodyV1::from(m), dead_since: dead_since.collect() }
    }
}

impl BodyV2 {
    fn into_manifest(self, header: FileHeader) -> Manifest {
        let mut manifest = self.rest.into_manifest(header);
        let dead_since: HashMap<u64, u64> = self.dead_since.into_iter().collect();
        for segment in manifest.collections.iter_mut().flat_map(|c| &mut c.segments) {
            segment.dead_since = dead_since.get(&segment.file.0).copied().map(Timestamp::from_bits);
        }
        manifest
    }
}

impl From<&Manifest> for BodyV1 {
    fn from(m: &Manifest) -> Self {
        Self {
            next_file: m.next_file.0,
            next_collection: m.next_collection.0,
            time: m.time.to_mark_bits(),
            clock_doubted: m.clock_doubted.to_mark_bits(),
            last_seq: m.last_seq.0,
            log: m.log.iter().map(|l| (l.file.0, l.synced_len, l.valid_len)).collect(),
            collections: m.collections.iter().map(CollectionV1::from).collect(),
        }
    }
}

impl BodyV1 {
    fn into_manifest(self, header: FileHeader) -> Manifest {
        let log = self.log.into_iter();
        Manifest {
            store: header.store,
            generation: header.file.0,
            next_file: FileId(self.next_file),
            next_collection: CollectionId(self.next_collection),
            time: Timestamp::from_mark_bits(self.time),
            clock_doubted: Timestamp::from_mark_bits(self.clock_doubted),
            last_seq: Seq(self.last_seq),
            log: log
                .map(|(file, synced_len, valid_len)| LogEntry {
                    file: FileId(file),
                    synced_len,
                    valid_len,
                })
                .collect(),
            collections: self.collections.into_iter().map(CollectionV1::into_entry).collect(),
        }
    }
}

impl From<&CollectionEntry> for CollectionV1 {
    fn from(c: &CollectionEntry) -> Self {
        let deletes = |d: &DeletesEntry| (d.file.0, d.len, d.covers_seq.0, d.dead);
        let segment = |s: &SegmentEntry| SegmentV1 {
            file: s.file.0,
            len: s.len,
            rows: s.rows,
            deletes: s.deletes.as_ref().map(deletes),
        };
        let index = |i: &IndexEntry| IndexV1 {
            index: i.index.0,
            index_len: i.index_len,
            locator: i.locator.0,
            locator_len: i.locator_len,
            segments: i.segments.iter().map(|f| f.0).collect(),
        };
        Self {
            id: c.id.0,
            name: c.name.clone(),
            dimension: c.options.dimension as u32,
            metric: c.options.metric,
            embedding_space: c.options.embedding_space.clone(),
            codes: c.options.quantization,
            hnsw: c.options.hnsw,
            durability: c.options.durability,
            default_ttl: c.options.default_ttl,
            memtable_rows: c.options.memtable_rows,
            covers_seq: c.covers_seq.0,
            log_from: c.log_from.0,
            segments: c.segments.iter().map(segment).collect(),
            indexes: c.indexes.iter().map(index).collect(),
        }
    }
}

impl CollectionV1 {
    fn into_entry(self) -> CollectionEntry {
        let deletes = |(file, len, covers, dead)| DeletesEntry {
            file: FileId(file),
            len,
            covers_seq: Seq(covers),
            dead,
        };
        let segment = |s: SegmentV1| SegmentEntry {
            file: FileId(s.file),
            len: s.len,
            rows: s.rows,
            deletes: s.deletes.map(deletes),
            dead_since: None,
        };
        let index = |i: IndexV1| IndexEntry {
            index: FileId(i.index),
            index_len: i.index_len,
            locator: FileId(i.locator),
            locator_len: i.locator_len,
            segments: i.segments.into_iter().map(FileId).collect(),
        };
        let options = CollectionSettings {
            dimension: self.dimension as usize,
            metric: self.metric,
            embedding_space: self.embedding_space,
            quantization: self.codes,
            hnsw: self.hnsw,
            durability: self.durability,
            default_ttl: self.default_ttl,
            in_memory: false,
            memtable_rows: self.memtable_rows,
            unique_keys: false,
            refresh_on_read: None,
        };
        CollectionEntry {
            id: CollectionId(self.id),
            name: self.name,
            options,
            covers_seq: Seq(self.covers_seq),
            log_from: FileId(self.log_from),
            segments: self.segments.into_iter().map(segment).collect(),
            indexes: self.indexes.into_iter().map(index).collect(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::options::CollectionOptions;

    pub(crate) fn manifest() -> Manifest {
        let options = CollectionOptions::new(3, Metric::Cosine).embedding_space("m");
        let options = options.unique_keys(true).refresh_on_read(Duration::from_millis(300));
        let options = CollectionSettings::from(options);
        let deletes = DeletesEntry { file: FileId(4), len: 99, covers_seq: Seq(17), dead: 2 };
        let segment = SegmentEntry {
            file: FileId(3),
            len: 1000,
            rows: 5,
            deletes: Some(deletes),
            dead_since: Some(Timestamp::from_millis(77)),
        };
        let index = IndexEntry {
            index: FileId(5),
            index_len: 500,
            locator: FileId(6),
            locator_len: 400,
            segments: vec![FileId(3)],
        };
        let collection = CollectionEntry {
            id: CollectionId(1),
            name: "notes".into(),
            options,
            covers_seq: Seq(17),
            log_from: FileId(7),
            segments: vec![segment],
            indexes: vec![index],
        };
        Manifest {
            store: StoreId([1; 16]),
            generation: 9,
            next_file: FileId(8),
            next_collection: CollectionId(2),
            time: Timestamp::from_millis(1234),
            clock_doubted: Timestamp::from_millis(5),
            last_seq: Seq(20),
            log: vec![LogEntry { file: FileId(7), synced_len: 128, valid_len: None }],
            collections: vec![collection],
        }
    }

    #[test]
    fn a_manifest_round_trips() {
        let bytes = manifest().encode([5; 16]).unwrap();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
        assert_eq!(manifest().files().count(), 5);
    }

    #[test]
    fn golden_bytes_of_the_body() {
        let mut empty = manifest();
        empty.collections.clear();
        let bytes = empty.encode([5; 16]).unwrap();
        let mut expected = vec![3, 0, 0, 0]; // body version, reserved
        expected.extend([93, 0, 0, 0]); // body bytes
        assert_eq!(bytes[128..136], expected);
        let mut body = vec![8, 0, 0, 0, 0, 0, 0, 0]; // next_file
        body.extend([2, 0, 0, 0]); // next_collection
        body.extend([0xD2, 4, 0, 0, 0, 0, 0, 0]); // time
        body.extend([5, 0, 0, 0, 0, 0, 0, 0]); // clock_doubted
        body.extend([20, 0, 0, 0, 0, 0, 0, 0]); // last_seq
        body.extend([1, 0, 0, 0, 0, 0, 0, 0]); // log: one file
        body.extend([7, 0, 0, 0, 0, 0, 0, 0]); // its number
        body.extend([128, 0, 0, 0, 0, 0, 0, 0, 0]); // synced_len, no valid_len
        body.extend([0; 8]); // no collections
        body.extend([0; 8]); // no segment with dead rows
        body.extend([0; 8]); // no collection with unique keys
        body.extend([0; 8]); // no collection that prolongs lifetimes
        assert_eq!(bytes[144..], body);
    }

    #[test]
    fn bodies_of_older_versions_are_read_and_end_before_what_came_later() {
        let mut expected = manifest();
        let mut bytes = expected.encode([5; 16]).unwrap();
        // Version 3 added one collection to two lists, version 2 one segment.
        for (version, added) in [(2, 32), (1, 24)] {
            bytes.truncate(bytes.len() - added);
            bytes[128] = version;
            let len = bytes.len() as u32 - 144;
            bytes[132..136].copy_from_slice(&len.to_le_bytes());
            let crc = checksum(version.into(), [5; 16], &bytes[144..]);
            bytes[136..140].copy_from_slice(&crc.to_le_bytes());
            expected.collections[0].options.unique_keys = false;
            expected.collections[0].options.refresh_on_read = None;
            if version == 1 {
                expected.collections[0].segments[0].dead_since = None;
            }
            assert_eq!(Manifest::decode(&bytes), Ok(expected.clone()));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = manifest().encode([5; 16]).unwrap();
        for i in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[i / 8] ^= 1 << (i % 8);
            // No checksum covers two reserved fields, but a change in them must be noticed as well.
            assert!(Manifest::decode(&damaged).is_err(), "bit {i}");
        }
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn contradictions_are_refused_even_with_a_right_checksum() {
        let mut twice = manifest();
        twice.collections[0].indexes[0].locator = FileId(5);
        let mut missing = manifest();
        missing.collections[0].indexes[0].segments = vec![FileId(2)];
        let mut no_log = manifest();
        no_log.log.clear();
        // For each of these numbers the next one would overflow.
        let last_file = Manifest { next_file: FileId(u64::MAX), ..manifest() };
        let last_seq = Manifest { last_seq: Seq(u64::MAX), ..manifest() };
        let last_generation = Manifest { generation: u64::MAX, ..manifest() };
        let last_collection = Manifest { next_collection: CollectionId(u32::MAX), ..manifest() };
        let numbers = [last_file, last_seq, last_generation, last_collection];
        for bad in [twice, missing, no_log].into_iter().chain(numbers) {
            assert!(Manifest::decode(&bad.encode([5; 16]).unwrap()).is_err());
        }
    }

    #[test]
    fn each_contradiction_is_named() {
        let reason = |bad: Manifest| match Manifest::decode(&bad.encode([5; 16]).unwrap()) {
            Err(HeaderError::Decode(error)) => error.reason,
            other => panic!("{other:?}"),
        };
        let mut order = manifest();
        order.log.push(LogEntry { file: FileId(2), synced_len: 128, valid_len: None });
        assert_eq!(reason(order), "the manifest's log files are out of order");
        let mut twice = manifest();
        let (id, name) = (CollectionId(2), twice.collections[0].name.clone());
        let (segments, indexes) = (Vec::new(), Vec::new());
        let same = CollectionEntry { id, name, segments, indexes, ..twice.collections[0].clone() };
        twice.next_collection = CollectionId(3);
        twice.collections.push(same);
        assert_eq!(reason(twice), "the manifest names a collection twice");
        let mut options = manifest();
        options.collections[0].options.dimension = 0;
        let refused = "the manifest's options of a collection are out of range";
        assert_eq!(reason(options), refused);
    }

    #[test]
    fn another_kind_of_file_and_a_newer_body_are_told_apart_from_damage() {
        let mut bytes = manifest().encode([5; 16]).unwrap();
        bytes[128] = 4;
        let damaged = DecodeError::new(144, "the manifest's checksum does not match");
        assert_eq!(Manifest::decode(&bytes), Err(damaged.into()));
        let crc = checksum(4, [5; 16], &bytes[144..]);
        bytes[136..140].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Manifest::decode(&bytes), Err(HeaderError::TooNew(4)));
        let mut bytes = manifest().encode([5; 16]).unwrap();
        bytes[8] = FileKind::Log as u8;
        let crc = crc32(&[&bytes[..124]]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        let refused = DecodeError::new(8, "this is not a manifest");
        assert_eq!(Manifest::decode(&bytes), Err(refused.into()));
    }
}
