//! Owns what a manifest says, as plain data: the list of everything that is part of the store.

use crate::clock::Timestamp;
use crate::format::header::StoreId;
use crate::ids::{CollectionId, FileId, Seq};
use crate::options::CollectionSettings;

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
