//! Owns the way from files to open collections: opens what the manifest names and replays the log
//! over it. Reads only; what has to be written (the last log file copied forward, orphans removed)
//! is the store's business.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::commit::MEMTABLE_BYTES;
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::snapshot::{IndexPart, Indexed, Sealed, SegPart, Snapshot};
use crate::collection::stage::Stage;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::format::cursor::Cursor;
use crate::format::frame::FrameKind;
use crate::format::manifest::{CollectionEntry, IndexEntry, Manifest, SegmentEntry};
use crate::format::names::FileName;
use crate::format::op::{Op, OpKind};
use crate::format::record;
use crate::ids::{CollectionId, FileId, Seq};
use crate::index::Index;
use crate::log::{LogEnd, LogSource};
use crate::segment::{Liveness, Locator, SealedSegment, read_deletes};
use crate::sync::atomic::AtomicBool;
use crate::vector::codes::CodeSpec;

/// Opens a collection as its files have it, without the log.
pub(crate) fn open_collection(engine: &Engine, entry: &CollectionEntry) -> Result<Arc<Core>> {
    let options = entry.options.clone();
    let spec = CodeSpec::new(options.quantization, options.metric, options.dimension);
    let mut snapshot = Snapshot { visible: entry.covers_seq, ..Snapshot::default() };
    for segment in &entry.segments {
        snapshot.segments.push(open_segment(engine, segment, spec.dimension)?);
    }
    let mut damaged = Vec::new();
    for index in &entry.indexes {
        match open_index(engine, index, spec) {
            Ok(part) => snapshot.indexes.push(part),
            Err(error) => {
                let (collection, reason) = (entry.name.clone(), error.to_string());
                engine.emit(&Event::IndexDamaged { collection, reason });
                damaged.extend_from_slice(&index.segments);
            }
        }
    }
    drop_coverage(&mut snapshot, damaged);
    let core = Core::new(entry.id, entry.name.clone(), options, snapshot, entry.log_from);
    core.deaths.restore(&entry.segments);
    Ok(Arc::new(core))
}

/// Opens a segment with its dead rows.
pub(crate) fn open_segment(
    engine: &Engine,
    entry: &SegmentEntry,
    dimension: usize,
) -> Result<SegPart> {
    let (disk, dir) = (engine.disk.as_ref(), engine.dir());
    let (file, permit) = ((entry.file, entry.len), engine.resident_budget.permit_to_read());
    let segment = SealedSegment::open(disk, dir, engine.store, file, dimension, permit)?;
    let name = FileName::Segment(entry.file);
    let rows = crate::segment::Rows::rows(&segment);
    if rows != entry.rows {
        let reason = format!("the segment has {rows} rows, the manifest says {}", entry.rows);
        return Err(Error::corrupt(engine.path(name), 0, reason));
    }
    let live = match &entry.deletes {
        None => Liveness::all_live(rows),
        Some(deletes) => {
            let file = (deletes.file, deletes.len);
            let dead = read_deletes(disk, dir, engine.store, file, (entry.file, rows))?;
            Liveness::without(rows, &dead)
        }
    };
    let guard = engine.guard(name, entry.len);
    let sealed = Arc::new(Sealed { file: entry.file, segment, guard });
    Ok(SegPart { sealed, dead_on_disk: live.dead(), live, covered: false })
}

/// Opens an index with its locator.
pub(crate) fn open_index(engine: &Engine, entry: &IndexEntry, spec: CodeSpec) -> Result<IndexPart> {
    let (disk, dir) = (engine.disk.as_ref(), engine.dir());
    let index = Index::open(disk, dir, engine.store, entry.index, entry.index_len, spec)?;
    let locator = open_locator(engine, entry, index.nodes())?;
    let indexed = Indexed {
        file: entry.index,
        index: Arc::new(index),
        index_guard: Arc::new(engine.guard(FileName::Index(entry.index), entry.index_len)),
        locator,
        locator_guard: engine.guard(FileName::Locator(entry.locator), entry.locator_len),
        checked: AtomicBool::new(false),
    };
    Ok(IndexPart { indexed: Arc::new(indexed), slots: Arc::new([]) })
}

