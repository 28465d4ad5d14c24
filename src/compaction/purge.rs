//! Owns the purge: sees to it that no file of the store holds anything of a memory that was dead
//! before (I14). Rows, indexes and the log are rewritten by the same jobs as ever; this is their
//! order, and the removal of every file that is no longer part of the store.
//!
//! Invariants: what dies while a purge runs is not chased, so that it ends beside busy writers;
//! nothing is removed before a manifest that does without it is in force; a purge that failed
//! can be called again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::check::check_indexes;
use super::marks::{Mark, mark_covered};
use super::policy::Eagerness;
use super::{
    Control, MAX_STEPS, compact_step, index, index_facts, next_index_step, next_row_steps, rows,
    segment_facts, trim,
};
use crate::clock::Timestamp;
use crate::collection::core::Core;
use crate::collection::engine::Engine;
use crate::collection::snapshot::Snapshot;
use crate::collection::stats;
use crate::error::{Error, Result};
use crate::format::names::FileName;
use crate::ids::FileId;
use crate::report::{CompactionReport, PurgeReceipt};
use crate::sabotage::{self, Sabotage};
use crate::sync::lock;

/// Purges one collection, or all. The log is shared: the live rows of every collection leave its
/// older files.
pub(crate) fn purge(
    engine: &Arc<Engine>,
    of: Option<&Arc<Core>>,
    control: &Control<'_>,
) -> Result<PurgeReceipt> {
    let _running = engine.begin_job()?;
    let _hurry = engine.pace.hurry();
    let begun = engine.monotonic();
    let before = sizes(engine)?;
    let now = engine.now();
    // Everything that died before is in older files than this one.
    let log = match sabotage::on(Sabotage::PurgeKeepsLog) {
        false => engine.roll_log()?,
        true => FileId::default(),
    };
    let (mut report, mut marks) = (CompactionReport::default(), Vec::new());
    let mut cores = engine.cores();
    cores.retain(|core| !core.is_in_memory());
    for core in &cores {
        let wanted = of.is_none_or(|of| Arc::ptr_eq(of, core));
        match purge_one(engine, core, log, wanted, &mut report, control) {
            // Its files and its part of the log went when it was dropped.
            Err(Error::Closed) if core.is_dropped() => {}
            mark => marks.extend(mark?),
        }
    }
    // The older log files leave the chain here, if none of the jobs has let them go.
    trim::sync_copies(engine)?;
    engine.commit_manifest(|manifest| mark_covered(manifest, &marks))?;
    sweep(engine)?;
    engine.forget_manifests()?;
    engine.disk.sync_dir(engine.dir())?;
    let withheld_rows = withheld(engine, of, now)?;
    let after = sizes(engine)?;
    let removed = || before.iter().filter(|(name, _)| !after.contains_key(*name));
    let mut pending = engine.pinned.paths();
    pending.retain(|path| after.keys().any(|name| engine.path(*name) == *path));
    Ok(PurgeReceipt {
        generation: engine.manifest().generation,
        rows: report.rows_reclaimed,
        files_removed: removed().count(),
        bytes_removed: removed().map(|(_, bytes)| bytes).sum(),
        pending,
        withheld_rows,
        clock_doubt: engine.clock_doubt().filter(|_| withheld_rows > 0),
        took: engine.monotonic().saturating_sub(begun),
    })
}

/// Rows that had expired for readers at `now`, and that are still there because the clock is in doubt.
fn withheld(engine: &Engine, of: Option<&Arc<Core>>, now: Timestamp) -> Result<u64> {
    let cores = engine.cores().into_iter().filter(|core| !core.is_in_memory());
    let wanted = cores.filter(|core| of.is_none_or(|of| Arc::ptr_eq(of, core)));
    wanted.map(|core| stats::withheld_rows(engine, &core.snapshot(), now)).sum()
}

/// Files of ours with their bytes.
fn sizes(engine: &Engine) -> Result<HashMap<FileName, u64>> {
    let listed = engine.disk.list(engine.dir())?;
    let names = listed.iter().filter_map(|entry| FileName::parse(&entry.name));
    // A file may go between the two calls.
    Ok(names.map(|n| (n, engine.disk.allocated_bytes(&engine.path(n)).unwrap_or(0))).collect())
}

