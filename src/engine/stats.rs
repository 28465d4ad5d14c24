//! Owns the statistics of a collection. Reads a snapshot and changes nothing.

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::error::Result;
use crate::options::CollectionSettings;
use crate::segment::Rows;
use crate::snapshot::dead_since::live_expired;
use crate::snapshot::state::CollectionState;
use crate::snapshot::{IndexPart, Snapshot};
use crate::stats::{BeamStats, CollectionStats, IndexStats, SegmentStats};
use crate::sync::lock;

/// Returns the statistics of one collection. O(segments + index nodes), and O(rows / 64) per
/// segment in which some rows have expired, but not all.
pub(crate) fn collection(engine: &Engine, core: &CollectionState) -> Result<CollectionStats> {
    let (snapshot, now, options) = (core.snapshot(), engine.time.now(), core.options());
    let mut stats = CollectionStats {
        name: core.name().to_owned(),
        heap_bytes: core.mem_bytes(),
        recall: core.recall.stats(),
        last_compaction: lock(&core.last_report).clone(),
        retention_unset: retention_unset(engine, &options),
        ..CollectionStats::default()
    };
    for changes in snapshot.parts_changes() {
        stats.changed_rows += u64::from(changes.rows());
        stats.changed_bytes += changes.heap_bytes() as u64;
    }
    for memtable in &snapshot.memtables {
        let (dead, live) = (memtable.live.dead(), u64::from(memtable.live.live()));
        let expired = memtable.live_expired(&memtable.live, now)?;
        stats.memtable_rows += u64::from(memtable.rows.rows());
        stats.dead_rows += u64::from(dead);
        stats.expired_rows += expired;
        stats.live_rows += live - expired;
        let (bytes, rows) = (memtable.rows.data_bytes(), u64::from(memtable.rows.rows()));
        stats.live_bytes += bytes * (live - expired) / rows.max(1);
    }
    for part in &snapshot.segments {
        let expired = live_expired(part, now)?;
        let rows = u64::from(part.sealed.segment.rows());
        let gone = u64::from(part.live.dead()) + expired;
        let bytes = part.sealed.segment.len();
        let dead_bytes = bytes * gone / rows.max(1);
        let fields = part.sealed.segment.field_costs();
        stats.field_bytes += fields.bytes;
        stats.field_bytes_limit += fields.limit;
        stats.field_columns_left_out += fields.left_out;
        let word_bytes = part.sealed.segment.word_bytes();
        stats.word_bytes += word_bytes;
        stats.dead_rows += u64::from(part.live.dead());
        stats.expired_rows += expired;
        stats.live_rows += rows - gone;
        stats.dead_bytes += dead_bytes;
        stats.live_bytes += bytes - dead_bytes;
        stats.segments.push(SegmentStats {
            file: part.sealed.file.0,
            bytes,
            rows,
            dead_rows: u64::from(part.live.dead()),
            expired_rows: expired,
            word_bytes,
        });
    }
    stats.withheld_rows = withheld_rows(engine, &snapshot, now)?;
    stats.indexes = index_stats(&snapshot);
    Ok(stats)
}

/// Returns true if nothing bounds how much such a collection keeps. The heap budget bounds an
/// in-memory collection. For any other it bounds only rows on their way to the disk, so the disk
/// budget counts there.
pub(crate) fn retention_unset(engine: &Engine, options: &CollectionSettings) -> bool {
    let budget = match options.in_memory {
        true => engine.admission.heap().limit(),
        false => engine.admission.disk().limit(),
    };
    options.default_ttl.is_none() && budget.is_none()
}

/// Returns the number of live rows that have expired for readers at `now`, but not by the plausible
/// time. Nothing may destroy them.
pub(crate) fn withheld_rows(engine: &Engine, snapshot: &Snapshot, now: Timestamp) -> Result<u64> {
    let believed = engine.time.plausible_now();
    if now <= believed {
        return Ok(0);
    }
    let mut withheld = 0;
    for (rows, live) in snapshot.parts() {
        // Time passes between the two readings.
        let (hidden, lost) = (rows.live_expired(live, now)?, rows.live_expired(live, believed)?);
        withheld += hidden.saturating_sub(lost);
    }
    Ok(withheld)
}

fn index_stats(snapshot: &Snapshot) -> Vec<IndexStats> {
    let part = |part: &IndexPart| {
        let index = &part.indexed.index;
        let (spec, fit) = (index.frame().spec, index.fit());
        let beam = |beam: &crate::index::Beam| BeamStats {
            ef: beam.ef,
            recall: beam.recall,
            error: beam.error,
            evaluations: beam.evaluations,
        };
        IndexStats {
            file: part.indexed.file.0,
            bytes: index.len() + part.indexed.locator.len(),
            nodes: u64::from(index.nodes()),
            live_nodes: snapshot.live_nodes(part),
            graph: index.has_graph(),
            quantization: Some(spec.codes),
            centred: spec.centred,
            code_error: fit.sure,
            code_share: fit.share,
            code_recall: fit.recall,
            beams: index.ef_table().beams().iter().map(beam).collect(),
        }
    };
    snapshot.indexes.iter().map(part).collect()
}