/// Opens a locator and checks that it names the segments that the manifest says.
pub(crate) fn open_locator(engine: &Engine, entry: &IndexEntry, nodes: u32) -> Result<Locator> {
    let (disk, dir) = (engine.disk.as_ref(), engine.dir());
    let file = (entry.locator, entry.locator_len);
    let locator = Locator::open(disk, dir, engine.store, file, nodes)?;
    if locator.segments() != entry.segments {
        let path = engine.path(FileName::Locator(entry.locator));
        return Err(Error::corrupt(path, 0, "the locator names other segments than the manifest"));
    }
    Ok(locator)
}

/// Takes every index out that shares a segment with a damaged one: a row must be in exactly one
/// index, or its whole segment in none.
pub(crate) fn drop_coverage(snapshot: &mut Snapshot, mut damaged: Vec<FileId>) {
    loop {
        let touched = snapshot
            .indexes
            .iter()
            .position(|i| i.indexed.locator.segments().iter().any(|s| damaged.contains(s)));
        let Some(at) = touched else { return };
        let part = snapshot.indexes.remove(at);
        damaged.extend_from_slice(part.indexed.locator.segments());
    }
}

/// Replays the log over the collections; gives the end of its last file.
pub(crate) fn replay(engine: &Engine, manifest: &Manifest) -> Result<LogEnd> {
    let covered: HashMap<CollectionId, (Seq, FileId)> =
        manifest.collections.iter().map(|c| (c.id, (c.covers_seq, c.log_from))).collect();
    let mut stages: HashMap<CollectionId, Stage> = HashMap::new();
    let mut last_end = None;
    for (at, entry) in manifest.log.iter().enumerate() {
        let source = LogSource {
            disk: engine.disk.as_ref(),
            dir: engine.dir(),
            store: engine.store,
            entry,
            last: at + 1 == manifest.log.len(),
        };
        let end = source.read(|head, payload, offset| {
            if !matches!(head.kind, FrameKind::Batch | FrameKind::Carried) {
                return Ok(());
            }
            let mut cursor = Cursor::new(payload);
            while !cursor.is_empty() {
                let op = Op::decode(&mut cursor).map_err(|e| {
                    let path = engine.path(FileName::Log(entry.file));
                    Error::corrupt(path, offset + e.offset, e.reason)
                })?;
                if op.collection >= manifest.next_collection {
                    // Its manifest is lost: going on would forget the whole collection.
                    let (path, reason) = (
                        engine.path(FileName::Log(entry.file)),
                        "an operation is of a collection that the manifest does not know",
                    );
                    return Err(Error::corrupt(path, offset, reason));
                }
                match covered.get(&op.collection) {
                    Some((covers, from)) if op.seq > *covers && entry.file >= *from => {}
                    // Covered by files, or of a collection that was dropped.
                    _ => continue,
                }
                let Some(core) = engine.core(op.collection) else {
                    continue;
                };
                check_row(engine, &core, &op, entry.file, offset)?;
                let stage = stages
                    .entry(op.collection)
                    .or_insert_with(|| Stage::begin(&core, engine.now()));
                stage.apply(op)?;
                if stage.is_full(MEMTABLE_BYTES) {
                    stage.freeze(entry.file);
                }
            }
            Ok(())
        })?;
        engine.recover_time(end.time);
        let newest = last_end.map_or(end.last_seq, |e: LogEnd| e.last_seq.max(end.last_seq));
        last_end = Some(LogEnd { last_seq: newest, ..end });
    }
    for stage in stages.into_values() {
        stage.publish(Timestamp::MIN);
    }
    last_end.ok_or_else(|| Error::corrupt(engine.dir(), 0, "the manifest names no log"))
}

/// A row of another length, or with a body that says nothing, passed every checksum and still cannot
/// be taken in.
fn check_row(engine: &Engine, core: &Core, op: &Op, file: FileId, offset: u64) -> Result<()> {
    match &op.kind {
        OpKind::Insert { vector, .. } if vector.len() != core.spec.dimension => {
            let reason = format!(
                "a logged vector has {} dimensions, its collection {}",
                vector.len(),
                core.spec.dimension
            );
            Err(Error::corrupt(engine.path(FileName::Log(file)), offset, reason))
        }
        OpKind::Insert { id, body, .. } => match record::attributes(*id, body) {
            Ok(_) => Ok(()),
            Err(e) => {
                let reason = format!("the body of a logged row: {}", e.reason);
                Err(Error::corrupt(engine.path(FileName::Log(file)), offset, reason))
            }
        },
        _ => Ok(()),
    }
}
