//! Owns the length of the log. Past a limit, a collection that still needs its oldest file is
//! sealed. If the collection is small, its rows are copied to the end of the log instead: a small
//! collection lives in the log and needs no file.
//!
//! One commit releases the older files for all copied collections, because a commit writes an entry
//! per collection and there may be thousands.
//!
//! The log may grow to 1.5 times the rows of small collections, and to 1.5 times its length after
//! the last checkpoint. A large copy may leave much of a file unused. So at least half a row is
//! written for every row that is copied, however many there are.

use std::sync::Arc;

use crate::compaction::control::Control;
use crate::compaction::job::Job;
use crate::compaction::marks::{Mark, idle_marks, mark_covered};
use crate::compaction::rewrite;
use crate::engine::Engine;
use crate::engine::admission::disk::Pressure;
use crate::error::{Error, Result};
use crate::format::op::{Op, OpKind};
use crate::ids::{FileId, Seq};
use crate::log::LOG_FILE_BYTES;
use crate::report::CompactionReport;
use crate::segment::{Row, Rows};
use crate::snapshot::state::CollectionState;
use crate::snapshot::{MemPart, SegPart, Snapshot};
use crate::sync::lock;

/// The log may have this many files of about 4 MiB: 64 MiB.
const MAX_LOG_FILES: usize = 16;
/// The same while inserts need room.
const FEWEST_LOG_FILES: usize = 2;
/// A collection with fewer live rows than this in RAM is copied forward rather than sealed.
const SMALL_ROWS: u32 = 256;

/// Shortens the log if it is too long. Returns true if it was.
pub(crate) fn run_checkpoint(control: &Control<'_>) -> Result<bool> {
    let engine = control.engine();
    let _running = engine.dir.begin_job()?;
    let pressed = engine.admission.disk().pressure() == Pressure::Pressed;
    let most = if pressed { FEWEST_LOG_FILES } else { MAX_LOG_FILES };
    if !is_due(engine) {
        return Ok(false);
    }
    let idle = idle_marks(engine);
    if !idle.is_empty() {
        engine.catalog.commit(|manifest| mark_covered(manifest, &idle))?;
    }
    let log = engine.catalog.manifest().log;
    let keep = log.len().saturating_sub(most / 2);
    match log.get(keep) {
        Some(oldest_kept) => let_go(oldest_kept.file, control),
        None => Ok(false),
    }
}

/// Rewrites the log if that frees at least `least` bytes. Rows that were sealed or died since take
/// bytes without need. So do memtables, which need room in the log and later in a segment. Returns
/// true if the log was rewritten.
pub(super) fn shed(least: u64, control: &Control<'_>) -> Result<bool> {
    let engine = control.engine();
    // Bytes that the last rewrite could not free, another one could not free either.
    let now = sheddable(engine);
    if now < engine.log.bytes_left(now).saturating_add(least) {
        return Ok(false);
    }
    let file = engine.log.roll()?;
    let idle = idle_marks(engine);
    engine.catalog.commit(|manifest| mark_covered(manifest, &idle))?;
    let_go(file, control)?;
    engine.admission.disk().measure()?;
    engine.log.note_bytes_left(sheddable(engine));
    Ok(true)
}

/// Returns the estimated bytes that a new log would free.
fn sheddable(engine: &Engine) -> u64 {
    let (mut taken, mut stays) = (engine.admission.disk().log_bytes(), 0);
    for core in engine.collections.all().into_iter().filter(|core| !core.is_in_memory()) {
        taken += core.mem_bytes();
        let snapshot = core.snapshot();
        let live = |m: &MemPart| {
            let rows = u64::from(m.rows.rows().max(1));
            m.rows.heap_bytes() as u64 * u64::from(m.live.live()) / rows
        };
        let live: u64 = snapshot.memtables.iter().map(live).sum();
        // The rows stay in the log and in RAM, or move to a segment and an index.
        stays += if is_small(&snapshot) { 2 * live } else { live + live / 4 };
    }
    taken.saturating_sub(stays)
}

/// Returns true if a collection lives in the log: it has few rows in RAM, and none that wait to be
/// sealed.
fn is_small(snapshot: &Snapshot) -> bool {
    matches!(&snapshot.memtables[..], [active] if active.live.live() < SMALL_ROWS)
}

/// Makes every log file before `oldest_kept` superfluous for all collections.
fn let_go(oldest_kept: FileId, control: &Control<'_>) -> Result<bool> {
    let engine = control.engine();
    let manifest = engine.catalog.manifest();
    let old = manifest.collections.iter().filter(|c| c.log_from < oldest_kept);
    let cores: Vec<Arc<CollectionState>> =
        old.filter_map(|c| engine.collections.get(c.id)).collect();
    let (mut marks, mut done) = (Vec::new(), Ok(true));
    for core in &cores {
        let _job = control.hold(&core.row_job);
        match shorten(&Job::new(core, control)) {
            Ok(mark) => marks.extend(mark),
            // Its part of the log was released when it was dropped.
            Err(Error::Closed) if core.is_dropped() => {}
            Err(error) => done = done.and(Err(error)),
        }
        if control.is_stopped() {
            break;
        }
    }
    // Done even if one failed: otherwise its rows would be copied again, which lengthens the log.
    if !marks.is_empty() {
        sync_copies(engine)?;
        let idle = idle_marks(engine);
        engine.catalog.commit(|manifest| {
            mark_covered(manifest, &marks);
            mark_covered(manifest, &idle);
        })?;
    }
    if done.is_ok() {
        engine.log.note_files_left(engine.catalog.log_files());
    }
    done
}

