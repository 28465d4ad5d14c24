//! Owns the steps of a compaction: the work that is due for the rows or the indexes of a
//! collection, one step at a time or all at once. `policy` decides what is due.

use std::sync::{Arc, Weak};

use crate::compaction::debt::index_bytes;
use crate::compaction::facts::{bytes_of, collection_bytes, next_index_step, segment_facts};
use crate::compaction::index::check::check_indexes;
use crate::compaction::index::recall;
use crate::compaction::job::Job;
use crate::compaction::policy::{self, Eagerness, RowStep};
use crate::compaction::{index, rewrite};
use crate::engine::admission::disk::Pressure;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::report::CompactionReport;
use crate::sync::lock;

/// Maximum steps of one explicit compaction. A plan that never ends is a bug and must not hang its
/// caller.
pub(super) const MAX_STEPS: usize = 100_000;

/// Returns the steps of the policy for the rows, the most urgent first.
pub(super) fn next_row_steps(job: &Job<'_>, eagerness: Eagerness) -> Result<Vec<RowStep>> {
    let facts = segment_facts(job.engine, job.core, &job.core.snapshot())?;
    let plan = match job.engine.reserve.is_full() {
        true => policy::plan_rows_frugally,
        false => policy::plan_rows,
    };
    let steps = plan(&facts, job.engine.time.plausible_now(), eagerness);
    job.core.note_debt(bytes_of(&steps, &facts));
    Ok(steps)
}

