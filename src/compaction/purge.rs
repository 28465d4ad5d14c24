//! Owns the purge, after which no file of the store holds anything of a memory that was dead before
//! (I14). The usual jobs rewrite rows, indexes and the log. This module orders them and removes
//! every file that no longer belongs to the store.
//!
//! Invariants: a purge does not chase memories that die while it runs, so it ends even beside busy
//! writers. Nothing is removed before a manifest without it is in force. A purge that failed can be
//! called again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::clock::Timestamp;
use crate::compaction::checkpoint;
use crate::compaction::control::Control;
use crate::compaction::facts::{index_facts, next_index_step, segment_facts};
use crate::compaction::index::check::check_indexes;
use crate::compaction::job::Job;
use crate::compaction::marks::{Mark, mark_covered};
use crate::compaction::policy::Eagerness;
use crate::compaction::steps::{MAX_STEPS, compact_step, next_row_steps};
use crate::compaction::{index, rewrite};
use crate::engine::{Engine, stats};
use crate::error::{Error, Result};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::report::{CompactionReport, PurgeReceipt};
use crate::sabotage::broken;
use crate::snapshot::Snapshot;
use crate::snapshot::state::CollectionState;
use crate::sync::lock;

/// Purges one collection, or all if `of` is `None`. The log is shared, so the live rows of every
/// collection leave its older files.
pub(crate) fn purge(of: Option<&CollectionState>, control: &Control<'_>) -> Result<PurgeReceipt> {
    let engine = control.engine();
    let _running = engine.dir.begin_job()?;
    let _expedited = engine.background.pace().expedite();
    let begun = engine.time.monotonic();
    let before = sizes(engine)?;
    let now = engine.time.now();
    // Everything that died before is in older log files than this one.
    let mut log = engine.log.roll()?;
    broken!(PurgeKeepsLog => log = FileId::default());
    let (mut report, mut marks) = (CompactionReport::default(), Vec::new());
    let mut cores = engine.collections.all();
    cores.retain(|core| !core.is_in_memory());
    for core in &cores {
        let wanted = of.is_none_or(|of| of.id == core.id);
        match purge_one(&Job::new(core, control), log, wanted, &mut report) {
            // Its files and its part of the log were released when it was dropped.
            Err(Error::Closed) if core.is_dropped() => {}
            mark => marks.extend(mark?),
        }
    }
    // The older log files are released here, unless a job released them before.
    checkpoint::sync_copies(engine)?;
    engine.catalog.commit(|manifest| mark_covered(manifest, &marks))?;
    sweep(engine)?;
    engine.catalog.forget_manifests()?;
    engine.dir.sync_names()?;
    let withheld_rows = withheld(engine, of, now)?;
    let after = sizes(engine)?;
    let removed = || before.iter().filter(|(name, _)| !after.contains_key(*name));
    let mut pending = engine.dir.held().paths();
    pending.retain(|path| after.keys().any(|name| engine.dir.path(*name) == *path));
    Ok(PurgeReceipt {
        generation: engine.catalog.manifest().generation,
        rows: report.rows_reclaimed,
        files_removed: removed().count(),
        bytes_removed: removed().map(|(_, bytes)| bytes).sum(),
        pending,
        withheld_rows,
        clock_doubt: engine.time.doubt().filter(|_| withheld_rows > 0),
        took: engine.time.monotonic().saturating_sub(begun),
    })
}

/// Returns the number of rows that had expired for readers at `now` and are still in files because
/// the clock is in doubt.
fn withheld(engine: &Engine, of: Option<&CollectionState>, now: Timestamp) -> Result<u64> {
    let cores = engine.collections.all().into_iter().filter(|core| !core.is_in_memory());
    let wanted = cores.filter(|core| of.is_none_or(|of| of.id == core.id));
    wanted.map(|core| stats::withheld_rows(engine, &core.snapshot(), now)).sum()
}

/// Returns the files of the store with their bytes.
fn sizes(engine: &Engine) -> Result<HashMap<FileName, u64>> {
    let listed = engine.dir.list()?;
    let names = listed.iter().filter_map(|entry| FileName::parse(&entry.name));
    Ok(names.map(|name| (name, engine.dir.allocated_bytes(name))).collect())
}

