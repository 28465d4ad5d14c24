//! Owns recovery: opens the collections that the manifest names and replays the log over them. It
//! only reads. The store writes what recovery needs: it copies the last log file forward and
//! removes orphans.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::dir::StoreDir;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::format::cursor::Cursor;
use crate::format::frame::{FrameHead, FrameKind};
use crate::format::manifest::{CollectionEntry, LogEntry, Manifest};
use crate::format::names::FileName;
use crate::format::op::{Op, OpKind};
use crate::format::record;
use crate::ids::{CollectionId, FileId, Seq};
use crate::log::{LogEnd, LogSource};
use crate::snapshot::Snapshot;
use crate::snapshot::open::{drop_coverage, open_index, open_segment};
use crate::snapshot::stage::Stage;
use crate::snapshot::state::CollectionState;
use crate::vector::codes::CodeSpec;

/// Opens a collection from its files, without the log.
pub(crate) fn open_collection(
    engine: &Engine,
    entry: &CollectionEntry,
) -> Result<Arc<CollectionState>> {
    let options = entry.options.clone();
    options.supported()?;
    let spec = CodeSpec::new(options.quantization, options.metric, options.dimension);
    let mut snapshot = Snapshot { visible: entry.covers_seq, ..Snapshot::default() };
    for segment in &entry.segments {
        snapshot.segments.push(open_segment(&engine.dir, segment, spec.dimension)?);
    }
    let mut damaged = Vec::new();
    for index in &entry.indexes {
        match open_index(&engine.dir, index, spec) {
            Ok(part) => snapshot.indexes.push(part),
            Err(error) => {
                let (collection, reason) = (entry.name.clone(), error.to_string());
                engine.events.emit(&Event::IndexDamaged { collection, reason });
                damaged.extend_from_slice(&index.segments);
            }
        }
    }
    drop_coverage(&mut snapshot, damaged);
    let core =
        CollectionState::new(entry.id, entry.name.clone(), options, snapshot, entry.log_from);
    core.deaths.restore(&entry.segments);
    Ok(Arc::new(core))
}

/// Returns a reader of one log file. `last` is true for the newest log file.
pub(crate) fn log_source<'a>(dir: &'a StoreDir, entry: &'a LogEntry, last: bool) -> LogSource<'a> {
    LogSource { disk: dir.disk(), dir: dir.root(), store: dir.store(), entry, last }
}

/// The operations of a log that are in no other file of the store: where they begin, for each
/// collection.
pub(crate) struct Uncovered(HashMap<CollectionId, (Seq, FileId)>);

impl Uncovered {
    pub(crate) fn new(manifest: &Manifest) -> Self {
        Self(manifest.collections.iter().map(|c| (c.id, (c.covers_seq, c.log_from))).collect())
    }

    /// Returns false for an operation that files cover, and for one of a dropped collection.
    pub(crate) fn has(&self, op: &Op, file: FileId) -> bool {
        let begin = self.0.get(&op.collection);
        begin.is_some_and(|(covers, from)| op.seq > *covers && file >= *from)
    }
}

/// Calls `each` with every operation of a frame of a log file.
pub(crate) fn each_op(
    dir: &StoreDir,
    file: FileId,
    (head, payload, offset): (&FrameHead, &[u8], u64),
    each: &mut dyn FnMut(Op) -> Result<()>,
) -> Result<()> {
    if !matches!(head.kind, FrameKind::Batch | FrameKind::Copied) {
        return Ok(());
    }
    let mut cursor = Cursor::new(payload);
    while !cursor.is_empty() {
        let op = Op::decode(&mut cursor).map_err(|e| {
            Error::corrupt(dir.path(FileName::Log(file)), offset + e.offset, e.reason)
        })?;
        each(op)?;
    }
    Ok(())
}

/// Replays the log over the collections. Returns the end of the last log file.
pub(crate) fn replay(engine: &Engine, manifest: &Manifest) -> Result<LogEnd> {
    let uncovered = Uncovered::new(manifest);
    let mut stages: HashMap<CollectionId, Stage> = HashMap::new();
    let mut last_end = None;
    for (at, entry) in manifest.log.iter().enumerate() {
        let source = log_source(&engine.dir, entry, at + 1 == manifest.log.len());
        let end = source.read(|head, payload, offset| {
            each_op(&engine.dir, entry.file, (head, payload, offset), &mut |op| {
                let damaged = |reason: String| {
                    Error::corrupt(engine.dir.path(FileName::Log(entry.file)), offset, reason)
                };
                if op.collection >= manifest.next_collection {
                    // The manifest that created the collection is lost. Continuing would lose the
                    // whole collection.
                    let reason = "an operation is of a collection that the manifest does not know";
                    return Err(damaged(reason.to_owned()));
                }
                if !uncovered.has(&op, entry.file) {
                    return Ok(());
                }
                let Some(core) = engine.collections.get(op.collection) else {
                    return Ok(());
                };
                let expires_at = check_row(&core, &op).map_err(damaged)?;
                let stage = stages
                    .entry(op.collection)
                    .or_insert_with(|| Stage::replay(&core, engine.time.now()));
                stage.apply(op, expires_at)?;
                if stage.is_full() {
                    stage.freeze(entry.file);
                }
                Ok(())
            })
        })?;
        engine.time.recover(end.time);
        let newest = last_end.map_or(end.last_seq, |e: LogEnd| e.last_seq.max(end.last_seq));
        last_end = Some(LogEnd { last_seq: newest, ..end });
    }
    for stage in stages.into_values() {
        stage.publish(Timestamp::MIN);
    }
    last_end.ok_or_else(|| Error::corrupt(engine.dir.root(), 0, "the manifest names no log"))
}

/// Returns when the row that an operation adds expires. Returns the reason if the row cannot be
/// used: its vector has the wrong length, or its body cannot be parsed. Such a row passed every
/// checksum.
fn check_row(core: &CollectionState, op: &Op) -> std::result::Result<Timestamp, String> {
    let OpKind::Insert { id, vector, body, .. } = &op.kind else {
        return Ok(Timestamp::MAX);
    };
    if vector.len() != core.spec.dimension {
        let (got, expected) = (vector.len(), core.spec.dimension);
        return Err(format!("a logged vector has {got} dimensions, its collection {expected}"));
    }
    let row = record::attributes(*id, body);
    row.map(|row| row.expires_at).map_err(|e| format!("the body of a logged row: {}", e.reason))
}