/// Carries out the next step for the rows, if there is one. On a full disk it is the step that
/// needs the least space, and the reserve may be spent. Returns true if there was a step.
fn next_row_step(
    job: &Job<'_>,
    eagerness: Eagerness,
    report: &mut CompactionReport,
) -> Result<bool> {
    loop {
        let steps = next_row_steps(job, eagerness)?;
        let Some(mut step) = steps.first().cloned() else {
            return Ok(false);
        };
        if step.drop && !job.engine.reserve.is_full() {
            // All segments without a live row go in one commit.
            let dropped = steps.iter().filter(|step| step.drop);
            step.inputs = dropped.flat_map(|step| step.inputs.iter().copied()).collect();
        }
        match compact_step(job, &step, report) {
            Ok(()) => {
                job.engine.reserve.note_room();
                return Ok(true);
            }
            // The outcome of a commit that ran out of space may be unknown. Nothing may follow it.
            Err(error) if job.engine.dir.poison().is_set() => return Err(error),
            // Each of these two conditions is true at most once, so the loop ends.
            Err(Error::DiskFull { .. })
                if job.engine.reserve.note_full() || job.engine.reserve.spend() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Does the work that is due for a collection's rows. Returns true if there was any.
pub(crate) fn run_rows_due(job: &Job<'_>) -> Result<bool> {
    if job.core.is_dropped() || job.core.is_in_memory() {
        return Ok(false);
    }
    let active_too = job.engine.admission.heap().takes_too_much(job.core);
    if job.core.snapshot().has_active_only() && !active_too {
        return Ok(false);
    }
    let _running = job.engine.dir.begin_job()?;
    let _job = job.control.hold(&job.core.row_job);
    let mut report = CompactionReport::default();
    // Writers wait for a seal, so neither a pause nor a rate limit delays it.
    let unpaced = job.control.without_pace();
    let sealed = rewrite::seal(&Job::new(job.core, &unpaced), active_too, &mut report);
    if !matches!(sealed, Ok(_) | Err(Error::DiskFull { .. })) {
        return sealed;
    }
    if !job.control.may_begin() {
        // Updates the debt, which may make writers wait.
        next_row_steps(job, Eagerness::Due)?;
        return sealed;
    }
    let _working = job.control.work();
    // On a full disk these steps free the space that a seal needs.
    let eagerness = match job.engine.admission.disk().pressure() {
        Pressure::Pressed => Eagerness::All,
        _ => Eagerness::Due,
    };
    let stepped = next_row_step(job, eagerness, &mut report)?;
    if stepped { Ok(true) } else { sealed }
}

/// Does the work that is due for a collection's indexes. Returns true if there was any.
pub(crate) fn run_index_due(job: &Job<'_>) -> Result<bool> {
    let unused = job.core.snapshot().has_active_only();
    if job.core.is_dropped() || job.core.is_in_memory() || unused || !job.control.may_begin() {
        return Ok(false);
    }
    let _running = job.engine.dir.begin_job()?;
    let _job = job.control.hold(&job.core.index_job);
    if recall::look(job)? {
        *lock(&job.core.indexes_in_order) = Weak::new();
    }
    // Counting live nodes is O(nodes), which is skipped while nothing has changed.
    let now = Arc::downgrade(&job.core.snapshot());
    if Weak::ptr_eq(&now, &lock(&job.core.indexes_in_order)) {
        return Ok(false);
    }
    check_indexes(job.engine, job.core)?;
    let Some(step) = next_index_step(job.engine, job.core, Eagerness::Due) else {
        // If the snapshot has changed meanwhile, the next turn checks the new one.
        *lock(&job.core.indexes_in_order) = now;
        return Ok(false);
    };
    let _working = job.control.work();
    let _writing = job.core.writes_index(index_bytes(job.core, &step));
    index::build(job, &step)?;
    Ok(true)
}

/// Carries out one rewrite or drop, with its report.
pub(super) fn compact_step(
    job: &Job<'_>,
    step: &RowStep,
    total: &mut CompactionReport,
) -> Result<()> {
    let begun = job.engine.time.monotonic();
    let before = collection_bytes(&job.core.snapshot());
    let mut report = CompactionReport { bytes_before: before, ..CompactionReport::default() };
    rewrite::rewrite(job, step, &mut report)?;
    report.bytes_after = collection_bytes(&job.core.snapshot());
    report.took = job.engine.time.monotonic().saturating_sub(begun);
    *lock(&job.core.last_report) = Some(report.clone());
    job.engine.admission.space_freed();
    add(total, &report);
    job.engine.events.emit(&Event::Compacted { collection: job.core.name().to_owned(), report });
    Ok(())
}

fn add(total: &mut CompactionReport, step: &CompactionReport) {
    total.dropped += step.dropped;
    total.rewritten += step.rewritten;
    total.written += step.written;
    total.rows_reclaimed += step.rows_reclaimed;
}

/// Does everything that frees a byte, now: seals memtables, rewrites every segment with a dead row,
/// and rebuilds the indexes that need it.
pub(crate) fn compact(job: &Job<'_>) -> Result<CompactionReport> {
    let _running = job.engine.dir.begin_job()?;
    let _expedited = job.engine.background.pace().expedite();
    let begun = job.engine.time.monotonic();
    let mut report = CompactionReport {
        bytes_before: collection_bytes(&job.core.snapshot()),
        ..CompactionReport::default()
    };
    if !job.core.is_in_memory() {
        check_indexes(job.engine, job.core)?;
        compact_rows(job, &mut report)?;
        let _job = lock(&job.core.index_job);
        for _ in 0..MAX_STEPS {
            let Some(step) = next_index_step(job.engine, job.core, Eagerness::All) else {
                break;
            };
            index::build(job, &step)?;
            report.indexes_built += 1;
        }
    }
    report.bytes_after = collection_bytes(&job.core.snapshot());
    report.took = job.engine.time.monotonic().saturating_sub(begun);
    *lock(&job.core.last_report) = Some(report.clone());
    Ok(report)
}

fn compact_rows(job: &Job<'_>, report: &mut CompactionReport) -> Result<()> {
    let _job = lock(&job.core.row_job);
    let mut sealed = rewrite::seal(job, true, report);
    for _ in 0..MAX_STEPS {
        if !matches!(sealed, Ok(_) | Err(Error::DiskFull { .. })) {
            break;
        }
        if !next_row_step(job, Eagerness::All, report)? {
            break;
        }
        if sealed.is_err() {
            // The step has freed space.
            sealed = rewrite::seal(job, true, report);
        }
    }
    sealed.map(drop)
}