/// Makes the log files before `log` superfluous for a collection. If `wanted`, also removes its
/// dead rows and nodes from all files. Returns a mark if the release of the log files waits for the
/// manifest: see `checkpoint`.
fn purge_one(
    job: &Job<'_>,
    log: FileId,
    wanted: bool,
    report: &mut CompactionReport,
) -> Result<Option<Mark>> {
    let mark = {
        let _job = lock(&job.core.row_job);
        check_indexes(job.engine, job.core)?;
        let carried = checkpoint::copy_forward(job.engine, job.core)?;
        let from = match &carried {
            Some(carried) => {
                report.rows_reclaimed += carried.left;
                carried.file
            }
            None => {
                rewrite::seal(job, true, report)?;
                log
            }
        };
        if wanted {
            rewrite_dead(job, report)?;
        }
        let mark = carried.filter(|carried| carried.covered).map(|carried| carried.mark(job.core));
        if mark.is_none() {
            // Needed even if nothing died, because the log holds deletes of rows in files.
            rewrite::cover(job, from)?;
        }
        mark
    };
    if wanted {
        let _job = lock(&job.core.index_job);
        drop_lost_indexes(job.engine, job.core)?;
        rebuild_stale(job)?;
    }
    Ok(mark)
}

/// Rewrites the segments that have a dead or expired row when it starts.
fn rewrite_dead(job: &Job<'_>, report: &mut CompactionReport) -> Result<()> {
    let facts = segment_facts(job.engine, job.core, &job.core.snapshot())?;
    let dead: HashSet<FileId> = facts.iter().filter(|f| f.dead > 0).map(|f| f.file).collect();
    for _ in 0..MAX_STEPS {
        let steps = next_row_steps(job, Eagerness::All)?;
        let Some(step) = steps.iter().find(|s| s.inputs.iter().any(|f| dead.contains(f))) else {
            break;
        };
        compact_step(job, step, report)?;
    }
    Ok(())
}

/// Rebuilds the indexes that have a dead node when it starts.
fn rebuild_stale(job: &Job<'_>) -> Result<()> {
    broken!(PurgeKeepsCodes => return Ok(()));
    let stale = |snapshot: &Snapshot| -> HashSet<FileId> {
        let facts = index_facts(job.core, snapshot).0.into_iter();
        facts.filter(|i| i.live < i.nodes).map(|i| i.file).collect()
    };
    let before = stale(&job.core.snapshot());
    for _ in 0..MAX_STEPS {
        if before.is_disjoint(&stale(&job.core.snapshot())) {
            break;
        }
        let Some(step) = next_index_step(job.engine, job.core, Eagerness::All) else {
            break;
        };
        index::build(job, &step)?;
    }
    Ok(())
}

/// Removes damaged indexes, which are not in use, from the manifest. It is unknown what they hold
/// of dead rows.
fn drop_lost_indexes(engine: &Engine, core: &CollectionState) -> Result<()> {
    let _structure = lock(&core.structure);
    let snapshot = core.snapshot();
    let open = |file| snapshot.indexes.iter().any(|part| part.indexed.file == file);
    let manifest = engine.catalog.manifest();
    let mut named =
        manifest.collections.iter().filter(|c| c.id == core.id).flat_map(|c| &c.indexes);
    if named.all(|i| open(i.index)) {
        return Ok(());
    }
    engine.catalog.commit(|manifest| {
        if let Some(entry) = manifest.collection_mut(core.id) {
            entry.indexes.retain(|i| open(i.index));
        }
    })
}

/// Removes every file of the store that the manifest does not name, that no reader holds and that
/// no job is writing. This retries earlier removals that failed.
fn sweep(engine: &Engine) -> Result<()> {
    engine.dir.check_writable()?;
    let mut cores = engine.collections.all();
    cores.sort_by_key(|core| core.id);
    // While these locks are held, no file leaves the manifest, and the log starts no new file.
    let _structures: Vec<_> = cores.iter().map(|core| lock(&core.structure)).collect();
    let _token = engine.log.hold();
    let listed = engine.dir.list()?;
    let unfinished = engine.dir.unfinished();
    let pinned: HashSet<PathBuf> = engine.dir.held().paths().into_iter().collect();
    let live: HashSet<FileName> = engine.catalog.manifest().files().collect();
    for entry in listed.iter().filter(|entry| entry.is_file) {
        let Some(name) = FileName::parse(&entry.name).filter(|name| name.file().is_some()) else {
            continue;
        };
        let path = engine.dir.path(name);
        if live.contains(&name) || unfinished.contains(&name) || pinned.contains(&path) {
            continue;
        }
        if let Err(error) = engine.dir.disk().remove(&path) {
            // A reader that released the file may have removed it meanwhile.
            let still = engine.dir.list()?;
            if still.iter().any(|e| e.name == entry.name) {
                return Err(error);
            }
        }
    }
    Ok(())
}
