//! Owns sealing and rewriting: which memtables or segments are inputs, and what is reported. `job`
//! writes the outputs and swaps them in.

mod dependents;
mod job;
mod row_map;

use crate::compaction::index::check::check_indexes;
use crate::compaction::job::Job;
use crate::compaction::policy::RowStep;
use crate::compaction::rewrite::job::Rewrite;
use crate::compaction::rewrite::row_map::{From, Input};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::{FileId, Seq};
use crate::report::CompactionReport;
use crate::sabotage::broken;
use crate::segment::Rows;
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;
use crate::sync::lock;

/// Seals the frozen memtables, and the active one if `all`. Returns true if there were any.
pub(super) fn seal(job: &Job<'_>, all: bool, report: &mut CompactionReport) -> Result<bool> {
    let (engine, core) = (job.engine, job.core);
    if all {
        freeze(engine, core)?;
    }
    let snapshot = core.snapshot();
    let frozen = snapshot.memtables.len().saturating_sub(1);
    if frozen == 0 {
        return Ok(false);
    }
    let sealed = &snapshot.memtables[..frozen];
    let inputs: Vec<Input<'_>> = sealed
        .iter()
        .map(|m| Input {
            rows: m,
            live: &m.live,
            changes: &m.changes,
            from: From::Memtable(m.number),
            bytes: m.rows.heap_bytes() as u64,
        })
        .collect();
    let mut last_seq = sealed.iter().map(|m| m.last_seq).max().unwrap_or_default();
    let mut log_from = sealed.last().map(|m| m.log_file).unwrap_or_default();
    broken!(CoverTooMuch => last_seq = engine.progress.last_seq());
    broken!(LetGoOfLog => log_from = FileId(log_from.0.saturating_add(1)));
    let covers = Some((last_seq, log_from));
    let rewrite = Rewrite { job, inputs: &inputs, covers };
    // The reserve may be spent if at most half of the rows are live: the seal releases more of the
    // log than the segment takes.
    let (live, all) = sealed.iter().fold((0u64, 0u64), |(live, all), m| {
        (live + u64::from(m.live.live()), all + u64::from(m.rows.rows()))
    });
    let rows = match rewrite.run(report) {
        Err(Error::DiskFull { .. }) if live * 2 <= all && engine.reserve.spend() => {
            rewrite.run(report)?
        }
        result => result?,
    };
    report.sealed += 1;
    engine.admission.space_freed();
    engine.events.emit(&Event::Sealed { collection: core.name().to_owned(), rows });
    Ok(true)
}

/// Freezes the active memtable, if it has rows.
fn freeze(engine: &Engine, core: &CollectionState) -> Result<()> {
    let token = engine.log.hold();
    let Some(log) = token.as_ref() else {
        return Ok(());
    };
    let mut next = Snapshot::clone(&core.snapshot());
    if next.memtables.last().is_some_and(|m| m.rows.rows() > 0) {
        core.push_memtable(&mut next, &mut lock(&core.tables), log.file());
        core.publish(next);
    }
    Ok(())
}

/// Carries out one row step of a plan.
pub(super) fn rewrite(job: &Job<'_>, step: &RowStep, report: &mut CompactionReport) -> Result<()> {
    check_indexes(job.engine, job.core)?;
    let snapshot = job.core.snapshot();
    let inputs: Vec<Input<'_>> = snapshot
        .segments
        .iter()
        .filter(|s| step.inputs.contains(&s.sealed.file))
        .map(|s| Input {
            rows: s,
            live: &s.live,
            changes: &s.changes,
            from: From::Segment(s.sealed.file),
            bytes: s.sealed.segment.len(),
        })
        .collect();
    Rewrite { job, inputs: &inputs, covers: None }.run(report)?;
    if step.drop {
        report.dropped += inputs.len();
    } else {
        report.rewritten += inputs.len();
    }
    Ok(())
}

/// Writes newer deletes of all segments, and releases the log before `log_from`.
pub(super) fn cover(job: &Job<'_>, log_from: FileId) -> Result<()> {
    let covers = Some((Seq::ZERO, log_from));
    Rewrite { job, inputs: &[], covers }.run(&mut CompactionReport::default())?;
    Ok(())
}