/// Returns true if the log must be shortened.
pub(super) fn is_due(engine: &Engine) -> bool {
    match engine.admission.disk().pressure() {
        Pressure::Pressed => engine.catalog.log_files() > FEWEST_LOG_FILES,
        _ => is_long(engine),
    }
}

/// Returns true if the log is longer than it may be.
fn is_long(engine: &Engine) -> bool {
    let files = engine.catalog.log_files();
    let left = engine.log.files_left(files);
    files > MAX_LOG_FILES
        && files >= left + (left / 2).max(MAX_LOG_FILES / 2)
        && files > MAX_LOG_FILES + files_of_small(engine) * 3 / 2
}

/// Returns the estimated number of log files that the live rows of small collections would fill.
fn files_of_small(engine: &Engine) -> usize {
    let bytes = |core: Arc<CollectionState>| {
        let snapshot = core.snapshot();
        let [active] = &snapshot.memtables[..] else {
            return 0;
        };
        let (live, rows) = (u64::from(active.live.live()), u64::from(active.rows.rows()));
        if core.is_in_memory() || live >= u64::from(SMALL_ROWS) {
            return 0;
        }
        active.rows.heap_bytes() as u64 * live / rows.max(1)
    };
    (engine.collections.all().into_iter().map(bytes).sum::<u64>() / LOG_FILE_BYTES) as usize
}

/// Copies or seals the rows that a collection has in the log. Returns a mark for the manifest if
/// that alone releases the older files. Otherwise they are released already.
///
/// The mark may be committed later, with other jobs in between: their effects on the collection are
/// in the log behind the copy, and marks are only raised.
fn shorten(job: &Job<'_>) -> Result<Option<Mark>> {
    job.check()?;
    match copy_forward(job.engine, job.core)? {
        Some(carried) if carried.covered => return Ok(Some(carried.mark(job.core))),
        Some(carried) => rewrite::cover(job, carried.file)?,
        None => {
            rewrite::seal(job, true, &mut CompactionReport::default())?;
        }
    }
    Ok(None)
}

/// Makes the copied rows durable, before marks release the older files (I4).
pub(super) fn sync_copies(engine: &Engine) -> Result<()> {
    engine.log.sync().map(drop)
}

/// Where the copied rows of a small collection are.
pub(super) struct CopiedRows {
    /// The log file that holds them. Older files hold nothing that the memtable still needs.
    pub(super) file: FileId,
    /// Number of dead and expired rows that were not copied.
    pub(super) left: u64,
    /// True if older files hold no delete that a segment still needs.
    pub(super) covered: bool,
}

impl CopiedRows {
    /// Returns the mark of the collection for the manifest.
    pub(super) fn mark(&self, core: &CollectionState) -> Mark {
        (core.id, Seq::ZERO, self.file)
    }
}

/// Copies the live rows of a small collection's memtable to the end of the log, without expired
/// rows. The memtable keeps only these rows, too. Returns `None` if the collection is not small.
pub(super) fn copy_forward(engine: &Engine, core: &CollectionState) -> Result<Option<CopiedRows>> {
    let now = engine.time.destroy_by();
    let mut token = engine.log.hold();
    let Some(log) = token.as_mut() else {
        return Ok(None);
    };
    let snapshot = core.snapshot();
    let [active] = &snapshot.memtables[..] else {
        return Ok(None);
    };
    if active.live.live() >= SMALL_ROWS {
        return Ok(None);
    }
    let unexpired = active.unexpired(now)?;
    let stays = |row: &Row| unexpired.as_ref().is_none_or(|rows| rows.is_live(*row));
    let kept = active.take(active.live.iter().filter(stays))?;
    let left = u64::from(active.rows.rows()) - kept.len() as u64;
    let ops = kept.iter().map(|row| {
        let (vector, body) = (row.vector.clone(), row.body.clone());
        let kind = OpKind::Insert { id: row.id, norm: row.norm, vector, body };
        Op { collection: core.id, seq: row.seq, kind }
    });
    let ops: Vec<Op> = ops.collect();
    let file = match ops.is_empty() {
        true => log.file(),
        false => engine.log.append_copied(log, &ops)?,
    };
    let covered = snapshot.segments.iter().all(SegPart::is_on_disk);
    if left > 0 {
        let mut next = Snapshot::clone(&snapshot);
        core.replace_active(&mut next, &mut lock(&core.tables), kept);
        core.publish(next);
    }
    Ok(Some(CopiedRows { file, left, covered }))
}
