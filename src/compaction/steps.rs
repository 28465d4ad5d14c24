//! Owns the steps of a compaction: what is due for the rows or the indexes of a collection, one
//! step at a time, or everything at once. What is due is decided in `policy`.

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

/// Most steps that one explicit compaction takes; a plan that never comes to rest is a bug, and
/// must not hang its caller.
pub(super) const MAX_STEPS: usize = 100_000;

/// The steps that the policy takes for the rows, the most urgent first.
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

/// Carries out the next step for the rows, if there is one. On a full disk it is the one that needs
/// the least space, and may cost the reserve.
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
            // All that is wholly dead goes in one commit.
            let dropped = steps.iter().filter(|step| step.drop);
            step.inputs = dropped.flat_map(|step| step.inputs.iter().copied()).collect();
        }
        match compact_step(job, &step, report) {
            Ok(()) => {
                job.engine.reserve.note_room();
                return Ok(true);
            }
            // A commit that ran out of space may have happened: nobody goes on from there.
            Err(error) if job.engine.dir.poison().is_set() => return Err(error),
            // Each of the two is true once.
            Err(Error::DiskFull { .. })
                if job.engine.reserve.note_full() || job.engine.reserve.spend() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Does what is due for a collection's rows; tells whether there was anything.
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
    // Writers wait for it: a pause or a limit does not hold it up.
    let unpaced = job.control.without_pace();
    let sealed = rewrite::seal(&Job::new(job.core, &unpaced), active_too, &mut report);
    if !matches!(sealed, Ok(_) | Err(Error::DiskFull { .. })) {
        return sealed;
    }
    if !job.control.may_begin() {
        // Writers go by what waits.
        next_row_steps(job, Eagerness::Due)?;
        return sealed;
    }
    let _working = job.control.work();
    // On a full disk these give the space back that a seal needs.
    let eagerness = match job.engine.admission.disk().pressure() {
        Pressure::Pressed => Eagerness::All,
        _ => Eagerness::Due,
    };
    let stepped = next_row_step(job, eagerness, &mut report)?;
    if stepped { Ok(true) } else { sealed }
}

/// Does what is due for a collection's indexes; tells whether there was anything.
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
    // Counting live nodes takes O(nodes): not for a store in which nothing happens.
    let now = Arc::downgrade(&job.core.snapshot());
    if Weak::ptr_eq(&now, &lock(&job.core.indexes_in_order)) {
        return Ok(false);
    }
    check_indexes(job.engine, job.core)?;
    let Some(step) = next_index_step(job.engine, job.core, Eagerness::Due) else {
        // If the snapshot changed meanwhile, it is not this one, and is looked at next time.
        *lock(&job.core.indexes_in_order) = now;
        return Ok(false);
    };
    let _working = job.control.work();
    let _writing = job.core.writes_index(index_bytes(job.core, &step));
    index::build(job, &step)?;
    Ok(true)
}

/// One rewrite or drop, with its report.
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
    job.engine.events.emit(&Event::Compacted { collection: job.core.name.clone(), report });
    Ok(())
}

fn add(total: &mut CompactionReport, step: &CompactionReport) {
    total.dropped += step.dropped;
    total.rewritten += step.rewritten;
    total.written += step.written;
    total.rows_reclaimed += step.rows_reclaimed;
}

/// Everything that gives a byte back, now: seals, rewrites every segment with a dead row, rebuilds
/// what indexes need it.
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
            // There is more room now.
            sealed = rewrite::seal(job, true, report);
        }
    }
    sealed.map(drop)
}
