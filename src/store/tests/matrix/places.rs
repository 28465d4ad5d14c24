//! Owns the proof that every sync, rename and removal is needed. Each place in the code that asks
//! for one is left out in turn. The matrix must notice, or the place is listed here as redundant,
//! with the reason. The places are found by running the matrix, not by a list.

use std::collections::BTreeSet;

use super::check::strays;
use super::copying::failed_backups;
use super::cuts::{Effort, check_all};
use super::erasure;
use super::errors::{all_errors, deletes_on_a_full_disk, nothing_left_on_a_full_disk};
use super::record::{Runner, record};
use super::run::{Row, each, seed};
use super::script::{Act, insert, scripted};
use super::sequences::safely;
use super::setup::{dir, new_disk, open};
use crate::splitmix::SplitMix;
use crate::testing::sim::{
    Failure, Fault, OpKind, Place, SimDisk, SyncModel, leaving_out, places_seen,
};
use crate::testing::size::{Size, size};

/// Places that may be left out: file, a part of the line, why.
const REDUNDANT: [(&str, &str, &str); 13] = [
    (
        "src/store/collections.rs",
        "self.engine.log.sync_held(log)?;",
        "unique keys must not be durable before the delete of a memory that shared one; the workloads \
         here change the text index, which holds whatever the rows are",
    ),
    (
        "src/engine/open_log.rs",
        "let with_time = self.sync_held(log);",
        "a mark of time that a power cut takes leaves an older one, which only a clock that is set back \
         meanwhile would show; the workloads here leave the clock alone, those of `clock` do not",
    ),
    (
        "src/log/mod.rs",
        "let _ = disk.remove(&path);",
        "a log file without its header is an orphan: the caller, a purge or the next open removes it",
    ),
    (
        "src/manifest/mod.rs",
        "let _ = disk.remove(&tmp);",
        "a manifest that never came into force is in nobody's way: the next try and the next open \
         remove it",
    ),
    (
        "src/manifest/mod.rs",
        "disk.remove(path.as_path())",
        "a manifest that never came into force, or whose change of name failed: the next commit that \
         puts one aside tries again, and the next open and a purge remove it",
    ),
    (
        "src/engine/reserve.rs",
        "let _ = self.dir.disk().remove(&path);",
        "a reserve of another size: making the new one fails on it, and removes it then",
    ),
    (
        "src/compaction/index/mod.rs",
        "let _ = engine.dir.remove(name);",
        "a damaged index that has left the manifest: an orphan that the next open removes",
    ),
    (
        "src/engine/reserve.rs",
        "file.sync()",
        "the bytes of a reserve mean nothing, and one that is lost is made again at the next open; \
         the sync is there so that file systems that allocate late allocate it",
    ),
    (
        "src/engine/reserve.rs",
        "drop(self.dir.remove(",
        "half a reserve is of the wrong size, and made anew at the next open or spent like a whole",
    ),
    (
        "src/store/backup/target.rs",
        "let removed = self.disk.remove(&path);",
        "a file of a backup that failed: no manifest names it, and the next backup removes it",
    ),
    (
        "src/store/backup/target.rs",
        "let _ = self.disk.remove(&self.path(FileName::Unfinished));",
        "a directory that holds the mark of a first backup and nothing else is no store, and the next \
         backup takes it",
    ),
    (
        "src/store/open.rs",
        "disk.remove(&dir.join(FileName::Log(file)",
        "an orphan that the next open removes; on a full disk, where it would be in the way, \
         store::tests::full looks for it",
    ),
    (
        "src/store/open.rs",
        "engine.dir.remove(FileName::Log(file))",
        "an orphan that the next open removes; on a full disk, where it would be in the way, \
         store::tests::full looks for it",
    ),
];

/// Runs what is about one place each, then power cuts on the workloads that reach the place, then
/// errors.
fn everything(place: Place, seed: u64) -> Row {
    let mut total = Row::default();
    match safely(|| directed(seed)) {
        Ok(cases) => total.cases += cases,
        Err(failure) => {
            total.failures.push(failure);
            return total;
        }
    }
    let effort = Effort { random: 2, use_every: 8, again_every: 61 };
    // Workloads in which writes wait for a sync show a missing one soonest.
    let mut scripts = scripted();
    scripts.sort_by_key(|script| !script.name.contains("buffered"));
    for script in scripts {
        let row = safely(|| {
            let disk = new_disk(seed);
            let recording = record(&script, &disk);
            if !disk.was_asked_at(place) && recording.wrong.is_none() {
                return Ok(0);
            }
            let row = check_all(&script, &recording, seed, effort);
            match row.failures.into_iter().next() {
                Some(failure) => Err(failure),
                None => Ok(row.cases + row.inner),
            }
        });
        match row {
            Ok(cases) => total.cases += cases,
            Err(failure) => {
                total.failures.push(failure);
                return total;
            }
        }
    }
    // Some places are reached only when something else has failed.
    for (at, script) in scripted().iter().enumerate().step_by(8) {
        total.add(all_errors(script, at, seed, 4, 1));
        if !total.failures.is_empty() {
            return total;
        }
    }
    total
}

/// Runs the workloads that look for one failure each. They take little time and go first.
fn directed(seed: u64) -> Result<u64, String> {
    deletes_on_a_full_disk()?;
    nothing_left_on_a_full_disk()?;
    lost_manifest()?;
    purge_after_failed_removals()?;
    failed_backups()?;
    (0..4).try_for_each(|n| erasure::workload(seed.wrapping_add(n), 1 << 40).map(drop))?;
    Ok(8)
}