/// Takes a collection out of the log files before `log`, and, if it is the one that is wanted, its
/// dead rows and nodes out of all files. A mark for the manifest where the former waits for that: see
/// `trim`.
fn purge_one(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    log: FileId,
    wanted: bool,
    report: &mut CompactionReport,
    control: &Control<'_>,
) -> Result<Option<Mark>> {
    let mark = {
        let _job = lock(&core.row_job);
        check_indexes(engine, core)?;
        let carried = trim::carry(engine, core)?;
        let from = match &carried {
            Some(carried) => {
                report.rows_reclaimed += carried.left;
                carried.file
            }
            None => {
                rows::seal(engine, core, true, report, control)?;
                log
            }
        };
        if wanted {
            rewrite_dead(engine, core, report, control)?;
        }
        let mark = carried.filter(|carried| carried.covered).map(|carried| carried.mark(core));
        if mark.is_none() {
            // Also where nothing died: the deletes of rows that live on in files are in the log.
            rows::cover(engine, core, from, control)?;
        }
        mark
    };
    if wanted {
        let _job = lock(&core.index_job);
        drop_lost_indexes(engine, core)?;
        if !sabotage::on(Sabotage::PurgeKeepsCodes) {
            rebuild_stale(engine, core, control)?;
        }
    }
    Ok(mark)
}

/// Rewrites the segments that have a dead or expired row now.
fn rewrite_dead(
    engine: &Arc<Engine>,
    core: &Arc<Core>,
    report: &mut CompactionReport,
    control: &Control<'_>,
) -> Result<()> {
    let facts = segment_facts(engine, core, &core.snapshot())?;
    let dead: HashSet<FileId> = facts.iter().filter(|f| f.dead > 0).map(|f| f.file).collect();
    for _ in 0..MAX_STEPS {
        let steps = next_row_steps(engine, core, Eagerness::All)?;
        let Some(step) = steps.iter().find(|s| s.inputs.iter().any(|f| dead.contains(f))) else {
            break;
        };
        compact_step(engine, core, step, report, control)?;
    }
    Ok(())
}

/// Rebuilds the indexes that have a dead node now.
fn rebuild_stale(engine: &Arc<Engine>, core: &Arc<Core>, control: &Control<'_>) -> Result<()> {
    let stale = |snapshot: &Snapshot| -> HashSet<FileId> {
        let facts = index_facts(core, snapshot).0.into_iter();
        facts.filter(|i| i.live < i.nodes).map(|i| i.file).collect()
    };
    let before = stale(&core.snapshot());
    for _ in 0..MAX_STEPS {
        if before.is_disjoint(&stale(&core.snapshot())) {
            break;
        }
        let Some(step) = next_index_step(engine, core, Eagerness::All) else {
            break;
        };
        index::build(engine, core, &step, control)?;
    }
    Ok(())
}

/// Takes the indexes that are damaged, and so not in use, out of the manifest: what they know of
/// dead rows cannot be told.
fn drop_lost_indexes(engine: &Engine, core: &Core) -> Result<()> {
    let _structure = lock(&core.structure);
    let snapshot = core.snapshot();
    let open = |file| snapshot.indexes.iter().any(|part| part.indexed.file == file);
    let manifest = engine.manifest();
    let mut named =
        manifest.collections.iter().filter(|c| c.id == core.id).flat_map(|c| &c.indexes);
    if named.all(|i| open(i.index)) {
        return Ok(());
    }
    engine.commit_manifest(|manifest| {
        if let Some(entry) = manifest.collection_mut(core.id) {
            entry.indexes.retain(|i| open(i.index));
        }
    })
}

/// Removes every file of ours that the manifest does not name, that no reader holds and that no
/// job is writing: whatever failed to be removed before is tried again.
fn sweep(engine: &Engine) -> Result<()> {
    engine.check_writable()?;
    let mut cores = engine.cores();
    cores.sort_by_key(|core| core.id);
    // While these are held, no file leaves the manifest and none is begun by the log.
    let _structures: Vec<_> = cores.iter().map(|core| lock(&core.structure)).collect();
    let _token = engine.committer.hold();
    let listed = engine.disk.list(engine.dir())?;
    let making = lock(&engine.making).clone();
    let pinned: HashSet<PathBuf> = engine.pinned.paths().into_iter().collect();
    let live: HashSet<FileName> = engine.manifest().files().collect();
    for entry in listed.iter().filter(|entry| entry.is_file) {
        let Some(name) = FileName::parse(&entry.name).filter(|name| name.file().is_some()) else {
            continue;
        };
        let path = engine.path(name);
        if live.contains(&name) || making.contains(&name) || pinned.contains(&path) {
            continue;
        }
        if let Err(error) = engine.disk.remove(&path) {
            // A reader that let go may have removed it meanwhile.
            let still = engine.disk.list(engine.dir())?;
            if still.iter().any(|e| e.name == entry.name) {
                return Err(error);
            }
        }
    }
    Ok(())
}
