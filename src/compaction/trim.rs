//! Owns the length of the log: past a limit, collections that still need its oldest file are
//! sealed, or, if they are small, their rows are copied to its end (a small collection lives in the
//! log and has no file).

use std::sync::Arc;

use super::control::Control;
use super::idle::{idle_marks, mark_idle};
use super::is_gone;
use super::rows;
use crate::collection::core::Core;
use crate::collection::disk_budget::Pressure;
use crate::collection::engine::Engine;
use crate::error::Result;
use crate::format::op::{Op, OpKind};
use crate::ids::FileId;
use crate::metrics::CompactionReport;
use crate::segment::Rows;
use crate::worker::lock;

/// The chain may have this many files of about 4 MiB: 64 MiB.
const MAX_LOG_FILES: usize = 16;
/// The same when inserts need room.
const FEWEST_LOG_FILES: usize = 2;
/// A collection with fewer rows than this in RAM is copied forward rather than sealed.
const SMALL_ROWS: u32 = 256;

/// Shortens the log if it is too long; tells whether it was.
pub(super) fn trim(engine: &Arc<Engine>, control: &Control<'_>) -> Result<bool> {
    let manifest = engine.manifest();
    let most = match engine.disk_budget.pressure() {
        Pressure::Pressed => FEWEST_LOG_FILES,
        _ => MAX_LOG_FILES,
    };
    if manifest.log.len() <= most {
        return Ok(false);
    }
    let idle = idle_marks(engine);
    if !idle.is_empty() {
        engine.commit_manifest(|manifest| mark_idle(manifest, &idle))?;
    }
    let manifest = engine.manifest();
    let keep = manifest.log.len().saturating_sub(most / 2);
    let Some(oldest_kept) = manifest.log.get(keep).map(|l| l.file) else {
        return Ok(false);
    };
    for entry in manifest.collections.iter().filter(|c| c.log_from < oldest_kept) {
        let Some(core) = engine.core(entry.id).filter(|c| !c.is_dropped()) else {
            continue;
        };
        let _job = lock(&core.row_job);
        match carry(engine, &core)? {
            Some(carried) => rows::cover(engine, &core, carried.file, control)?,
            None => {
                rows::seal(engine, &core, true, &mut CompactionReport::default(), control)?;
            }
        }
    }
    Ok(true)
}

/// Where the rows of a small collection are now.
pub(super) struct Carried {
    /// The log file that has them; older ones hold nothing that the memtable still needs.
    pub(super) file: FileId,
    /// Dead and expired rows that were left behind.
    pub(super) left: u64,
}

/// Copies the live rows of a small collection's memtable to the end of the log, without those that
/// have expired. `None` if the collection is not small.
pub(super) fn carry(engine: &Engine, core: &Core) -> Result<Option<Carried>> {
    let now = engine.destroy_by();
    let mut token = engine.committer.hold();
    let Some(log) = token.as_mut() else {
        return Ok(None);
    };
    let snapshot = core.snapshot();
    let [active] = &snapshot.memtables[..] else {
        return Ok(None);
    };
    if active.rows.rows() >= SMALL_ROWS {
        return Ok(None);
    }
    let mut ops = Vec::new();
    for row in active.live.iter() {
        if is_gone(&active.rows, row, now)? {
            continue;
        }
        let row = active.rows.row(row)?;
        let kind = OpKind::Insert {
            id: row.id,
            norm: row.norm,
            vector: row.vector.to_vec(),
            body: row.body.to_vec(),
        };
        ops.push(Op { collection: core.id, seq: row.seq, kind });
    }
    let left = u64::from(active.rows.rows()) - ops.len() as u64;
    let file = match ops.is_empty() {
        true => log.file(),
        false => engine.append_carried(log, &ops)?,
    };
    Ok(Some(Carried { file, left }))
}