/// Checks that a purge removes files that could not be removed before.
fn purge_after_failed_removals() -> Result<(), String> {
    let mut runner = Runner::new(new_disk(4));
    runner.open().map_err(|e| e.to_string())?;
    let write = |writes| Act::Write { writes, sync: true };
    for act in [Act::Make(0), write(insert(0, 0..70)), Act::Run, write(insert(0, 0..20))] {
        runner.act(&act).map_err(|e| e.to_string())?;
    }
    let (only, failure, model) = (Some(OpKind::Remove), Failure::Io, SyncModel::Kept);
    runner.disk.fail(Fault { skip: 0, only, failure, forever: true, model });
    runner.act(&Act::Compact).map_err(|e| e.to_string())?;
    runner.disk.heal();
    runner.act(&Act::Purge).map_err(|e| e.to_string())?;
    let store = runner.store.as_ref().ok_or("no store is open")?;
    match strays(store, &runner.disk) {
        strays if strays.is_empty() => Ok(()),
        strays => Err(format!("a purge leaves {strays:?}")),
    }
}

/// Checks that the loss of the newest manifest is noticed.
fn lost_manifest() -> Result<(), String> {
    let disk = new_disk(3);
    let mut runner = Runner::new(disk.clone());
    runner.open().map_err(|e| e.to_string())?;
    for act in [Act::Make(0), Act::Make(1), Act::Drop(0)] {
        runner.act(&act).map_err(|e| e.to_string())?;
    }
    let mut files = disk.files();
    let names = files.names(dir()).map_err(|e| e.to_string())?;
    let newest = names.into_iter().rfind(|n| n.starts_with("MANIFEST-") && !n.ends_with(".old"));
    let newest = newest.ok_or("there is no manifest")?;
    files.lose(&dir().join(newest)).map_err(|e| e.to_string())?;
    match open(&SimDisk::new(files, 3), &runner.clock) {
        Err(_) => Ok(()),
        Ok(_) => Err("a lost manifest is not noticed".to_owned()),
    }
}

/// Returns the line of code at a place.
fn line(file: &str, line: u32) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().nth(line as usize - 1).unwrap_or_default().trim().to_owned()
}

#[test]
#[ignore = "takes minutes; .ci/run runs it with optimisation"]
#[expect(clippy::print_stderr, reason = "each place is named with what caught it")]
fn every_sync_rename_and_removal_is_needed() {
    let seed = seed();
    // The places that the scripts and their errors reach.
    let all = each(scripted().len(), |at| {
        let script = &scripted()[at];
        let recording = record(script, &new_disk(seed));
        let mut row = Row { cases: recording.points.len() as u64, ..Row::default() };
        row.add(all_errors(script, at, seed, 5, 1));
        row
    });
    assert!(all.failures.is_empty(), "{:#?}", all.failures.first());
    let places = places_seen();
    let row = each(places.len(), |at| {
        let (kind, file, number) = places[at];
        let (text, mut row) = (line(file, number), Row::default());
        let listed = REDUNDANT.iter().find(|r| r.0 == file && text.contains(r.1));
        let name = format!("{kind:?} at {file}:{number} ({text})");
        // Whether a listed place is noticed decides nothing, and would take the longest.
        let found = match listed.is_some() && size() != Size::Soak {
            true => Row::default(),
            false => leaving_out(Some((file, number)), || everything((file, number), seed)),
        };
        match (found.failures.first(), listed) {
            (Some(by), _) => {
                let by: String = by.chars().take(140).collect();
                eprintln!("left out: {name}: noticed after {} cases: {by}", found.cases);
                row.cases = 1;
            }
            (None, Some((_, _, why))) => {
                eprintln!("left out: {name}: redundant: {why}");
                row.inner = 1;
            }
            (None, None) => row.failures.push(format!("{name}: not noticed")),
        }
        row
    });
    eprintln!("left out: {} places noticed, {} redundant", row.cases, row.inner);
    assert!(row.failures.is_empty(), "{:#?}", row.failures);
    let of = |kind| places.iter().any(|p| p.0 == kind);
    assert!([OpKind::Sync, OpKind::SyncDir, OpKind::Rename, OpKind::Remove].into_iter().all(of));
}

/// Number of syncs that a run of this size leaves out, of those that the scripts reach.
const SAMPLE: usize = 8;

#[test]
#[expect(clippy::print_stderr, reason = "each place is named with what caught it")]
fn a_sample_of_the_syncs_is_needed() {
    let seed = seed();
    let mut places = BTreeSet::new();
    for script in scripted() {
        let disk = new_disk(seed);
        record(&script, &disk);
        places.extend(disk.asked_at());
    }
    let syncs = places_seen().into_iter().filter(|(kind, file, at)| {
        matches!(kind, OpKind::Sync | OpKind::SyncDir)
            && places.contains(&(*file, *at))
            && !REDUNDANT.iter().any(|r| r.0 == *file && line(file, *at).contains(r.1))
    });
    let mut syncs: Vec<_> = syncs.collect();
    let mut rng = SplitMix(seed);
    while syncs.len() > SAMPLE {
        syncs.swap_remove(rng.below(syncs.len() as u64) as usize);
    }
    let row = each(syncs.len(), |at| {
        let (_, file, number) = syncs[at];
        let found = leaving_out(Some((file, number)), || everything((file, number), seed));
        let name = format!("{file}:{number} ({})", line(file, number));
        match found.failures.is_empty() {
            false => eprintln!("left out: {name}: noticed after {} cases", found.cases),
            true => return Row { failures: vec![format!("{name}: not noticed")], ..found },
        }
        Row { cases: 1, ..Row::default() }
    });
    assert!(row.failures.is_empty(), "{:#?}", row.failures);
    assert_eq!(row.cases, SAMPLE as u64);
}
