//! Owns the body of a manifest in its versions: one frozen struct each, encoded by bincode.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::data::{CollectionEntry, DeletesEntry, IndexEntry, LogEntry, Manifest, SegmentEntry};
use crate::clock::Timestamp;
use crate::format::header::FileHeader;
use crate::ids::{CollectionId, FileId, Seq};
use crate::options::{CollectionSettings, Durability, HnswParams, Metric, Quantization, TextIndex};
use crate::words::Language;

/// Version 4 adds which collections index the words of texts.
#[derive(Serialize, Deserialize)]
pub(super) struct BodyV4 {
    rest: BodyV3,
    /// Collection, language, `k1`, `b`.
    text_index: Vec<(u32, Option<Language>, f32, f32)>,
}

/// Version 3 adds which collections keep keys unique, and which prolong lifetimes on reads.
#[derive(Serialize, Deserialize)]
pub(super) struct BodyV3 {
    rest: BodyV2,
    unique_keys: Vec<u32>,
    /// Collection, milliseconds.
    refresh_on_read: Vec<(u32, u64)>,
}

/// Version 2 adds when each segment was first seen with dead rows.
#[derive(Serialize, Deserialize)]
pub(super) struct BodyV2 {
    pub(super) rest: BodyV1,
    /// Segment, time in milliseconds.
    pub(super) dead_since: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct BodyV1 {
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

impl From<&Manifest> for BodyV4 {
    fn from(m: &Manifest) -> Self {
        let text_index = m.collections.iter().filter_map(|c| {
            let index = c.options.text_index?;
            Some((c.id.0, index.language, index.k1, index.b))
        });
        Self { rest: BodyV3::from(m), text_index: text_index.collect() }
    }
}

impl From<BodyV3> for BodyV4 {
    fn from(rest: BodyV3) -> Self {
        Self { rest, text_index: Vec::new() }
    }
}

impl BodyV4 {
    pub(super) fn into_manifest(self, header: FileHeader) -> Manifest {
        let mut manifest = self.rest.into_manifest(header);
        for (id, language, k1, b) in self.text_index {
            if let Some(collection) = manifest.collection_mut(CollectionId(id)) {
                collection.options.text_index = Some(TextIndex { language, k1, b });
            }
        }
        manifest
    }
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
    pub(super) fn into_manifest(self, header: FileHeader) -> Manifest {
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
    pub(super) fn into_manifest(self, header: FileHeader) -> Manifest {
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
    pub(super) fn into_manifest(self, header: FileHeader) -> Manifest {
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
            text_index: None,
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
